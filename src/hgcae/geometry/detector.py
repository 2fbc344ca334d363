"""A sampling calorimeter as the trigger sees it: layers in depth, modules in each layer, trigger cells in each module."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from hgcae.errors import GeometryError, SettingsError, unknown
from hgcae.geometry import hexagons, module
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.settings import Settings, fingerprint


class LayerSettings(Settings):
    """One sensitive layer with the absorber in front of it."""

    z_cm: float = Field(description="Position of the silicon along the beam.")
    x0: float = Field(gt=0, description="Material since the previous layer, radiation lengths.")
    lambda_n: float = Field(gt=0, description="Material since the previous layer, nuclear interaction lengths.")
    dedx_mev: float = Field(gt=0, description="Energy a minimum-ionising particle loses in that material, MeV: the layer weight.")
    sensor_um: Literal[120, 200, 300] = Field(default=300, description="Active thickness of the silicon, micrometres.")
    plane: Literal["CE-E", "CE-H"] = Field(default="CE-E", description="Electromagnetic or hadronic part.")


class DetectorSettings(Settings):
    """A detector: layers, the arrangement of modules (the same in every layer), levels of the hierarchy."""

    name: str
    source: str = Field(description="Source of the dimensions and thicknesses.")
    arrangement: Literal["flower", "module"] = Field(description="19 triplets of modules, or one module, in every layer.")
    centre_cm: tuple[float, float] = Field(default=(0.0, 0.0), description="Transverse position of the centre, cm from the beam line.")
    moliere_radius_cm: float = Field(gt=0, description="Effective Moliere radius, air gaps included.")
    levels: tuple[tuple[str, tuple[int, ...]], ...] = Field(description="Names and child shapes, lowest level first.")
    missing: dict[str, tuple[int, ...]] = Field(default_factory=dict, description="Units without hardware, by level name or CELL.")
    layers: tuple[LayerSettings, ...] = Field(min_length=1)

    @field_validator("layers")
    @classmethod
    def _ordered(cls, layers: tuple[LayerSettings, ...]) -> tuple[LayerSettings, ...]:
        if any(b.z_cm <= a.z_cm for a, b in pairwise(layers)):
            msg = "layers must be in order of z_cm"
            raise ValueError(msg)
        return layers


_DETECTORS = resources.files("hgcae.geometry") / "detectors"


def shipped_detectors() -> tuple[str, ...]:
    """Returns the names of the detectors that come with the package."""
    return tuple(sorted(item.name.removesuffix(".yaml") for item in _DETECTORS.iterdir() if item.name.endswith(".yaml")))


@dataclass(frozen=True)
class Detector:
    """Positions, depths and calibration of every trigger cell.

    A trigger cell has the flat index layer x `cells_per_layer` + its index in the layer, which is the C order of the hierarchy.

    Examples:
        >>> detector = Detector.load("prototype")
        >>> detector
        Detector(prototype, 30 layers, 82,080 trigger cells)
        >>> detector.hierarchy.names
        ('ROC', 'MODULE', 'TRIPLET', 'STAGE1', 'STAGE2')
        >>> detector.locate(detector.module_xy[0] + 0.5).tolist(), detector.locate(np.zeros(2)).tolist()
        (19, -1)
    """

    settings: DetectorSettings

    def __post_init__(self) -> None:
        expected = len(self.settings.layers) * self.cells_per_layer
        if self.hierarchy.n_cells() != expected:
            msg = (
                f"detector {self.settings.name}: levels hold {self.hierarchy.n_cells()} trigger cells, "
                f"{len(self.settings.layers)} layers of {len(self.module_axial)} modules hold {expected}"
            )
            raise GeometryError(msg)

    def __repr__(self) -> str:
        """Name and size, in one line."""
        return f"Detector({self.name}, {len(self.settings.layers)} layers, {self.hierarchy.n_cells():,} trigger cells)"

    @classmethod
    def load(cls, name: str | Path) -> Detector:
        """Loads a shipped detector by name, or any detector from a YAML file.

        Raises:
            SettingsError: Neither a shipped name nor a readable file with valid settings.
        """
        if str(name) in shipped_detectors():
            with resources.as_file(_DETECTORS / f"{name}.yaml") as path:
                return cls(DetectorSettings.from_yaml(path))
        if not Path(name).suffix:
            raise SettingsError(unknown("detector", str(name), [*shipped_detectors(), "a YAML file"]))
        return cls(DetectorSettings.from_yaml(name))

    @property
    def name(self) -> str:
        """The detector's name."""
        return self.settings.name

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """Levels from the ROC to the whole detector."""
        plain = {"levels": self.settings.levels, "missing": self.settings.missing}
        return Hierarchy.from_dict(plain)

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that identify every value of the detector."""
        return self.settings.fingerprint()

    @cached_property
    def identity(self) -> tuple[str, str]:
        """Name and fingerprint: what events and models of this detector call it; `detector_of` finds it by them."""
        digits = self.fingerprint()
        _KNOWN[digits] = self
        return self.name, digits

    @cached_property
    def module_axial(self) -> NDArray[np.int64]:
        """Axial coordinates of the modules of a layer, in hierarchy order: (n_modules, 2).

        The flower's order: triplets centre first, then ring by ring; in a triplet, the three modules around its corner counter-clockwise.
        """
        if self.settings.arrangement == "module":
            return np.zeros((1, 2), dtype=np.int64)
        # Triplets tile the plane on the sublattice of index three spanned by these two vectors, 60 degrees apart.
        basis = np.array([(2, -1), (1, 1)])
        triplets = hexagons.spiral(2) @ basis
        corner = np.array([(0, 0), (1, 0), (0, 1)])
        return (triplets[:, None] + corner).reshape(-1, 2)

    @cached_property
    def module_xy(self) -> NDArray[np.float64]:
        """Module centres, cm: (n_modules, 2)."""
        return hexagons.centre(self.module_axial, module.PITCH_CM) + self._lattice_origin_cm

    @cached_property
    def _lattice_origin_cm(self) -> NDArray[np.float64]:
        """Position of the hexagon (0, 0): the centre of the arrangement is the centroid of the first triplet (or the one module)."""
        first = self.module_axial[: 3 if self.settings.arrangement == "flower" else 1]
        return np.array(self.settings.centre_cm) - hexagons.centre(first, module.PITCH_CM).mean(axis=0)

    @property
    def cells_per_layer(self) -> int:
        """Number of trigger cells in a layer."""
        return len(self.module_axial) * module.N_CELLS

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.settings.layers)

    @cached_property
    def layer_cell_xy(self) -> NDArray[np.float64]:
        """Centres of the trigger cells of a layer, cm: (cells_per_layer, 2)."""
        return (self.module_xy[:, None] + module.trigger_cell_xy()).reshape(-1, 2)

    @cached_property
    def layer_z_cm(self) -> NDArray[np.float64]:
        """Position of each layer's silicon along the beam, cm: (n_layers,)."""
        return np.array([layer.z_cm for layer in self.settings.layers])

    @cached_property
    def layer_x0(self) -> NDArray[np.float64]:
        """Material in front of each layer since the previous one, radiation lengths: (n_layers,)."""
        return np.array([layer.x0 for layer in self.settings.layers])

    @cached_property
    def layer_lambda(self) -> NDArray[np.float64]:
        """Material in front of each layer since the previous one, nuclear interaction lengths: (n_layers,)."""
        return np.array([layer.lambda_n for layer in self.settings.layers])

    @cached_property
    def layer_mev_per_mip(self) -> NDArray[np.float64]:
        """Energy that one MIP in the silicon stands for, MeV: (n_layers,); dE/dx weight over thickness correction.

        Source: CMSSW HGCalRecHit_cfi, thickness corrections CE-E .75/.76/.75 and CE-H .85/.85/.84 for 120/200/300 um.
        """
        return np.array([layer.dedx_mev / THICKNESS_CORRECTION[layer.plane][layer.sensor_um] for layer in self.settings.layers])

    @cached_property
    def outline_cm(self) -> NDArray[np.float64]:
        """Corners of every module's hexagon, cm: (n_modules, 6, 2)."""
        return self.module_xy[:, None] + hexagons.corners(module.WAFER_CM)

    @cached_property
    def module_table(self) -> tuple[NDArray[np.int32], int]:
        """Module index by axial coordinates, as `table[q + shift, r + shift]` (-1 = no module), and the shift."""
        shift = int(np.abs(self.module_axial).max()) + 1
        table = np.full((2 * shift + 1, 2 * shift + 1), -1, dtype=np.int32)
        q, r = self.module_axial.T
        table[q + shift, r + shift] = np.arange(len(q))
        return table, shift

    def locate(self, xy: NDArray[np.floating]) -> NDArray[np.int64]:
        """Returns the index in the layer of the trigger cells at the points `xy` (..., 2) cm, -1 outside the modules."""
        local = np.asarray(xy, dtype=np.float64) - self._lattice_origin_cm
        axial = hexagons.containing(local, module.PITCH_CM)
        table, shift = self.module_table
        q, r = np.moveaxis(np.clip(axial + shift, 0, len(table) - 1), -1, 0)
        unit = table[q, r]
        raster = module.cell_map()
        pixel = ((local - hexagons.centre(axial, module.PITCH_CM) - raster.origin_cm) / raster.pixel_cm).astype(int)
        i, j = np.moveaxis(np.clip(pixel, 0, len(raster.cell) - 1), -1, 0)
        return np.where(unit < 0, -1, unit.astype(np.int64) * module.N_CELLS + raster.cell[i, j])

    @property
    def lattice_origin_cm(self) -> tuple[float, float]:
        """Position of the hexagon with axial coordinates (0, 0), cm."""
        x, y = self._lattice_origin_cm
        return float(x), float(y)

    @property
    def radius_cm(self) -> float:
        """Radius of the smallest circle about the centre that holds all modules, cm."""
        return float(np.linalg.norm(self.outline_cm - np.array(self.settings.centre_cm), axis=-1).max())

    @cached_property
    def total_x0(self) -> float:
        """Depth of the whole detector, radiation lengths."""
        return math.fsum(self.layer_x0)


