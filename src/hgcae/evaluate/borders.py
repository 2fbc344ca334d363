"""Showers across borders of units: what a merging of neighbours costs there, apart from what it costs inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.moments import moments, weighted_mean
from hgcae.evaluate.report import EvaluateSettings, evaluate_level
from hgcae.evaluate.table import lookup
from hgcae.events import Events
from hgcae.geometry.borders import inner_borders
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector
from hgcae.truth import axis_xy_cm

REGIONS = ("all", "inside", "module border", "triplet border")
"""Where showers lie; `all` is every one of them."""

METRICS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "l1_cells": (("events", "l1", "CELL"), ("events", "l1_error", "CELL")),
    "l1_rocs": (("events", "l1", "ROC"), ("events", "l1_error", "ROC")),
    "l1_modules": (("events", "l1", "MODULE"), ("events", "l1_error", "MODULE")),
    "l1_triplets": (("events", "l1", "TRIPLET"), ("events", "l1_error", "TRIPLET")),
    "layer_error": (("layers", "profile_error", "above", "mean"), ("layers", "profile_error", "above", "mean_error")),
    "barycentre_mm": (
        ("position", "barycentre_shift", "per_axis", "above", "rms"),
        ("position", "barycentre_shift", "per_axis", "above", "rms_error"),
    ),
    "energy_mean": (
        ("energy", "decoded_over_uncompressed", "above", "mean"),
        ("energy", "decoded_over_uncompressed", "above", "mean_error"),
    ),
    "energy_width": (
        ("energy", "decoded_over_uncompressed", "above", "sigma_eff"),
        ("energy", "decoded_over_uncompressed", "above", "sigma_eff_error"),
    ),
    "resolution_ratio": (
        ("energy", "truth", "decoded", "resolution_ratio", "above", "ratio"),
        ("energy", "truth", "decoded", "resolution_ratio", "above", "ratio_error"),
    ),
    "mse": (("units", "decoded", "mse"), ("units", "decoded", "mse_error")),
}
"""What is kept of results (see `evaluate_level`): by name, where metric and error stand in it."""


def core_xy_cm(events: Events, detector: Detector) -> NDArray[np.float64]:
    """Returns where the line of each event's leading particle crosses the shower's mean depth, cm: (n, 2); NaN where it is unknown.

    Particles from the interaction point cross several centimetres sideways on their way through the detector, so the point of impact says
    little about the module that holds the shower. The line is straight: its point at the energy-weighted mean depth is the mean of its
    points in the layers.
    """
    z = detector.layer_z_cm
    energy = moments(events, CellTable.of(events.hierarchy, detector)).energy
    return weighted_mean(axis_xy_cm(events, z, float(z[0])), energy)


def segment_distance_cm(xy_cm: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the distance of points (n, 2) to the nearest of some segments (k, 2), (k, 2): (n,), infinite without segments."""
    edge = end - start
    from_start = xy_cm[:, None] - start
    along = np.clip((from_start * edge).sum(-1) / (edge * edge).sum(-1), 0, 1)
    return np.linalg.norm(from_start - along[..., None] * edge, axis=-1).min(axis=-1, initial=np.inf)


def regions(events: Events, detector: Detector, margin_cm: float) -> dict[str, NDArray[np.bool_]]:
    """Returns which showers lie where: (n,) each.

    Args:
        events: Events with truth.
        detector: Their detector.
        margin_cm: A shower lies across a border if its core is nearer to it.

    Returns:
        A mask for each of `REGIONS`. Across a border between triplets is not counted as across one between modules; events whose particle
        is unknown are only in `all`.
    """
    xy = core_xy_cm(events, detector)
    known = np.isfinite(xy).all(axis=1)
    near = {level: segment_distance_cm(xy, *inner_borders(detector, level)) < margin_cm for level in ("MODULE", "TRIPLET")}
    return {
        "all": np.ones(len(events), dtype=bool),
        "inside": known & ~near["MODULE"] & ~near["TRIPLET"],
        "module border": known & near["MODULE"] & ~near["TRIPLET"],
        "triplet border": known & near["TRIPLET"],
    }


def evaluate_regions(
    true: Events, decoded: Events, level: str, detector: Detector, settings: EvaluateSettings, margin_cm: float
) -> dict[str, dict[str, Any]]:
    """Measures decoded events, all of them and those in each region.

    Returns:
        By region: `n_events`, and for each of `METRICS` a pair of value and statistical error, None where it was not measured.
    """
    result: dict[str, dict[str, Any]] = {}
    for region, mask in regions(true, detector, margin_cm).items():
        if not mask.any():
            result[region] = {"n_events": 0} | dict.fromkeys(METRICS, (None, None))
            continue
        results = evaluate_level(true[mask], decoded[mask], level, settings=settings, detector=detector)
        metrics = {name: (lookup(results, *value), lookup(results, *error)) for name, (value, error) in METRICS.items()}
        result[region] = {"n_events": int(mask.sum())} | metrics
    return result
