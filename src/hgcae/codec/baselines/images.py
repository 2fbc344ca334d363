"""The charge of a unit, and its image as the mean one or by principal components: what linear codes know of a shower."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from scipy.sparse.linalg import LinearOperator, svds
from typing_extensions import override

from hgcae.codec.baselines.base import UnitCodec, checked_training, mean_image, sparse_units, without_small
from hgcae.codec.pca import LIMITS
from hgcae.coding.sums import UNITS, SumCode
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy

SUM_BITS = 9
"""Bits of the charge beside components: those of one number of a learned code."""
MOST_SUM_BITS = 16
"""Bits of the charge where nothing else is sent."""
HEADROOM = 1.2
"""Largest charge sum that is coded, over the largest one of the training units; that of the learned codes."""
MOST_AXES = 32
"""Most components."""
NUMBER_BITS = range(2, 10)
"""Bits of a component that are tried: few precise components or many coarse ones."""
_COVARIANCE_CELLS = 1000
"""Up to this size of a unit its covariance matrix is diagonalised; above, the leading axes are found by iteration, never dense."""


class MeanCode(UnitCodec):
    """Sends the charge; every unit is decoded as the mean image.

    Args:
        hierarchy: Levels of one unit.
        smallest: Smallest training charge, ADC counts.
        maximum: Largest charge sum, ADC counts.
        mean: Mean image, with the sum 1: (n_cells,).
        bits: Bits of the charge, in the linear and square-root scale of the learned codes (`hgcae.coding.sums.SumCode`).
    """

    name = "mean"

    def __init__(self, hierarchy: Hierarchy, smallest: float, maximum: float, mean: NDArray[np.float64], bits: int) -> None:
        super().__init__(hierarchy, smallest)
        self.sums, self.mean = SumCode(maximum, bits), mean

    @override
    @classmethod
    def fit(cls, train: Events, bits: int, seed: int = 1) -> Self:
        smallest = checked_training(cls.name, train, bits, 2)
        return cls(train.hierarchy, smallest, _largest(train), mean_image(train), min(bits, MOST_SUM_BITS))

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return np.array([self.sums.bits])

    @override
    def fields(self, units: Events) -> NDArray[np.int64]:
        total = UNITS * units.unit_sums(units.hierarchy.root)[:, 0]
        return np.searchsorted(self.sums.thresholds, total, side="right")[:, None]

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> Events:
        total = self.sums.table[fields[:, 0]] / UNITS
        parts = []
        for piece in self._pieces(len(fields)):
            image = np.maximum(self._images(fields[piece]), 0.0)
            whole = image.sum(axis=1)
            image *= np.divide(total[piece], whole, out=np.zeros(len(image)), where=whole > 0)[:, None]
            parts.append(sparse_units(self.hierarchy, without_small(image, self.smallest)))
        return Events.concatenate(parts)

    def _images(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns images (n, n_cells) of which only ratios matter; what is negative counts as nothing."""
        return np.repeat(self.mean[None], len(fields), axis=0)


