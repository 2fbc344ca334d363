"""Threshold sum: the trigger cells above a threshold, and the sum of the others.

Fields of a module, without the 5-bit bunch counter: type (3 bits) and sum (5E3M, 8 bits), then

* type 000: nothing; no cell is above its threshold;
* type 010: number of cells (3 bits), their addresses (6 bits each), their charges (4E3M, 7 bits each); fewer than 8 cells;
* type 100: a map of the cells (48 bits), their charges in the order of the cells, also where the map begins with the last cell; 8 cells
  or more.

Types 110 and 111 stand for a module that the buffer of the formatter had no room for: the sum is all of its charge, see `buffer`.

Source: ASICBlocks/Algorithms.py and Formatter.py of github.com/cmantill/ECONT_Emulator; reference/vectors of econt_test-vectors.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from hgcae.coding.bitpack import get, put, unpack
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend.econt.cells import Encoded, checked_charges, checked_payload, effective_drop, float_code, float_value
from hgcae.geometry.module import N_CELLS

NO_CELL, FEW_CELLS, MANY_CELLS, TRUNCATED, TRUNCATED_FULL = 0b000, 0b010, 0b100, 0b110, 0b111
"""Types of a module's packet."""
FEW = 8
"""From this number of cells on a map is shorter than addresses."""
_SOURCE = "payload"
HEAD_BITS = 11
"""Type and sum."""
MAX_BITS = HEAD_BITS + N_CELLS + 7 * N_CELLS


