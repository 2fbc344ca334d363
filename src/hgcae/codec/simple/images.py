"""The charge of a unit, and its image as the mean one or by principal components: the linear codes that a network has to beat.

The image is the charges over their sum. One fit and one projection (`hgcae.coding.principal`) serve modules and units of any level. What
differs is what they are compared with:

* Modules at a number of links: the charge is sent in the format 5E4M of the ECON-T's autoencoder; all modules count alike in the mean and
  the axes; bits are given one by one to the component with the largest expected error, variance x 4^-bits (transform coding; J. Huang,
  P. Schultheiss, IEEE Trans. Commun. Syst. 11 (1963) 289).
* Units of any level at the bits of a learned code: the charge is sent in the scale of the learned codes; units count with their charge; all
  components have the same bits, those that leave the smallest squared error of the training images, because images of one strong cell
  have components with long tails, for which that rule gives too few bits to each; small decoded charges are dropped, as in learned codes.

The components of `hgcae.evaluate.core.baselines` are those of charges instead of images and are not quantised: an ideal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix
from typing_extensions import override

from hgcae.codec.base import FieldsCodec, FitOptions, budget, training_charges
from hgcae.codec.images import shares
from hgcae.codec.simple.units import checked_training, mean_image, without_small
from hgcae.coding.floatcode import FLOAT_5E4M, FloatCode
from hgcae.coding.principal import components, principal_axes
from hgcae.coding.sums import SumCode
from hgcae.errors import SettingsError
from hgcae.events import Events

LIMITS = (0.001, 0.999)
"""Quantiles of the training components between which the steps lie."""
SUM_BITS = 9
"""Bits of the charge next to components of units: those of one number of a learned code."""
MOST_SUM_BITS = 16
"""Bits of the charge where nothing else is sent."""
HEADROOM = 1.2
"""Largest charge sum that is coded, over the largest one of the training units; that of the learned codes."""
MOST_AXES = 32
"""Most components of a unit."""
NUMBER_BITS = range(2, 10)
"""Bits of a component that are tried: few precise components or many coarse ones."""
_MOST_BITS = 16
"""Most bits of one component."""

Total = FloatCode | SumCode


class MeanCodec(FieldsCodec):
    """Sends the charge; every unit is decoded as the mean image.

    Args:
        mean: Mean image, with the sum 1: (cells,).
        total: Format of the charge: a float code or its name; or a code of sums or plain values of its arguments.
        smallest: Smallest charge of the training units, for `without_small`; 0 = nothing is dropped.

    Raises:
        SettingsError: A mean that is no row of numbers.
    """

    name = "mean"

    def __init__(self, mean: ArrayLike, total: Total | str | Mapping[str, Any] = FLOAT_5E4M, smallest: float = 0.0) -> None:
        self.mean, self.smallest = np.asarray(mean, dtype=np.float64), float(smallest)
        self.total: Total = total if isinstance(total, FloatCode | SumCode) else _total(total)
        if self.mean.ndim != 1 or not len(self.mean) or not np.isfinite(self.mean).all() or not 0 <= self.smallest < np.inf:
            msg = f"codec {self.name}: mean: found the shape {self.mean.shape}, expected (cells,) of finite numbers"
            raise SettingsError(msg)
        self.cells = len(self.mean)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:  # noqa: ARG003 - as many bits for any
        """Takes the mean of the images of training modules (n, 48); links change nothing.

        Raises:
            SettingsError: No module has charge.
            DataFormatError: See `UnitCodec.encode`.
        """
        charges = training_charges(train, cls.name)
        return cls(np.mean(charges / charges.sum(axis=1, keepdims=True), axis=0))

    @classmethod
    def of_units(cls, train: Events, bits: int, seed: int = 1) -> Self:  # noqa: ARG003 - nothing is drawn
        """Takes the mean of the images of occupied units of any level, weighted with their charge.

        Args:
            train: Units, each an event.
            bits: Bits that the code of a unit may have; at most `MOST_SUM_BITS` are used.
            seed: Not used.

        Raises:
            SettingsError: Nothing useful fits into the bits.
            DataFormatError: There are no training units.
        """
        rows = train.to_sparse()
        smallest = checked_training(cls.name, rows, bits, 2)
        return cls(mean_image(rows), SumCode(_largest(rows), min(bits, MOST_SUM_BITS)), smallest)

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return np.array([self.total.bits])

    @override
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.total.encode(charges.sum(axis=1))[:, None]

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        return without_small(self.total.decode(fields[:, 0])[:, None] * self.mean, self.smallest)

    @override
    def get_config(self) -> dict[str, Any]:
        total = self.total.name if isinstance(self.total, FloatCode) else asdict(self.total)
        return {"name": self.name, "mean": self.mean.tolist(), "total": total, "smallest": self.smallest}


class PcaCodec(MeanCodec):
    """Sends the charge and quantised principal components of the image.

    Args:
        mean: Mean image: (cells,).
        axes: Orthonormal axes: (k, cells).
        low: Lower limit of each component: (k,).
        high: Upper limits: (k,).
        widths: Bits of each component: (k,).
        total: See `MeanCodec`, as for the rest.
        smallest: Smallest charge of the training units.

    Raises:
        SettingsError: Shapes that do not fit, or values out of range.
    """

    name = "pca"

    def __init__(
        self,
        mean: ArrayLike,
        axes: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        widths: Sequence[int],
        total: Total | str | Mapping[str, Any] = FLOAT_5E4M,
        smallest: float = 0.0,
    ) -> None:
        super().__init__(mean, total, smallest)
        self.number_bits = np.asarray(widths, dtype=np.int64)
        k = len(self.number_bits)
        self.axes = np.asarray(axes, dtype=np.float64) if k else np.zeros((0, self.cells))
        self.low, self.high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
        shapes = tuple(values.shape for values in (self.axes, self.low, self.high))
        if shapes != ((k, self.cells), (k,), (k,)):
            msg = f"codec pca: shapes of axes, low and high: found {shapes}, expected ({k}, {self.cells}), ({k},), ({k},)"
            raise SettingsError(msg)
        if not all(np.isfinite(values).all() for values in (self.axes, self.low, self.high)):
            msg = "codec pca: found numbers that are not finite"
            raise SettingsError(msg)
        if ((self.number_bits < 1) | (self.number_bits > _MOST_BITS)).any() or (self.low >= self.high).any():
            msg = f"codec pca: found widths {self.number_bits.tolist()}, expected 1 to {_MOST_BITS}, and limits low < high"
            raise SettingsError(msg)

    @override
    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:
        """Fits as many components to training modules (n, 48) as the links hold.

        Raises:
            SettingsError: No bits are laid down for that number of links, or there is nothing to fit to.
            DataFormatError: See `UnitCodec.encode`.
        """
        bits = budget(links, cls.name) - FLOAT_5E4M.bits
        charges = training_charges(train, cls.name, 2)
        share, weight = csr_matrix(shares(charges)), np.ones(len(charges))
        mean = np.asarray(share.mean(axis=0)).ravel()
        axes = principal_axes(share, weight, mean, len(mean))
        numbers = components(share, mean, axes)
        widths = allocate(numbers.var(axis=0), bits)
        used = widths > 0
        return cls(mean, axes[used], *_limits(numbers[:, used]), widths[used].tolist())

    @override
    @classmethod
    def of_units(cls, train: Events, bits: int, seed: int = 1) -> Self:
        """Fits components to occupied units of any level, weighted with their charge; see `MeanCodec.of_units`."""
        rows = train.to_sparse()
        smallest = checked_training(cls.name, rows, bits, SUM_BITS)
        share, weight = _images(rows), _sums(rows)
        mean = mean_image(rows)
        axes = principal_axes(share, weight, mean, MOST_AXES, seed)
        numbers = components(share, mean, axes)
        low, high = _limits(numbers)

        def left(number_bits: int) -> float:
            k = (bits - SUM_BITS) // number_bits
            used, edges, widths = numbers[:, :k], (low[:k], high[:k]), np.full(len(low[:k]), number_bits)
            return float(weight @ ((used - _middles(_steps(used, *edges, widths), *edges, widths)) ** 2 - used**2).sum(axis=1))

        number_bits = min(NUMBER_BITS, key=left)
        k = min((bits - SUM_BITS) // number_bits, len(axes))
        return cls(mean, axes[:k], low[:k], high[:k], [number_bits] * k, SumCode(_largest(rows), SUM_BITS), smallest)

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return np.concatenate([[self.total.bits], self.number_bits])

    @override
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = _steps(components(shares(charges), self.mean, self.axes), self.low, self.high, self.number_bits)
        return np.column_stack([super().fields(charges), steps])

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        image = np.maximum(self.mean + _middles(fields[:, 1:], self.low, self.high, self.number_bits) @ self.axes, 0.0)
        total, whole = self.total.decode(fields[:, 0]), image.sum(axis=1)
        image *= np.divide(total, whole, out=np.zeros(len(image)), where=whole > 0)[:, None]
        return without_small(image, self.smallest)

    @override
    def get_config(self) -> dict[str, Any]:
        arrays = {name: getattr(self, name).tolist() for name in ("axes", "low", "high")}
        return super().get_config() | arrays | {"widths": self.number_bits.tolist()}


def allocate(variance: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """Returns how many bits each component gets: each bit goes where variance x 4^-bits is largest: (k,)."""
    widths = np.zeros(len(variance), dtype=np.int64)
    for _ in range(bits):
        expected = np.where(widths < _MOST_BITS, variance * 0.25**widths, -1.0)
        best = int(expected.argmax())
        if expected[best] <= 0:
            break
        widths[best] += 1
    return widths


def _total(value: str | Mapping[str, Any]) -> Total:
    """Returns the format of a configuration."""
    if isinstance(value, str):
        return FloatCode.parse(value)
    made = SumCode(**value)
    if not 2 <= made.bits <= MOST_SUM_BITS or not 0 < made.maximum < np.inf:
        msg = f"total: found {made}, expected 2 to {MOST_SUM_BITS} bits and a positive maximum"
        raise ValueError(msg)
    return made


def _limits(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.quantile(numbers, LIMITS, axis=0)
    return low, np.maximum(high, low + 1e-9)


def _steps(
    numbers: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], widths: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Returns the steps 0 to 2^widths - 1 in which components lie."""
    return np.clip(np.floor((numbers - low) / ((high - low) / (1 << widths))), 0, (1 << widths) - 1).astype(np.int64)


def _middles(
    steps: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64], widths: NDArray[np.int64]
) -> NDArray[np.float64]:
    return low + (steps + 0.5) * ((high - low) / (1 << widths))


def _sums(train: csr_matrix) -> NDArray[np.float64]:
    return np.asarray(train.sum(axis=1), dtype=np.float64).ravel()


def _largest(train: csr_matrix) -> float:
    return HEADROOM * float(_sums(train).max())


def _images(train: csr_matrix) -> csr_matrix:
    """Returns charges (n, cells) over the sum of their row."""
    return csr_matrix((train.data / np.repeat(_sums(train), np.diff(train.indptr)), train.indices, train.indptr), shape=train.shape)
