"""Summary of a stream of events, in constant memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.events import Events

PERCENTILES = (1, 16, 50, 84, 99)
"""Percentiles of the charges that a summary gives."""


class Summary:
    """Collects occupancies, charges and ranges of the events that it is shown."""

    def __init__(self) -> None:
        self.events = 0
        self._first: Events | None = None
        self._occupied: Counter[str] = Counter()
        self._most_cells = 0
        self._charge_sum = 0.0
        self._charges: Counter[float] = Counter()
        self._ranges: dict[str, tuple[float, float]] = {}
        self._species: Counter[float] = Counter()

    def watch(self, chunks: Iterable[Events]) -> Iterator[Events]:
        """Yields the chunks unchanged, and counts each."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, events: Events) -> None:
        """Counts events; all chunks are of one kind."""
        if self._first is None:
            self._first = events[:0]
        self.events += len(events)
        self._most_cells = max(self._most_cells, int(events.counts.max(initial=0)))
        self._occupied["CELL"] += len(events.cell)
        for level in events.hierarchy.names:
            unit = events.event * events.hierarchy.n_units(level) + events.cell // events.hierarchy.n_cells(level)
            # Cells increase within an event, so equal units are neighbours.
            self._occupied[level] += int(np.count_nonzero(np.diff(unit, prepend=-1)))
        charge = events.charge.astype(np.float64)
        self._charge_sum += float(charge.sum())
        values, counts = np.unique(_three_digits(charge), return_counts=True)
        self._charges.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        self._widen("charge", charge)
        for name, column in events.columns.items():
            self._widen(f"columns.{name}", column)
        if events.particle_offsets is not None:
            self._widen("truth.particles_per_event", np.diff(events.particle_offsets))
        for name, column in events.particles.items():
            self._widen(f"truth.{name}", column)
        self._species.update(events.particles.get("pdg", np.zeros(0)).tolist())

    def _widen(self, name: str, values: NDArray[Any]) -> None:
        """Extends the range of a quantity; NaN, which stands for not known, counts for nothing."""
        if values.dtype.names is None:
            low, high = self._ranges.get(name, (np.inf, -np.inf))
            flat = values.reshape(-1).astype(np.float64)
            self._ranges[name] = float(np.fmin.reduce(flat, initial=low)), float(np.fmax.reduce(flat, initial=high))

    def mean_occupied(self, level: str) -> float:
        """Returns the mean number of units of a level with charge per event; `CELL` for trigger cells."""
        return self._occupied[level] / max(self.events, 1)

    def metrics(self) -> dict[str, Any]:
        """Returns what was found, as plain values; charges in the counts of the file, occupied = mean per event."""
        first = self._first
        if first is None:
            return {"events": 0}
        hierarchy = first.hierarchy
        levels = {name: {"units": hierarchy.n_units(name), "occupied": self.mean_occupied(name)} for name in reversed(hierarchy.names)}
        cells = {"units": hierarchy.n_cells(), "occupied": self.mean_occupied("CELL"), "most": self._most_cells}
        return {
            "events": self.events,
            "root": hierarchy.root,
            "shape": list(hierarchy.shape),
            "detector": None if first.detector is None else {"name": first.detector[0], "fingerprint": first.detector[1]},
            "levels": {**levels, "trigger cells": cells},
            "charge": {
                "dtype": str(first.charge.dtype),
                **self._range("charge"),
                "sum": self._charge_sum,
                "percentiles": self._percentiles(),
            },
            "columns": {name: {"dtype": _kind(values), **self._range(f"columns.{name}")} for name, values in first.columns.items()},
            **({} if first.digi is None else {"digi": asdict(first.digi)}),
            "truth": {name.removeprefix("truth."): self._range(name) for name in self._ranges if name.startswith("truth.")},
            "particles": {f"{pdg:.0f}": count for pdg, count in sorted(self._species.items())},
        }

    def _range(self, name: str) -> dict[str, float]:
        low, high = self._ranges.get(name, (np.inf, -np.inf))
        return {"min": low, "max": high} if low <= high else {}

    def _percentiles(self) -> dict[str, float]:
        """Returns percentiles of the charges, to three digits."""
        values = np.array(sorted(self._charges))
        share = np.cumsum([self._charges[value] for value in values.tolist()]) / self._charges.total()
        return {str(p): float(values[np.searchsorted(share, p / 100)]) for p in PERCENTILES} if len(values) else {}


def _three_digits(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounds positive numbers to three digits, so that few different ones are left to count."""
    place = np.floor(np.log10(values)) - 2
    # Powers of ten are exact, their inverses are not: so 97 stays 97.
    up, down = 10.0 ** np.maximum(-place, 0), 10.0 ** np.maximum(place, 0)
    return np.round(values * up / down) * down / up


def _kind(values: NDArray[Any]) -> str:
    return f"{values.dtype} {values.shape[1:]}" if values.ndim > 1 else str(values.dtype)
