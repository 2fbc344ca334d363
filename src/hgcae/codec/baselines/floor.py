"""The fluctuation floor: how far a shower is from the mean shower of the same particle, what a perfect code of the truth would reach.

The mean is taken over independent showers of the same particle: same kind, energy, direction and impact, other random numbers. It is
scaled to the true charge of every unit of the level, as if these sums were sent as well. Below that, a code has to say something about the
one shower that happened.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.simulate import SimulateSettings, simulate_again

FLOOR = "fluctuation_floor"
"""Name in tables."""
_CHUNK = 100
"""Events whose copies are held at a time."""


def has_floor(events: Events) -> bool:
    """Returns whether the showers of events can be simulated again: whole events of a detector, with the truth of their particles."""
    return events.detector is not None and events.particle_offsets is not None and set(PARTICLE_COLUMNS) <= set(events.particles)


def fluctuation_floor(events: Events, level: str, simulation: SimulateSettings, *, copies: int = 12) -> Events:
    """Returns the mean of independent showers of the same particles, scaled to the true sum of every unit of a level.

    The charge of a unit that none of the copies hits is given to nobody.

    Args:
        events: Events with truth.
        level: Level of the units whose sums are kept.
        simulation: What simulated them.
        copies: Showers to average.

    Raises:
        SettingsError: No copies.
        DataFormatError, GeometryError: The events have no truth, or are not whole events of the detector.
    """
    if copies < 1:
        msg = f"{FLOOR}: found {copies} copies, expected at least 1"
        raise SettingsError(msg)
    parts = [_floor(piece, level, simulation, copies) for piece in events.chunks(_CHUNK)]
    mean = Events.concatenate(parts) if parts else events
    return replace(events, offsets=mean.offsets, cell=mean.cell, charge=mean.charge)


def _floor(events: Events, level: str, simulation: SimulateSettings, copies: int) -> Events:
    again = [simulate_again(events, simulation, copy) for copy in range(copies)]
    n_cells = events.hierarchy.n_cells()
    key, where = np.unique(np.concatenate([copy.event * n_cells + copy.cell for copy in again]), return_inverse=True)
    charge = np.bincount(where, np.concatenate([copy.charge for copy in again]), len(key))
    event, cell = np.divmod(key, n_cells)
    mean = replace(events, offsets=_offsets(event, len(events)), cell=cell.astype(np.int32), charge=charge)
    before, after = events.unit_sums(level), mean.unit_sums(level)
    scale = np.divide(before, after, out=np.zeros_like(before), where=after > 0)
    charge *= scale[event, cell // events.hierarchy.n_cells(level)]
    kept = charge > 0
    return replace(mean, offsets=_offsets(event[kept], len(events)), cell=mean.cell[kept], charge=charge[kept])


def _offsets(event: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(event, minlength=n))]).astype(np.int64)
