"""What a charge in each trigger cell of a root is worth and where it lies: the evaluation's view of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, GeometryError
from hgcae.events import ADC_PER_MIP, Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_xy_cm

MAX_ENTRIES = 2_000_000
"""Charges compared at a time; bounds the memory of every loop over pieces of a sample."""


@dataclass(frozen=True)
class Frame:
    """Weight, layer and position of every trigger cell of one root.

    Args:
        hierarchy: Levels of the root.
        weight: Energy that one ADC count stands for, in `unit`: (n_layers,).
        unit: `GeV` where the layers' dE/dx weights are known, else `ADC`.
        xy_cm: Centres of the trigger cells of one layer, cm: (cells_per_layer, 2); None where the geometry is unknown.
    """

    hierarchy: Hierarchy
    weight: NDArray[np.float64]
    unit: str
    xy_cm: NDArray[np.float64] | None

    @classmethod
    def of(cls, hierarchy: Hierarchy, detector: Detector | None = None) -> Frame:
        """Describes a root: a whole detector, or a bare unit (ROC, module, triplet, flower) if `detector` is None.

        A detector's weight is `Detector.layer_mev_per_mip` / `ADC_PER_MIP`; a bare unit counts ADC, in one layer.

        Raises:
            GeometryError: The levels are not those of the detector.
        """
        if detector is None:
            return cls(hierarchy, np.ones(1), "ADC", unit_xy_cm(hierarchy))
        if hierarchy.levels != detector.hierarchy.levels:
            found = f"events of the root {hierarchy.root} {hierarchy.shape}"
            msg = f"{found} do not belong to detector {detector.name} {detector.hierarchy.root} {detector.hierarchy.shape}"
            raise GeometryError(msg)
        return cls(hierarchy, detector.layer_mev_per_mip / ADC_PER_MIP / 1000, "GeV", detector.layer_cell_xy)

    @property
    def n_layers(self) -> int:
        """Number of layers; 1 for a bare unit."""
        return len(self.weight)

    @cached_property
    def cells_per_layer(self) -> int:
        """Number of trigger cells in a layer."""
        return self.hierarchy.n_cells() // self.n_layers


def check_pair(true: Events, decoded: Events) -> None:
    """Checks that two samples describe the same events.

    Raises:
        GeometryError: They differ in their levels.
        DataFormatError: They differ in their number of events.
    """
    if true.hierarchy.levels != decoded.hierarchy.levels:
        roots = [f"{sample.hierarchy.root} {sample.hierarchy.shape}" for sample in (decoded, true)]
        msg = f"decoded events have the root {roots[0]}, true ones {roots[1]}"
        raise GeometryError(msg)
    if len(true) != len(decoded):
        raise DataFormatError(
            source="decoded events", where="number of events", found=str(len(decoded)), expected=f"{len(true)} as in the truth"
        )


def group_sums(group: NDArray[np.integer], values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Returns the sum of the values of each of `n` groups: (n,) float64."""
    return np.asarray(np.bincount(group, values, n), dtype=np.float64)


def piece_size(n: int, entries: int) -> int:
    """Returns how many of `n` events to treat at a time if all of them hold `entries` numbers."""
    return max(1, int(MAX_ENTRIES * n / max(entries, 1)))
