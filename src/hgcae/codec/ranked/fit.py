"""The tables of a code of ranked cells, counted from training units: how often cells follow the strongest, and how shares are distributed.

Everything is weighted with charge, because a bit of a large unit is worth more. Nothing is searched but the choice of modes, which depends
on the length of their words and is repeated twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from hgcae.codec.ranked.blocks import Blocks
from hgcae.codec.ranked.kernels import choose_units, rank_units
from hgcae.codec.ranked.tables import (
    CONTEXTS,
    COST_BITS,
    GROUPS,
    MOST_WIDTH,
    SHARE_BITS,
    STORED_WIDTH,
    SUM_BITS,
    RankedTables,
)
from hgcae.coding.prefix import LONGEST, word_lengths
from hgcae.coding.sums import LARGEST_SUM
from hgcae.errors import DataFormatError, SettingsError

MOST_MODE_BITS = 12
"""Longest word of a mode."""
_RARE = 0.02
"""Weight of what was not seen: by so many seen symbols each that could be is counted once more."""
_FINE = 4096
"""Bins in which shares are counted."""
_ROUNDS = 12
"""Steps of the iteration of quantisers, which has converged by then."""
_FEWEST = 50
"""Shares that a quantiser is fitted to at least; with fewer, that of the rank before is taken."""


@dataclass(frozen=True)
class _Ranked:
    """Training units, cells by falling charge.

    Args:
        cell: Numbers of cells, -1 = none: (n, ranks).
        charge: Their charges: (n, ranks).
        rest: Charge that is not yet sent before a rank: (n, ranks + 1).
        charged: Charged cells of each unit: (n,).
    """

    cell: NDArray[np.int64]
    charge: NDArray[np.float64]
    rest: NDArray[np.float64]
    charged: NDArray[np.int64]


def most_cells(bits: int, cells: int) -> int:
    """Returns how many cells of a unit may be sent: a cell takes three bits at least."""
    return min(cells, max(bits // 3, 1), 64)


def fit_tables(train: csr_matrix, bits: int, blocks: Blocks) -> RankedTables:
    """Returns the tables for training units (n, cells), whole charges.

    Raises:
        DataFormatError: No charge.
        SettingsError: Too few bits for a unit of so many cells.
    """
    most = most_cells(bits, blocks.cells)
    mode_bits, address_bits = (2 * most - 1).bit_length(), (blocks.cells - 1).bit_length()
    if bits < SUM_BITS + mode_bits + address_bits:
        least = SUM_BITS + 1 + address_bits
        msg = f"code ranked: found {bits} bits for a unit of {blocks.cells} cells, expected at least {least}"
        raise SettingsError(msg)
    units = _ranked(train, most)
    addresses = _addresses(units, blocks, most)
    levels, edges = _quantisers(units, most)
    errors = _errors(units, levels, edges)
    order, cost = _allocation(units, errors, bits)
    maximum = float(min(units.rest[:, 0].max(), LARGEST_SUM))
    modes = np.full(2 * most, mode_bits, dtype=np.int64)
    tables = RankedTables(blocks, bits, maximum, modes, addresses, levels, edges, order, cost, _profile(units, blocks))
    for _ in range(2):
        tables = replace(tables, modes=_modes(units, tables))
    return tables


def _ranked(train: csr_matrix, most: int) -> _Ranked:
    rows = train.tocsr()
    if not rows.nnz:
        source = "ranked cells"
        raise DataFormatError(source, "training units", "no charge", "at least one occupied unit")
    n = rows.get_shape()[0]
    cell, charge = np.full((n, most), -1, dtype=np.int64), np.zeros((n, most), dtype=np.int64)
    charged, total = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    rank_units(rows.indptr, rows.indices, rows.data.astype(np.int64), cell, charge, charged, total)
    occupied = total > 0
    cell, charge, charged, total = cell[occupied], charge[occupied].astype(np.float64), charged[occupied], total[occupied]
    rest = total[:, None] - np.concatenate([np.zeros((len(total), 1)), np.cumsum(charge, axis=1)], axis=1)
    return _Ranked(cell, charge, rest, charged)


def _symbols(units: _Ranked, blocks: Blocks) -> NDArray[np.int64]:
    """Returns the symbol of each cell relative to the strongest of its unit: (n, ranks)."""
    anchor = units.cell[:, :1]
    place = blocks.place[anchor // blocks.size, units.cell // blocks.size]
    return np.where(place >= 0, place * blocks.size + units.cell % blocks.size, blocks.symbols - 1)


def _addresses(units: _Ranked, blocks: Blocks, most: int) -> NDArray[np.int64]:
    group = np.searchsorted(GROUPS, np.arange(most), side="right")
    counts = np.zeros((len(GROUPS) + 1, blocks.size, blocks.symbols))
    symbol = _symbols(units, blocks)
    weight = units.rest[:, 0] / units.rest[:, 0].mean()
    for rank in range(1, most):
        there = units.cell[:, rank] >= 0
        np.add.at(counts, (group[rank], units.cell[there, 0] % blocks.size, symbol[there, rank]), weight[there])
    # What was rare or never seen is given what cells at the same place have around all strongest cells, and a little for all alike.
    mean = counts.sum(axis=1, keepdims=True)
    mean /= np.maximum(mean.sum(axis=2, keepdims=True), 1e-9)
    counts += _RARE * blocks.symbols * (mean + 1 / blocks.symbols) * (1 + 0.01 * counts.sum(axis=2, keepdims=True) / blocks.symbols)
    own = np.arange(blocks.size)
    counts[:, own, own] = 0
    if len(blocks.near) == 1:
        counts[:, :, -1] = 0
    if blocks.symbols == 2:  # a single cell: nothing to address
        return np.zeros(counts.shape, dtype=np.int64)
    return word_lengths(counts.reshape(-1, blocks.symbols), min(LONGEST, 8 + blocks.symbols.bit_length())).reshape(counts.shape)


def _quantisers(units: _Ranked, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns decoded shares of every rank and context, and the edges of the contexts."""
    one = 1 << SHARE_BITS
    levels = np.zeros((most, CONTEXTS, (2 << STORED_WIDTH) - 1), dtype=np.int64)
    edges = np.zeros((most, CONTEXTS - 1), dtype=np.int64)
    levels[:] = np.concatenate([one * (1 - (np.arange(1 << w) + 0.5) / (1 << w)) for w in range(STORED_WIDTH + 1)])
    for rank in range(most):
        levels[rank] = levels[max(rank - 1, 0)]
        edges[rank] = edges[max(rank - 1, 0)]
        # Of a unit that is sent completely, the last share is not: it is one.
        open_ = (units.charge[:, rank] > 0) & (units.rest[:, rank + 1] > 0)
        if open_.sum() < _FEWEST:
            continue
        share, weight = units.charge[open_, rank] / units.rest[open_, rank], units.rest[open_, rank]
        if rank == 0:
            levels[rank] = _levels(share, weight)
            continue
        before = units.charge[open_, rank - 1] / units.rest[open_, rank - 1]
        order = np.argsort(before, kind="stable")
        sums = np.cumsum(weight[order])
        at = np.searchsorted(sums, sums[-1] * np.arange(1, CONTEXTS) / CONTEXTS)
        edges[rank] = np.rint(one * before[order][at])
        context = np.searchsorted(edges[rank], one * before, side="right")
        whole = _levels(share, weight)
        for k in range(CONTEXTS):
            inside = context == k
            levels[rank, k] = _levels(share[inside], weight[inside]) if inside.sum() >= _FEWEST else whole
    return np.clip(levels, 1, one - 1), edges


