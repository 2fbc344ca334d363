"""What the pyramid codec compiles: cutting, comparing, writing and reading modules one by one; see `hgcae.codec.pyramid`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.coding.bitpack import get, put
from hgcae.coding.combinations import LIMB_BITS, LIMBS, rank, unrank

SHORT_MODES = 16
"""Modes of 1, 2, ... cells and no groups."""
_CELLS = 48
_SUM_BITS = 9
_FRACTION = 6
"""Bits behind the point of an image in quanta."""
BLOCK_WEIGHT, ROC_WEIGHT = 1, 1
"""What a difference of blocks and of ROCs costs next to one of cells. Equal ones were found best of (1, 1), (1, 2), (2, 2) and (4, 4)."""


class Tables(NamedTuple):
    """Constants of a codec.

    Args:
        cells: Cells that a mode sends: (modes,).
        groups: Groups of the others: (modes,).
        quanta: Quanta of a mode for each code of the charge; -1 = as many as there are counts: (modes, 512).
        low: Smallest charge of each code: (512,).
        behind: Bits that the code leaves out: (512,).
        group_of: Group of each cell, by the number of groups: (13, 48).
        binomials: Table of `hgcae.coding.combinations`.
        widths: Bits of the numbers of combinations.
    """

    cells: NDArray[np.int64]
    groups: NDArray[np.int64]
    quanta: NDArray[np.int64]
    low: NDArray[np.int64]
    behind: NDArray[np.int64]
    group_of: NDArray[np.int64]
    binomials: NDArray[np.int64]
    widths: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _sort(charges: Any, order: Any) -> int:
    """Fills the cells in falling order of charge, the first of equals first; returns how many have charge."""
    charged = 0
    for cell in range(_CELLS):
        at = cell
        while at > 0 and charges[order[at - 1]] < charges[cell]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = cell
        charged += charges[cell] > 0
    return charged


@njit(cache=True, nogil=True)
def _split(charges: Any, order: Any, total: int, mode: int, quanta: int, tables: Any, chosen: Any, count: Any, free: Any) -> None:
    """Cuts a module: cells in rising order, quanta of cells and groups (adding up to `quanta`), and cells that are free in each group."""
    n, g = tables.cells[mode], tables.groups[mode]
    group_of = tables.group_of[g]
    chosen[:n] = order[:n]
    chosen[:n].sort()
    charge = np.zeros(n + g, dtype=np.int64)
    free[:g] = 0
    at = 0
    for cell in range(_CELLS):
        if at < n and chosen[at] == cell:
            charge[at] = charges[cell]
            at += 1
        elif g > 0:
            charge[n + group_of[cell]] += charges[cell]
            free[group_of[cell]] += 1
    share_out(charge, total if g > 0 else charge.sum(), n, quanta, count)


@njit(cache=True, nogil=True)
def share_out(charge: Any, total: int, n: int, quanta: int, count: Any) -> None:
    """Rounds shares of charge to quanta that add up; the first n parts get one at least."""
    gap = quanta
    for j in range(len(charge)):
        count[j] = charge[j] * quanta // total
        if j < n and count[j] == 0:
            count[j] = 1
        gap -= count[j]
    # The missing quanta go where most is missing; those too many are taken where least is.
    while gap > 0:
        best = 0
        for j in range(1, len(charge)):
            if (charge[j] - charge[best]) * quanta > (count[j] - count[best]) * total:
                best = j
        count[best] += 1
        gap -= 1
    while gap < 0:
        best = -1
        for j in range(len(charge)):
            if count[j] > (1 if j < n else 0) and (best < 0 or (charge[j] - charge[best]) * quanta < (count[j] - count[best]) * total):
                best = j
        count[best] -= 1
        gap += 1


@njit(cache=True, nogil=True)
def _distance(charges: Any, total: int, mode: int, quanta: int, tables: Any, chosen: Any, count: Any, free: Any) -> int:
    """Returns how far the image is from the module, in units of 1 / (quanta x total x 2^6)."""
    n, g = tables.cells[mode], tables.groups[mode]
    group_of, block_of, roc_of = tables.group_of[g], tables.group_of[12], tables.group_of[3]
    block, roc = np.zeros(12, dtype=np.int64), np.zeros(3, dtype=np.int64)
    distance, at = 0, 0
    for cell in range(_CELLS):
        image = 0
        if at < n and chosen[at] == cell:
            image = count[at] << _FRACTION
            at += 1
        elif g > 0:
            image = (count[n + group_of[cell]] << _FRACTION) // free[group_of[cell]]
        difference = ((charges[cell] * quanta) << _FRACTION) - image * total
        distance += abs(difference)
        block[block_of[cell]] += difference
        roc[roc_of[cell]] += difference
    return distance + BLOCK_WEIGHT * np.abs(block).sum() + ROC_WEIGHT * np.abs(roc).sum()


@njit(cache=True, nogil=True)
def _sum_code(total: int, low: Any) -> int:
    code = len(low) - 1
    while low[code] > total:
        code -= 1
    return code


@njit(cache=True, nogil=True)
def mode_distances(charges: Any, distances: Any, tables: Any) -> None:
    """Fills the distance of each module in each mode (modes, n), as a share of its charge; modes that it has too few cells for stay."""
    order = np.zeros(_CELLS, dtype=np.int64)
    chosen, count, free = np.zeros(_CELLS, dtype=np.int64), np.zeros(_CELLS + 12, dtype=np.int64), np.zeros(12, dtype=np.int64)
    for i in range(len(charges)):
        charged, total = _sort(charges[i], order), charges[i].sum()
        code = _sum_code(total, tables.low)
        for mode in range(len(tables.cells)):
            quanta = tables.quanta[mode, code] if tables.quanta[mode, code] >= 0 else total
            if tables.cells[mode] <= min(charged, quanta):
                _split(charges[i], order, total, mode, quanta, tables, chosen, count, free)
                found = _distance(charges[i], total, mode, quanta, tables, chosen, count, free)
                distances[mode, i] = found / (quanta * total * (1 << _FRACTION))


@njit(cache=True, nogil=True)
def encode_modules(charges: Any, data: Any, bits: Any, tables: Any) -> None:
    """Fills the payloads of modules (n, 48): bytes that are zero before, and their lengths."""
    order = np.zeros(_CELLS, dtype=np.int64)
    chosen, count, free = np.zeros(_CELLS, dtype=np.int64), np.zeros(_CELLS + 12, dtype=np.int64), np.zeros(12, dtype=np.int64)
    for i in range(len(charges)):
        charged, total = _sort(charges[i], order), charges[i].sum()
        code = _sum_code(total, tables.low)
        bits[i] = put(data[i], 0, code, _SUM_BITS)
        if total == 0:
            continue
        best, best_distance, best_quanta = -1, 0, 1
        short = min(charged, SHORT_MODES) - 1
        while 0 <= tables.quanta[short, code] <= short:
            short -= 1
        for candidate in range(SHORT_MODES - 1, len(tables.cells)):
            mode = candidate if candidate >= SHORT_MODES else short
            quanta = tables.quanta[mode, code] if tables.quanta[mode, code] >= 0 else total
            if tables.cells[mode] > min(charged, quanta):
                continue
            _split(charges[i], order, total, mode, quanta, tables, chosen, count, free)
            distance = _distance(charges[i], total, mode, quanta, tables, chosen, count, free)
            if best < 0 or distance * best_quanta < best_distance * quanta:
                best, best_distance, best_quanta = mode, distance, quanta
        _split(charges[i], order, total, best, best_quanta, tables, chosen, count, free)
        bits[i] = _write(data[i], bits[i], best, best_quanta, code, total, tables, chosen, count)


@njit(cache=True, nogil=True)
def _write(row: Any, at: int, mode: int, quanta: int, code: int, total: int, tables: Any, chosen: Any, count: Any) -> int:
    """Writes mode, rest of the charge, cells and split at a bit of a row; returns where they end."""
    n, parts = tables.cells[mode], tables.cells[mode] + tables.groups[mode]
    at = put(row, at, (7 << 4) | mode, 7) if mode < SHORT_MODES else put(row, at, mode - SHORT_MODES, 3)
    if tables.quanta[mode, code] < 0:
        at = put(row, at, total - tables.low[code], tables.behind[code])
    number, bars = np.zeros(LIMBS, dtype=np.int64), np.zeros(_CELLS + 12, dtype=np.int64)
    rank(chosen, n, tables.binomials, number)
    at = put(row, at, number[0], tables.widths[_CELLS, n])
    place = -1
    for j in range(parts - 1):
        place += 1 + count[j] - (1 if j < n else 0)
        bars[j] = place
    rank(bars, parts - 1, tables.binomials, number)
    left = tables.widths[quanta - n + parts - 1, parts - 1]
    for limb in range(LIMBS - 1, -1, -1):
        width = min(max(left - limb * LIMB_BITS, 0), LIMB_BITS)
        at = put(row, at, number[limb], width)
    return at


@njit(cache=True, nogil=True)
def decode_modules(data: Any, bits: Any, charges: Any, good: Any, tables: Any) -> None:
    """Fills charges that are zero before, and whether a payload can be one; rows have room behind the payload."""
    chosen, count = np.zeros(_CELLS, dtype=np.int64), np.zeros(_CELLS + 12, dtype=np.int64)
    for i in range(len(data)):
        good[i] = _read(data[i], bits[i], charges[i], tables, chosen, count)


@njit(cache=True, nogil=True)
def _read(row: Any, bits: int, charges: Any, tables: Any, chosen: Any, count: Any) -> bool:
    code = get(row, 0, _SUM_BITS)
    if code == 0:
        return bits == _SUM_BITS
    mode, at = SHORT_MODES + get(row, _SUM_BITS, 3), _SUM_BITS + 3
    if mode == SHORT_MODES + 7:
        mode, at = get(row, at, 4), at + 4
    n, g = tables.cells[mode], tables.groups[mode]
    total, quanta = tables.low[code] + ((1 << tables.behind[code]) - 1) / 2, tables.quanta[mode, code]
    if quanta < 0:
        quanta = tables.low[code] + get(row, at, tables.behind[code])
        total = float(quanta)
        at += tables.behind[code]
    if quanta < n:
        return False
    number, bars = np.zeros(LIMBS, dtype=np.int64), np.zeros(_CELLS + 12, dtype=np.int64)
    number[0] = get(row, at, tables.widths[_CELLS, n])
    at += tables.widths[_CELLS, n]
    if not unrank(number, _CELLS, n, tables.binomials, chosen):
        return False
    left = tables.widths[quanta - n + n + g - 1, n + g - 1]
    for limb in range(LIMBS - 1, -1, -1):
        width = min(max(left - limb * LIMB_BITS, 0), LIMB_BITS)
        number[limb] = get(row, at, width)
        at += width
    if at != bits or not unrank(number, quanta - n + n + g - 1, n + g - 1, tables.binomials, bars):
        return False
    place, parts = -1, n + g
    for j in range(parts):
        bar = bars[j] if j < parts - 1 else quanta - n + parts - 1
        count[j] = bar - place - 1 + (1 if j < n else 0)
        place = bar
    return _fill(charges, total / quanta, n, g, tables, chosen, count)


@njit(cache=True, nogil=True)
def _fill(charges: Any, charge: float, n: int, g: int, tables: Any, chosen: Any, count: Any) -> bool:
    """Fills the charges of cells and groups, `charge` for each quantum; returns whether every group with charge has a free cell."""
    group_of = tables.group_of[g]
    free = np.zeros(12, dtype=np.int64)
    sent = np.zeros(_CELLS, dtype=np.bool_)
    for j in range(n):
        charges[chosen[j]] = count[j] * charge
        sent[chosen[j]] = True
    if g == 0:
        return True
    for cell in range(_CELLS):
        free[group_of[cell]] += not sent[cell]
    for cell in range(_CELLS):
        if not sent[cell]:
            charges[cell] = count[n + group_of[cell]] * charge / free[group_of[cell]]
    lost = 0
    for group in range(g):
        lost += count[n + group] if free[group] == 0 else 0
    return lost == 0
