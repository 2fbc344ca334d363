"""Only the charge of a module is sent; every module is decoded as the mean image. What a code says about the image has to beat this."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hgcae.codec.base import ModuleCodec, Payload, checked_charges, checked_payload
from hgcae.coding import bitpack
from hgcae.coding.floatcode import FLOAT_5E4M
from hgcae.errors import SettingsError
from hgcae.geometry import module


class MeanCodec(ModuleCodec):
    """Sends the charge in the format 5E4M, 9 bits.

    Args:
        links: ECON-T links it is compared at.
        mean: Mean image, with the sum 1: (48,).
    """

    name = "mean"

    def __init__(self, links: int, mean: ArrayLike) -> None:
        super().__init__(links)
        self.mean = np.asarray(mean, dtype=np.float64)
        if self.mean.shape != (module.N_CELLS,):
            msg = f"codec mean: mean: found the shape {self.mean.shape}, expected ({module.N_CELLS},)"
            raise SettingsError(msg)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer]) -> Self:
        """Takes the mean of the images of training charges (n, 48), of which at least one module is not empty.

        Raises:
            SettingsError: No module has charge.
            DataFormatError: See `ModuleCodec.encode`.
        """
        charges = checked_charges(train, cls.name)
        charges = charges[charges.sum(axis=1) > 0]
        if not len(charges):
            msg = "codec mean: found no training module with charge, expected at least 1"
            raise SettingsError(msg)
        return cls(links, np.mean(charges / charges.sum(axis=1, keepdims=True), axis=0))

    @property
    def max_bits(self) -> int:
        """Length of every payload."""
        return FLOAT_5E4M.bits

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `ModuleCodec.encode`."""
        total = FLOAT_5E4M.encode(checked_charges(charges, self.name).sum(axis=1))
        return Payload(bitpack.pack(total[:, None], np.array([self.max_bits])), np.full(len(total), self.max_bits, dtype=np.int64))

    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, 48); empty modules are zero."""
        codes = bitpack.unpack(checked_payload(payload, self.max_bits, self.name), np.array([self.max_bits]))
        return FLOAT_5E4M.decode(codes[:, 0])[:, None] * self.mean

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return {"name": self.name, "links": self.links, "mean": self.mean.tolist()}
