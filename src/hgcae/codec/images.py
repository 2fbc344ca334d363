"""A module as the published networks see it: shares of a power of two, and cells laid out as pixels of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.floatcode import FloatCode
from hgcae.geometry import module


def _cells_88() -> NDArray[np.int64]:
    first, second, third = np.arange(module.N_CELLS).reshape(module.SHAPE)
    empty = np.full_like(first, module.N_CELLS)
    image = np.block([[second[::-1], first.T], [third[::-1, ::-1].T, empty]])
    return np.argsort(image.ravel(), kind="stable")[: module.N_CELLS]


CELLS_88 = _cells_88()
"""Pixel of each cell in an 8 x 8 image, whose lower right quarter stays empty: (48,).

Source: `arrange` with `arrMask`, networks.py of github.com/rohanshenoy/Ecoder, github.com/oliviaweng/Ecoder and
github.com/fastmachinelearning/fastml-science (sensor-data-compression).
"""


def shares(charges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns charges over their sum, zeros for empty units: (n, cells)."""
    total = charges.sum(axis=1, keepdims=True)
    return np.divide(charges, total, out=np.zeros(charges.shape), where=total > 0)


def power_of_two(total: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the exponent of the largest power of two in each sum (n,); 0 for empty modules."""
    # frexp's exponent is the bit length; exact, because a double holds integers to 2^53 and charges stay far below.
    return np.maximum(np.frexp(total.astype(np.float64))[1] - 1, 0).astype(np.int64)


def decoded_sums(code: FloatCode, codes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Returns the mean of the integers that share a code, so that the sum is not biased: (n,).

    `FloatCode.decode` returns the upper of the two middle integers.
    """
    value = code.decode(codes).astype(np.float64)
    return np.where(codes >> code.mantissa_bits > 1, value - 0.5, value)
