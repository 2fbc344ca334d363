"""The simulation: a stream of events, reproducible event by event."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from hgcae.errors import SettingsError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.geometry.detector import Detector
from hgcae.parallel import in_order
from hgcae.settings import Settings
from hgcae.simulate import shower
from hgcae.simulate.deposits import Deposits
from hgcae.simulate.digitise import Digitiser, DigitiseSettings
from hgcae.simulate.gun import MASS_GEV, Gun, GunSettings, Particle
from hgcae.simulate.stack import Axis, Hits, ShowerSettings, no_hits, stack


class SimulateSettings(Settings):
    """Everything that decides what is simulated; the same settings give the same events."""

    detector: str = Field(default="prototype", description="Name of a shipped detector, or a YAML file.")
    engine: Literal["parametrised", "geant4"] = Field(default="parametrised", description="Parametrised showers, or full simulation.")
    gun: GunSettings = Field(default_factory=GunSettings)
    shower: ShowerSettings = Field(default_factory=ShowerSettings, description="Constants of the parametrisation; unused by Geant4.")
    digitise: DigitiseSettings = Field(default_factory=DigitiseSettings)
    deposits: bool = Field(default=True, description="Keep the true deposits of each layer and module as columns of the events.")
    seed: int = Field(default=1, ge=0, description="Start of all random numbers.")


class Depositor(Protocol):
    """What turns particles into energies: the parametrisation or Geant4."""

    def deposit(self, rng: np.random.Generator, particles: Sequence[Particle], hits: Hits) -> list[tuple[float, float]]:
        """Adds the energies of an event to `hits`; returns shower start and maximum of each particle, X0 along its axis."""
        ...


class Parametrised:
    """Showers from parametrised profiles, see `hgcae.simulate.shower`."""

    def __init__(self, settings: ShowerSettings, detector: Detector) -> None:
        self._stack = stack(settings, detector)

    def deposit(self, rng: np.random.Generator, particles: Sequence[Particle], hits: Hits) -> list[tuple[float, float]]:
        """Adds the energies of an event to `hits`; returns shower start and maximum of each particle, X0 along its axis."""
        return [shower.particle(rng, particle.pdg, _deposited_gev(particle), _axis(particle), self._stack, hits) for particle in particles]


def _deposited_gev(particle: Particle) -> float:
    """Energy that the shower can deposit: a pion's mass leaves with neutrinos and nuclei, an electron's is too small to matter."""
    return particle.energy_gev - MASS_GEV[particle.pdg] if abs(particle.pdg) == 211 else particle.energy_gev


def _axis(particle: Particle) -> Axis:
    across = math.hypot(particle.px_gev, particle.py_gev)
    ux, uy = (particle.px_gev / across, particle.py_gev / across) if across > 0 else (1.0, 0.0)
    tangent = across / particle.pz_gev
    return Axis(particle.impact_x_cm, particle.impact_y_cm, ux, uy, tangent, 1 / math.hypot(1, tangent))


def event_generator(seed: int, event: int) -> np.random.Generator:
    """Returns the random numbers of one event: independent of all other events, so of chunks, workers and starting point."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, event])))