THICKNESS_CORRECTION: Mapping[str, Mapping[int, float]] = {
    "CE-E": {120: 0.75, 200: 0.76, 300: 0.75},
    "CE-H": {120: 0.85, 200: 0.85, 300: 0.84},
}
"""Ratio between the nominal and the fitted energy per MIP, by sensor thickness in micrometres. Source: CMSSW HGCalRecHit_cfi."""

_KNOWN: dict[str, Detector] = {}
"""Detectors by fingerprint, as far as events or models in this process are named after them. The fingerprint covers every value, so an
entry never changes."""


@cache
def _shipped() -> dict[str, Detector]:
    """Returns the detectors that come with the package, by fingerprint."""
    return {detector.fingerprint(): detector for detector in map(Detector.load, shipped_detectors())}


def _find(digits: str) -> Detector | None:
    return _KNOWN.get(digits) or _shipped().get(digits)


def detector_of(named: tuple[str, str] | None, source: object) -> Detector | None:
    """Returns the detector of events or of a model.

    Args:
        named: Its name and fingerprint.
        source: Where they come from, for the message.

    Returns:
        The detector that was loaded, or described in a file, under this fingerprint, or the one that comes with the package; None where
        the events name none, or one that nothing describes.

    Raises:
        SettingsError: The detector of this name that comes with the package has other values.
    """
    if named is None:
        return None
    name, digits = named
    found = _find(digits)
    if found is None and name in shipped_detectors():
        msg = f"{source}: detector {name} has the fingerprint {digits}, the one of this version {Detector.load(name).fingerprint()}"
        raise SettingsError(msg)
    return found


def detector_to_dict(named: tuple[str, str] | None) -> dict[str, Any] | None:
    """Returns what a file says of its detector: name, fingerprint and, where they are known, all its settings."""
    if named is None:
        return None
    known = _find(named[1])
    return {"name": named[0], "fingerprint": named[1]} | ({} if known is None else {"settings": known.settings.model_dump(mode="json")})


def detector_from_dict(values: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Returns name and fingerprint of what `detector_to_dict` returned; `detector_of` finds the detector from then on.

    Raises:
        GeometryError: The settings are not those of the fingerprint.
    """
    if values is None:
        return None
    name, digits = str(values["name"]), str(values["fingerprint"])
    described = values.get("settings")
    # Compared as written: a later version may know further settings, with defaults.
    if described is not None and fingerprint(described) != digits:
        msg = f"detector {name}: its settings have the fingerprint {fingerprint(described)}, expected {digits}"
        raise GeometryError(msg)
    if described is not None and digits not in _KNOWN:
        _KNOWN[digits] = Detector(DetectorSettings.load(described, f"detector {name}"))
    return name, digits
