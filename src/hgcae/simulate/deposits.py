"""True deposits: the energy that particles leave in the silicon of layers and modules, before the electronics see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.events import DEPOSIT_COLUMNS
from hgcae.geometry.detector import Detector
from hgcae.simulate.stack import Hits

MIP_MEV_PER_CM = 3.88
"""Mean energy loss of a minimum-ionising particle in silicon, MeV/cm (Particle Data Group, 2024). CMSSW counts a MIP so: 116.4 keV in
300 um are 5.15 fC."""


class Deposits:
    """Sums of collected energies.

    Args:
        detector: Sensor thickness of each layer, and which trigger cells a module has.
    """

    def __init__(self, detector: Detector) -> None:
        um_to_cm = 1e-4
        self._mev_per_mip = np.array([MIP_MEV_PER_CM * um_to_cm * layer.sensor_um for layer in detector.settings.layers])
        self._cells = detector.cells_per_layer, detector.hierarchy.n_cells("MODULE")
        self._modules = detector.hierarchy.unit_shape("MODULE")

    def of(self, hits: Hits) -> tuple[NDArray[np.float32], ...]:
        """Returns the energies of `hits` in the order of `DEPOSIT_COLUMNS`, MeV: (layers,) and the shape of the modules of an event."""
        cell = hits.touched[: hits.n_touched[0]]
        layer, module = (cell // size for size in self._cells)
        mev = hits.mip.ravel()[cell] * self._mev_per_mip[layer]
        n_modules = int(np.prod(self._modules))
        sums = (np.bincount(unit, mev, size).astype(np.float32) for unit, size in ((layer, len(self._mev_per_mip)), (module, n_modules)))
        by_layer, by_module = sums
        return by_layer, by_module.reshape(self._modules)

    def columns(self, events: list[tuple[NDArray[np.float32], ...]]) -> dict[str, NDArray[np.float32]]:
        """Returns the deposits of events (each as `of` returned them) as columns, see `DEPOSIT_COLUMNS`."""
        shapes = (len(self._mev_per_mip),), self._modules
        return {
            name: np.array([event[i] for event in events], dtype=np.float32).reshape(len(events), *shape)
            for i, (name, shape) in enumerate(zip(DEPOSIT_COLUMNS, shapes, strict=True))
        }
