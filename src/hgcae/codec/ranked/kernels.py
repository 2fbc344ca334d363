"""What the code of ranked cells compiles: ranking, choosing, writing and reading units one by one; see `hgcae.codec.ranked.codec`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from hgcae.codec.ranked.tables import CONTEXTS, COST_BITS, LOG, LOG_BITS, SHARE_BITS, SUM_BITS
from hgcae.coding.bitpack import get, put
from hgcae.coding.prefix import read
from hgcae.coding.sums import UNITS

REST_WEIGHT = 40
"""What charge that is not sent costs, in 64ths of charge. Of 36, 40, 44, 52, 61 and 72 the best: most of it is spread well."""
SPREAD = 3
"""What is left over goes to so many cells that each has a third of the smallest charge sent. Of 1, 1.5, 2, 3, 4 and 6 the best."""


@njit(cache=True, nogil=True, inline="always")
def logarithm_of(x: int) -> int:
    """Returns the logarithm of a positive integer, see `hgcae.codec.ranked.tables.logarithm`."""
    exponent = math.frexp(float(x))[1] - 1
    mantissa = x >> (exponent - LOG_BITS) if exponent > LOG_BITS else x << (LOG_BITS - exponent)
    return (exponent << LOG_BITS) + LOG[mantissa & ((1 << LOG_BITS) - 1)]


@njit(cache=True, nogil=True)
def strongest(cells: Any, charges: Any, order: Any, value: Any) -> tuple[int, int, int]:
    """Fills the strongest cells of a unit, the first of equals first, and their charges; returns how many, all charged cells, the sum."""
    found, charged, total = 0, 0, 0
    for i in range(len(cells)):
        charge = charges[i]
        if charge <= 0:
            continue
        charged += 1
        total += charge
        if found == len(order) and charge <= value[found - 1]:
            continue
        at = found if found < len(order) else found - 1
        while at > 0 and value[at - 1] < charge:
            order[at], value[at] = order[at - 1], value[at - 1]
            at -= 1
        order[at], value[at] = cells[i], charge
        found = min(found + 1, len(order))
    return found, charged, total


@njit(cache=True, nogil=True)
def rank_units(offsets: Any, cells: Any, charges: Any, order: Any, value: Any, charged: Any, total: Any) -> None:
    """Fills the strongest cells of units (n, ranks) and their charges, and each unit's number of charged cells and charge."""
    for i in range(len(charged)):
        a, b = offsets[i], offsets[i + 1]
        _, charged[i], total[i] = strongest(cells[a:b], charges[a:b], order[i], value[i])


@njit(cache=True, nogil=True, inline="always")
def symbol_of(anchor: int, cell: int, t: Any) -> int:
    """Returns where a cell lies relative to the strongest: the symbol of its address."""
    place = t.place[t.block[anchor], t.block[cell]]
    return place * t.size + t.inner[cell] if place >= 0 else t.length.shape[1] - 1


@njit(cache=True, nogil=True, inline="always")
def address_cost(anchor: int, cell: int, rank: int, t: Any) -> int:
    """Returns the bits of an address; -1 if it has no word."""
    symbol = symbol_of(anchor, cell, t)
    bits = t.length[t.group[rank] * t.size + t.inner[anchor], symbol]
    if bits == 0:
        return -1
    return bits + t.address_bits if symbol == t.length.shape[1] - 1 else bits


@njit(cache=True, nogil=True, inline="always")
def sum_code(total: int, t: Any) -> int:
    """Returns the code of a charge sum."""
    return int(np.searchsorted(t.thresholds, UNITS * total, side="right"))


