"""Where the children of a unit lie: what a level needs to send a barycentre.

Positions inside a unit are numbers in [-1, 1): centimetres from the unit's centre over its radius. A child's own position maps into its
parent's by a fixed linear map (the three ROCs of a module are turned by 120 degrees against each other; larger units are only shifted).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hgcae.geometry.hierarchy import Hierarchy

_STACKED = 0.05
"""Children whose centres are closer to that of the unit, in its radii, lie over one another: they are layers."""


@dataclass(frozen=True)
class ChildFrame:
    """Children of one level.

    Args:
        radius_cm: What 1 stands for, cm.
        centre: Centres of the children: (children, 2).
        matrix: Maps a child's own position to its place around that centre: (children, 2, 2); None where children are trigger cells.
    """

    radius_cm: float
    centre: NDArray[np.float64]
    matrix: NDArray[np.float64] | None

    @property
    def stacked(self) -> bool:
        """Whether the children lie over one another, in the order of their indices: they are layers."""
        return self.matrix is not None and len(self.centre) > 1 and bool(np.abs(self.centre).max() < _STACKED)

    @property
    def depth(self) -> NDArray[np.float64]:
        """Depths of the children, where they are stacked: the middles of equal parts of [-1, 1), (children,)."""
        return (2 * np.arange(len(self.centre)) + 1) / len(self.centre) - 1

    def to_dict(self) -> dict[str, object]:
        """Returns plain values."""
        matrix = None if self.matrix is None else self.matrix.tolist()
        return {"radius_cm": self.radius_cm, "centre": self.centre.tolist(), "matrix": matrix}

    @classmethod
    def from_dict(cls, values: dict[str, ArrayLike]) -> ChildFrame:
        """Rebuilds a frame from `to_dict`."""
        matrix = None if values["matrix"] is None else np.asarray(values["matrix"])
        return cls(float(np.asarray(values["radius_cm"])), np.asarray(values["centre"]), matrix)


def frames(hierarchy: Hierarchy, cell_xy: NDArray[np.floating] | None) -> dict[str, ChildFrame]:
    """Returns the frame of each level from the positions of the trigger cells of one root unit, cm: (n_cells, 2).

    The first unit of each level stands for all of them. Without positions there are no frames.
    """
    if cell_xy is None:
        return {}
    result: dict[str, ChildFrame] = {}
    below: tuple[NDArray[np.float64], float] | None = None
    for level in hierarchy.levels:
        xy = np.asarray(cell_xy[: hierarchy.n_cells(level.name)], dtype=np.float64)
        local = xy - xy.mean(axis=0)
        radius = 1.02 * float(np.linalg.norm(local, axis=1).max()) or 1.0
        children = local.reshape(level.children, -1, 2) / radius
        centre = children.mean(axis=1)
        matrix = None
        if below is not None:
            canonical, child_radius = below
            maps = [
                np.linalg.lstsq(canonical / child_radius, child - c, rcond=None)[0].T for child, c in zip(children, centre, strict=True)
            ]
            matrix = np.stack(maps)
        result[level.name] = ChildFrame(radius, centre, matrix)
        below = (local, radius)
    return result
