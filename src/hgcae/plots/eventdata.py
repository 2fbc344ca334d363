"""Events for the interactive display: charged cells and layer energies of the input and of what each level decodes, as plain values."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.evaluate.frame import check_pair
from hgcae.evaluate.moments import moments
from hgcae.events import Events
from hgcae.geometry import hexagons, module
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector
from hgcae.geometry.positions import unit_module_xy_cm
from hgcae.plots.cells import trigger_cells
from hgcae.plots.eventpage import PARTICLES, window
from hgcae.plots.maps import EMPTY, colours, scale
from hgcae.truth import leading_particle

MAX_CELLS = 4000
"""Most cells kept of each picture, the strongest; the sums next to it count all of them."""

_STEPS = 32
"""Steps of the colour scale: each is one polygon-filled trace of the map."""


@dataclass(frozen=True)
class Displays:
    """Events to show.

    Args:
        true: The events.
        decoded: The same events decoded from the codes of each level, by its name.
        detector: Their detector; None for bare modules, triplets or flowers, which are shown as one layer.
    """

    true: Events
    decoded: Mapping[str, Events]
    detector: Detector | None = None

    def plain(self) -> dict[str, Any]:
        """Returns all that the page needs to draw them.

        Returns:
            `layers`, `cells_per_layer`, `z_cm`, `depth_x0`, `unit` of charges, `energy_unit`; `modules` (centres, cm), `outline` of a
            module, `cells` and `cell_xy` (outlines and centres of the trigger cells about a module's centre, cm); `colours`; `events`:
            `label`, `truth`, `scale` (smallest and largest true charge), `window` (corners of a square that holds 95 % of the charge, cm;
            whole detectors only) and `pictures` by name, the `input` first. A picture has `cell` and `charge` (base64 of little-endian
            uint32 and float32; cells above the lower end of the colour scale only, at most `MAX_CELLS`), `hidden` (charged cells left
            out), `energy` of the layers, `total` energy, `cells` and `charge_sum`.

        Raises:
            GeometryError: Units whose shape is not known, or decoded events of another root.
            DataFormatError: Another number of decoded events.
        """
        for decoded in self.decoded.values():
            check_pair(self.true, decoded)
        hierarchy, detector = self.true.hierarchy, self.detector
        frame = CellTable.of(hierarchy, detector)
        centres, per_module = self._modules()
        whole = {} if detector is None else {"z_cm": detector.layer_z_cm.tolist(), "depth_x0": np.cumsum(detector.layer_x0).tolist()}
        samples = {"input": self.true, **self.decoded}
        energies = {name: moments(sample, frame).energy for name, sample in samples.items()}
        return {
            "layers": frame.n_layers,
            "cells_per_layer": hierarchy.n_cells() // frame.n_layers,
            "unit": "MIP" if detector is not None else "ADC counts",
            "energy_unit": frame.unit,
            **whole,
            "modules": centres.round(3).tolist(),
            "outline": hexagons.corners(module.WAFER_CM).round(3).tolist(),
            "cells": [cell.round(3).tolist() for cell in trigger_cells()[:per_module]],
            "cell_xy": module.trigger_cell_xy()[:per_module].round(3).tolist(),
            "colours": [to_hex(colours()(x)) for x in (np.arange(_STEPS) + 0.5) / _STEPS],
            "empty": EMPTY,
            "events": [self._event(i, {name: energy[i] for name, energy in energies.items()}) for i in range(len(self.true))],
        }

    def _modules(self) -> tuple[NDArray[np.float64], int]:
        """Returns the centres of the modules of a layer, cm, and the number of cells in each."""
        hierarchy = self.true.hierarchy
        if self.detector is not None:
            return self.detector.module_xy, module.N_CELLS
        if hierarchy.shape == module.SHAPE[1:]:
            return np.zeros((1, 2)), hierarchy.n_cells()
        centres = unit_module_xy_cm(hierarchy.n_cells() // module.N_CELLS) if hierarchy.shape[-3:] == module.SHAPE else None
        if centres is None:
            msg = f"no picture of the root {hierarchy.root} {hierarchy.shape}: expected a ROC, module, triplet, flower or a whole detector"
            raise GeometryError(msg)
        return centres, module.N_CELLS

    def _event(self, i: int, energies: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
        per_unit = ADC_PER_MIP if self.detector is not None else 1.0
        true = self.true[i]
        norm = scale(true.charge / per_unit)
        low, high = float(norm.vmin or 1.0), float(norm.vmax or 10.0)
        pictures = {
            name: _picture(sample[i], per_unit, low) | {"energy": _rounded(energies[name]), "total": float(energies[name].sum())}
            for name, sample in {"input": self.true, **self.decoded}.items()
        }
        truth = _truth(true)
        label = f"{truth['particle']} {truth['energy']}" if {"particle", "energy"} <= set(truth) else f"event {i + 1}"
        result = {"label": label, "truth": truth, "scale": [low, high], "pictures": pictures}
        if self.detector is not None:
            dense = true.to_dense().reshape(self.detector.n_layers, -1).astype(np.float64)
            result["window"] = window(dense, self.detector).round(2).tolist()
        return result


def choose_events(events: Events, n: int) -> NDArray[np.int64]:
    """Returns up to n charged events from the weakest to the strongest, evenly spaced in rank of their charge, the extremes left out."""
    total = np.bincount(events.event, events.charge, len(events))
    order = np.argsort(total, kind="stable")
    order = order[total[order] > 0]
    n = min(n, len(order))
    return order[((np.arange(n) + 0.5) / max(n, 1) * len(order)).astype(int)]


def _picture(event: Events, per_unit: float, low: float) -> dict[str, Any]:
    charge = event.charge / per_unit
    # A cell that the colour scale paints as empty needs no place in the page; rounding must not hide the smallest true charge.
    seen = np.flatnonzero(charge >= low * (1 - 1e-6))
    strongest = np.sort(seen[np.argsort(-charge[seen], kind="stable")[:MAX_CELLS]])
    return {
        "cell": _base64(event.cell[strongest], "<u4"),
        "charge": _base64(charge[strongest], "<f4"),
        "cells": int((charge > 0).sum()),
        "hidden": int((charge > 0).sum()) - len(strongest),
        "charge_sum": float(charge.sum()),
    }


def _base64(values: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(values.astype(dtype).tobytes()).decode("ascii")


def _rounded(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _truth(event: Events) -> dict[str, str]:
    """Returns what is known about the particle, as texts with units."""
    truth = {name: values[0] for name, values in leading_particle(event).items() if np.isfinite(values[0])}
    texts = {"particle": PARTICLES.get(int(truth["pdg"]), f"pdg {int(truth['pdg'])}")} if "pdg" in truth else {}
    forms = {
        "energy_gev": ("energy", "{:.1f} GeV"),
        "pt_gev": ("transverse momentum", "{:.2f} GeV"),
        "eta": ("η", "{:.3f}"),
        "phi": ("φ", "{:.3f} rad"),
    }
    return texts | {text: form.format(truth[name]) for name, (text, form) in forms.items() if name in truth}
