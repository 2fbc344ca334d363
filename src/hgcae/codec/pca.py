"""Principal components of a module's image, and its charge: the linear codec that a network has to beat.

The image is the charges over their sum. Its leading components, each in uniform steps between the limits seen in training, fill the bits
that the links leave beside the sum in the format 5E4M. Bits are given one by one to the component with the largest expected error,
variance x 4^-bits (transform coding; J. Huang, P. Schultheiss, IEEE Trans. Commun. Syst. 11 (1963) 289).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hgcae.codec.base import ModuleCodec, Payload, checked_charges, checked_payload
from hgcae.coding import bitpack
from hgcae.coding.floatcode import FLOAT_5E4M
from hgcae.errors import SettingsError
from hgcae.geometry import module

BUDGETS: Mapping[int, int] = {2: 57, 3: 89, 4: 121, 5: 153}
"""Bits per module for each number of links: 32 per link and bunch crossing, less 7."""
LIMITS = (0.001, 0.999)
"""Quantiles of the training components between which the steps lie."""
_MAX_BITS = 16
"""Most bits of one component."""


def images(charges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns charges over their sum, zeros for empty modules: (n, 48)."""
    total = charges.sum(axis=1, keepdims=True)
    return np.divide(charges, total, out=np.zeros(charges.shape), where=total > 0)


class PcaCodec(ModuleCodec):
    """Sends the charge and quantised principal components of the image.

    Args:
        links: ECON-T links.
        mean: Mean image: (48,).
        axes: Orthonormal axes: (k, 48).
        low: Lower limit of each component: (k,).
        high: Upper limits: (k,).
        widths: Bits of each component: (k,).
    """

    name = "pca"

    def __init__(self, links: int, mean: ArrayLike, axes: ArrayLike, low: ArrayLike, high: ArrayLike, widths: Sequence[int]) -> None:
        super().__init__(links)
        self.mean, self.axes, self.low, self.high = (np.asarray(values, dtype=np.float64) for values in (mean, axes, low, high))
        self.widths = np.asarray(widths, dtype=np.int64)
        k = len(self.widths)
        shapes = tuple(values.shape for values in (self.mean, self.axes, self.low, self.high))
        if shapes != ((module.N_CELLS,), (k, module.N_CELLS), (k,), (k,)):
            msg = f"codec pca: shapes of mean, axes, low and high: found {shapes}, expected (48,), ({k}, 48), ({k},), ({k},)"
            raise SettingsError(msg)
        if not all(np.isfinite(values).all() for values in (self.mean, self.axes, self.low, self.high)):
            msg = "codec pca: found numbers that are not finite"
            raise SettingsError(msg)
        if ((self.widths < 1) | (self.widths > _MAX_BITS)).any() or (self.low >= self.high).any():
            msg = f"codec pca: found widths {self.widths.tolist()}, expected 1 to {_MAX_BITS}, and limits low < high"
            raise SettingsError(msg)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer]) -> Self:
        """Fits the components to training charges (n, 48), of which at least one module is not empty.

        Raises:
            SettingsError: No bits are laid down for that number of links, or there is nothing to fit to.
            DataFormatError: See `ModuleCodec.encode`.
        """
        if links not in BUDGETS:
            msg = f"codec pca: links: found {links}, expected one of {', '.join(map(str, BUDGETS))}"
            raise SettingsError(msg)
        charges = checked_charges(train, cls.name)
        image = images(charges[charges.sum(axis=1) > 0])
        if len(image) < 2:
            msg = f"codec pca: found {len(image)} training modules with charge, expected at least 2"
            raise SettingsError(msg)
        mean = image.mean(axis=0)
        variance, vectors = np.linalg.eigh(np.cov(image.T, bias=True))
        variance, vectors = np.maximum(variance[::-1], 0.0), vectors[:, ::-1].T
        # The sign of an eigenvector is arbitrary: its largest entry is made positive.
        vectors *= np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(axis=1)])[:, None]
        widths = allocate(variance, BUDGETS[links] - FLOAT_5E4M.bits)
        used = widths > 0
        low, high = np.quantile((image - mean) @ vectors[used].T, LIMITS, axis=0)
        return cls(links, mean, vectors[used], low, np.maximum(high, low + 1e-9), widths[used].tolist())

    @property
    def _formats(self) -> NDArray[np.int64]:
        return np.concatenate([[FLOAT_5E4M.bits], self.widths])

    @property
    def max_bits(self) -> int:
        """Length of every payload."""
        return int(self._formats.sum())

    @property
    def _steps(self) -> NDArray[np.float64]:
        return (self.high - self.low) / (1 << self.widths)

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `ModuleCodec.encode`."""
        charges = checked_charges(charges, self.name)
        components = (images(charges) - self.mean) @ self.axes.T
        steps = np.floor((components - self.low) / self._steps)
        codes = np.clip(steps, 0, (1 << self.widths) - 1).astype(np.int64)
        total = FLOAT_5E4M.encode(charges.sum(axis=1))
        data = bitpack.pack(np.column_stack([total, codes]), self._formats)
        return Payload(data, np.full(len(charges), self.max_bits, dtype=np.int64))

    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, 48): the image, without what is negative and with the sum 1, times the charge. Empty modules are zero."""
        values = bitpack.unpack(checked_payload(payload, self.max_bits, self.name), self._formats)
        components = self.low + (values[:, 1:] + 0.5) * self._steps
        image = np.maximum(self.mean + components @ self.axes, 0.0)
        total = FLOAT_5E4M.decode(values[:, 0])
        scale = np.divide(total, image.sum(axis=1), out=np.zeros(len(image)), where=image.sum(axis=1) > 0)
        return image * scale[:, None]

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        arrays = {name: getattr(self, name).tolist() for name in ("mean", "axes", "low", "high", "widths")}
        return {"name": self.name, "links": self.links} | arrays


def allocate(variance: NDArray[np.float64], bits: int) -> NDArray[np.int64]:
    """Returns how many bits each component gets: each bit goes where variance x 4^-bits is largest: (k,)."""
    widths = np.zeros(len(variance), dtype=np.int64)
    for _ in range(bits):
        expected = np.where(widths < _MAX_BITS, variance * 0.25**widths, -1.0)
        best = int(expected.argmax())
        if expected[best] <= 0:
            break
        widths[best] += 1
    return widths
