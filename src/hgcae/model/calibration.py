"""What a model knows of its data before training: the ranges of its charges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.events import Events

MOST_LSB = 2**24
"""Charge sums of a unit in LSB, at most: in sixteenths they leave 32-bit integers room for eight times as much charge."""


@dataclass(frozen=True)
class Calibration:
    """What a model knows of its data before training.

    Args:
        maximum: Largest charge sum of a unit of each level, ADC counts (weighted at the root).
        smallest_charge: Smallest charge of a trigger cell, ADC counts: decoded charges well below it are noise of the decoder.
        lsb: Least significant bit of charges: 1 ADC count for integers, else 1/32 of the smallest charge or, where charges differ by
            more orders of magnitude than integers have room for, what brings the largest sum to `MOST_LSB`.
        root_weight: Weight of each child of the root, e.g. energy per MIP of the layers relative to their median; None = 1.
    """

    maximum: Mapping[str, float]
    smallest_charge: float
    lsb: float = 1.0
    root_weight: tuple[float, ...] | None = None

    @classmethod
    def measure(cls, chunks: Iterable[Events], root_weight: NDArray[np.float64] | None = None) -> Calibration:
        """Measures a training sample, read once in pieces; sums get 20 % of headroom.

        Raises:
            GeometryError: No charges at all.
        """
        maximum: dict[str, float] = {}
        smallest, whole = np.inf, True
        for events in chunks:
            for name in events.hierarchy.names:
                weighted = root_weight is not None and name == events.hierarchy.root
                largest = _largest_sum(events, name, root_weight if weighted else None)
                maximum[name] = max(maximum.get(name, 0.0), 1.2 * largest)
            smallest = min(smallest, float(events.charge.min())) if len(events.charge) else smallest
            whole = whole and bool((events.charge == np.round(events.charge)).all())
        if not np.isfinite(smallest):
            msg = "the training sample has no charges"
            raise GeometryError(msg)
        lsb = 1.0 if whole else max(smallest / 32, max(maximum.values()) / MOST_LSB)
        return cls(maximum, smallest, lsb, None if root_weight is None else tuple(map(float, root_weight)))


def _largest_sum(events: Events, level: str, child_weight: NDArray[np.float64] | None) -> float:
    hierarchy = events.hierarchy
    charge = events.charge.astype(np.float64)
    if child_weight is not None:
        charge *= child_weight[events.cell // (hierarchy.n_cells(level) // len(child_weight))]
    _, unit = np.unique(events.event * hierarchy.n_units(level) + events.cell // hierarchy.n_cells(level), return_inverse=True)
    return float(np.bincount(unit, charge).max(initial=0.0))
