"""The fluctuation floor: how far a shower is from the mean shower of the same particle, what a perfect code of the truth would reach.

The mean is taken over independent showers of the same particle: same kind, energy, direction and impact, other random numbers. It is
scaled to the true charge of every unit of the level, as if these sums were sent as well. Below that, a code has to say something about the
one shower that happened.
"""

from __future__ import annotations

from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.simulate import SimulateSettings, mean_shower

FLOOR = "fluctuation_floor"
"""Name in tables."""


def has_floor(events: Events) -> bool:
    """Returns whether the showers of events can be simulated again: whole events of a detector, with the truth of their particles."""
    return events.detector is not None and events.particle_offsets is not None and set(PARTICLE_COLUMNS) <= set(events.particles)


def fluctuation_floor(events: Events, level: str, simulation: SimulateSettings, *, copies: int = 12) -> Events:
    """Returns the mean of independent showers of the same particles, scaled to the true sum of every unit of a level.

    Args:
        events: Events with truth.
        level: Level of the units whose sums are kept.
        simulation: What simulated them.
        copies: Showers to average.

    Raises:
        SettingsError, DataFormatError: See `hgcae.simulate.repeated`.
    """
    return mean_shower(events, copies, simulation.seed, settings=simulation, level=level)
