"""What the numbers of a code mean: how they go with what is known and seen of an event, and what decoding makes of each that is moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hgcae.evaluate.eventwise import mean_depth_x0
from hgcae.evaluate.moments import moments, weighted_mean
from hgcae.evaluate.statistics import MIN_ENTRIES, plain
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector
from hgcae.truth import leading_particle

TRUTH = ("energy_gev", "shower_start_x0", "shower_max_x0", "impact_x_cm", "impact_y_cm", "eta", "phi")
"""True quantities of the leading particle."""
RANGE = (0.05, 0.95)
"""A number is moved between these quantiles."""
STEPS = 5
"""Places between them."""


def quantities(events: Events, detector: Detector) -> dict[str, NDArray[np.float64]]:
    """Returns true and observed quantities of events: (n,) each, NaN where there are none.

    Observed: `seen_gev`; the energy-weighted `depth_x0`, its spread `length_x0`; the barycentre `x_cm`, `y_cm`; and `width_cm`, the root of
    the energy-weighted mean square distance of cells from the barycentre of their layer.
    """
    frame = CellTable.of(events.hierarchy, detector)
    sample = moments(events, frame)
    depth = mean_depth_x0(sample, detector)
    off = np.cumsum(detector.layer_x0) - depth[:, None]
    truth = leading_particle(events)
    result = {name: truth[name] for name in TRUTH if name in truth}
    result |= {"seen_gev": sample.total, "depth_x0": depth, "length_x0": np.sqrt(weighted_mean(off**2, sample.energy))}
    if sample.centre_cm is not None and frame.xy_cm is not None and sample.barycentre_cm is not None:
        layer = frame.layer[events.cell]
        distance = frame.xy_cm[events.cell] - sample.centre_cm[events.event, layer]
        energy = events.charge * frame.weight[events.cell]
        squared = np.bincount(events.event, energy * (distance**2).sum(axis=1), len(events))
        width = np.sqrt(squared / np.where(sample.total > 0, sample.total, np.nan))
        result |= {"x_cm": sample.barycentre_cm[:, 0], "y_cm": sample.barycentre_cm[:, 1], "width_cm": width}
    return result


def correlations(code: NDArray[np.floating], values: Mapping[str, NDArray[np.float64]]) -> dict[str, list[Any]]:
    """Returns Spearman's rank correlation of every number of a code (n, latent) with every quantity: by quantity (latent,).

    None where the number or the quantity is constant, or less than ten events have it.
    """
    return {name: [_correlation(number, value) for number in code.T] for name, value in values.items()}


def _correlation(number: NDArray[np.floating], value: NDArray[np.float64]) -> float | None:
    use = np.isfinite(value)
    if use.sum() < MIN_ENTRIES or not np.ptp(value[use]) or not np.ptp(number[use]):
        return None
    found: Any = spearmanr(number[use], value[use])
    return plain(found.statistic)


def near_energy(energy_gev: NDArray[np.float64], at_gev: float, n: int = 100) -> NDArray[np.int64]:
    """Returns the `n` events of positive energy that are nearest to an energy, by ratio."""
    distance = np.abs(np.log(np.where(energy_gev > 0, energy_gev, np.nan) / at_gev))
    return np.sort(np.argsort(distance)[: min(n, int(np.isfinite(distance).sum()))])


def traversal(code: NDArray[np.floating], decode: Callable[[NDArray[np.float32]], Events], detector: Detector) -> dict[str, Any]:
    """Moves each number of a median code.

    Args:
        code: Codes of like events (n, latent). The one nearest to their median, in units of their spread, is moved.
        decode: Returns the events of codes.
        detector: Their detector.

    Returns:
        `code` (latent,), and for each of the numbers `values` (5,), `profiles`, the energy of every layer in GeV (5, n_layers), and `maps`,
        the energy of every trigger cell of a layer, summed over layers, in GeV: [cells, energies] of those that hold any (5).
    """
    spread = np.maximum(code.std(axis=0), 1e-9)
    middle = code[np.argmin((((code - np.median(code, axis=0)) / spread) ** 2).sum(axis=1))].astype(np.float32)
    low, high = np.quantile(code, RANGE, axis=0)
    places = np.linspace(low, high, STEPS)
    moved = np.tile(middle, (code.shape[1], STEPS, 1))
    for j in range(code.shape[1]):
        moved[j, :, j] = places[:, j]
    moved[:, :, 0] = np.round(moved[:, :, 0])
    events = decode(moved.reshape(-1, code.shape[1]))
    frame = CellTable.of(events.hierarchy, detector)
    cell, in_layer = events.cell % detector.cells_per_layer, detector.cells_per_layer
    energy = events.charge * frame.weight[events.cell]
    maps = np.bincount(events.event * in_layer + cell, energy, len(events) * in_layer)
    maps, profiles = maps.reshape(len(events), -1), moments(events, frame).energy
    numbers = []
    for j in range(code.shape[1]):
        rows = slice(j * STEPS, (j + 1) * STEPS)
        sparse = [[np.flatnonzero(m > 0).tolist(), [round(float(x), 5) for x in m[m > 0]]] for m in maps[rows]]
        numbers.append({"values": places[:, j].tolist(), "profiles": np.round(profiles[rows], 5).tolist(), "maps": sparse})
    return {"code": middle.tolist(), "numbers": numbers}
