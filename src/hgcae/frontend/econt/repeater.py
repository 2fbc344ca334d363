"""Repeater: all 48 trigger cells as 4E3M codes, for tests; 336 bits after the 5-bit bunch counter.

Source: ASICBlocks/Formatter.py of github.com/cmantill/ECONT_Emulator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.bitpack import pack, unpack
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.frontend.econt.cells import Encoded, checked_charges, checked_payload, effective_drop
from hgcae.geometry.module import N_CELLS

BITS = N_CELLS * FLOAT_4E3M.bits


def encode_repeater(charges: NDArray[np.integer], drop: int = 1) -> Encoded:
    """Encodes calibrated charges (n, 48), counts, from which `drop` low bits are dropped: 336 bits each."""
    codes = FLOAT_4E3M.encode(checked_charges(charges), effective_drop(drop))
    return Encoded(pack(codes, np.full(N_CELLS, FLOAT_4E3M.bits)), np.full(len(codes), BITS))


def decode_repeater(payload: NDArray[np.uint8], drop: int = 1, offset: int = 0) -> NDArray[np.int64]:
    """Returns the charges (n, 48), counts, in rows of bytes (n, bytes) whose fields start at bit `offset`.

    Raises:
        DataFormatError: Rows that end early.
    """
    rows = checked_payload(payload, offset + BITS)
    widths = np.array([offset] + [FLOAT_4E3M.bits] * N_CELLS)
    return FLOAT_4E3M.decode(unpack(rows, widths)[:, 1:], effective_drop(drop))
