"""Telescope loss: squared errors of single cells, of overlapping 2 x 2 groups and of whole ROCs, larger charges weighing more.

Source: C. Herwig, github.com/fastmachinelearning/fastml-science@c569d917 (sensor-data-compression/telescope.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.geometry import supercells

SCALES = (4.0, 2.0, 1.0)
"""Weights of the errors of cells, 2 x 2 groups and 4 x 4 groups."""


def telescope_loss(true: NDArray[Any], decoded: NDArray[Any]) -> NDArray[np.float64]:
    """Returns 4 L(cells) + 2 L(2 x 2) + L(4 x 4), each L = mean of (y - y')^2 max(y, y') w, per module.

    Args:
        true: Images (n, 48); their sum is 1 in the source.
        decoded: (n, 48), in the same unit.

    Returns:
        (n,), in that unit cubed.
    """
    true, decoded = np.asarray(true, dtype=np.float64), np.asarray(decoded, dtype=np.float64)
    matrices = (None, supercells.sums_matrix(), supercells.roc_matrix())
    weights = (1.0, supercells.weights(), 1.0)
    total = np.zeros(len(true))
    for scale, matrix, weight in zip(SCALES, matrices, weights, strict=True):
        y, z = (true, decoded) if matrix is None else (true @ matrix, decoded @ matrix)
        total += scale * np.mean((y - z) ** 2 * np.maximum(y, z) * weight, axis=1)
    return total