def _levels(share: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the levels, falling, of quantisers of least mean absolute error, of widths from 0 to `STORED_WIDTH`.

    The iteration of Lloyd and Max with medians, from levels whose density is the square root of that of the shares.
    Source: S. Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129; density: P. Panter, W. Dite, Proc. IRE 39 (1951) 44, for absolute errors.
    """
    edge = np.linspace(0, 1, _FINE + 1)
    density = np.histogram(share, edge, weights=weight)[0]
    density = density + 1e-9 * density.sum() / _FINE
    smooth = np.convolve(density, np.ones(9) / 9, "same")
    root = np.cumsum(np.sqrt(smooth))
    root /= root[-1]
    sums = np.concatenate([[0], np.cumsum(density)])
    result = []
    for width in range(STORED_WIDTH + 1):
        n = 1 << width
        level = np.interp((np.arange(n) + 0.5) / n, root, edge[1:])
        for _ in range(_ROUNDS):
            cut = np.interp((level[1:] + level[:-1]) / 2, edge, sums)
            cut = np.concatenate([[0], cut, [sums[-1]]])
            level = np.interp((cut[1:] + cut[:-1]) / 2, sums, edge)
        result.append(np.rint((1 << SHARE_BITS) * level[::-1]))
    return np.concatenate(result).astype(np.int64)


def _errors(units: _Ranked, levels: NDArray[np.int64], edges: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns the errors of charges by rank, width and unit: (ranks, widths, n)."""
    most, one = len(levels), 1 << SHARE_BITS
    found = np.zeros((most, MOST_WIDTH + 1, len(units.charged)), dtype=np.float32)
    before = np.zeros(len(units.charged))
    for rank in range(most):
        share = units.charge[:, rank] / np.maximum(units.rest[:, rank], 1)
        context = np.searchsorted(edges[rank], before * one, side="right") if rank else np.zeros(len(before), dtype=np.int64)
        for width in range(STORED_WIDTH + 1):
            level = levels[rank, :, (1 << width) - 1 : (2 << width) - 1] / one
            error = np.empty(len(share))
            for k in range(CONTEXTS):
                inside, rising = context == k, level[k, ::-1]
                step = np.searchsorted((rising[1:] + rising[:-1]) / 2, share[inside])
                error[inside] = np.abs(rising[step] - share[inside])
            found[rank, width] = np.where(units.charge[:, rank] > 0, error * units.rest[:, rank], 0)
        for width in range(STORED_WIDTH + 1, MOST_WIDTH + 1):
            # Equal parts of a step: the error halves with every bit.
            found[rank, width] = found[rank, width - 1] / 2
        before = share
    return found


def _allocation(units: _Ranked, errors: NDArray[np.float32], bits: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns which rank gets each further bit, and what error is left: one after the other, where it helps most."""
    most = len(errors)
    order, cost = np.full((most, bits), -1, dtype=np.int64), np.zeros((most + 1, bits + 1), dtype=np.int64)
    total = units.rest[:, 0]
    for number in range(1, most + 1):
        # Shares are as many as cells, or one fewer of units that are sent completely.
        chosen = units.charged >= number
        if chosen.sum() < _FEWEST:
            chosen = units.charged >= np.sort(units.charged)[-min(_FEWEST, len(units.charged))]
        mean = errors[:number, :, chosen].sum(axis=2) / total[chosen].sum()
        width = np.zeros(number, dtype=np.int64)
        ranks = np.arange(number)
        for left in range(bits + 1):
            cost[number, left] = np.rint((1 << COST_BITS) * mean[ranks, width].sum())
            if left == bits:
                break
            gain = np.where(width < MOST_WIDTH, mean[ranks, width] - mean[ranks, np.minimum(width + 1, MOST_WIDTH)], -1.0)
            best = int(gain.argmax())
            if gain[best] > 0:
                order[number - 1, left] = best
                width[best] += 1
    return order, np.minimum(cost, 1 << COST_BITS)


def _modes(units: _Ranked, tables: RankedTables) -> NDArray[np.int64]:
    """Returns the word lengths of modes from how much charge is sent in each."""
    kernel, most = tables.kernel(), tables.most
    chosen = np.zeros(len(units.charged), dtype=np.int64)
    choose_units(units.cell, units.charge.astype(np.int64), units.charged, units.rest[:, 0].astype(np.int64), chosen, tables.bits, kernel)
    counts = np.bincount(2 * (chosen - 1) + (chosen == units.charged), units.rest[:, 0], 2 * most)
    counts += counts.sum() * 2.0**-12
    return word_lengths(counts[None], min(MOST_MODE_BITS, tables.bits - SUM_BITS - tables.address_bits))[0]


def _profile(units: _Ranked, blocks: Blocks) -> NDArray[np.int64]:
    """Returns how likely charge lies where, relative to the strongest cell: the square root of the mean charge there.

    The charge itself, its third root, and equal weights leave errors that are 3 to 12 % larger.
    """
    symbol, sums = _symbols(units, blocks), np.zeros((blocks.size, blocks.symbols))
    for rank in range(1, units.cell.shape[1]):
        there = units.cell[:, rank] >= 0
        np.add.at(sums, (units.cell[there, 0] % blocks.size, symbol[there, rank]), units.charge[there, rank])
    sums = np.sqrt(sums + 1e-4 * sums.sum(axis=1, keepdims=True) / blocks.symbols + 1e-9)[:, :-1]
    return np.maximum(np.rint(sums / sums.max(axis=1, keepdims=True) * ((1 << 15) - 1)), 1).astype(np.int64)
