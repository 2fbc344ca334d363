"""Full simulation of the same stack with Geant4, through the optional package `geant4_pybind`.

World: vacuum; the slabs of `hgcae.simulate.slabs` as square plates around the arrangement; physics list FTFP_BERT. The energy deposited in
silicon is collected in the trigger cell at the middle of the step and counted in MIP.
"""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import MissingToolError, SettingsError
from hgcae.geometry.detector import Detector
from hgcae.simulate.deposits import MIP_MEV_PER_CM
from hgcae.simulate.gun import MASS_GEV, Particle
from hgcae.simulate.placement import locate, placement
from hgcae.simulate.slabs import Slab, depth_table, slabs
from hgcae.simulate.stack import Hits, no_hits, present_cells

MARGIN_CM = 30.0
"""Material around the modules, where showers leak to."""
DATA_VARIABLE = "GEANT4_DATA_DIR"
DATA_SETS = ("G4EMLOW", "G4ENSDFSTATE", "G4PARTICLEXS", "PhotonEvaporation")
"""Data sets without which FTFP_BERT does not start; folders inside `GEANT4_DATA_DIR` begin with these names."""


def geant4(detector: Detector) -> Geant4:
    """Returns this process's Geant4, built for `detector`; Geant4 allows one geometry in a process.

    Raises:
        MissingToolError: The package or its data sets are missing.
        SettingsError: It was already built for another detector.
    """
    fingerprint = detector.fingerprint()
    if not _BUILT:
        _BUILT[fingerprint] = Geant4(detector)
    if fingerprint not in _BUILT:
        msg = f"geant4: this process already simulates another detector than {detector.name}; start a new process"
        raise SettingsError(msg)
    return _BUILT[fingerprint]


class Geant4:
    """Full showers; use `geant4`, which keeps the one instance that a process can have.

    Args:
        detector: What to build.
    """

    def __init__(self, detector: Detector) -> None:
        self._g4 = load_geant4()
        self._plates = slabs(detector)
        self._detector = detector
        self._shot = Shot(no_hits(detector), np.zeros(detector.n_layers))
        self._manager = _run_manager(self._g4, detector, self._plates, self._shot)

    def deposit(self, rng: np.random.Generator, particles: Sequence[Particle], hits: Hits) -> list[tuple[float, float]]:
        """Adds the energies of an event to `hits`; returns shower start and maximum of each particle, X0 along its axis.

        The start is where the particle ends its track (0 for electrons, which radiate from the first layer on), the maximum the middle of
        the layer with the largest energy per radiation length.
        """
        return [self._shoot(rng, particle, hits) for particle in particles]

    def _shoot(self, rng: np.random.Generator, particle: Particle, hits: Hits) -> tuple[float, float]:
        shot, layers = self._shot, self._detector.settings.layers
        shot.hits = hits
        shot.waiting.append(particle)
        shot.layer_mip[:] = 0
        self._g4.HepRandom.setTheSeed(int(rng.integers(1, 2**31)))
        self._manager.BeamOn(1)
        cosine = particle.pz_gev / math.hypot(particle.px_gev, particle.py_gev, particle.pz_gev)
        z, depth = depth_table(self._plates)
        start = 0.0 if abs(particle.pdg) == 11 else float(np.interp(shot.end_z_cm, z, depth))
        x0 = np.array([layer.x0 for layer in layers])
        layer = int(np.argmax(shot.layer_mip * self._detector.layer_mev_per_mip / x0))
        return start / cosine, float(x0[:layer].sum() + x0[layer] / 2) / cosine


@dataclass
class Shot:
    """The particle on its way; Geant4's callbacks read and fill it.

    Args:
        hits: Receives the energies in MIP.
        layer_mip: Energy of each layer, inside and outside the modules, MIP: (n_layers,).
        waiting: What to shoot next.
        end_z_cm: Where the track of the last particle ended, cm.
    """

    hits: Hits
    layer_mip: NDArray[np.float64]
    waiting: list[Particle] = field(default_factory=list)
    end_z_cm: float = 0.0


_BUILT: dict[str, Geant4] = {}


def load_geant4() -> Any:
    """Imports `geant4_pybind`, after making sure that the import will not ask for a download.

    Raises:
        MissingToolError: The package or its data sets are missing.
    """
    if importlib.util.find_spec("geant4_pybind") is None:
        msg = "the geant4 engine needs the package geant4_pybind: install hgcae[geant4]"
        raise MissingToolError(msg)
    folder = os.environ.get(DATA_VARIABLE)
    present = [path.name for path in Path(folder).iterdir()] if folder and Path(folder).is_dir() else []
    missing = [name for name in DATA_SETS if not any(entry.startswith(name) for entry in present)]
    if missing:
        msg = (
            f"the geant4 engine needs Geant4's data sets (geant4.web.cern.ch/download): set {DATA_VARIABLE} to the folder that holds "
            f"{', '.join(missing)} (found: {folder or 'not set'})"
        )
        raise MissingToolError(msg)
    return importlib.import_module("geant4_pybind")


