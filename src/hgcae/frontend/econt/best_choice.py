"""Best choice: as many of the largest trigger cells as the links can carry, and the sum of the others.

Fields of a module, without the 4-bit header: sum (5E3M, 8 bits); addresses (6 bits each) of fewer than 8 cells, or a map (48 bits) of more;
charges (4E3M, 7 bits each), in the order of the cells, also where the map begins with the last cell. Low bits are dropped before anything
else, so also the sum counts 2^drop.

The hardware sorts with Batcher's odd-even merge network. It is not a stable sort: which of several equal charges is sent follows from the
order of its comparators.

Source: ASICBlocks/Formatter.py, Algorithms.py, bestchoice.py and Utils/linkAllocation.py of github.com/cmantill/ECONT_Emulator; Knuth,
The Art of Computer Programming 3, 5.2.2, algorithm M.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.coding.bitpack import get, put
from hgcae.frontend.econt.cells import (
    MAX_LINKS,
    Encoded,
    checked_charges,
    checked_payload,
    checked_setting,
    effective_drop,
    float_code,
    float_value,
)
from hgcae.geometry.module import N_CELLS

CELLS_OF_LINKS = (0, 1, 4, 6, 9, 14, 18, 23, 28, 32, 37, 41, 46, 48)
"""Trigger cells that are sent over 0 to 13 links."""
FEW = 8
"""From this number of cells on a map is sent instead of addresses."""


def best_choice_bits(links: int) -> int:
    """Returns the bits of a module's fields: 60, 86, 119 and 154 for 2 to 5 links."""
    n = CELLS_OF_LINKS[checked_setting("links", links, 1, MAX_LINKS)]
    return 8 + (6 * n if n < FEW else N_CELLS) + 7 * n


def encode_best_choice(
    charges: NDArray[np.integer], links: int, drop: int = 1, *, use_sum: bool = False, in_place: bool = True, reversed_map: bool = False
) -> Encoded:
    """Encodes modules.

    Args:
        charges: Calibrated charges, counts; (n, 48).
        links: Output links, 1 to 13: they set the number of cells.
        drop: Low bits dropped from the charges.
        use_sum: Send the sum of all cells, not of those that are not sent.
        in_place: Send the code 0 for a cell that is chosen although it has no charge left, as there are where fewer cells have some. Some
            reference vectors leave it out, which moves the charges after it to other cells: False.
        reversed_map: Begin the map with the last cell.

    Returns:
        Fields of `best_choice_bits(links)` bits.
    """
    checked, bits = checked_charges(charges), best_choice_bits(links)
    payload = np.zeros((len(checked), -(-bits // 8)), dtype=np.uint8)
    fill(checked, CELLS_OF_LINKS[links], effective_drop(drop), use_sum, in_place, reversed_map, 0, payload)
    return Encoded(payload, np.full(len(checked), bits))


def decode_best_choice(
    payload: NDArray[np.uint8], links: int, drop: int = 1, offset: int = 0, *, reversed_map: bool = False
) -> NDArray[np.int64]:
    """Returns the charges (n, 48) of modules, counts; cells that were not sent are 0.

    Args:
        payload: Rows of bytes; (n, bytes).
        links: As in encoding.
        drop: As in encoding.
        offset: Bit at which the fields start.
        reversed_map: As in encoding.

    Raises:
        DataFormatError: Rows that end early.
    """
    rows = checked_payload(payload, offset + best_choice_bits(links))
    charges = np.zeros((len(rows), N_CELLS), dtype=np.int64)
    _read(rows, CELLS_OF_LINKS[links], effective_drop(drop), offset, reversed_map, charges)
    return charges


def comparators(n: int) -> NDArray[np.int64]:
    """Returns Batcher's network for `n` values as pairs (i, j), i < j, in order: the larger value goes to i; (pairs, 2)."""
    pairs = []
    top = 1 << max((n - 1).bit_length() - 1, 0)
    p = top
    while p:
        q, r, d = top, 0, p
        while q >= p:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


_NETWORK = comparators(N_CELLS)
_ABREAST = 64
"""Modules that are sorted side by side."""


@njit(cache=True, nogil=True)
def fill(
    charges: NDArray[np.int64],
    n_sent: int,
    drop: int,
    use_sum: bool,
    in_place: bool,
    reversed_map: bool,
    offset: int,
    rows: NDArray[np.uint8],
) -> None:
    """Writes the fields of modules into rows of zeros from bit `offset` on. Compiled, unchecked."""
    # Modules are sorted side by side, cells apart, so that a comparator is a few vector instructions for all of them.
    keys = np.zeros((N_CELLS, _ABREAST), dtype=np.int64)
    sent = np.zeros(N_CELLS, dtype=np.bool_)
    for first in range(0, charges.shape[0], _ABREAST):
        n = min(_ABREAST, charges.shape[0] - first)
        for cell in range(N_CELLS):
            for lane in range(n):
                keys[cell, lane] = ((charges[first + lane, cell] >> drop) << 6) | cell
        if n_sent < N_CELLS:
            _sort(keys)
        for lane in range(n):
            sent[:] = False
            total = np.int64(0)
            for k in range(N_CELLS):
                if k < n_sent:
                    sent[keys[k, lane] & 63] = True
                if use_sum or k >= n_sent:
                    total += keys[k, lane] >> 6
            _write(charges[first + lane], sent, n_sent, total, drop, in_place, reversed_map, offset, rows[first + lane])


@njit(cache=True, nogil=True)
def _sort(keys: NDArray[np.int64]) -> None:
    """Sorts keys, charges above the 6 bits of an address; equal charges stay where they are."""
    for k in range(_NETWORK.shape[0]):
        i, j = _NETWORK[k, 0], _NETWORK[k, 1]
        for lane in range(_ABREAST):
            a, b = keys[i, lane], keys[j, lane]
            swap = (a >> 6) < (b >> 6)
            keys[i, lane] = b if swap else a
            keys[j, lane] = a if swap else b


@njit(cache=True, nogil=True)
def _write(
    charge: NDArray[np.int64],
    sent: NDArray[np.bool_],
    n_sent: int,
    total: np.integer,
    drop: int,
    in_place: bool,
    reversed_map: bool,
    offset: int,
    row: NDArray[np.uint8],
) -> None:
    at = put(row, offset, float_code(total, 5, 3), 8)
    for cell in range(N_CELLS):
        if n_sent >= FEW:
            at = put(row, at, np.int64(sent[N_CELLS - 1 - cell if reversed_map else cell]), 1)
        elif sent[cell]:
            at = put(row, at, cell, 6)
    for cell in range(N_CELLS):
        if sent[cell] and (in_place or charge[cell] >> drop > 0):
            at = put(row, at, float_code(charge[cell] >> drop, 4, 3), 7)


@njit(cache=True, nogil=True)
def _read(rows: NDArray[np.uint8], n_sent: int, drop: int, offset: int, reversed_map: bool, charges: NDArray[np.int64]) -> None:
    for module in range(rows.shape[0]):
        row, at = rows[module], offset + 8
        charge_at = at + (6 * n_sent if n_sent < FEW else N_CELLS)
        k = 0
        for i in range(n_sent if n_sent < FEW else N_CELLS):
            if n_sent >= FEW and not get(row, at + (N_CELLS - 1 - i if reversed_map else i), 1):
                continue
            cell = get(row, at + 6 * i, 6) if n_sent < FEW else i
            if cell < N_CELLS and k < n_sent:
                charges[module, cell] = float_value(get(row, charge_at + 7 * k, 7), 3) << drop
            k += 1
