"""What is known about the particle behind an event, and whether the detector could contain its shower."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import hexagons, module
from hgcae.geometry.detector import Detector

CONTAINMENT_MOLIERE_RADII = 2.0
"""Radius of the cylinder that holds about 95 % of an electromagnetic shower.

Source: C. W. Fabjan and F. Gianotti, Rev. Mod. Phys. 75 (2003) 1243.
"""

AXIS_COLUMNS = ("impact_x_cm", "impact_y_cm", "px_gev", "py_gev", "pz_gev")
"""Particle columns that give the straight line along which a shower develops."""


def leading_particle(events: Events) -> dict[str, NDArray[np.float64]]:
    """Returns the truth of the particle of highest energy of each event, with `pt_gev` added.

    Returns:
        Every particle column, (n,) float64; NaN for events without a particle. Empty for samples without truth.
    """
    offsets, particles = events.particle_offsets, events.particles
    if offsets is None or "energy_gev" not in particles:
        return {}
    counts = np.diff(offsets)
    event = np.repeat(np.arange(len(events)), counts)
    order = np.lexsort((-particles["energy_gev"], event))
    has = counts > 0
    first = order[offsets[:-1][has]]
    columns = {}
    for name, values in particles.items():
        columns[name] = np.full(len(events), np.nan)
        columns[name][has] = values[first]
    if "px_gev" in columns:
        columns["pt_gev"] = np.hypot(columns["px_gev"], columns["py_gev"])
    return columns


def axis_xy_cm(events: Events, z_cm: NDArray[np.float64], front_cm: float) -> NDArray[np.float64]:
    """Returns where the straight line of each event's leading particle crosses planes.

    Args:
        events: Events with truth.
        z_cm: Positions of the planes: (k,).
        front_cm: Position of the front face, where `impact_x_cm` and `impact_y_cm` are given.

    Returns:
        (n, k, 2) cm; NaN where the particle is unknown or moves away from the detector.

    Raises:
        DataFormatError: The events lack the impact or the momentum.
    """
    truth = leading_particle(events)
    if missing := [name for name in AXIS_COLUMNS if name not in truth]:
        raise DataFormatError(
            source="events", where="particle columns", found=f"no {', '.join(missing)}", expected="impact and momentum of the particles"
        )
    impact = np.stack([truth["impact_x_cm"], truth["impact_y_cm"]], axis=-1)
    pz = np.where(truth["pz_gev"] > 0, truth["pz_gev"], np.nan)
    slope = np.stack([truth["px_gev"], truth["py_gev"]], axis=-1) / pz[:, None]
    return impact[:, None] + slope[:, None] * (z_cm - front_cm)[:, None]


def border_distance_cm(xy_cm: NDArray[np.float64], detector: Detector) -> NDArray[np.float64]:
    """Returns the distance of points to the border of the arrangement of modules.

    Args:
        xy_cm: (..., 2).
        detector: Its modules, gaps included, form the arrangement.

    Returns:
        (...) cm, positive inside and negative outside.
    """
    start, end = _border(detector)
    edge = end - start
    from_start = xy_cm[..., None, :] - start
    along = np.clip((from_start * edge).sum(-1) / (edge * edge).sum(-1), 0, 1)
    distance = np.linalg.norm(from_start - along[..., None] * edge, axis=-1).min(axis=-1)
    return np.where(detector.locate(xy_cm) >= 0, distance, -distance)


def _border(detector: Detector) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the ends of the module edges that no other module shares: (n_edges, 2) each."""
    table, shift = detector.module_table
    q, r = np.moveaxis(hexagons.neighbours(detector.module_axial) + shift, -1, 0)
    owner, side = np.nonzero(table[q, r] < 0)
    corners = hexagons.corners(module.PITCH_CM)
    # The edge towards direction k, at 60 k degrees, runs between the corners at 60 k - 30 and 60 k + 30 degrees.
    return detector.module_xy[owner] + corners[side - 1], detector.module_xy[owner] + corners[side]


def contained(events: Events, detector: Detector, margin_cm: float | None = None) -> NDArray[np.bool_]:
    """Returns which events' particles stay well inside the arrangement from the first to the last layer: (n,).

    Showers that leak out sideways are lost for every codec alike, so comparisons with the truth leave them out.

    Args:
        events: Events with truth.
        detector: The detector; its first layer stands for the front face.
        margin_cm: Least distance of the straight line to the border in the first and the last layer; default two Moliere radii.
    """
    if margin_cm is None:
        margin_cm = CONTAINMENT_MOLIERE_RADII * detector.settings.moliere_radius_cm
    z = detector.layer_z_cm[[0, -1]]
    xy = axis_xy_cm(events, z, float(z[0]))
    known = np.isfinite(xy)
    distance = border_distance_cm(np.where(known, xy, 0.0), detector)
    return np.all(known.all(axis=2) & (distance >= margin_cm), axis=1)