def encode_threshold_sum(
    charges: NDArray[np.integer],
    threshold: ArrayLike,
    drop: int = 1,
    *,
    use_sum: bool = False,
    in_place: bool = True,
    reversed_map: bool = False,
) -> Encoded:
    """Encodes modules.

    Args:
        charges: Calibrated charges, counts; (n, 48).
        threshold: Smallest charge that is sent, counts; one for all cells or (48,), whole numbers.
        drop: Low bits dropped before a cell's charge is encoded.
        use_sum: Send the sum of all cells, not of those below their threshold.
        in_place: Send the code 0 for a cell without charge that passes a threshold of 0. Some reference vectors leave it out, which
            moves the charges after it: False.
        reversed_map: Begin the map with the last cell.

    Returns:
        Fields of 11, 14 + 13 N or 59 + 7 N bits for N = 0, N < 8 and N >= 8 cells.

    Raises:
        DataFormatError: Charges that are none.
        SettingsError: A threshold that is no whole number, or above what a charge may be and one more.
    """
    checked, asked = checked_charges(charges), np.asarray(threshold)
    if asked.dtype.kind not in "iu" or asked.shape not in {(), (N_CELLS,)} or (asked < 0).any() or (asked > LARGEST_CHARGE + 1).any():
        msg = f"threshold: found {asked.dtype} {threshold!r}, expected one whole number or {N_CELLS}, 0 to {LARGEST_CHARGE + 1}"
        raise SettingsError(msg)
    limit = np.ascontiguousarray(np.broadcast_to(asked.astype(np.int64), N_CELLS))
    payload = np.zeros((len(checked), -(-MAX_BITS // 8)), dtype=np.uint8)
    bits = fill(checked, limit, effective_drop(drop), use_sum, in_place, reversed_map, 0, payload)
    return Encoded(payload[:, : -(-int(bits.max(initial=HEAD_BITS)) // 8)], bits)


def decode_threshold_sum(payload: NDArray[np.uint8], drop: int = 1, offset: int = 0, *, reversed_map: bool = False) -> NDArray[np.int64]:
    """Returns the charges (n, 48) of modules, counts; cells that were not sent, and all of truncated modules, are 0.

    Args:
        payload: Rows of bytes; (n, bytes).
        drop: As in encoding.
        offset: Bit at which the fields start.
        reversed_map: As in encoding.

    Raises:
        DataFormatError: A type that does not exist, more addresses than there are cells, or rows that end early.
    """
    rows = checked_payload(payload, offset + HEAD_BITS)
    charges = np.zeros((len(rows), N_CELLS), dtype=np.int64)
    bad = _read(rows, offset, effective_drop(drop), reversed_map, charges)
    if bad >= 0:
        raise DataFormatError(_SOURCE, f"row {bad}", "fields that contradict each other", "a packet of the threshold-sum format")
    return charges


def packet_bits(payload: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Returns the bits (n,) of modules that rows of bytes (n, bytes) start with, by type and number of cells.

    Raises:
        DataFormatError: Rows that end before the number of cells.
    """
    kinds = unpack(checked_payload(payload, HEAD_BITS), np.array([3]))[:, 0]
    bits = np.full(len(kinds), HEAD_BITS)
    few, many = kinds == FEW_CELLS, kinds == MANY_CELLS
    if few.any():
        bits[few] += 3 + 13 * unpack(checked_payload(payload[few], HEAD_BITS + 3), np.array([HEAD_BITS, 3]))[:, 1]
    if many.any():
        cells = unpack(checked_payload(payload[many], HEAD_BITS + N_CELLS), np.array([HEAD_BITS] + [1] * N_CELLS))[:, 1:]
        bits[many] += N_CELLS + 7 * cells.sum(axis=1)
    return bits


def truncated_word(charges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns type 110 and the sum of all cells, 11 bits, that replace modules (n, 48) the buffer has no room for; (n,)."""
    return _truncated(charges)


@njit(cache=True, nogil=True)
def fill(
    charges: NDArray[np.int64],
    threshold: NDArray[np.int64],
    drop: int,
    use_sum: bool,
    in_place: bool,
    reversed_map: bool,
    offset: int,
    rows: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Writes the fields of modules into rows of zeros from bit `offset` on; returns how many bits each has. Compiled, unchecked."""
    bits = np.zeros(charges.shape[0], dtype=np.int64)
    for module in range(charges.shape[0]):
        charge, row = charges[module], rows[module]
        n, total = 0, np.int64(0)
        for cell in range(N_CELLS):
            if charge[cell] >= threshold[cell]:
                n += 1
                if use_sum:
                    total += charge[cell]
            else:
                total += charge[cell]
        kind = NO_CELL if n == 0 else FEW_CELLS if n < FEW else MANY_CELLS
        at = put(row, put(row, offset, kind, 3), float_code(total, 5, 3), 8)
        if kind == FEW_CELLS:
            at = put(row, at, n, 3)
        if n:
            for cell in range(N_CELLS):
                at_map = N_CELLS - 1 - cell if reversed_map else cell
                if kind == MANY_CELLS:
                    at = put(row, at, np.int64(charge[at_map] >= threshold[at_map]), 1)
                elif charge[cell] >= threshold[cell]:
                    at = put(row, at, cell, 6)
        end = at + 7 * n
        for cell in range(N_CELLS):
            if charge[cell] >= threshold[cell] and (in_place or charge[cell] > 0):
                at = put(row, at, float_code(charge[cell] >> drop, 4, 3), 7)
        bits[module] = end - offset
    return bits


@njit(cache=True, nogil=True)
def _truncated(charges: NDArray[np.int64]) -> NDArray[np.int64]:
    words = np.zeros(charges.shape[0], dtype=np.int64)
    for module in range(charges.shape[0]):
        words[module] = (TRUNCATED << 8) | float_code(charges[module].sum(), 5, 3)
    return words


@njit(cache=True, nogil=True)
def _read(rows: NDArray[np.uint8], offset: int, drop: int, reversed_map: bool, charges: NDArray[np.int64]) -> int:
    length = 8 * rows.shape[1]
    cells = np.zeros(N_CELLS, dtype=np.int64)
    for module in range(rows.shape[0]):
        row = rows[module]
        kind, at, n = get(row, offset, 3), offset + HEAD_BITS, 0
        if kind == MANY_CELLS and at + N_CELLS <= length:
            for cell in range(N_CELLS):
                if get(row, at + (N_CELLS - 1 - cell if reversed_map else cell), 1):
                    cells[n] = cell
                    n += 1
            at += N_CELLS
        elif kind == FEW_CELLS and at + 3 <= length and at + 3 + 6 * get(row, at, 3) <= length:
            n = get(row, at, 3)
            for i in range(n):
                cells[i] = get(row, at + 3 + 6 * i, 6)
            at += 3 + 6 * n
        elif kind not in (NO_CELL, TRUNCATED, TRUNCATED_FULL):
            return module
        if at + 7 * n > length or (n and cells[:n].max() >= N_CELLS):
            return module
        for i in range(n):
            charges[module, cells[i]] = float_value(get(row, at + 7 * i, 7), 3) << drop
    return -1


NOT_A_PACKET, MISSING = -1, -2
"""Instead of where a packet starts: the stream has something else there, or has ended."""


def packet_starts(words: NDArray[np.int64], sync_word: int, n_packets: int, words_per_bx: int) -> NDArray[np.int64]:
    """Finds the packets in a stream of 16-bit words: a packet per bunch crossing, idle words between them.

    An idle word repeats the counter of the packet before it above the sync word. A packet leaves at the earliest in its own bunch crossing,
    so its counter tells it from an idle word.

    Args:
        words: Words of 16 bits; (n,).
        sync_word: Low 11 bits of idle words.
        n_packets: Packets to look for.
        words_per_bx: Words that leave per bunch crossing.

    Returns:
        Word at which each packet starts; `MISSING` where the stream ended before, `NOT_A_PACKET` where it makes no sense; (n_packets,).
    """
    starts = np.full(n_packets, MISSING)
    _find_starts(words, sync_word, words_per_bx, starts)
    return starts


@njit(cache=True, nogil=True)
def _length(words: NDArray[np.int64], at: int) -> int:
    """Returns the words of the packet at a word; 0 where its type does not exist, and where the stream ends before it does."""
    kind = (words[at] >> 8) & 7
    if kind in (NO_CELL, TRUNCATED, TRUNCATED_FULL):
        return 1
    if kind == FEW_CELLS and at + 1 < len(words):
        return (16 + 3 + 13 * (words[at + 1] >> 13) + 15) // 16
    if kind == MANY_CELLS and at + 3 < len(words):
        n = 0
        for i in range(1, 4):
            for bit in range(16):
                n += (words[at + i] >> bit) & 1
        return (16 + N_CELLS + 7 * n + 15) // 16
    return 0


@njit(cache=True, nogil=True)
def _find_starts(words: NDArray[np.int64], sync_word: int, words_per_bx: int, starts: NDArray[np.int64]) -> None:
    at, last = 0, -1
    for packet in range(len(starts)):
        # Words that leave before the packet's own bunch crossing cannot be it.
        while at < packet * words_per_bx or (at < len(words) and last >= 0 and words[at] == ((last << 11) | sync_word)):
            at += 1
        if at >= len(words):
            return
        length = _length(words, at)
        if length == 0:
            kind = (words[at] >> 8) & 7
            starts[packet] = MISSING if kind in (FEW_CELLS, MANY_CELLS) else NOT_A_PACKET
            return
        if at + length > len(words):
            return
        starts[packet] = at
        last = words[at] >> 11
        at += length
