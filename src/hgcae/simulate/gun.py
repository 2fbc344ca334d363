"""The particle gun: what enters the detector, where and in which direction.

Particles fly straight: there is no magnetic field and no material in front of the first layer. Positions are those in the plane of the
first layer's silicon, which stands for the front face.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from hgcae.errors import SettingsError
from hgcae.geometry.detector import Detector
from hgcae.settings import Settings
from hgcae.simulate.placement import locate, placement


class Species(NamedTuple):
    """A particle: its PDG identifier and its mass in GeV."""

    pdg: int
    mass_gev: float


SPECIES = {
    "e-": Species(11, 0.51099895e-3),
    "e+": Species(-11, 0.51099895e-3),
    "gamma": Species(22, 0.0),
    "pi-": Species(-211, 0.13957039),
    "pi+": Species(211, 0.13957039),
}
"""The particles that can be shot. Source: Particle Data Group, Phys. Rev. D 110 (2024) 030001."""

MASS_GEV = {species.pdg: species.mass_gev for species in SPECIES.values()}
"""Masses by PDG identifier, GeV."""

LOWEST_GEV, HIGHEST_GEV = 0.5, 1000.0
"""Range of the shower parametrisations."""

_ATTEMPTS = 1000


class GunSettings(Settings):
    """What is shot, how often, where from and where to."""

    particles: tuple[Literal["e-", "e+", "gamma", "pi-", "pi+"], ...] = Field(
        default=("e-",), min_length=1, description="Each particle is drawn from these with equal probability."
    )
    energy_gev: tuple[float, float] = Field(default=(1.0, 500.0), description="Lowest and highest total energy, GeV; equal = fixed.")
    spectrum: Literal["flat", "log"] = Field(default="flat", description="Flat in the energy or in its logarithm.")
    count: tuple[int, int] = Field(
        default=(1, 1), description="Lowest and highest number of particles of an event, all equally likely; 0 = noise."
    )
    separation_cm: float | None = Field(
        default=None, gt=0, description="Distance of each further particle from the first, in a random direction, cm; none = independent."
    )
    radius_cm: float | None = Field(
        default=None, ge=0, description="First impacts fill a disc of this radius around the centre, cm; none = all modules of a layer."
    )
    direction: Literal["interaction_point", "parallel"] = Field(
        default="interaction_point", description="Straight from (0, 0, 0), or along the beam."
    )

    @field_validator("energy_gev")
    @classmethod
    def _energies(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not LOWEST_GEV <= value[0] <= value[1] <= HIGHEST_GEV:
            msg = f"expected two increasing energies from {LOWEST_GEV} to {HIGHEST_GEV} GeV"
            raise ValueError(msg)
        return value

    @field_validator("count")
    @classmethod
    def _counts(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= value[0] <= value[1]:
            msg = "expected two increasing numbers from 0"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _separable(self) -> Self:
        if self.separation_cm is not None and self.count[1] < 2:
            msg = "separation_cm needs more than one particle (count)"
            raise ValueError(msg)
        return self


class Particle(NamedTuple):
    """One particle before its shower; the columns of `events.PARTICLE_COLUMNS` that are known then, in their units."""

    pdg: int
    energy_gev: float
    px_gev: float
    py_gev: float
    pz_gev: float
    eta: float
    phi: float
    impact_x_cm: float
    impact_y_cm: float


class Gun:
    """Draws the particles of one event after the other.

    Args:
        settings: What to shoot.
        detector: Where to.
    """

    def __init__(self, settings: GunSettings, detector: Detector) -> None:
        self.settings, self._name = settings, detector.name
        self._species = [SPECIES[name] for name in settings.particles]
        self._centre = detector.settings.centre_cm
        self._z_cm = float(detector.layer_z_cm[0])
        self._place = placement(detector)
        self._modules = detector.module_xy.tolist()
        # Every other corner of a module, from its centre: any two of them span one of its three rhombi.
        self._corners = (detector.outline_cm[0, ::2] - detector.module_xy[0]).tolist()

    def draw(self, rng: np.random.Generator) -> list[Particle]:
        """Draws the particles of one event.

        Raises:
            SettingsError: No module lies where the particles were to hit.
        """
        low, high = self.settings.count
        return [self._particle(x, y, rng) for x, y in self._impacts(int(rng.integers(low, high + 1)), rng)]

    def _particle(self, x: float, y: float, rng: np.random.Generator) -> Particle:
        species = self._species[rng.integers(len(self._species))]
        energy = self._energy(rng)
        momentum = math.sqrt(energy**2 - species.mass_gev**2)
        # The direction is that of (x, y, z), which for parallel particles has no transverse part.
        if self.settings.direction == "parallel":
            px, py, pz = 0.0, 0.0, momentum
        else:
            scale = momentum / math.hypot(x, y, self._z_cm)
            px, py, pz = scale * x, scale * y, scale * self._z_cm
        transverse = math.hypot(px, py)
        eta = math.asinh(pz / transverse) if transverse > 0 else math.inf
        return Particle(species.pdg, energy, px, py, pz, eta, math.atan2(py, px), x, y)

    def _energy(self, rng: np.random.Generator) -> float:
        low, high = self.settings.energy_gev
        u = rng.random()
        # Rounding of the power may pass the upper end.
        return min(low * (high / low) ** u, high) if self.settings.spectrum == "log" else low + (high - low) * u

    def _impacts(self, n: int, rng: np.random.Generator) -> list[tuple[float, float]]:
        """Draws impact points inside the modules; an event with a particle outside is drawn again."""
        if n == 0:
            return []
        for _ in range(_ATTEMPTS):
            first = self._point(rng)
            points = [first] + [self._point(rng) if self.settings.separation_cm is None else self._beside(first, rng) for _ in range(n - 1)]
            if all(locate(x, y, self._place) >= 0 for x, y in points):
                return points
        msg = f"gun: no modules of {self._name} found there in {_ATTEMPTS} attempts (radius_cm, separation_cm)"
        raise SettingsError(msg)

    def _point(self, rng: np.random.Generator) -> tuple[float, float]:
        """Draws a point in the disc, or in the modules."""
        if self.settings.radius_cm is not None:
            return _turned(self._centre, self.settings.radius_cm * math.sqrt(rng.random()), rng)
        (x, y), rhombus = self._modules[rng.integers(len(self._modules))], rng.integers(3)
        (ax, ay), (bx, by) = self._corners[rhombus], self._corners[rhombus - 1]
        u, v = rng.random(), rng.random()
        return x + u * ax + v * bx, y + u * ay + v * by

    def _beside(self, point: tuple[float, float], rng: np.random.Generator) -> tuple[float, float]:
        return _turned(point, self.settings.separation_cm or 0.0, rng)


def _turned(centre: tuple[float, float], r: float, rng: np.random.Generator) -> tuple[float, float]:
    """Returns the point at distance `r` from the centre in a random direction."""
    phi = 2 * math.pi * rng.random()
    return centre[0] + r * math.cos(phi), centre[1] + r * math.sin(phi)
