"""Seeds: where showers stand in a transverse map of the energy.

The way of the HGCAL's trigger (CMS HGCAL TDR, CERN-LHCC-2017-023, chapter on trigger primitives; cms-sw/cmssw@08a156a7,
HGCalMulticlusteringHistoImpl): trigger cells are projected along straight lines from the interaction point into one map, the map is
smoothed with half the neighbours' content, and local maxima above a threshold are seeds. Here the map is hexagonal, in cm of the first
layer, and holds the layers around the strongest one, where showers are narrow; a trigger cell is shared among its four sensor cells.

What tells a second shower from a fluctuation of the first is the valley between them. The prominence of a seed is its height above the
lowest point of the straight line to a stronger seed, the least over all stronger seeds, in units of the strongest one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.frame import MAX_ENTRIES, group_sums
from hgcae.evaluate.physics_settings import PhysicsSettings
from hgcae.events import Events
from hgcae.geometry import hexagons, module
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector

MAX_SEEDS = 16
"""Strongest local maxima that are looked at; firmware has such a limit, too."""
_LINE_POINTS = 48


@dataclass(frozen=True)
class Seeds:
    """The strongest local maxima of each event, in decreasing order of height.

    Args:
        xy_cm: Position, the energy-weighted mean of the hexagon and its neighbours, in the plane of the first layer: (n, MAX_SEEDS, 2);
            NaN where there is none.
        prominence: Relative to the height of the strongest, which has 1: (n, MAX_SEEDS); 0 where there is none.
    """

    xy_cm: NDArray[np.float64]
    prominence: NDArray[np.float64]

    def count(self, cut: float) -> NDArray[np.int64]:
        """Returns how many seeds of each event are more prominent than `cut`: (n,)."""
        return (self.prominence > cut).sum(axis=1)

    def leading(self, cut: float, k: int) -> NDArray[np.float64]:
        """Returns the positions of the first `k` seeds above `cut`: (n, k, 2) cm; NaN where there are fewer."""
        found = self.prominence > cut
        order = np.argsort(~found, axis=1, kind="stable")[:, :k]
        xy = np.where(found[..., None], self.xy_cm, np.nan)
        return np.take_along_axis(xy, order[..., None], axis=1)


def projected_cm(events: Events, detector: Detector, direction: str) -> NDArray[np.float64]:
    """Returns the centre of each charged cell, projected into the plane of the first layer: (nnz, 2) cm."""
    layer, cell = np.divmod(events.cell, detector.cells_per_layer)
    return detector.layer_cell_xy[cell] * _scale(detector, direction)[layer][:, None]


def _scale(detector: Detector, direction: str) -> NDArray[np.float64]:
    z = detector.layer_z_cm
    return z[0] / z if direction == "interaction_point" else np.ones_like(z)


def find_seeds(events: Events, detector: Detector, settings: PhysicsSettings) -> Seeds:
    """Finds the seeds of every event.

    Raises:
        GeometryError: The events are not those of the detector.
    """
    frame = CellTable.of(events.hierarchy, detector)
    reach = 2 + int(1.16 * (detector.radius_cm + settings.map_pitch_cm) / settings.map_pitch_cm)
    pieces = list(events.chunks(max(1, MAX_ENTRIES // (2 * reach + 1) ** 2))) or [events]
    parts = [_find(piece, frame, detector, settings, reach) for piece in pieces]
    return Seeds(np.concatenate([part.xy_cm for part in parts]), np.concatenate([part.prominence for part in parts]))


def _find(events: Events, frame: CellTable, detector: Detector, settings: PhysicsSettings, reach: int) -> Seeds:
    raw = _maps(events, frame, detector, settings, reach)
    smooth = raw
    for _ in range(settings.map_smoothing):
        smooth = (smooth + sum(_shifted(smooth, step) for step in hexagons.DIRECTIONS) / 2) / 4
    peak = smooth >= settings.seed_gev
    for k, step in enumerate(hexagons.DIRECTIONS):
        beside = _shifted(smooth, step)
        # Of two equal neighbours, one is the maximum.
        peak &= (smooth > beside) if k < 3 else (smooth >= beside)
    flat = np.where(peak, smooth, 0.0).reshape(len(events), -1)
    order = np.argsort(-flat, axis=1, kind="stable")[:, :MAX_SEEDS]
    height = np.take_along_axis(flat, order, axis=1)
    axial = np.stack(np.divmod(order, smooth.shape[-1]), axis=-1)
    xy = _positions(raw, axial) * settings.map_pitch_cm + np.array(detector.settings.centre_cm)
    prominence = _prominence(smooth, axial, height)
    return Seeds(np.where(height[..., None] > 0, xy, np.nan), prominence)


def _maps(events: Events, frame: CellTable, detector: Detector, settings: PhysicsSettings, reach: int) -> NDArray[np.float64]:
    """Returns the energy in each hexagon, GeV: (n, size, size) by axial coordinates + reach."""
    n, event = len(events), events.event
    layer, cell = frame.layer[events.cell], events.cell
    energy = events.charge * frame.weight[events.cell]
    density = group_sums(event * frame.n_layers + layer, energy, n * frame.n_layers).reshape(n, -1) / detector.layer_x0
    depth = np.cumsum(detector.layer_x0)
    near = np.abs(depth - depth[density.argmax(axis=1)][:, None]) <= settings.map_window_x0
    use = near[event, layer]
    event, layer, cell, energy = event[use], layer[use], cell[use], energy[use]
    offset = (module.sensor_cell_xy() - module.trigger_cell_xy()[:, None])[cell % module.N_CELLS]
    points = (np.asarray(frame.xy_cm)[cell][:, None] + offset) * _scale(detector, settings.direction)[layer][:, None, None]
    axial = hexagons.containing(points - np.array(detector.settings.centre_cm), settings.map_pitch_cm) + reach
    size = 2 * reach + 1
    place = (event[:, None] * size + np.clip(axial[..., 0], 0, size - 1)) * size + np.clip(axial[..., 1], 0, size - 1)
    return group_sums(place.ravel(), np.repeat(energy / 4, 4), n * size**2).reshape(n, size, size)


def _shifted(maps: NDArray[np.float64], step: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns what stands one step away from each hexagon; 0 beyond the edge."""
    q, r = step
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    return padded[:, 1 + q : 1 + q + maps.shape[1], 1 + r : 1 + r + maps.shape[2]]


