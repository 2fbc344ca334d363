"""Principal components of many sparse rows: the axes of the linear code, and what rows are along them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import LinearOperator, svds

_COVARIANCE_CELLS = 1000
"""Up to this length of a row the covariance matrix is diagonalised; above, the leading axes are found by iteration, never dense."""


def principal_axes(rows: csr_matrix, weight: NDArray[np.float64], mean: NDArray[np.float64], k: int, seed: int = 1) -> NDArray[np.float64]:
    """Returns the leading principal axes of weighted rows; large matrices are never dense.

    Args:
        rows: (n, n_cells).
        weight: Weight of each row: (n,).
        mean: Weighted mean row: (n_cells,).
        k: Number of axes, lowered to what the rows allow.
        seed: Start of the iteration.

    Returns:
        Orthonormal axes (k, n_cells), that of the largest variance first; their largest entries are positive.

    Examples:
        >>> rows = csr_matrix(np.array([[3.0, 0.0], [1.0, 0.1], [2.0, -0.1]]))
        >>> principal_axes(rows, np.ones(3), np.array([2.0, 0.0]), 1).round(2).tolist()
        [[1.0, -0.05]]
    """
    n, n_cells = len(weight), len(mean)
    root = np.sqrt(weight / weight.sum())
    scaled: Any = diags_array(root) @ rows
    if n_cells <= _COVARIANCE_CELLS:
        covariance = (scaled.T @ scaled).toarray() - np.outer(mean, mean)
        axes = np.ascontiguousarray(np.linalg.eigh(covariance)[1].T[::-1][: min(k, n)])
    else:
        k = min(k, n - 1, n_cells - 1)
        if k < 1:
            return np.zeros((0, n_cells))
        start = np.random.default_rng(seed).standard_normal(min(n, n_cells))
        found: Any = svds(_Centred(scaled, root, mean), k, v0=start)
        axes = found[2][np.argsort(-found[1])]
    # The sign of an axis is arbitrary.
    return axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]


def components(rows: NDArray[np.float64] | csr_matrix, mean: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns rows (n, n_cells), less their mean, along axes (k, n_cells): (n, k).

    Examples:
        >>> rows = np.array([[3.0, 1.0], [1.0, 3.0]])
        >>> components(rows, rows.mean(axis=0), np.array([[0.6, -0.8]])).ravel().round(9).tolist()
        [1.4, -1.4]
    """
    return np.asarray(rows @ axes.T - axes @ mean)


class _Centred(LinearOperator):
    """Weighted rows less their weighted mean; never made: its products are those of the sparse rows, less those of the mean."""

    def __init__(self, rows: Any, root: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
        super().__init__(np.dtype(np.float64), rows.shape)
        self._rows, self._root, self._mean = rows, root, mean

    def _matvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._rows @ x.ravel() - self._root * (self._mean @ x.ravel())

    def _rmatvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._rows.T @ x.ravel() - self._mean * (self._root @ x.ravel())