def _run_manager(g4: Any, detector: Detector, plates: list[Slab], shot: Shot) -> Any:
    """Builds geometry, physics and actions and initialises Geant4. Its base classes exist only after the import, so ours live in here."""

    class Construction(g4.G4VUserDetectorConstruction):
        def Construct(self) -> Any:  # noqa: N802
            self.world, self.silicon = _volumes(g4, detector, plates)
            return self.world

        def ConstructSDandField(self) -> None:  # noqa: N802
            self.sensors = [_sensor(g4, detector, plate, plate.layer, shot) for plate in plates if plate.layer is not None]
            for volume, sensor in zip(self.silicon, self.sensors, strict=True):
                g4.G4SDManager.GetSDMpointer().AddNewDetector(sensor)
                self.SetSensitiveDetector(volume, sensor)

    class Source(g4.G4VUserPrimaryGeneratorAction):
        def __init__(self) -> None:
            super().__init__()
            self.gun = g4.G4ParticleGun(1)

        def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802
            _aim(g4, self.gun, shot.waiting.pop(), float(detector.layer_z_cm[0]), plates[0].front_cm)
            self.gun.GeneratePrimaryVertex(event)

    class Tracks(g4.G4UserTrackingAction):
        def PostUserTrackingAction(self, track: Any) -> None:  # noqa: N802
            if track.GetParentID() == 0:
                shot.end_z_cm = track.GetPosition().z / g4.cm

    class Actions(g4.G4VUserActionInitialization):
        def Build(self) -> None:  # noqa: N802
            self.SetUserAction(Source())
            self.SetUserAction(Tracks())

    manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.SerialOnly)
    manager.SetUserInitialization(Construction())
    manager.SetUserInitialization(g4.FTFP_BERT(0))
    manager.SetUserInitialization(Actions())
    manager.Initialize()
    return manager


def _volumes(g4: Any, detector: Detector, plates: list[Slab]) -> tuple[Any, list[Any]]:
    """Places the slabs in a world of vacuum; returns the world and the logical volumes of the silicon."""
    x, y = detector.settings.centre_cm
    half = (detector.radius_cm + MARGIN_CM) * g4.cm
    material = g4.G4NistManager.Instance().FindOrBuildMaterial
    reach = max(abs(plates[0].front_cm), abs(plates[-1].back_cm)) + MARGIN_CM
    box = g4.G4Box("world", abs(x) * g4.cm + 2 * half, abs(y) * g4.cm + 2 * half, reach * g4.cm)
    logical = g4.G4LogicalVolume(box, material("G4_Galactic"), "world")
    world = g4.G4PVPlacement(None, g4.G4ThreeVector(), logical, "world", None, False, 0, False)
    silicon = []
    for plate in plates:
        box = g4.G4Box(plate.name, half, half, plate.thickness_cm / 2 * g4.cm)
        volume = g4.G4LogicalVolume(box, material(plate.material), plate.name)
        g4.G4PVPlacement(None, g4.G4ThreeVector(x, y, plate.z_cm) * g4.cm, volume, plate.name, logical, False, 0, False)
        if plate.layer is not None:
            silicon.append(volume)
    return world, silicon


def _sensor(g4: Any, detector: Detector, plate: Slab, layer: int, shot: Shot) -> Any:
    """Returns the sensitive detector of one layer: it adds the energy of each step to the trigger cell there."""
    place = placement(detector)
    present = present_cells(detector)[layer]
    mip_mev = MIP_MEV_PER_CM * plate.thickness_cm

    class Sensor(g4.G4VSensitiveDetector):
        def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: ARG002, N802
            mip = step.GetTotalEnergyDeposit() / g4.MeV / mip_mev
            middle = (step.GetPreStepPoint().GetPosition() + step.GetPostStepPoint().GetPosition()) * (0.5 / g4.cm)
            shot.layer_mip[layer] += mip
            cell = locate(middle.x, middle.y, place)
            if mip > 0 and cell >= 0 and present[cell]:
                shot.hits.add(layer, cell, mip)
            return True

    return Sensor(plate.name)


def _aim(g4: Any, gun: Any, particle: Particle, impact_z_cm: float, front_cm: float) -> None:
    """Sets the particle off 1 cm in front of the first slab, so that it would hit the first silicon at its impact point."""
    direction = np.array([particle.px_gev, particle.py_gev, particle.pz_gev])
    direction /= np.linalg.norm(direction)
    impact = np.array([particle.impact_x_cm, particle.impact_y_cm, impact_z_cm])
    origin = impact - direction * (impact_z_cm - front_cm + 1.0) / direction[2]
    gun.SetParticleDefinition(g4.G4ParticleTable.GetParticleTable().FindParticle(particle.pdg))
    gun.SetParticleEnergy((particle.energy_gev - MASS_GEV[particle.pdg]) * g4.GeV)
    gun.SetParticlePosition(g4.G4ThreeVector(*origin) * g4.cm)
    gun.SetParticleMomentumDirection(g4.G4ThreeVector(*direction))
