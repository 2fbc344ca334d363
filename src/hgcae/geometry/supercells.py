"""Overlapping groups of 2 x 2 trigger cells of a module: what the telescope loss compares next to single cells and whole ROCs.

Source: github.com/fastmachinelearning/fastml-science@c569d917 (sensor-data-compression/telescope.py), whose tables are derived here from
the positions of the cells. Order of the cells: CALQ.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from hgcae.geometry import module

N_SUPERCELLS = 36


@lru_cache(maxsize=1)
def members() -> NDArray[np.int64]:
    """Returns the trigger cells of each supercell: (36, 4), the cells in increasing order.

    27 supercells lie in the ROCs, at every place of a 2 x 2 window; 9 lie across the three borders between two ROCs, where each border cell
    faces the nearest one of the other ROC and two neighbouring pairs are a supercell.

    Examples:
        >>> members().shape
        (36, 4)
    """
    number = np.arange(module.N_CELLS).reshape(module.SHAPE)
    windows = np.lib.stride_tricks.sliding_window_view(number, (2, 2), axis=(1, 2)).reshape(-1, 4)
    return np.sort(np.concatenate([windows, *_across()]), axis=1)


def _across() -> Iterator[NDArray[np.int64]]:
    xy = module.trigger_cell_xy().reshape(module.SHAPE[0], -1, 2)
    touching = 1.01 * float(np.linalg.norm(xy[0, 1] - xy[0, 0]))
    for a, b in combinations(range(module.SHAPE[0]), 2):
        distance = np.linalg.norm(xy[a][:, None] - xy[b], axis=-1)
        border = np.flatnonzero(distance.min(axis=1) < touching)
        pairs = np.stack([16 * a + border, 16 * b + distance[border].argmin(axis=1)], axis=1)
        yield np.concatenate([pairs[:-1], pairs[1:]], axis=1)


@lru_cache(maxsize=1)
def sums_matrix() -> NDArray[np.float64]:
    """Returns the matrix that adds cells to supercells: charges (n, 48) @ matrix (48, 36)."""
    matrix = np.zeros((module.N_CELLS, N_SUPERCELLS))
    matrix[members().T, np.arange(N_SUPERCELLS)] = 1
    return matrix


@lru_cache(maxsize=1)
def weights() -> NDArray[np.float64]:
    """Returns the weight of each supercell, so that cells at the edge, which lie in fewer of them, count as much as others: (36,).

    A quarter of the sum of 1 / (number of supercells that hold the cell) over its cells. The three cells at the centre of the module lie in
    three: the source adds the difference 1/3 - 1/4 to the usual four without that quarter, and so it is done here.
    """
    held = sums_matrix().sum(axis=1)
    share = np.where(held == 3, 1 / 16 + 1 / 12, 1 / (4 * held))
    return share @ sums_matrix()


@lru_cache(maxsize=1)
def roc_matrix() -> NDArray[np.float64]:
    """Returns the matrix that adds cells to ROCs: (48, 3)."""
    return np.repeat(np.eye(module.SHAPE[0]), module.N_CELLS // module.SHAPE[0], axis=0)
