"""The trigger cells of a root as a table: where each lies, in which layer, and what its charge is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_xy_cm

ADC_PER_MIP = 10.0
"""Charge of one minimum-ionising particle, ADC counts (HGCROC target; CMS HGCAL TDR)."""


@dataclass(frozen=True)
class CellTable:
    """Trigger cells of one root, one entry each, in the order of the hierarchy; layers may have different numbers of cells.

    Args:
        hierarchy: Levels of the root.
        layer: Layer of each cell, from 0, never falling: (n_cells,).
        weight: Energy that one ADC count stands for, in `unit`: (n_cells,).
        unit: `GeV` where the layers' dE/dx weights are known, else `ADC`.
        xy_cm: Centres of the cells, cm: (n_cells, 2); None where the geometry is unknown.
        sensor_um: Active thickness of the silicon, micrometres: (n_cells,); None where it is unknown.

    Raises:
        GeometryError: The arrays do not describe the cells of the hierarchy, or layers are not in order.
    """

    hierarchy: Hierarchy
    layer: NDArray[np.int64]
    weight: NDArray[np.float64]
    unit: str
    xy_cm: NDArray[np.float64] | None
    sensor_um: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        n = self.hierarchy.n_cells()
        shapes = self.layer.shape, self.weight.shape, (n, 2) if self.xy_cm is None else self.xy_cm.shape
        if shapes != ((n,), (n,), (n, 2)) or (np.diff(self.layer) < 0).any():
            found = ", ".join(map(str, shapes))
            msg = f"table of cells: found shapes {found}, expected {n} cells of {self.hierarchy.root} in order of layers"
            raise GeometryError(msg)

    @classmethod
    def of(cls, hierarchy: Hierarchy, detector: Detector | None = None) -> CellTable:
        """Describes a root: a whole detector, or a bare unit (ROC, module, triplet, flower) if `detector` is None.

        A detector's weight is `Detector.layer_mev_per_mip` / `ADC_PER_MIP`; a bare unit counts ADC, in one layer.

        Raises:
            GeometryError: The levels are not those of the detector.
        """
        if detector is None:
            n = hierarchy.n_cells()
            return cls(hierarchy, np.zeros(n, dtype=np.int64), np.ones(n), "ADC", unit_xy_cm(hierarchy))
        if hierarchy.levels != detector.hierarchy.levels:
            found = f"events of the root {hierarchy.root} {hierarchy.shape}"
            msg = f"{found} do not belong to detector {detector.name} {detector.hierarchy.root} {detector.hierarchy.shape}"
            raise GeometryError(msg)
        layer = np.repeat(np.arange(detector.n_layers), detector.cells_per_layer)
        weight = (detector.layer_mev_per_mip / ADC_PER_MIP / 1000)[layer]
        sensor_um = np.array([settings.sensor_um for settings in detector.settings.layers], dtype=np.float64)[layer]
        return cls(hierarchy, layer, weight, "GeV", np.tile(detector.layer_cell_xy, (detector.n_layers, 1)), sensor_um)

    @cached_property
    def n_layers(self) -> int:
        """Number of layers; 1 for a bare unit."""
        return int(self.layer[-1]) + 1

    @cached_property
    def missing(self) -> NDArray[np.bool_]:
        """Whether a cell is missing: (n_cells,)."""
        return ~self.hierarchy.present("CELL")
