"""Constructed events for the evaluation: the truth is known exactly, the showers only look like showers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy

STOCHASTIC = 0.2
"""The toys' energy resolution, sigma / E = 0.2 / sqrt(E)."""
VISIBLE = 0.9
"""The toys' mean response."""


def toy_showers(detector: Detector, n: int, seed: int = 1, energy_gev: NDArray[np.float64] | None = None, spots: int = 150) -> Events:
    """Returns electron-like events with a slightly inclined axis, an exponential core and a Gaussian response."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1, 500, n) if energy_gev is None else energy_gev
    spread = 0.25 * detector.radius_cm
    impact = np.array(detector.settings.centre_cm) + rng.uniform(-spread, spread, (n, 2))
    slope = rng.uniform(-0.1, 0.1, (n, 2))
    depth = np.minimum(rng.gamma(4.0, detector.n_layers / 15, (n, spots)).astype(int), detector.n_layers - 1)
    z = detector.layer_z_cm - detector.layer_z_cm[0]
    radius, angle = rng.exponential(1.2, (n, spots)), rng.uniform(0, 2 * np.pi, (n, spots))
    xy = impact[:, None] + slope[:, None] * z[depth][..., None] + radius[..., None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    share = rng.exponential(1.0, (n, spots))
    response = VISIBLE * (1 + STOCHASTIC / np.sqrt(energy) * np.clip(rng.standard_normal(n), -4, 4))
    gev = share / share.sum(axis=1, keepdims=True) * (np.maximum(response, 0.05) * energy)[:, None]
    in_layer = detector.locate(xy)
    inside = in_layer >= 0
    # What falls outside goes into the first cell of its layer, so that the response stays what was asked for.
    cell = depth * detector.cells_per_layer + np.where(inside, in_layer, 0)
    charge = gev * 1000 * ADC_PER_MIP / detector.layer_mev_per_mip[depth]
    pz = energy / np.sqrt(1 + (slope**2).sum(axis=1))
    particles = {
        "pdg": np.full(n, 11),
        "energy_gev": energy,
        "px_gev": slope[:, 0] * pz,
        "py_gev": slope[:, 1] * pz,
        "pz_gev": pz,
        "eta": np.arcsinh(1 / np.maximum(np.hypot(*slope.T), 1e-9)),
        "phi": np.arctan2(slope[:, 1], slope[:, 0]),
        "impact_x_cm": impact[:, 0],
        "impact_y_cm": impact[:, 1],
    }
    event = np.repeat(np.arange(n), spots)
    bare = from_entries(detector.hierarchy, n, event, cell.ravel(), charge.ravel())
    return replace(
        bare, particles=particles, particle_offsets=np.arange(n + 1), detector=(detector.name, detector.fingerprint())
    ).validate()


def from_entries(
    hierarchy: Hierarchy, n: int, event: NDArray[np.integer], cell: NDArray[np.integer], charge: NDArray[np.floating]
) -> Events:
    """Returns events from charges in any order; charges in the same cell add up."""
    key, inverse = np.unique(event * hierarchy.n_cells() + cell, return_inverse=True)
    counts = np.bincount(key // hierarchy.n_cells(), minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Events(hierarchy, offsets, (key % hierarchy.n_cells()).astype(np.int32), np.bincount(inverse, charge))


def random_units(hierarchy: Hierarchy, n: int, seed: int = 1, occupancy: float = 0.3) -> Events:
    """Returns units of a bare root with integer charges at random, among them empty ones."""
    rng = np.random.default_rng(seed)
    shape = (n, *hierarchy.shape)
    dense = rng.integers(1, 100, shape) * (rng.random(shape) < occupancy)
    dense[:: max(n // 3, 1)] = 0
    return Events.from_dense(dense, hierarchy)


def scaled(events: Events, factor: float | NDArray[np.float64]) -> Events:
    """Returns events with every charge multiplied by a factor per event."""
    return replace(events, charge=events.charge * np.broadcast_to(factor, len(events))[events.event])


def emptied(events: Events, index: int) -> Events:
    """Returns the events with all charges of one of them removed."""
    keep = events.event != index
    counts = np.where(np.arange(len(events)) == index, 0, events.counts)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return replace(events, offsets=offsets, cell=events.cell[keep], charge=events.charge[keep])
