"""Shapes of trigger cells and modules for pictures, from the positions of the sensor cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi

from hgcae.errors import GeometryError
from hgcae.geometry import hexagons, module
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_module_xy_cm

Polygon = NDArray[np.float64]


@dataclass(frozen=True)
class Shapes:
    """What a unit looks like.

    Args:
        cells: Outline of each trigger cell, in the order of the hierarchy, cm: (n_corners, 2) each.
        outlines: Outlines of its modules (of the rhombus, for a ROC), cm.
    """

    cells: tuple[Polygon, ...]
    outlines: tuple[Polygon, ...]

    @property
    def box(self) -> tuple[Polygon, Polygon]:
        """Lower left and upper right corner, cm."""
        points = np.concatenate(self.outlines)
        return points.min(axis=0), points.max(axis=0)


@lru_cache(maxsize=1)
def _sensor_cells() -> tuple[Polygon, list[list[int]]]:
    """Returns corner points and, for each of the 192 sensor cells, its corners counter-clockwise.

    A sensor cell is what lies nearest to its centre, cut at the edge of the wafer: with every centre mirrored in every edge the edge itself
    becomes a border of the Voronoi diagram.
    """
    centres = module.sensor_cell_xy().reshape(-1, 2)
    angle = np.deg2rad(60 * np.arange(6))
    normal = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    depth = module.WAFER_CM / 2 - centres @ normal.T
    mirrored = centres[:, None] + 2 * depth[..., None] * normal
    diagram = Voronoi(np.concatenate([centres, mirrored.reshape(-1, 2)]))
    regions = []
    for i, centre in enumerate(centres):
        corners = np.array(diagram.regions[diagram.point_region[i]])
        x, y = (diagram.vertices[corners] - centre).T
        regions.append(corners[np.argsort(np.arctan2(y, x))].tolist())
    return diagram.vertices, regions


def _outline(regions: Sequence[Sequence[int]]) -> list[int]:
    """Returns the corners around several adjoining regions: the edges that no two of them share, in order."""
    edges = {(a, b) for region in regions for a, b in zip(region, [*region[1:], region[0]], strict=True)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    corners = [min(following)]
    while (corner := following[corners[-1]]) != corners[0]:
        corners.append(corner)
    return corners


@lru_cache(maxsize=1)
def trigger_cells() -> tuple[Polygon, ...]:
    """Returns the outlines of a module's 48 trigger cells in CALQ order, each the union of its four sensor cells; cm from its centre."""
    points, regions = _sensor_cells()
    return tuple(points[_outline(regions[4 * i : 4 * i + 4])] for i in range(module.N_CELLS))


@lru_cache(maxsize=1)
def roc_outline() -> Polygon:
    """Returns the outline of the first ROC of a module, cm from the module's centre."""
    points, regions = _sensor_cells()
    return points[_outline(regions[: 4 * math.prod(module.SHAPE[1:])])]


def module_shapes(centres_cm: NDArray[np.float64]) -> Shapes:
    """Returns the shapes of modules at given centres (n, 2)."""
    hexagon = hexagons.corners(module.WAFER_CM)
    return Shapes(
        tuple(cell + centre for centre in centres_cm for cell in trigger_cells()), tuple(hexagon + centre for centre in centres_cm)
    )


def unit_shapes(hierarchy: Hierarchy) -> Shapes:
    """Returns the shapes of a bare ROC, module, triplet or flower.

    Raises:
        GeometryError: The root is none of these.
    """
    if hierarchy.shape == module.SHAPE[1:]:
        return Shapes(trigger_cells()[: hierarchy.n_cells()], (roc_outline(),))
    centres = unit_module_xy_cm(hierarchy.n_cells() // module.N_CELLS) if hierarchy.shape[-3:] == module.SHAPE else None
    if centres is None:
        msg = f"no picture of the root {hierarchy.root} {hierarchy.shape}: expected a ROC, module, triplet or flower"
        raise GeometryError(msg)
    return module_shapes(centres)


def layer_shapes(detector: Detector) -> Shapes:
    """Returns the shapes of one layer of a detector."""
    return module_shapes(detector.module_xy)