@njit(cache=True, nogil=True, inline="always")
def choose(order: Any, value: Any, found: int, charged: int, total: int, budget: int, t: Any) -> tuple[int, int]:
    """Returns how many cells are sent, and the bits that are left for their shares.

    Chosen is what is expected to cost least: charge that is not sent, and the mean error of as many shares with as many bits.
    """
    if charged == 1:  # the case of every second ROC
        return 1, budget - SUM_BITS - t.mode_length[1] - t.address_bits
    best, best_cost, best_left = 0, 0, 0
    addresses, sent = 0, 0
    for n in range(1, found + 1):
        if n > 1:
            bits = address_cost(order[0], order[n - 1], n - 1, t)
            if bits < 0:
                break
            addresses += bits
        sent += value[n - 1]
        complete = 1 if n == charged else 0
        left = budget - SUM_BITS - t.mode_length[2 * (n - 1) + complete] - t.address_bits - addresses
        if left < 0:
            continue
        # In two parts, because the product of the two may leave 64 bits.
        share, shift = t.cost[n - complete, left], COST_BITS - 6
        error = (total >> shift) * share + (((total & ((1 << shift) - 1)) * share) >> shift)
        cost = REST_WEIGHT * (total - sent) + error
        if best == 0 or cost < best_cost:
            best, best_cost, best_left = n, cost, left
    return best, best_left


@njit(cache=True, nogil=True)
def choose_units(order: Any, value: Any, charged: Any, total: Any, chosen: Any, budget: int, t: Any) -> None:
    """Fills how many cells are sent of units that `rank_units` has ranked."""
    for i in range(len(charged)):
        chosen[i], _ = choose(order[i], value[i], min(charged[i], t.most), charged[i], total[i], budget, t)


@njit(cache=True, nogil=True, inline="always")
def context_of(rank: int, share: int, t: Any) -> int:
    """Returns the quantiser of a rank by the decoded share of the one before it."""
    context = 0
    while context < CONTEXTS - 1 and share >= t.edges[rank, context]:
        context += 1
    return context


@njit(cache=True, nogil=True, inline="always")
def code_of(charge: int, rest: int, limits: Any, width: int) -> int:
    """Returns the code of the share that a charge has of the rest: how many limits the difference of their logarithms exceeds."""
    difference = logarithm_of(rest) - logarithm_of(charge)
    low = high = (1 << width) - 1
    first, high = low, 2 * high
    while low < high:
        middle = (low + high) >> 1
        if difference > limits[middle]:
            low = middle + 1
        else:
            high = middle
    return low - first


@njit(cache=True, nogil=True)
def encode_units(offsets: Any, cells: Any, charges: Any, data: Any, bits: Any, budget: int, t: Any) -> None:
    """Fills the payloads of units: bytes that are zero before, and their lengths."""
    order, value = np.zeros(t.most, dtype=np.int64), np.zeros(t.most, dtype=np.int64)
    for i in range(len(bits)):
        a, b = offsets[i], offsets[i + 1]
        found, charged, total = strongest(cells[a:b], charges[a:b], order, value)
        row, at = data[i], put(data[i], 0, sum_code(total, t), SUM_BITS)
        if total > 0:
            n, left = choose(order, value, found, charged, total, budget, t)
            complete = 1 if n == charged else 0
            mode = 2 * (n - 1) + complete
            at = put(row, at, t.mode_word[mode], t.mode_length[mode])
            at = put(row, at, order[0], t.address_bits)
            for rank in range(1, n):
                symbol, code = symbol_of(order[0], order[rank], t), t.group[rank] * t.size + t.inner[order[0]]
                at = put(row, at, t.word[code, symbol], t.length[code, symbol])
                if symbol == t.length.shape[1] - 1:
                    at = put(row, at, order[rank], t.address_bits)
            rest, share = total, 0
            for rank in range(n - complete):
                width = t.widths[n - complete, left, rank]
                context = context_of(rank, share, t)
                code = code_of(value[rank], rest, t.limits[rank, context], width)
                at = put(row, at, code, width)
                share = t.shares[rank, context, (1 << width) - 1 + code]
                rest -= value[rank]
        bits[i] = at


