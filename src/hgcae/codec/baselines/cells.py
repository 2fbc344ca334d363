"""The largest trigger cells of a unit, with their addresses: what the ECON-T's Best Choice does for a module, for units of any size."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.baselines.base import UnitCodec, checked_training, mean_image, sparse_units, units_of, without_small
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M, LARGEST_CHARGE, FloatCode
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy


class Layout(NamedTuple):
    """Fields of a code of cells.

    Args:
        n: Cells that are sent.
        address: Bits of one address; 0 where a map of all cells is sent instead.
        value: Format of a charge.
        rest: Format of the sum of all other cells; None where it is not sent.
    """

    n: int
    address: int
    value: FloatCode
    rest: FloatCode | None

    @classmethod
    def of(cls, bits: int, n_cells: int, value: FloatCode, rest: FloatCode | None) -> Layout:
        """Returns the layout with most cells in a number of bits: addresses, or a map where that is shorter; 0 cells if none fits."""
        room, address = bits - (rest.bits if rest else 0), math.ceil(math.log2(n_cells))
        listed, mapped = room // (address + value.bits), min((room - n_cells) // value.bits, n_cells)
        return cls(mapped, 0, value, rest) if mapped > listed else cls(max(min(listed, n_cells), 0), address, value, rest)

    def widths(self, n_cells: int) -> NDArray[np.int64]:
        """Returns the width of every field: the sum of the others, addresses or map, charges."""
        rest = [self.rest.bits] if self.rest else []
        where = [self.address] * self.n if self.address else [1] * n_cells
        return np.array([*rest, *where, *[self.value.bits] * self.n])


class LargestCellsCode(UnitCodec):
    """Sends as many of the largest cells as fit, with charges in the format 5E4M; the others are lost.

    Args:
        hierarchy: Levels of one unit.
        smallest: Smallest training charge, ADC counts.
        layout: Fields.
    """

    name = "largest_cells"
    value, rest = FLOAT_5E4M, None

    def __init__(self, hierarchy: Hierarchy, smallest: float, layout: Layout) -> None:
        super().__init__(hierarchy, smallest)
        self.layout = layout

    @override
    @classmethod
    def fit(cls, train: Events, bits: int, seed: int = 1) -> Self:
        return cls(*cls._fitted(train, bits))

    @classmethod
    def _fitted(cls, train: Events, bits: int) -> tuple[Hierarchy, float, Layout]:
        n_cells = train.hierarchy.n_cells()
        layout = Layout.of(bits, n_cells, cls.value, cls.rest)
        least = bits if layout.n else math.ceil(math.log2(n_cells)) + cls.value.bits + (cls.rest.bits if cls.rest else 0)
        return train.hierarchy, checked_training(cls.name, train, bits, least), layout

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return self.layout.widths(self.hierarchy.n_cells())

    @override
    def fields(self, units: Events) -> NDArray[np.int64]:
        n, sent = len(units), largest(units, self.layout.n)
        row, cell = units.event[sent], units.cell[sent]
        charge = np.minimum(np.rint(units.charge.astype(np.float64)), LARGEST_CHARGE).astype(np.int64)  # what no format holds saturates
        counts = np.bincount(row, minlength=n)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        parts = []
        if self.layout.rest:
            other = np.bincount(units.event[~sent], charge[~sent], n).astype(np.int64)
            parts.append(self.layout.rest.encode(other)[:, None])
        where = np.zeros((n, self.layout.n if self.layout.address else self.hierarchy.n_cells()), dtype=np.int64)
        if self.layout.address:
            where[row, place] = cell
        else:
            where[row, cell] = 1
        value = np.zeros((n, self.layout.n), dtype=np.int64)
        value[row, place] = self.layout.value.encode(charge[sent])
        return np.concatenate([*parts, where, value], axis=1)

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> Events:
        return units_of(self.hierarchy, len(fields), *self._cells(fields))

    def _cells(self, fields: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Returns unit, cell and charge of every cell that was sent."""
        n = self.layout.n
        where, charge = fields[:, int(self.layout.rest is not None) : -n], self.layout.value.decode(fields[:, -n:]).astype(np.float64)
        if not self.layout.address:
            # Cells of a map come first in a stable sort, in their order: that of the charges.
            where = np.argsort(1 - where, axis=1, kind="stable")[:, :n]
        row, place = np.nonzero(charge)
        return row, where[row, place], charge[row, place]


class BestChoiceCode(LargestCellsCode):
    """The ECON-T's Best Choice: cells in the format 4E3M and the sum of the others in 5E3M, which is sent but not given to any cell.

    For a module in 60, 86, 119 or 154 bits these are the formats of 2 to 5 links (`hgcae.frontend.econt.best_choice_bits`). For larger
    units it is what a trigger that cuts the list of all modules' cells at its bandwidth would keep.
    """

    name = "best_choice"
    value, rest = FLOAT_4E3M, FLOAT_5E3M


class SpreadChoiceCode(BestChoiceCode):
    """Best Choice whose sum of the others is given to the cells that were not sent, in proportion to the mean training image.

    Args:
        hierarchy: Levels of one unit.
        smallest: Smallest training charge, ADC counts.
        layout: Fields.
        mean: Mean image: (n_cells,).
    """

    name = "best_choice_spread"

    def __init__(self, hierarchy: Hierarchy, smallest: float, layout: Layout, mean: NDArray[np.float64]) -> None:
        super().__init__(hierarchy, smallest, layout)
        self.mean = mean

    @override
    @classmethod
    def fit(cls, train: Events, bits: int, seed: int = 1) -> Self:
        return cls(*cls._fitted(train, bits), mean_image(train))

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> Events:
        parts = []
        for piece in self._pieces(len(fields)):
            row, cell, charge = self._cells(fields[piece])
            dense = np.repeat(self.mean[None], len(fields[piece]), axis=0)
            dense[row, cell] = 0.0
            share, rest = dense.sum(axis=1), FLOAT_5E3M.decode(fields[piece, 0])
            dense *= np.divide(rest, share, out=np.zeros(len(dense)), where=share > 0)[:, None]
            dense = without_small(dense, self.smallest)
            dense[row, cell] = charge
            parts.append(sparse_units(self.hierarchy, dense))
        return Events.concatenate(parts)


def largest(units: Events, n: int) -> NDArray[np.bool_]:
    """Returns which charges are among the `n` largest of their unit; of equal ones the first are taken: (nnz,)."""
    order = np.lexsort((-units.charge, units.event))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(units.offsets[:-1], units.counts)
    return rank < n
