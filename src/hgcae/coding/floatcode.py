"""Unsigned floating-point codes of the HGCAL front end: 4E3M for trigger cells, 5E3M and 5E4M for sums.

With `m` mantissa bits, values below 2^m are their own code (exponent 0); exponent e > 0 holds 2^(m+e-1) <= v < 2^(m+e) in 2^m steps of
2^(e-1), and decodes to the middle of the step. Larger values saturate at the top code.
Source: the trigger-cell and module-sum formats of the ECON-T, github.com/dnoonan08/ECONT_Emulator@c71cfa2a and CMSSW
L1Trigger/L1THGCal HGCalVFECompressionImpl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError

LARGEST_CHARGE = (1 << 40) - 1
"""Largest charge of a cell that is coded: far beyond what any format holds, and sums of modules are still exact in a double."""
_BEYOND = 1 << 52
"""Saturates in every code, also where up to 13 bits are dropped."""
_NAME = re.compile(r"([1-5])E([1-8])M")


@dataclass(frozen=True)
class FloatCode:
    """A floating-point code.

    Args:
        exponent_bits: Bits of the exponent, at most 5.
        mantissa_bits: Bits of the mantissa, without the leading one, at most 8.

    Examples:
        >>> code = FloatCode(4, 3)
        >>> code.name, code.bits
        ('4E3M', 7)
    """

    exponent_bits: int
    mantissa_bits: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Returns the code called `name`, e.g. "4E3M".

        Raises:
            SettingsError: Not such a name.

        Examples:
            >>> FloatCode.parse("5E4M") == FLOAT_5E4M
            True
        """
        match = _NAME.fullmatch(name)
        if match is None:
            msg = f"float code {name!r}: expected a name such as 4E3M, with 1 to 5 exponent and 1 to 8 mantissa bits"
            raise SettingsError(msg)
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        """Name of the code, e.g. "4E3M"."""
        return f"{self.exponent_bits}E{self.mantissa_bits}M"

    @property
    def bits(self) -> int:
        """Width of a code word."""
        return self.exponent_bits + self.mantissa_bits

    def encode(self, values: NDArray[np.integer], drop: int = 0) -> NDArray[np.int64]:
        """Returns the codes (...), exponent above mantissa, of non-negative integers (...).

        Args:
            values: Non-negative integers.
            drop: Lowest bits dropped first (trigger cells: 1 for low-density, 3 for high-density modules).

        Raises:
            DataFormatError: Not integers, or a negative value.

        Examples:
            >>> FLOAT_4E3M.encode(np.array([5, 16, 17, 100])).tolist()
            [5, 16, 16, 36]
        """
        values = np.asarray(values)
        if values.dtype.kind not in "iu" or (values < 0).any():
            found = str(values.min()) if values.dtype.kind in "iu" else str(values.dtype)
            raise DataFormatError(self.name, "values", found, "non-negative integers")
        m = self.mantissa_bits
        # Beyond what any code holds; a double holds all below, so that frexp's exponent is the bit length.
        v = np.minimum(values, min(np.iinfo(values.dtype).max, _BEYOND)).astype(np.int64) >> drop
        exponent = np.maximum(np.frexp(v.astype(np.float64))[1] - m, 0)
        mantissa = (v >> np.maximum(exponent - 1, 0)) & ((1 << m) - 1)
        code = (exponent.astype(np.int64) << m) | mantissa
        return np.where(exponent < 1 << self.exponent_bits, code, (1 << self.bits) - 1)

    def decode(self, codes: NDArray[np.integer], drop: int = 0) -> NDArray[np.int64]:
        """Returns the values (...) of codes (...), in the unit of what was encoded with the same `drop`.

        Raises:
            DataFormatError: Not integers, or out of range.

        Examples:
            >>> FLOAT_4E3M.decode(np.array([5, 16, 36])).tolist()
            [5, 17, 100]
        """
        codes = np.asarray(codes)
        if codes.dtype.kind not in "iu" or ((codes < 0) | (codes >> self.bits > 0)).any():
            found = str(codes.dtype) if codes.dtype.kind not in "iu" else f"{codes.min()} to {codes.max()}"
            raise DataFormatError(self.name, "codes", found, f"integers below {1 << self.bits}")
        codes = codes.astype(np.int64)
        m = self.mantissa_bits
        exponent, mantissa = codes >> m, codes & ((1 << m) - 1)
        shift = np.maximum(exponent - 1, 0)
        middle = np.where(exponent > 1, 1 << np.maximum(exponent - 2, 0), 0)
        value = np.where(exponent > 0, ((mantissa | 1 << m) << shift) | middle, mantissa)
        return value << drop

    def encode_charges(self, charges: NDArray[Any], drop: int = 0) -> NDArray[np.int64]:
        """Returns the codes (...) of non-negative charges (...), whole or not: parts of a count are dropped.

        Raises:
            DataFormatError: A negative charge.

        Examples:
            >>> FLOAT_4E3M.encode_charges(np.array([5.9, 1e12])).tolist()
            [5, 127]
        """
        top = 1 << (self.mantissa_bits + (1 << self.exponent_bits) + drop)
        return self.encode(np.floor(np.minimum(charges, top)).astype(np.int64), drop)

    def interpolate(self, codes: NDArray[np.floating], drop: int = 0) -> NDArray[np.float64]:
        """Returns values (...) of numbers (...) on the scale of codes: those of `decode` at whole codes, straight lines between them.

        Numbers below zero count as zero, numbers beyond the top code as the top code.

        Examples:
            >>> FLOAT_4E3M.interpolate(np.array([15.5, 16.0, 16.5])).tolist()
            [16.0, 17.0, 18.0]
        """
        whole = np.arange(1 << self.bits)
        return np.interp(codes, whole, self.decode(whole, drop))

    def lower_edge(self, values: NDArray[np.integer], drop: int = 0) -> NDArray[np.int64]:
        """Returns the smallest values (...) with the codes of non-negative integers (...); charges that are such edges stay as they are.

        Raises:
            DataFormatError: Not integers, or a negative value.

        Examples:
            >>> FLOAT_4E3M.lower_edge(np.array([16, 17, 19])).tolist()
            [16, 16, 18]
        """
        codes = self.encode(values, drop)
        exponent = codes >> self.mantissa_bits
        middle = np.where(exponent > 1, 1 << np.maximum(exponent - 2, 0), 0)
        return self.decode(codes, drop) - (middle << drop)


FLOAT_4E3M = FloatCode(4, 3)
"""Trigger cells, HGCROC to ECON-T: 7 bits."""
DROPPED_BITS = 1
"""Lowest bits that the HGCROC drops from the sum of a low-density trigger cell before the float code (ECON-T specification)."""
FLOAT_5E3M = FloatCode(5, 3)
"""Module sums of the threshold and best-choice formats: 8 bits."""
FLOAT_5E4M = FloatCode(5, 4)
"""Module sums of the autoencoder format: 9 bits."""