class ComponentsCode(MeanCode):
    """Sends the charge and quantised principal components of the image; the axes are those of images weighted with their charge.

    All components have the same bits, those that leave the smallest squared error of the training images. (Images of one strong cell have
    components with long tails, for which the usual rule of log variances gives too few bits to each.)

    Args:
        hierarchy: Levels of one unit.
        smallest: Smallest training charge, ADC counts.
        maximum: Largest charge sum, ADC counts.
        mean: Mean image: (n_cells,).
        axes: Orthonormal axes: (k, n_cells).
        limits: Lowest and highest value of each component: (2, k).
        number_bits: Bits of each component.
    """

    name = "pca"

    def __init__(
        self,
        hierarchy: Hierarchy,
        smallest: float,
        maximum: float,
        mean: NDArray[np.float64],
        axes: NDArray[np.float64],
        limits: NDArray[np.float64],
        number_bits: int,
    ) -> None:
        super().__init__(hierarchy, smallest, maximum, mean, SUM_BITS)
        self.axes, self.limits, self.number_bits = axes, limits, number_bits

    @override
    @classmethod
    def fit(cls, train: Events, bits: int, seed: int = 1) -> Self:
        smallest = checked_training(cls.name, train, bits, SUM_BITS)
        image, weight = _images(train)
        mean = mean_image(train)
        axes = principal_axes(image, weight, mean, MOST_AXES, seed)
        components = image @ axes.T - axes @ mean
        low, high = np.quantile(components, LIMITS, axis=0)
        limits = np.stack([low, np.maximum(high, low + 1e-9)])

        def left(number_bits: int) -> float:
            k = (bits - SUM_BITS) // number_bits
            used, edges = components[:, :k], limits[:, :k]
            return float(weight @ ((used - _middles(_steps(used, edges, number_bits), edges, number_bits)) ** 2 - used**2).sum(axis=1))

        number_bits = min(NUMBER_BITS, key=left)
        k = (bits - SUM_BITS) // number_bits
        return cls(train.hierarchy, smallest, _largest(train), mean, axes[:k], limits[:, :k], number_bits)

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return np.array([SUM_BITS, *[self.number_bits] * len(self.axes)])

    @override
    def fields(self, units: Events) -> NDArray[np.int64]:
        image, total = _images(units)
        steps = _steps(image @ self.axes.T - self.axes @ self.mean, self.limits, self.number_bits)
        return np.concatenate([super().fields(units), np.where(total[:, None] > 0, steps, 0)], axis=1)

    @override
    def _images(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.mean + _middles(fields[:, 1:], self.limits, self.number_bits) @ self.axes


def _steps(components: NDArray[np.float64], limits: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """Returns the steps 0 to 2^bits - 1 in which components lie."""
    place = (components - limits[0]) / (limits[1] - limits[0])
    return np.clip(np.floor(place * (1 << bits)), 0, (1 << bits) - 1).astype(np.int64)


def _middles(steps: NDArray[np.int64], limits: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    return limits[0] + (steps + 0.5) / (1 << bits) * (limits[1] - limits[0])


def _largest(train: Events) -> float:
    return HEADROOM * float(train.unit_sums(train.hierarchy.root).max())


def _images(units: Events) -> tuple[csr_matrix, NDArray[np.float64]]:
    """Returns the charges over their sum, (n, n_cells) sparse, and the sums (n,)."""
    total = units.unit_sums(units.hierarchy.root)[:, 0]
    share = units.charge / np.repeat(total, units.counts)
    return csr_matrix((share, units.cell, units.offsets), shape=(len(units), units.hierarchy.n_cells())), total


class _Centred(LinearOperator):
    """Weighted rows less their weighted mean; never made: its products are those of the sparse rows, less those of the mean."""

    def __init__(self, rows: Any, root: NDArray[np.float64], mean: NDArray[np.float64]) -> None:
        super().__init__(np.dtype(np.float64), rows.shape)
        self._rows, self._root, self._mean = rows, root, mean

    def _matvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._rows @ x.ravel() - self._root * (self._mean @ x.ravel())

    def _rmatvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._rows.T @ x.ravel() - self._mean * (self._root @ x.ravel())


def principal_axes(image: csr_matrix, weight: NDArray[np.float64], mean: NDArray[np.float64], k: int, seed: int) -> NDArray[np.float64]:
    """Returns the leading principal axes of weighted rows; large matrices are never dense.

    Args:
        image: (n, n_cells).
        weight: Weight of each row: (n,).
        mean: Weighted mean row: (n_cells,).
        k: Number of axes, lowered to what the rows allow.
        seed: Start of the iteration.

    Returns:
        Orthonormal axes (k, n_cells), that of the largest variance first; their largest entries are positive.
    """
    n, n_cells = len(weight), len(mean)
    root = np.sqrt(weight / weight.sum())
    scaled: Any = diags_array(root) @ image
    if n_cells <= _COVARIANCE_CELLS:
        covariance = (scaled.T @ scaled).toarray() - np.outer(mean, mean)
        axes = np.ascontiguousarray(np.linalg.eigh(covariance)[1].T[::-1][:k])
    else:
        k = min(k, n - 1, n_cells - 1)
        if k < 1:
            return np.zeros((0, n_cells))
        start = np.random.default_rng(seed).standard_normal(min(n, n_cells))
        found: Any = svds(_Centred(scaled, root, mean), k, v0=start)
        axes = found[2][np.argsort(-found[1])]
    return axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
