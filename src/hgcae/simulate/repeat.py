"""The same particles again, with other showers: how much two events of one truth differ, and what no code can know.

The mean of several such showers, scaled to the true sum, is what a decoder would return that knew the truth of an event and its sum, but
nothing of its fluctuations: the fluctuation floor of a reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.geometry.detector import detector_of
from hgcae.parallel import in_order
from hgcae.simulate.engine import SimulateSettings, Simulation
from hgcae.simulate.gun import MASS_GEV, Particle


def repeated(
    events: Events, k: int, seed: int, settings: SimulateSettings | None = None, workers: int = 1, chunk: int = 200
) -> Generator[Events]:
    """Simulates every event `k` times anew: the same particles with the same energies, directions and impacts, other random numbers.

    A shower depends on the seed, its copy and the place of its event in `events` only.

    Args:
        events: Simulated events with truth.
        k: Number of copies.
        seed: Start of the random numbers.
        settings: Shower and digitisation, as the events were made with; their gun and seed are not used. Default: those of
            `SimulateSettings` for the detector that the events name.
        workers: Threads.
        chunk: Events simulated at a time.

    Yields:
        `k` samples of as many events, in the same order, with truth.

    Raises:
        DataFormatError: The events lack the particles, or hold one that cannot be simulated.
        SettingsError: An impossible number, or events and settings that name different detectors.
    """
    if k < 1 or workers < 1 or chunk < 1:
        msg = f"repeated: found k={k}, workers={workers}, chunk={chunk}, expected 1 or more of each"
        raise SettingsError(msg)
    particles = _particles(events)
    chosen = (settings or SimulateSettings()).model_copy(update={"deposits": False})
    simulation = Simulation(chosen, None if settings else detector_of(events.detector, "repeated"))
    if events.detector not in (None, simulation.detector.identity):
        msg = f"repeated: found events of the detector {events.detector}, expected {simulation.detector.name}"
        raise SettingsError(msg)

    def piece(copy: int, start: int, stop: int) -> Events:
        generators = (np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, copy, n, _REPEATED]))) for n in range(start, stop))
        return simulation.record(zip(particles[start:stop], generators, strict=True))

    starts = range(0, len(events), chunk)
    for copy in range(k):
        pieces = ((copy, start, min(start + chunk, len(events))) for start in starts)
        yield Events.concatenate(list(in_order(piece, pieces, workers)))


_REPEATED = 0x5EC0D
"""Keeps these random numbers apart from those of first showers, which start with a seed and an event, too."""


def mean_shower(
    events: Events,
    k: int,
    seed: int,
    cell_weight: NDArray[np.float64] | None = None,
    settings: SimulateSettings | None = None,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    level: str | None = None,
) -> Events:
    """Returns the mean of `k` showers of the same truth as each event, scaled to the sums of the event's own units.

    Args:
        events: Simulated events with truth.
        k: Number of showers.
        seed: Start of the random numbers.
        cell_weight: Weight of each trigger cell of the root in the sum, e.g. energy per count: (n_cells,); None = 1.
        settings: See `repeated`.
        workers: Threads.
        progress: Called with the number of showers done, of all events.
        level: Level of the units whose sums are kept; default the root, so the event's sum.

    Returns:
        Events with float64 charges; truth and columns of `events`. The charge of a unit that no shower hits is given to nobody.
    """
    n_cells = events.hierarchy.n_cells()
    key, charge = np.zeros(0, dtype=np.int64), np.zeros(0)
    for done, copy in enumerate(repeated(events, k, seed, settings, workers), 1):
        # Added copy by copy, so that memory does not grow with their number.
        keys, values = np.concatenate([key, copy.event * n_cells + copy.cell]), np.concatenate([charge, copy.charge / k])
        key, place = np.unique(keys, return_inverse=True)
        charge = np.bincount(place, values, len(key))
        if progress is not None:
            progress(done)
    event, cell = np.divmod(key, n_cells)
    weight = np.ones(n_cells) if cell_weight is None else cell_weight
    size = events.hierarchy.n_cells(level)
    before = events.unit_sums(level or events.hierarchy.root, weight)
    units = event * before.shape[1] + cell // size
    after = np.bincount(units, weight[cell] * charge, before.size)
    charge = charge * np.divide(before.ravel(), after, out=np.zeros(before.size), where=after > 0)[units]
    kept = charge > 0
    offsets = np.concatenate([[0], np.cumsum(np.bincount(event[kept], minlength=len(events)))]).astype(np.int64)
    return replace(events, offsets=offsets, cell=cell[kept].astype(np.int32), charge=charge[kept])


def _particles(events: Events) -> list[list[Particle]]:
    """Returns the particles of each event as the gun drew them."""
    missing = [name for name in Particle._fields if name not in events.particles]
    if events.particle_offsets is None or missing:
        expected = f"the truth of simulated particles: {', '.join(PARTICLE_COLUMNS)}"
        found = f"no {missing[0] if missing else 'offsets'}"
        raise DataFormatError(source="events", where="particle columns", found=found, expected=expected)
    unknown = ~np.isin(events.particles["pdg"], list(MASS_GEV))
    if unknown.any():
        at = int(np.argmax(unknown))
        expected = f"one of {', '.join(map(str, MASS_GEV))}"
        raise DataFormatError(source="events", where=f"particle {at}", found=f"pdg {events.particles['pdg'][at]}", expected=expected)
    rows = list(map(Particle, *(events.particles[name].tolist() for name in Particle._fields)))
    edges = events.particle_offsets.tolist()
    return [rows[a:b] for a, b in pairwise(edges)]
