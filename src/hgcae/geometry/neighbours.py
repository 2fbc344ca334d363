"""Which units of a layer touch each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.geometry import hexagons, module
from hgcae.geometry.detector import Detector


def unit_neighbours(detector: Detector, level: str) -> NDArray[np.int64]:
    """Returns the six neighbours of the units of a level in one layer, counter-clockwise from +x; -1 where there is none.

    Modules lie on the hexagonal lattice; triplets on its sublattice of index three, whose first direction is turned by -30 degrees.

    Returns:
        (units in a layer, 6) indices within the layer, in hierarchy order.

    Raises:
        GeometryError: Units of this level are neither modules nor triplets of a flower.
    """
    name = detector.hierarchy.level(level).name
    modules = detector.hierarchy.n_cells(name) / module.N_CELLS
    if modules == 1:
        axial = detector.module_axial
    elif modules == 3 and detector.settings.arrangement == "flower":
        axial = hexagons.spiral(2)
    else:
        msg = f"{detector.name}: units of {name} do not lie on a hexagonal lattice; neighbours are known of modules and of triplets"
        raise GeometryError(msg)
    same = (hexagons.neighbours(axial)[:, :, None] == axial).all(axis=3)
    return np.where(same.any(axis=2), same.argmax(axis=2), -1)


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
