"""Whole showers: what decoding does to every quantity of a shower, next to how well the shower itself tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.core.response import TRUTH_STATISTICS, against_truth, calibration, ratio_by_energy, spread_by_energy
from hgcae.evaluate.core.statistics import Bootstrap, in_ranges, plain
from hgcae.evaluate.showers.pairs import UNCOMPRESSED, beside
from hgcae.evaluate.showers.quantities import QUANTITIES
from hgcae.evaluate.showers.settings import PhysicsSettings
from hgcae.evaluate.showers.shapes import RADII_MM, Shapes, shower_shapes
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.truth import contained, leading_particle

SHIFTS = ("mean", "sigma_eff", "core")
"""Statistics of shifts: bias, width, width of the Gaussian core."""


def evaluate_showers(true: Events, decoded: Mapping[str, Events], detector: Detector, settings: PhysicsSettings) -> dict[str, Any]:
    """Measures every quantity of showers before and after compression, and against the truth.

    Args:
        true: Uncompressed events of one particle each, with truth.
        decoded: The same events decoded, by name.
        detector: Gives energies and positions.
        settings: Bins and resampling.

    Returns:
        By name (`uncompressed` first):

        * `shift` (decoded only): by quantity (see `shower_shapes`) decoded minus uncompressed, relative for energy and pT, with `unit`;
          all, above `above_gev`, in `bins` of true energy, and `by` true `eta`, `shower_start_x0` and `shower_max_x0`.
        * `truth`: by quantity that the truth has, the deviation from it; for decoded events with `width_ratio`, the width over that of the
          uncompressed ones. Energy and pT are calibrated with the one factor of the uncompressed energy.
        * `response`: see `against_truth`, with `fit` and `core`.
        * `profiles`: mean share of the energy by layer and by ring about the axis, with standard errors.

        Shifts use every event, comparisons with the truth those that the detector contains sideways.

    Raises:
        GeometryError, DataFormatError: The events do not fit together or have no truth.
    """
    shapes = {name: shower_shapes(events, detector) for name, events in beside(true, decoded).items()}
    truth = leading_particle(true)
    use = contained(true, detector, settings.containment_margin_cm)
    energy = truth["energy_gev"]
    before = shapes[UNCOMPRESSED]
    factor = calibration(before.values["energy_gev"][use], energy[use], settings.above_gev) or 1.0
    responses = _responses(shapes, energy, use, settings)
    result: dict[str, Any] = {}
    for name, shape in shapes.items():
        result[name] = {} if shape is before else {"shift": _shifts(shape, before, truth, settings)}
        result[name] |= {
            "truth": _against_truth(shape, before, truth, use, factor, settings),
            "response": responses[name],
            "profiles": _profiles(shape, energy > settings.above_gev),
        }
    layers = {"depth_x0": np.cumsum(detector.layer_x0).tolist(), "radius_mm": list(RADII_MM)}
    return {"n_events": len(true), "n_contained": int(use.sum()), "axes": layers, "samples": result}


def _responses(
    shapes: Mapping[str, Shapes], energy: NDArray[np.float64], use: NDArray[np.bool_], settings: PhysicsSettings
) -> dict[str, Any]:
    energies = {name: shape.values["energy_gev"][use] for name, shape in shapes.items()}
    how = (settings.energy_edges_gev, settings.above_gev, settings.bootstrap())
    return against_truth(energies, energy[use], *how, statistics=(*TRUTH_STATISTICS, "core"))


def _shifts(shape: Shapes, before: Shapes, truth: Mapping[str, NDArray[np.float64]], settings: PhysicsSettings) -> dict[str, Any]:
    bootstrap, energy = settings.bootstrap(), truth["energy_gev"]
    ranges: dict[str, Sequence[float]] = {
        "eta": settings.eta_edges,
        "shower_start_x0": settings.start_edges_x0,
        "shower_max_x0": settings.maximum_edges_x0,
    }
    result = {}
    for name, (deviation, unit) in QUANTITIES.items():
        shift = deviation(shape.values[name], before.values[name])
        describe = partial(_spread, shift, bootstrap)
        by = {key: in_ranges(describe, truth[key], edges) for key, edges in ranges.items() if key in truth}
        metrics = spread_by_energy(shift, energy, settings.energy_edges_gev, settings.above_gev, bootstrap, SHIFTS)
        result[name] = {"unit": unit} | metrics | {"by": by}
    return result


def _spread(values: NDArray[np.float64], bootstrap: Bootstrap, use: NDArray[np.bool_]) -> dict[str, Any]:
    return bootstrap.spread(values[use], SHIFTS)


def _against_truth(
    shape: Shapes,
    before: Shapes,
    truth: Mapping[str, NDArray[np.float64]],
    use: NDArray[np.bool_],
    factor: float,
    settings: PhysicsSettings,
) -> dict[str, Any]:
    bootstrap, energy, result = settings.bootstrap(), truth["energy_gev"][use], {}
    for name, (deviation, unit) in QUANTITIES.items():
        if name not in truth:
            continue
        scale = factor if name in ("energy_gev", "pt_gev") else 1.0
        offset, reference = (deviation(scale * s.values[name][use], truth[name][use]) for s in (shape, before))
        how = (settings.energy_edges_gev, settings.above_gev)
        result[name] = {"unit": unit} | spread_by_energy(offset, energy, *how, bootstrap, SHIFTS)
        if shape is not before:
            result[name]["width_ratio"] = ratio_by_energy(offset, reference, "sigma_eff", energy, *how, bootstrap)
    return result


def _profiles(shape: Shapes, use: NDArray[np.bool_]) -> dict[str, Any]:
    result = {}
    for name, fraction in (("layers", shape.layer_fraction[use]), ("rings", shape.ring_fraction[use])):
        known = fraction[np.isfinite(fraction).all(axis=1)]
        if len(known) < 2:
            result |= {name: None, f"{name}_error": None}
            continue
        result[name] = [plain(value) for value in known.mean(axis=0)]
        result[f"{name}_error"] = [plain(value) for value in known.std(axis=0, ddof=1) / np.sqrt(len(known))]
    return result
