"""The largest trigger cells of a unit, with their addresses: what the ECON-T's Best Choice does for a module, for units of any size.

Best Choice itself, with the ECON-T's packets and the sorting network that decides between equal charges, is
`hgcae.codec.econt.BestChoiceCodec`. In its number formats, as `best_choice` at 60, 86, 119 and 154 bits, this code sends as many cells of a
module and differs where charges are equal.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from hgcae.codec.base import FieldsCodec, FitOptions, budget
from hgcae.codec.simple.units import checked_training, mean_image, without_small
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M, FloatCode
from hgcae.coding.ranks import ranks
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry import module


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
    def of(cls, bits: int, cells: int, value: FloatCode, rest: FloatCode | None) -> Layout:
        """Returns the layout with most cells in a number of bits: addresses, or a map where that is shorter; 0 cells if none fits."""
        room, address = bits - (rest.bits if rest else 0), math.ceil(math.log2(cells))
        listed, mapped = room // (address + value.bits), min((room - cells) // value.bits, cells)
        return cls(mapped, 0, value, rest) if mapped > listed else cls(max(min(listed, cells), 0), address, value, rest)

    def widths(self, cells: int) -> NDArray[np.int64]:
        """Returns the width of every field: the sum of the others, addresses or map, charges."""
        rest = [self.rest.bits] if self.rest else []
        where = [self.address] * self.n if self.address else [1] * cells
        return np.array([*rest, *where, *[self.value.bits] * self.n])


class LargestCellsCodec(FieldsCodec):
    """Sends as many of the largest cells as fit; the others are lost, or only their sum is sent.

    Args:
        cells: Trigger cells of a unit.
        bits: Bits that the code of a unit may have.
        best_choice: Use the number formats of the ECON-T, cells in 4E3M and the sum of the others in 5E3M, not 5E4M for cells alone.
        mean: Mean image (cells,), in proportion to which that sum is given to the cells that were not sent; None = it goes to no cell.
        smallest: Smallest training charge, ADC counts, for `without_small`.

    Raises:
        SettingsError: No cell fits into the bits, or values are wrong.
    """

    name = "largest_cells"

    def __init__(self, cells: int, bits: int, best_choice: bool = False, mean: ArrayLike | None = None, smallest: float = 0.0) -> None:
        self.cells, self.bits, self.best_choice, self.smallest = int(cells), int(bits), bool(best_choice), float(smallest)
        self.mean = None if mean is None else np.asarray(mean, dtype=np.float64)
        formats = (FLOAT_4E3M, FLOAT_5E3M) if best_choice else (FLOAT_5E4M, None)
        self.layout = Layout.of(self.bits, self.cells, *formats)
        if not self.layout.n:
            least = self.layout.address + sum(form.bits for form in formats if form)
            msg = f"code {self.name}: found {bits} bits for a unit of {cells} cells, expected at least {least}"
            raise SettingsError(msg)
        spread = self.mean is None or (self.best_choice and self.mean.shape == (self.cells,) and np.isfinite(self.mean).all())
        if not spread or not 0 <= self.smallest < np.inf:
            msg = f"codec {self.name}: mean, smallest: expected an image of {cells} cells with best_choice, and a charge"
            raise SettingsError(msg)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:  # noqa: ARG003 - nothing to fit
        """Returns the code of modules at a number of links."""
        return cls(module.N_CELLS, budget(links, cls.name))

    @classmethod
    def of_units(cls, train: Events, bits: int, seed: int = 1, *, best_choice: bool = False, spread: bool = False) -> Self:  # noqa: ARG003
        """Returns the code of units of any level, see `MeanCodec.of_units`; with `spread`, the mean image is fitted."""
        rows = train.to_sparse()
        smallest = checked_training(cls.name, rows, bits, 1)
        return cls(train.hierarchy.n_cells(), bits, best_choice, mean_image(rows) if spread else None, smallest)

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return self.layout.widths(self.cells)

    @override
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        n, layout = len(charges), self.layout
        row, cell = np.nonzero(charges)
        charge = charges[row, cell]
        sent = ranks(charge, _offsets(row, n)) < layout.n
        parts = []
        if layout.rest:
            other = np.bincount(row[~sent], charge[~sent], n).astype(np.int64)
            parts.append(layout.rest.encode(other)[:, None])
        row, cell, charge = row[sent], cell[sent], charge[sent]
        place = np.arange(len(row)) - _offsets(row, n)[row]
        where = np.zeros((n, layout.n if layout.address else self.cells), dtype=np.int64)
        if layout.address:
            where[row, place] = cell
        else:
            where[row, cell] = 1
        value = np.zeros((n, layout.n), dtype=np.int64)
        value[row, place] = layout.value.encode(charge)
        return np.concatenate([*parts, where, value], axis=1)

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        row, cell, charge = self._cells(fields)
        dense = np.zeros((len(fields), self.cells))
        if self.mean is not None:
            dense += self.mean
            dense[row, cell] = 0.0
            share, rest = dense.sum(axis=1), FLOAT_5E3M.decode(fields[:, 0])
            dense *= np.divide(rest, share, out=np.zeros(len(dense)), where=share > 0)[:, None]
            dense = without_small(dense, self.smallest)
        dense[row, cell] = charge
        return dense

    def _cells(self, fields: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Returns unit, cell and charge of every cell that was sent.

        Raises:
            DataFormatError: The address of a cell that a unit does not have.
        """
        n, layout = self.layout.n, self.layout
        where, charge = fields[:, int(layout.rest is not None) : -n], layout.value.decode(fields[:, -n:]).astype(np.float64)
        if not layout.address:
            # Cells of a map come first in a stable sort, in their order: that of the charges.
            where = np.argsort(1 - where, axis=1, kind="stable")[:, :n]
        row, place = np.nonzero(charge)
        cell = where[row, place]
        if (cell >= self.cells).any():
            raise DataFormatError(self.name, "address", str(cell.max()), f"below {self.cells}")
        return row, cell, charge[row, place]

    @override
    def get_config(self) -> dict[str, Any]:
        mean = None if self.mean is None else self.mean.tolist()
        own = {"cells": self.cells, "bits": self.bits, "best_choice": self.best_choice}
        return {"name": self.name, **own, "mean": mean, "smallest": self.smallest}


def _offsets(row: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Returns where each of `n` rows begins in increasing row numbers, and the end: (n + 1,)."""
    return np.searchsorted(row, np.arange(n + 1))
