"""Fixed-point numbers: what their formats hold, and rounding to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.settings import Settings


class FixedPoint(Settings):
    """A fixed-point number format: round to nearest even, saturate at both ends.

    `bits` counts the sign, `integer` the bits left of the point without the sign: QKeras' `quantized_bits(9, 6)` is signed 9, 6 with steps
    of 0.25 in [-64, 64); its `quantized_relu(9, 6)` is unsigned 9, 6 with steps of 0.125 in [0, 64).

    Examples:
        >>> form = FixedPoint(bits=9, integer=6)
        >>> form.step, form.range
        (0.25, (-64.0, 63.75))
    """

    bits: int = Field(ge=1, le=24, description="Total bits, sign included.")
    integer: int = Field(ge=-8, le=16, description="Bits left of the point, without the sign.")
    signed: bool = True

    @property
    def fraction(self) -> int:
        """Bits right of the point."""
        return self.bits - self.integer - int(self.signed)

    @property
    def step(self) -> float:
        """Smallest difference between two values."""
        return 2.0**-self.fraction

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        top = 2.0**self.integer
        return (-top if self.signed else 0.0), top - self.step


def integer_range(number: FixedPoint) -> tuple[int, int]:
    """Returns the smallest and largest integer of a format, in its steps.

    Examples:
        >>> integer_range(FixedPoint(bits=9, integer=6))
        (-256, 255)
    """
    low, high = number.range
    return round(low / number.step), round(high / number.step)


def to_integers(values: NDArray[Any], number: FixedPoint) -> NDArray[np.int64]:
    """Returns values as integers of a format: rounded to nearest, ties to even, saturated.

    Examples:
        >>> to_integers(np.array([0.4, 0.375, -100.0]), FixedPoint(bits=9, integer=6)).tolist()
        [2, 2, -256]
    """
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) / number.step), *integer_range(number)).astype(np.int64)