def simulate(
    settings: SimulateSettings,
    n: int,
    first: int = 0,
    workers: int = 1,
    chunk: int = 200,
    progress: Callable[[int], None] | None = None,
    detector: Detector | None = None,
) -> Generator[Events]:
    """Simulates events `first` to `first + n - 1` and yields them in order, in pieces of at most `chunk`.

    An event depends on the settings and its number only: any chunk size and number of workers give the same events, and a later call with
    another `first` continues the sample. Memory does not grow with `n`.

    Args:
        settings: What to simulate.
        n: Number of events.
        first: Number of the first event.
        workers: Threads; the compiled showers run in parallel.
        chunk: Events per piece.
        progress: Called with the number of events done, before each piece is handed out.
        detector: The detector, where it is at hand; None = the one that the settings name.

    Returns:
        Pieces with the truth in `particles`, the event numbers in the column `event`, and the true deposits in `DEPOSIT_COLUMNS`.

    Raises:
        SettingsError: An impossible number, an unknown detector, or a gun that cannot hit it.
        MissingToolError: Geant4 is asked for and not usable.
    """
    if n < 0 or first < 0 or workers < 1 or chunk < 1:
        msg = f"simulate: found n={n}, first={first}, workers={workers}, chunk={chunk}, expected n, first >= 0 and workers, chunk >= 1"
        raise SettingsError(msg)
    if settings.engine == "geant4" and workers > 1:
        msg = f"simulate: found workers={workers}, expected 1: a process holds one Geant4"
        raise SettingsError(msg)
    simulation = Simulation(settings, detector)
    pieces = ((start, min(chunk, first + n - start)) for start in range(first, first + n, chunk))
    # Geant4 works only in the thread in which it was set up.
    return _stream(simulation, pieces, 0 if settings.engine == "geant4" else workers, progress)


def _stream(
    simulation: Simulation, pieces: Iterable[tuple[int, int]], workers: int, progress: Callable[[int], None] | None
) -> Generator[Events]:
    done = 0
    for events in in_order(simulation.events, pieces, workers):
        done += len(events)
        if progress is not None:
            progress(done)
        yield events


class Simulation:
    """What all events share; nothing in it changes, so threads use it together."""

    def __init__(self, settings: SimulateSettings, detector: Detector | None = None) -> None:
        self.seed = settings.seed
        self.detector = detector or Detector.load(settings.detector)
        self.gun = Gun(settings.gun, self.detector)
        self.digitiser = Digitiser(settings.digitise, self.detector)
        self.deposits = Deposits(self.detector) if settings.deposits else None
        self.depositor = self._depositor(settings)

    def _depositor(self, settings: SimulateSettings) -> Depositor:
        if settings.engine == "parametrised":
            return Parametrised(settings.shower, self.detector)
        from hgcae.simulate.geant4 import geant4

        return geant4(self.detector)

    def events(self, first: int, n: int) -> Events:
        """Simulates `n` events from number `first` on."""
        numbers = np.arange(first, first + n)
        generators = [event_generator(self.seed, number) for number in numbers.tolist()]
        events = self.record([(self.gun.draw(rng), rng) for rng in generators])
        return replace(events, columns={"event": numbers, **events.columns})

    def record(self, drawn: Iterable[tuple[list[Particle], np.random.Generator]]) -> Events:
        """Simulates events of given particles, each with its random numbers."""
        hits = no_hits(self.detector)
        cells, energies, particles, depths, n_particles, deposits = [], [], [], [], [], []
        for entering, rng in drawn:
            depths += self.depositor.deposit(rng, entering, hits)
            if self.deposits is not None:
                deposits.append(self.deposits.of(hits))
            cell, mip = self.digitiser.read(rng, hits)
            particles += entering
            n_particles.append(len(entering))
            cells.append(cell)
            energies.append(mip)
        cell = np.concatenate(cells)
        charge = self.digitiser.charges(cell, np.concatenate(energies))
        kept = charge > 0
        kept_before = _offsets(kept)
        rows = [particle + depth for particle, depth in zip(particles, depths, strict=True)]
        truth = zip(PARTICLE_COLUMNS, np.array(rows, dtype=np.float64).reshape(-1, len(PARTICLE_COLUMNS)).T, strict=True)
        return Events(
            self.detector.hierarchy,
            offsets=kept_before[_offsets([len(part) for part in cells])],
            cell=cell[kept],
            charge=charge[kept],
            columns={} if self.deposits is None else self.deposits.columns(deposits),
            particles={name: values.astype(np.int32 if name == "pdg" else np.float64) for name, values in truth},
            particle_offsets=_offsets(n_particles),
            detector=self.detector.identity,
        )


def _offsets(counts: ArrayLike) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
