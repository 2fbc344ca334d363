"""A module as the published networks see it: shares of a power of two, and cells laid out as pixels of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.frontend.floatcode import FloatCode
from hgcae.geometry import module

PIXELS_443 = np.arange(module.N_CELLS).reshape(3, 16).T.ravel()
"""Cell of each pixel of a 4 x 4 image with the ROCs as channels: (48,).

Source: `autoencoder_triggerCellRemap`, CMSSW L1Trigger/L1THGCal/python/l1tHGCalConcentratorProducer_cfi.py.
"""


def _pixels_88() -> NDArray[np.int64]:
    first, second, third = np.arange(module.N_CELLS).reshape(module.SHAPE)
    return np.block([[second[::-1], first.T], [third[::-1, ::-1].T, third[:, ::-1]]]).ravel()


PIXELS_88 = _pixels_88()
"""Cell of each pixel of an 8 x 8 image, in which the third ROC lies twice, so that all borders between ROCs are inside: (64,).

Source: `arrange8x8`, github.com/oliviaweng/Ecoder and github.com/fastmachinelearning/fastml-science (sensor-data-compression/train.py).
"""
_UPPER_OR_LEFT = np.flatnonzero((np.indices((8, 8)) < 4).any(axis=0))
CELLS_88 = _UPPER_OR_LEFT[np.argsort(PIXELS_88[_UPPER_OR_LEFT])]
"""Pixel from which each cell is decoded: (48,). For the third ROC those at the lower left, as in `remap_8x8` of the source."""


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