@njit(cache=True, nogil=True)
def decode_units(data: Any, bits: Any, cells: Any, charges: Any, count: Any, rest: Any, good: Any, budget: int, t: Any) -> None:
    """Fills the cells of units (n, most), their charges in sixteenths, how many there are, and what is left over.

    A payload that the encoder cannot have made is not `good`.
    """
    for i in range(len(bits)):
        row, end = data[i], bits[i]
        total = t.sums[get(row, 0, SUM_BITS)]
        if total == 0 or not SUM_BITS < end <= budget:
            good[i] = total == 0 and end == SUM_BITS
            continue
        mode, at = read(row, SUM_BITS, 0, t.mode_first, t.mode_place, t.mode_symbol)
        n, complete = mode // 2 + 1, mode % 2
        at = _read_cells(row, at, end, n, cells[i], t) if mode >= 0 else -1
        at = _read_shares(row, at, end, n - complete, total, charges[i], budget, t) if at >= 0 else -1
        if at == end:
            good[i], count[i] = True, n
            rest[i] = total - charges[i].sum()
            if complete:
                charges[i, n - 1], rest[i] = rest[i], 0


@njit(cache=True, nogil=True, inline="always")
def _read_cells(row: Any, at: int, end: int, n: int, cells: Any, t: Any) -> int:
    """Fills the cells that are sent; returns where their addresses end, -1 if they are none."""
    last, size, most = t.length.shape[1] - 1, t.size, t.size * len(t.near)
    cells[0], at = get(row, at, t.address_bits), at + t.address_bits
    if cells[0] >= most:
        return -1
    for rank in range(1, n):
        symbol, at = read(row, at, t.group[rank] * size + t.inner[cells[0]], t.first, t.at, t.symbol)
        if symbol < 0 or at > end:
            return -1
        if symbol == last:
            cell, at = get(row, at, t.address_bits), at + t.address_bits
            # Only what lies in none of the blocks around is sent in full.
            if cell >= most or t.place[t.block[cells[0]], t.block[cell]] >= 0:
                return -1
        else:
            block = t.near[t.block[cells[0]], symbol // size]
            if block < 0:
                return -1
            cell = block * size + symbol % size
        if (cells[:rank] == cell).any():
            return -1
        cells[rank] = cell
    return at if at <= end else -1


@njit(cache=True, nogil=True, inline="always")
def _read_shares(row: Any, at: int, end: int, number: int, rest: int, charges: Any, budget: int, t: Any) -> int:
    """Fills the charges of the cells whose shares are sent; returns where these end, -1 if that is behind the payload."""
    left, share = budget - at, 0
    for rank in range(number):
        width, context = t.widths[number, left, rank], context_of(rank, share, t)
        if at + width > end:
            return -1
        share, at = t.shares[rank, context, (1 << width) - 1 + get(row, at, width)], at + width
        charges[rank] = (rest * share + (1 << (SHARE_BITS - 1))) >> SHARE_BITS
        rest -= charges[rank]
    return at


@njit(cache=True, nogil=True)
def spread_rests(cells: Any, count: Any, rest: Any, dense: Any, likely: Any, profile: Any, t: Any) -> None:
    """Adds what is left over of units to cells that were not sent, in dense charges (n, cells)."""
    chosen = np.zeros(likely.shape[1], dtype=np.int64)
    for i in range(len(rest)):
        if rest[i] <= 0:
            continue
        anchor, row = cells[i, 0], dense[i]
        kind, near = t.inner[anchor], t.near[t.block[anchor]]
        smallest = row[cells[i, count[i] - 1]]
        # A share may be so small that nothing is decoded; then no bound follows from it.
        wanted = SPREAD * rest[i] / smallest if smallest > 0 else np.inf
        number, weight = 0, 0.0
        for symbol in likely[kind]:
            if number >= wanted and number > 0:
                break
            block = near[symbol // t.size]
            cell = block * t.size + symbol % t.size
            if block >= 0 and not (cells[i, : count[i]] == cell).any():
                chosen[number] = symbol
                number += 1
                weight += profile[kind, symbol]
        if number == 0:
            row[anchor] += rest[i]  # all cells around were sent
        for symbol in chosen[:number]:
            row[near[symbol // t.size] * t.size + symbol % t.size] += rest[i] * profile[kind, symbol] / weight
