"""Reconstruction errors of units: how far decoded charges are from the true ones, cell by cell and in sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.samples import check_pair, group_sums, piece_size
from hgcae.evaluate.statistics import ratio_of_sums
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy


@dataclass(frozen=True)
class UnitErrors:
    """Sums over the trigger cells of each unit, in ADC counts (or their square): (n,) each.

    Args:
        n_cells: Existing trigger cells in a unit.
        charge: True charge.
        occupied: Truly charged cells.
        squared: Squared differences.
        absolute: Absolute differences.
        absolute_occupied: Absolute differences in truly charged cells.
        sums: Absolute differences of the charge sums of the unit's parts, by level.
    """

    n_cells: int
    charge: NDArray[np.float64]
    occupied: NDArray[np.float64]
    squared: NDArray[np.float64]
    absolute: NDArray[np.float64]
    absolute_occupied: NDArray[np.float64]
    sums: Mapping[str, NDArray[np.float64]]

    @classmethod
    def concatenate(cls, parts: Sequence[UnitErrors]) -> UnitErrors:
        """Joins the errors of pieces of one sample; at least one piece."""
        fields = ("charge", "occupied", "squared", "absolute", "absolute_occupied")
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in fields}
        sums = {level: np.concatenate([part.sums[level] for part in parts]) for level in parts[0].sums}
        return cls(parts[0].n_cells, **joined, sums=sums)

    def summary(self) -> dict[str, Any]:
        """Returns the metrics of the sample.

        Returns:
            `n_units`; `mse` (ADC^2) and `mae` (ADC) per trigger cell; `mae_occupied` (ADC) per truly charged cell; `l1`: by level (`CELL`
            for trigger cells) the summed absolute differences of charge sums over the true charge. `<name>_error` is a standard error over
            units; None where undefined.
        """
        per_unit = np.full(len(self.charge), float(self.n_cells))
        result: dict[str, Any] = {"n_units": len(self.charge)}
        for name, numerator, denominator in (
            ("mse", self.squared, per_unit),
            ("mae", self.absolute, per_unit),
            ("mae_occupied", self.absolute_occupied, self.occupied),
        ):
            result[name], result[f"{name}_error"] = ratio_of_sums(numerator, denominator)
        l1 = {level: ratio_of_sums(values, self.charge) for level, values in {"CELL": self.absolute, **self.sums}.items()}
        result["l1"] = {level: value for level, (value, _) in l1.items()}
        result["l1_error"] = {level: error for level, (_, error) in l1.items()}
        return result


def compare(true: Events, decoded: Events) -> UnitErrors:
    """Compares sparse charges; one event of the samples is one unit.

    Raises:
        GeometryError, DataFormatError: The samples do not describe the same units.
    """
    check_pair(true, decoded)
    sums_per_unit = sum(true.hierarchy.n_units(level) for level in true.hierarchy.names)
    step = piece_size(len(true), len(true.cell) + len(decoded.cell) + len(true) * sums_per_unit)
    starts = range(0, max(len(true), 1), step)
    return UnitErrors.concatenate([_compare_piece(true[a : a + step], decoded[a : a + step]) for a in starts])


def _compare_piece(true: Events, decoded: Events) -> UnitErrors:
    n, size = len(true), true.hierarchy.n_cells()
    event, charge = true.event, true.charge.astype(np.float64)
    key, found = event * size + true.cell, decoded.event * size + decoded.cell
    at, hit = _lookup(key, found)
    difference = -charge
    difference[at[hit]] += decoded.charge[hit]
    ghost_event, ghost = decoded.event[~hit], decoded.charge[~hit].astype(np.float64)
    occupied_absolute = group_sums(event, np.abs(difference), n)
    return UnitErrors(
        _existing_cells(true.hierarchy),
        charge=group_sums(event, charge, n),
        occupied=true.counts.astype(np.float64),
        squared=group_sums(event, difference**2, n) + group_sums(ghost_event, ghost**2, n),
        absolute=occupied_absolute + group_sums(ghost_event, np.abs(ghost), n),
        absolute_occupied=occupied_absolute,
        sums={level: np.abs(decoded.unit_sums(level) - true.unit_sums(level)).sum(axis=1) for level in true.hierarchy.names},
    )


def compare_dense(true: Events, decoded: NDArray[np.float64]) -> UnitErrors:
    """Compares sparse true charges with dense decoded ones.

    Args:
        true: One event is one unit.
        decoded: (n, n_cells) ADC counts, may be negative; overwritten.
    """
    n, event, charge = len(true), true.event, true.charge.astype(np.float64)
    decoded[event, true.cell] -= charge
    difference = parts = decoded
    sums = {}
    for part in true.hierarchy.levels:
        # A product with ones is several times faster than a sum over a short last axis.
        parts = parts.reshape(n, -1, part.children) @ np.ones(part.children)
        sums[part.name] = np.abs(parts).sum(axis=1)
    squared = np.einsum("ij,ij->i", difference, difference)
    np.abs(difference, out=difference)
    return UnitErrors(
        _existing_cells(true.hierarchy),
        charge=group_sums(event, charge, n),
        occupied=true.counts.astype(np.float64),
        squared=squared,
        absolute=difference.sum(axis=1),
        absolute_occupied=group_sums(event, difference[event, true.cell], n),
        sums=sums,
    )


def choose_units(events: Events, level: str, max_units: int, seed: int) -> tuple[Events, NDArray[np.int64]]:
    """Returns occupied units of a level, at most `max_units` of them at random, and their numbers event x n_units + unit, increasing.

    At most `max_units` events are searched, which bounds the memory: each holds at least one occupied unit, so there are always enough.
    """
    rng = np.random.default_rng(seed)
    chosen = _at_most(np.flatnonzero(events.counts), max_units, rng)
    units, event, index = events[chosen].units(level)
    key = chosen[event] * events.hierarchy.n_units(level) + index
    pick = _at_most(np.arange(len(units)), max_units, rng)
    return units[pick], key[pick]


def _at_most(values: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return values if len(values) <= n else np.sort(rng.choice(values, n, replace=False))


def same_units(decoded: Events, level: str, key: NDArray[np.int64]) -> Events:
    """Returns the units with the numbers `key` (see `choose_units`) of other events: empty where those hold no charge there."""
    size, n_units = decoded.hierarchy.n_cells(level), decoded.hierarchy.n_units(level)
    at, hit = _lookup(key, decoded.event * n_units + decoded.cell // size)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(at[hit], minlength=len(key)))])
    cell = (decoded.cell[hit] % size).astype(np.int32)
    return Events(decoded.hierarchy.rooted(level), offsets.astype(np.int64), cell, decoded.charge[hit], detector=decoded.detector)


def ghost_fraction(true: Events, decoded: Events, level: str) -> float | None:
    """Returns the charge decoded in units of a level that are truly empty, over the true charge; None without charge."""
    size, n_units = true.hierarchy.n_cells(level), true.hierarchy.n_units(level)
    key = true.event * n_units + true.cell // size
    _, hit = _lookup(key[np.diff(key, prepend=-1) > 0], decoded.event * n_units + decoded.cell // size)
    total = float(true.charge.sum(dtype=np.float64))
    return float(decoded.charge[~hit].sum(dtype=np.float64)) / total if total > 0 else None


def _lookup(ordered: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Returns where the wanted numbers stand in an increasing array, and which of them are there at all."""
    if not len(ordered):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return at, ordered[at] == wanted


def _existing_cells(hierarchy: Hierarchy) -> int:
    return int(hierarchy.present("CELL").sum())