def _positions(raw: NDArray[np.float64], axial: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the energy-weighted centres of hexagons and their neighbours, in widths from the centre of the map: (n, k, 2)."""
    size = raw.shape[-1]
    around = np.clip(np.concatenate([axial[..., None, :], hexagons.neighbours(axial)], axis=-2), 0, size - 1)
    event = np.arange(len(raw))[:, None, None]
    energy = raw[event, around[..., 0], around[..., 1]]
    total = energy.sum(axis=-1)
    centre = hexagons.centre(around - size // 2, 1.0)
    return (energy[..., None] * centre).sum(axis=-2) / np.where(total > 0, total, np.nan)[..., None]


def _prominence(smooth: NDArray[np.float64], axial: NDArray[np.int64], height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the relative prominences: (n, k)."""
    xy = hexagons.centre(axial, 1.0)
    stronger, weaker = np.triu_indices(height.shape[1], 1)
    along = np.linspace(0, 1, _LINE_POINTS)[:, None]
    line = hexagons.containing(xy[:, stronger, None] * (1 - along) + xy[:, weaker, None] * along, 1.0)
    valley = smooth[np.arange(len(smooth))[:, None, None], line[..., 0], line[..., 1]].min(axis=-1)
    above = np.full((len(height), height.shape[1], height.shape[1]), np.inf)
    above[:, stronger, weaker] = height[:, weaker] - valley
    prominence = np.minimum(height, above.min(axis=1))
    top = height[:, :1]
    return np.divide(np.where(height > 0, prominence, 0.0), top, out=np.zeros_like(height), where=top > 0)
