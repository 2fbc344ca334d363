"""Borders between the units of a layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.geometry import hexagons, module
from hgcae.geometry.detector import Detector


def inner_borders(detector: Detector, level: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the ends of the module edges that separate two units of a level in the same layer, cm: (n_edges, 2) each.

    The outer border of the arrangement, behind which there is nothing, is not among them.
    """
    size = detector.hierarchy.n_cells(level) // module.N_CELLS
    table, shift = detector.module_table
    q, r = np.moveaxis(hexagons.neighbours(detector.module_axial) + shift, -1, 0)
    other = table[q, r]
    own = np.arange(len(other))[:, None]
    # Each edge belongs to two modules; the lower one names it.
    owner, side = np.nonzero((other > own) & (other // size != own // size))
    corners = hexagons.corners(module.PITCH_CM)
    # The edge towards direction k, at 60 k degrees, runs between the corners at 60 k - 30 and 60 k + 30 degrees.
    return detector.module_xy[owner] + corners[side - 1], detector.module_xy[owner] + corners[side]
