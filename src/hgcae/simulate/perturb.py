"""What may be otherwise than in training: dead parts, more noise, a wrong calibration, other particles, other energies.

Maps of dead or miscalibrated cells are fixed by their seed, as they are fixed in a detector: the same cells in every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError, unknown
from hgcae.events import Events
from hgcae.geometry.detector import detector_of
from hgcae.simulate.engine import SimulateSettings, simulate


def dead_units(events: Events, level: str, share: float, seed: int) -> Events:
    """Returns events in which some units of a level read nothing, the same in every event.

    Args:
        events: The events.
        level: Level of what is dead; `CELL` for trigger cells.
        share: Share of the existing units, rounded to whole ones, at least one if positive.
        seed: Draws them.

    Raises:
        SettingsError: The share is not one.
    """
    if not 0 <= share <= 1:
        msg = f"dead units: share: found {share}, expected 0 to 1"
        raise SettingsError(msg)
    exists = np.flatnonzero(events.hierarchy.present(level))
    n_dead = min(max(round(share * len(exists)), int(share > 0)), len(exists))
    alive = np.ones(len(events.hierarchy.present(level)), dtype=bool)
    alive[np.random.default_rng(seed).choice(exists, n_dead, replace=False)] = False
    size = 1 if level == "CELL" else events.hierarchy.n_cells(level)
    return _kept(events, alive[events.cell // size], events.charge)


def miscalibrated(events: Events, sigma: float, seed: int) -> Events:
    """Returns events whose cells read wrong by a factor of their own, normal about 1; whole charges stay whole.

    Args:
        events: The events.
        sigma: Width of the factors, which are never below zero.
        seed: Draws them.
    """
    factor = np.maximum(1 + sigma * np.random.default_rng(seed).standard_normal(events.hierarchy.n_cells()), 0.0)
    charge = events.charge * factor[events.cell]
    charge = (np.rint(charge) if events.charge.dtype.kind in "iu" else charge).astype(events.charge.dtype)
    return _kept(events, charge > 0, charge)


def _kept(events: Events, keep: NDArray[np.bool_], charge: NDArray[Any]) -> Events:
    offsets = np.concatenate([[0], np.cumsum(np.bincount(events.event[keep], minlength=len(events)))])
    return replace(events, offsets=offsets.astype(np.int64), cell=events.cell[keep], charge=charge[keep])


class Pair(NamedTuple):
    """A sample as it should be read, and as it is.

    Args:
        undisturbed: What a perfect detector of this kind would have read.
        given: What the encoders see.
    """

    undisturbed: Events
    given: Events


@dataclass(frozen=True)
class Perturbation:
    """One thing that is otherwise.

    Args:
        name: Name in tables.
        what: A line about it.
        make: Returns the sample, from events, what simulated them (None where unknown) and a seed.
        simulates: Whether it needs what simulated the events.
    """

    name: str
    what: str
    make: Callable[[Events, SimulateSettings | None, int], Pair]
    simulates: bool = False


def _dead(level: str, share: float) -> Callable[..., Pair]:
    return lambda events, _, seed: Pair(events, dead_units(events, level, share, seed))


def _wrong(sigma: float) -> Callable[..., Pair]:
    return lambda events, _, seed: Pair(events, miscalibrated(events, sigma, seed))


def _noisy(factor: float) -> Callable[..., Pair]:
    def make(events: Events, settings: SimulateSettings, _seed: int) -> Pair:
        digitise = settings.digitise.model_copy(update={"noise_scale": factor * settings.digitise.noise_scale})
        return Pair(events, _simulated(events, settings.model_copy(update={"digitise": digitise})))

    return make


def _gun(**changes: Any) -> Callable[..., Pair]:
    def make(events: Events, settings: SimulateSettings, _seed: int) -> Pair:
        gun = type(settings.gun).load(settings.gun.model_dump() | changes)
        other = _simulated(events, settings.model_copy(update={"gun": gun}))
        return Pair(other, other)

    return make


def _simulated(events: Events, settings: SimulateSettings) -> Events:
    """Simulates events of the same numbers: where only the digitisation differs, the showers are the same, energy by energy."""
    numbers = events.columns["event"]
    detector = detector_of(events.detector, "perturbed")
    return Events.concatenate(list(simulate(settings, len(numbers), first=int(numbers[0]), detector=detector)))


PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("nominal", "events like those of the training", lambda events, _settings, _seed: Pair(events, events)),
    Perturbation("dead_cells_1", "1 % of the trigger cells read nothing", _dead("CELL", 0.01)),
    Perturbation("dead_cells_5", "5 % of the trigger cells read nothing", _dead("CELL", 0.05)),
    Perturbation("dead_modules_1", "1 % of the modules read nothing", _dead("MODULE", 0.01)),
    Perturbation("dead_modules_5", "5 % of the modules read nothing", _dead("MODULE", 0.05)),
    Perturbation("miscalibrated_5", "each cell has a factor of its own, 5 % wide", _wrong(0.05)),
    Perturbation("noise_2", "the same showers with twice the electronic noise", _noisy(2.0), simulates=True),
    Perturbation("photons", "photons of the same energies and impacts", _gun(particles=("gamma",)), simulates=True),
    Perturbation("pions", "charged pions of the same energies and impacts", _gun(particles=("pi-",)), simulates=True),
    Perturbation("energy_5_20", "energies of 5 to 20 GeV", _gun(energy_gev=(5.0, 20.0)), simulates=True),
    Perturbation("energy_500_1000", "energies of 500 to 1000 GeV", _gun(energy_gev=(500.0, 1000.0)), simulates=True),
)
"""All perturbations of events; one line adds another."""


def can_be_simulated(events: Events, settings: SimulateSettings | None) -> bool:
    """Returns whether the events are known to be consecutive ones of a simulation, so that it can be repeated with other settings."""
    numbers = events.columns.get("event", np.zeros(0))
    return settings is not None and len(numbers) > 0 and bool((np.diff(numbers) == 1).all())


def perturbed(
    events: Events, settings: SimulateSettings | None, seed: int, names: tuple[str, ...] = ()
) -> Iterator[tuple[Perturbation, Pair]]:
    """Yields the samples of all perturbations that can be made of the events, one at a time.

    Args:
        events: Undisturbed events.
        settings: What simulated them; None leaves out what has to be simulated, as do events with gaps between their numbers.
        seed: Draws the maps.
        names: Only these; all if empty.

    Raises:
        SettingsError: An unknown name.
    """
    known = {perturbation.name: perturbation for perturbation in PERTURBATIONS}
    if strange := [name for name in names if name not in known]:
        raise SettingsError(unknown("perturbation", strange[0], known))
    for perturbation in PERTURBATIONS:
        if names and perturbation.name not in names:
            continue
        if perturbation.simulates and not can_be_simulated(events, settings):
            continue
        if perturbation.name.startswith("dead_modules") and "MODULE" not in events.hierarchy.names:
            continue
        yield perturbation, perturbation.make(events, settings, seed)
