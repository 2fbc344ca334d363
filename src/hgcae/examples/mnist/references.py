"""What the autoencoder is held against: PCA with as many components, and how many dimensions the images seem to have."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import MissingToolError

_PARTS = 3
"""Disjoint parts of the sample whose spread is the error of a dimension."""
_PART_SIZE = 2000


def pca_errors(train: NDArray[np.uint8], test: NDArray[np.uint8], ndims: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    """Returns the mean squared error of the pixels (0 to 1) of each test image, by number of principal components of the training images.

    Args:
        train: Images (n, 28, 28).
        test: Images (m, 28, 28).
        ndims: Numbers of components.

    Returns:
        (m,) for each of them.
    """
    x, y = (part.reshape(len(part), -1).astype(np.float64) / 255 for part in (train, test))
    centre = x.mean(axis=0)
    x, y = x - centre, y - centre
    _, axes = np.linalg.eigh(x.T @ x)
    # The rest of an image is what its coordinates beyond the first components hold.
    kept = np.cumsum((y @ axes[:, ::-1]) ** 2, axis=1)
    total = (y**2).sum(axis=1)
    return {n: np.maximum(total - kept[:, n - 1], 0) / x.shape[1] for n in ndims}


def intrinsic_dimensions(images: NDArray[np.uint8], seed: int) -> dict[str, dict[str, float]]:
    """Estimates how many dimensions images have, by scikit-dimension.

    Args:
        images: (n, 28, 28).
        seed: Choice of the images: three disjoint parts of at most 2,000.

    Returns:
        By name of the method, mean and standard error of the parts. `TwoNN`: E. Facco et al., Sci. Rep. 7 (2017) 12140, from the ratio of
        the distances of the two nearest neighbours. `MLE`: E. Levina, P. Bickel, NIPS 17 (2004), from those of the nearest twenty.

    Raises:
        MissingToolError: scikit-dimension is not installed.
    """
    try:
        from skdim import id as estimators
    except ImportError:
        msg = "intrinsic dimensions need scikit-dimension: pip install 'hgcae[scan]'"
        raise MissingToolError(msg) from None
    rows = np.unique(images.reshape(len(images), -1), axis=0)
    rows = rows[np.random.default_rng(seed).permutation(len(rows))[: _PARTS * _PART_SIZE]] / 255.0
    parts = np.array_split(rows, _PARTS)
    found: dict[str, Any] = {
        "TwoNN": [float(estimators.TwoNN().fit(part).dimension_) for part in parts],
        "MLE": [float(estimators.MLE().fit(part, n_neighbors=20).dimension_) for part in parts],
    }
    return {name: {"mean": float(np.mean(v)), "error": float(np.std(v, ddof=1) / np.sqrt(_PARTS))} for name, v in found.items()}


def can_estimate() -> bool:
    """Returns whether scikit-dimension is installed."""
    return find_spec("skdim") is not None
