"""What every simple code of a unit does: sparse charges of units of one level to fields of fixed width, and back to charges.

A code is fitted to training units and a number of bits; decoding needs the fit and the packed fields, nothing else. The empty unit is
all zeros and decodes to nothing, as it does in the learned codes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.coding import bitpack
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy

ENTRIES = 2_000_000
"""Numbers of dense units that are held at a time; bounds the memory."""
SMALL = 0.6
"""Decoded charges below this fraction of the smallest training charge are dropped, as the learned decoders do."""
DROPPED = 0.05
"""Largest share of a unit's charge that is dropped: a wide mean image is all small charges."""


class UnitCodec(ABC):
    """One way to send a unit in a given number of bits.

    Args:
        hierarchy: Levels of one unit.
        smallest: Smallest charge of the training units, ADC counts.
    """

    name: ClassVar[str]
    """Name in tables."""

    def __init__(self, hierarchy: Hierarchy, smallest: float) -> None:
        self.hierarchy, self.smallest = hierarchy, smallest

    @classmethod
    @abstractmethod
    def fit(cls, train: Events, bits: int, seed: int = 1) -> Self:
        """Fits the code to occupied training units.

        Args:
            train: One event is one unit.
            bits: Bits that the code of a unit may have.
            seed: Start of iterations.

        Raises:
            SettingsError: Nothing useful fits into the bits.
            DataFormatError: There are no training units.
        """

    @property
    @abstractmethod
    def widths(self) -> NDArray[np.int64]:
        """Bits of the fields of every code, in the order they are packed: (n_fields,)."""

    @property
    def used_bits(self) -> int:
        """Bits of every code, at most those asked for."""
        return int(self.widths.sum())

    @abstractmethod
    def fields(self, units: Events) -> NDArray[np.int64]:
        """Returns the fields (n, n_fields) of units."""

    @abstractmethod
    def rebuild(self, fields: NDArray[np.int64]) -> Events:
        """Returns the units that fields (n, n_fields) stand for, as events with float64 charges."""

    def encode(self, units: Events) -> NDArray[np.uint8]:
        """Returns the packed codes of units: (n, bytes).

        Raises:
            DataFormatError: A charge is not a whole number.
        """
        whole = np.rint(units.charge)
        if (whole != units.charge).any():
            raise DataFormatError(self.name, "charges", str(units.charge[whole != units.charge][0]), "whole numbers")
        return bitpack.pack(self.fields(units), self.widths)

    def decode(self, packed: NDArray[np.uint8]) -> Events:
        """Returns the units that packed codes (n, bytes) stand for."""
        return self.rebuild(bitpack.unpack(packed, self.widths))

    def _pieces(self, n: int) -> Iterator[slice]:
        """Yields slices of `n` units that are small enough to be dense; one empty slice for no units."""
        step = max(1, ENTRIES // self.hierarchy.n_cells())
        return (slice(start, start + step) for start in range(0, max(n, 1), step))


def checked_training(name: str, train: Events, bits: int, least: int) -> float:
    """Returns the smallest charge of training units.

    Raises:
        DataFormatError: No training units.
        SettingsError: Fewer than `least` bits.
    """
    if bits < least:
        msg = f"code {name}: found {bits} bits for a unit of {train.hierarchy.n_cells()} cells, expected at least {least}"
        raise SettingsError(msg)
    if not len(train.charge):
        raise DataFormatError(name, "training units", "no charge", "at least one occupied unit")
    return float(train.charge.min())


def mean_image(train: Events) -> NDArray[np.float64]:
    """Returns the mean of the units' images, weighted with their charge: (n_cells,), with the sum 1."""
    total = np.bincount(train.cell, train.charge, train.hierarchy.n_cells())
    return total / total.sum()


def sparse_units(hierarchy: Hierarchy, dense: NDArray[np.float64]) -> Events:
    """Returns dense charges (n, n_cells) as events; what is not positive is left out."""
    row, cell = np.nonzero(dense > 0)
    return units_of(hierarchy, len(dense), row, cell, dense[row, cell])


def units_of(hierarchy: Hierarchy, n: int, row: NDArray[np.integer], cell: NDArray[np.integer], charge: NDArray[np.float64]) -> Events:
    """Returns `n` units from the unit number, cell and charge of their cells, in any order."""
    order = np.lexsort((cell, row))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int64)
    return Events(hierarchy, offsets, cell[order].astype(np.int32), charge[order].astype(np.float64))


def without_small(dense: NDArray[np.float64], smallest: float) -> NDArray[np.float64]:
    """Drops small charges and scales up the rest of their unit, so that a smooth image does not fill the detector with tiny charges.

    The threshold is `SMALL` x `smallest`; where more than `DROPPED` of a unit would fall below, it is halved until that is no longer so.

    Args:
        dense: Non-negative charges (n, n_cells), ADC counts; overwritten.
        smallest: ADC counts.
    """
    total = dense.sum(axis=1)
    threshold = np.full(len(dense), SMALL * smallest)
    todo = np.flatnonzero(total > 0)
    while len(todo):
        rows = dense[todo]
        below = np.where(rows < threshold[todo, None], rows, 0.0).sum(axis=1)
        todo = todo[below > DROPPED * total[todo]]
        threshold[todo] /= 2
    dense[dense < threshold[:, None]] = 0.0
    kept = dense.sum(axis=1)
    dense *= np.divide(total, kept, out=np.zeros_like(total), where=kept > 0)[:, None]
    return dense
