"""A detector as a list of slabs of material along the beam: what a full simulation builds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.geometry.detector import Detector

RADIATION_LENGTH_CM = {"G4_Pb": 0.5612, "G4_Fe": 1.757, "G4_Si": 9.370}
"""Radiation lengths, cm, by Geant4 material name. Source: Particle Data Group, Atomic and Nuclear Properties of Materials (2024)."""
ABSORBER = {"CE-E": "G4_Pb", "CE-H": "G4_Fe"}
"""The absorber that stands for all passive material of a plane."""


@dataclass(frozen=True)
class Slab:
    """A plate of one material across the beam.

    Args:
        name: Unique name.
        material: Geant4 material name.
        z_cm: Centre along the beam.
        thickness_cm: Full thickness.
        layer: Number of the sensitive layer; None for absorbers.
    """

    name: str
    material: str
    z_cm: float
    thickness_cm: float
    layer: int | None = None

    @property
    def x0(self) -> float:
        """Thickness, radiation lengths."""
        return self.thickness_cm / RADIATION_LENGTH_CM[self.material]

    @property
    def front_cm(self) -> float:
        """Front face along the beam, cm."""
        return self.z_cm - self.thickness_cm / 2

    @property
    def back_cm(self) -> float:
        """Back face along the beam, cm."""
        return self.z_cm + self.thickness_cm / 2


def slabs(detector: Detector) -> list[Slab]:
    """Returns absorber and silicon of every layer, in order.

    The silicon of a layer is centred at the layer's z; right in front of it lies so much lead (CE-E) or iron (CE-H) that both together have
    the layer's radiation lengths. One absorber cannot also have its interaction lengths: lead has fewer per radiation length than the CE-E.

    Raises:
        GeometryError: A layer has less material than its silicon alone, or its material does not fit in front of it.
    """
    result: list[Slab] = []
    for number, layer in enumerate(detector.settings.layers):
        material = ABSORBER[layer.plane]
        silicon = Slab(f"silicon_{number}", "G4_Si", layer.z_cm, layer.sensor_um * 1e-4, number)
        thickness = (layer.x0 - silicon.x0) * RADIATION_LENGTH_CM[material]
        if thickness <= 0:
            msg = f"detector {detector.name}: layer {number} has {layer.x0} X0, expected more than the {silicon.x0:.4f} X0 of its silicon"
            raise GeometryError(msg)
        result += [Slab(f"absorber_{number}", material, silicon.front_cm - thickness / 2, thickness), silicon]
    for before, after in pairwise(result):
        if after.front_cm < before.back_cm - 1e-9:
            msg = f"detector {detector.name}: {after.name} ({after.thickness_cm:.3f} cm) does not fit behind {before.name}"
            raise GeometryError(msg)
    return result


def depth_table(plates: list[Slab]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns z (cm) and depth (radiation lengths) at all faces, (2 n_slabs,) each, to be interpolated."""
    z = [face for plate in plates for face in (plate.front_cm, plate.back_cm)]
    after = np.cumsum([plate.x0 for plate in plates])
    before = np.concatenate([[0.0], after[:-1]])
    return np.array(z), np.column_stack([before, after]).ravel()
