"""Which cells of a unit are its strongest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def ranks(values: NDArray[Any], offsets: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the place of each value in its group, the largest first; of equal ones the first comes first.

    Args:
        values: Groups one behind the other: (n,).
        offsets: Where each group begins, and the end: (n_groups + 1,).

    Returns:
        0 for the largest of each group: (n,).

    Examples:
        >>> ranks(np.array([5, 9, 5, 3, 7]), np.array([0, 3, 5])).tolist()
        [1, 0, 2, 1, 0]
    """
    counts = np.diff(offsets)
    order = np.lexsort((-values, np.repeat(np.arange(len(counts)), counts)))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order)) - np.repeat(offsets[:-1], counts)
    return place
