"""Shape of every shower: energy, axis, depth and width, from sparse charges and the positions of their cells.

Lengths across are those in the plane of a layer; depths are along the shower's axis, in radiation lengths from before the first absorber,
like the truth of the simulation. What an event does not determine is NaN: an empty event has no direction, a minimum-ionising track no
maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.frame import group_sums, piece_size
from hgcae.evaluate.moments import LOG_WEIGHT_W0, moments, weighted_mean
from hgcae.evaluate.position import MM_PER_CM
from hgcae.evaluate.quantities import wrapped
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector

LAYER_SHARE = 0.01
"""Layers with a smaller share of the energy take no part in fits of axis and profile: among them are those that hold noise only."""
START_MIP = 8.0
START_LAYERS = 3
"""A shower starts at the first of so many consecutive layers above so much, which one track hardly ever reaches.

Source: CALICE, C. Adloff et al., J. Instrum. 5 (2010) P05007: pions in the silicon-tungsten calorimeter, three layers above 8 MIP."""
FRONT_X0 = 5.0
"""Depth that holds the `front_fraction`, radiation lengths."""

RADII_MM = tuple(float(r) for r in range(0, 160, 10))
"""Edges of the rings of lateral profiles, mm."""


@dataclass(frozen=True)
class Shapes:
    """Quantities of each event, and the profiles behind them.

    Args:
        values: By the names of `hgcae.evaluate.quantities.QUANTITIES`: (n,) each.
        layer_fraction: Share of the energy in each layer: (n, n_layers); NaN for empty events.
        ring_fraction: Share of the energy in each ring of `RADII_MM` about the axis: (n, n_rings); NaN without an axis.
    """

    values: dict[str, NDArray[np.float64]]
    layer_fraction: NDArray[np.float64]
    ring_fraction: NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """Straight lines x = impact + slope (z - z of the first layer), cm: (n, 2) each; NaN where unknown."""

    impact_cm: NDArray[np.float64]
    slope: NDArray[np.float64]

    @property
    def cosine(self) -> NDArray[np.float64]:
        """Cosine of the angle to the beam: (n,)."""
        return 1 / np.sqrt(1 + (self.slope**2).sum(axis=1))


def shower_shapes(events: Events, detector: Detector) -> Shapes:
    """Measures every event as if it held one shower.

    Args:
        events: Events of the whole detector.
        detector: Gives energies and positions.

    Returns:
        * `energy_gev`: sum of charge x layer weight (not calibrated for leakage); `barycentre_x_cm`, `barycentre_y_cm`: energy-weighted.
        * `impact_x_cm`, `impact_y_cm`, `eta`, `phi`: of the axis, see `fit_axis`.
        * `pt_gev`: energy x sin(theta) of the three-dimensional barycentre, seen from the interaction point, as the trigger has it.
        * `shower_start_x0`, `shower_max_x0`, `mean_depth_x0`, `depth_rms_x0`: see `shower_start`, `shower_maximum`; the last two are the
          energy-weighted mean and standard deviation of the depth.
        * `front_fraction`: energy within `FRONT_X0`; `rear_fraction`: in CE-H layers; `peak_fraction`: in the strongest layer
          (`eMax` over the energy of CMSSW's HGCalShowerShape).
        * `r50_mm`, `r90_mm`: radius about the axis that holds the centres of cells with half and 90 % of the energy; `radius_rms_mm`.
        * `sigma_eta`, `sigma_phi`: see `angular_widths`.

    Raises:
        GeometryError: The events are not those of the detector.
    """
    frame = CellTable.of(events.hierarchy, detector)
    pieces = list(events.chunks(piece_size(len(events), len(events.cell)))) or [events]
    parts = [_shapes(piece, detector, frame) for piece in pieces]
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    return Shapes(values, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("layer_fraction", "ring_fraction")))


def _shapes(events: Events, detector: Detector, frame: CellTable) -> Shapes:
    sample = moments(events, frame)
    energy, total = sample.energy, np.where(sample.total > 0, sample.total, np.nan)
    fraction = energy / total[:, None]
    axis = fit_axis(fraction, np.asarray(sample.log_centre_cm), detector.layer_z_cm)
    barycentre = np.asarray(sample.barycentre_cm)
    slant = np.nan_to_num(1 / axis.cosine, nan=1.0)
    edges = slant[:, None] * np.concatenate([[0.0], np.cumsum(detector.layer_x0)])
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    mean_depth = weighted_mean(middle, energy)
    depth_rms = np.sqrt(weighted_mean((middle - np.nan_to_num(mean_depth)[:, None]) ** 2, energy))
    layer_mip = events.unit_sums(_layer_level(detector)) / ADC_PER_MIP
    tangent = np.linalg.norm(barycentre, axis=1) / weighted_mean(np.broadcast_to(detector.layer_z_cm, energy.shape), energy)
    hadronic = np.array([layer.plane == "CE-H" for layer in detector.settings.layers])
    radii, rings = _radii(events, frame, detector, axis)
    sigma_eta, sigma_phi = angular_widths(events, frame, detector)
    values = {
        "energy_gev": sample.total,
        "pt_gev": sample.total * np.sin(np.arctan(tangent)),
        "eta": np.arcsinh(1 / np.maximum(np.linalg.norm(axis.slope, axis=1), 1e-9)),
        "phi": np.arctan2(axis.slope[:, 1], axis.slope[:, 0]),
        "impact_x_cm": axis.impact_cm[:, 0],
        "impact_y_cm": axis.impact_cm[:, 1],
        "barycentre_x_cm": barycentre[:, 0],
        "barycentre_y_cm": barycentre[:, 1],
        "shower_start_x0": shower_start(layer_mip, middle),
        "shower_max_x0": shower_maximum(fraction, middle, np.diff(edges, axis=1)),
        "mean_depth_x0": mean_depth,
        "depth_rms_x0": depth_rms,
        "front_fraction": (fraction * (middle < FRONT_X0)).sum(axis=1),
        "rear_fraction": fraction[:, hadronic].sum(axis=1),
        "peak_fraction": fraction.max(axis=1),
        **radii,
        "sigma_eta": sigma_eta,
        "sigma_phi": sigma_phi,
    }
    return Shapes(values, fraction, rings)


def _layer_level(detector: Detector) -> str:
    """Returns the level whose units are the layers: the one below the root."""
    return detector.hierarchy.names[-2]


def fit_axis(fraction: NDArray[np.float64], centre_cm: NDArray[np.float64], z_cm: NDArray[np.float64]) -> Axis:
    """Fits a straight line through the layer centres by least squares, weighted with the energy of the layers.

    Log-weighted centres and an energy-weighted fit are how the HGCAL beam test points back (CMS HGCAL, J. Instrum. 17 (2022) P05022).

    Args:
        fraction: Share of the energy in each layer: (n, n_layers).
        centre_cm: Centre of each layer: (n, n_layers, 2); NaN where unknown.
        z_cm: Position of the layers: (n_layers,).

    Returns:
        Lines in the layers above `LAYER_SHARE`; NaN with fewer than two.
    """
    use = (fraction >= LAYER_SHARE) & np.isfinite(centre_cm).all(axis=2)
    weight, centre = np.where(use, fraction, 0.0), np.where(use[..., None], centre_cm, 0.0)
    z = np.broadcast_to(z_cm - z_cm[0], weight.shape)
    mean_z, mean = weighted_mean(z, weight), weighted_mean(centre, weight)
    lever = np.where(use, z - mean_z[:, None], 0.0)
    spread = (weight * lever**2).sum(axis=1)
    slope = np.einsum("nk,nki->ni", weight * lever, centre) / np.where(use.sum(axis=1) > 1, spread, np.nan)[:, None]
    return Axis(mean - slope * mean_z[:, None], slope)


def shower_start(layer_mip: NDArray[np.float64], depth_x0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the depth of the first of `START_LAYERS` consecutive layers that hold more than `START_MIP` each: (n,); NaN without one.

    Args:
        layer_mip: Signal of each layer, MIP: (n, n_layers).
        depth_x0: Depth of the layers' middle: (n, n_layers).
    """
    above = np.concatenate([layer_mip > START_MIP, np.zeros((len(layer_mip), START_LAYERS - 1), dtype=bool)], axis=1)
    starts = np.logical_and.reduce([above[:, k : k + layer_mip.shape[1]] for k in range(START_LAYERS)])
    return np.where(starts.any(axis=1), np.take_along_axis(depth_x0, starts.argmax(axis=1)[:, None], axis=1)[:, 0], np.nan)


def shower_maximum(fraction: NDArray[np.float64], depth_x0: NDArray[np.float64], thickness_x0: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the depth of the maximum of a gamma profile fitted to the layers, radiation lengths: (n,).

    dE/dt ~ t^(a-1) e^(-bt) (E. Longo, I. Sestili, Nucl. Instrum. Meth. 128 (1975) 283) is linear in its logarithm,
    ln dE/dt = c + (a-1) ln t - bt, so that least squares give a and b at once; the weights are the energies, because sampled energies
    fluctuate with their square roots. Its maximum is at (a-1)/b.

    Args:
        fraction: Share of the energy in each layer: (n, n_layers).
        depth_x0: Depth of the layers' middle: (n, n_layers).
        thickness_x0: Material of each layer, along the axis: (n, n_layers).

    Returns:
        NaN with fewer than three layers above `LAYER_SHARE`, or where the fitted profile has no maximum inside the detector.
    """
    use = fraction >= LAYER_SHARE
    density = np.log(np.where(use, fraction / thickness_x0, 1.0))
    design = np.stack([np.ones_like(depth_x0), np.log(depth_x0), -depth_x0], axis=-1)
    weight = np.where(use, fraction, 0.0)
    # A thousandth of a billionth keeps the equations of empty events solvable; those with layers do not feel it.
    normal = np.einsum("nk,nki,nkj->nij", weight, design, design) + 1e-12 * np.eye(3)
    a, b = np.moveaxis(np.linalg.solve(normal, np.einsum("nk,nki,nk->ni", weight, design, density)[..., None])[:, 1:, 0], -1, 0)
    found = (use.sum(axis=1) > 2) & (a > 0) & (b > 0)
    depth = a / np.where(found, b, 1.0)
    return np.where(found & (depth < depth_x0[:, -1]), depth, np.nan)


def _radii(events: Events, frame: CellTable, detector: Detector, axis: Axis) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Returns the radii about the axis and the ring fractions."""
    n, event = len(events), events.event
    layer = frame.layer[events.cell]
    energy = events.charge * frame.weight[events.cell]
    z = detector.layer_z_cm - detector.layer_z_cm[0]
    line = axis.impact_cm[event] + axis.slope[event] * z[layer][:, None]
    radius = MM_PER_CM * np.linalg.norm(np.asarray(frame.xy_cm)[events.cell] - line, axis=1)
    known = np.isfinite(axis.slope).all(axis=1)
    total = np.where(known, group_sums(event, energy, n), np.nan)
    total = np.where(total > 0, total, np.nan)
    order = np.lexsort((radius, event))
    values = {
        "r50_mm": _holding(0.5, radius[order], energy[order], events.offsets, total),
        "r90_mm": _holding(0.9, radius[order], energy[order], events.offsets, total),
        "radius_rms_mm": np.sqrt(group_sums(event, energy * np.nan_to_num(radius) ** 2, n) / total),
    }
    n_rings = len(RADII_MM) - 1
    ring = np.searchsorted(RADII_MM, np.nan_to_num(radius), side="right") - 1
    inside = ring < n_rings
    rings = group_sums(event[inside] * n_rings + ring[inside], energy[inside], n * n_rings).reshape(n, n_rings)
    return values, rings / total[:, None]


def _holding(
    share: float, radius: NDArray[np.float64], energy: NDArray[np.float64], offsets: NDArray[np.int64], total: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the smallest radius within which cells hold a share of each event's energy; cells are in order of event and radius."""
    running = np.concatenate([[0.0], np.cumsum(energy)])
    wanted = running[offsets[:-1]] + share * np.nan_to_num(total)
    # One part in a billion: a share that is reached exactly must not depend on the order of summation.
    first = np.searchsorted(running[1:], wanted * (1 - 1e-12), side="left")
    known = np.isfinite(total)
    return np.where(known, np.append(radius, np.nan)[np.where(known, first, len(radius))], np.nan)


def angular_widths(events: Events, frame: CellTable, detector: Detector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns sigma_etaeta and sigma_phiphi (radian) of events: (n,) each.

    sigma^2 of a layer = sum w (x - <x>)^2 / sum w with w = max(0, 4.7 + ln(E_cell / E_layer)) and x the pseudorapidity or azimuth of the
    cells seen from the interaction point (cms-sw/cmssw@45d10bbe, EcalClusterTools: covariances); the layers' sigma^2 are averaged with
    their energies (cms-sw/cmssw@0292d6e2, HGCalShowerShape: sigmaRRMean).
    """
    n, n_layers = len(events), frame.n_layers
    layer = frame.layer[events.cell]
    energy = events.charge * frame.weight[events.cell]
    row = events.event * n_layers + layer
    layer_energy = group_sums(row, energy, n * n_layers)
    weight = np.maximum(0.0, LOG_WEIGHT_W0 + np.log(energy / layer_energy[row]))
    x, y = np.asarray(frame.xy_cm)[events.cell].T
    eta, phi = np.arcsinh(detector.layer_z_cm[layer] / np.hypot(x, y)), np.arctan2(y, x)
    result = []
    norm = group_sums(row, weight, n * n_layers)
    norm = np.where(norm > 0, norm, np.nan)
    # Azimuths are counted from one cell of their layer, so that none of them passes the cut at pi.
    reference = np.zeros(n * n_layers)
    reference[row] = phi
    for angle in (eta, wrapped(phi - reference[row])):
        mean = group_sums(row, weight * angle, n * n_layers) / norm
        variance = group_sums(row, weight * (angle - mean[row]) ** 2, n * n_layers) / norm
        known = np.isfinite(variance)
        share = np.where(known, layer_energy, 0.0).reshape(n, n_layers)
        result.append(np.sqrt(weighted_mean(np.nan_to_num(variance).reshape(n, n_layers), share)))
    return result[0], result[1]
