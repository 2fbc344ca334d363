"""Hexagonal lattice in axial coordinates (q, r); pure functions on arrays.

Hexagons stand on a corner ("pointy top"), their neighbours in the row lie along x:
x = pitch (q + r/2), y = pitch (sqrt(3)/2) r. The formulas are those of any text on axial coordinates, e.g. A. Patel, "Hexagonal
Grids" (2013). Directions are numbered counter-clockwise from +x.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

DIRECTIONS = np.array([(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)])
"""The six neighbours of (0, 0), counter-clockwise from +x; shape (6, 2)."""


def centre(axial: ArrayLike, pitch: float) -> NDArray[np.float64]:
    """Returns the centres (..., 2) of the hexagons `axial` (..., 2), in the unit of `pitch`.

    Examples:
        >>> centre([[1, 0], [0, 1]], pitch=2.0).round(3).tolist()
        [[2.0, 0.0], [1.0, 1.732]]
    """
    q, r = np.moveaxis(np.asarray(axial, dtype=np.float64), -1, 0)
    return np.stack([pitch * (q + r / 2), pitch * (math.sqrt(3) / 2) * r], axis=-1)


def containing(xy: ArrayLike, pitch: float) -> NDArray[np.int64]:
    """Returns the axial coordinates (..., 2) of the hexagons that contain the points `xy` (..., 2).

    Examples:
        >>> containing([2.3, -0.4], pitch=2.0).tolist()
        [1, 0]
    """
    x, y = np.moveaxis(np.asarray(xy, dtype=np.float64), -1, 0)
    r = y / (pitch * math.sqrt(3) / 2)
    q = x / pitch - r / 2
    s = -q - r
    rq, rr, rs = np.round(q), np.round(r), np.round(s)
    dq, dr, ds = np.abs(rq - q), np.abs(rr - r), np.abs(rs - s)
    # The coordinate that moved furthest in rounding is the one recomputed from q + r + s = 0.
    fix_q = (dq > dr) & (dq > ds)
    fix_r = ~fix_q & (dr > ds)
    return np.stack([np.where(fix_q, -rr - rs, rq), np.where(fix_r, -rq - rs, rr)], axis=-1).astype(np.int64)


def distance(a: ArrayLike, b: ArrayLike) -> NDArray[np.int64]:
    """Returns the number of steps between hexagons `a` and `b`, each (..., 2).

    Examples:
        >>> int(distance([0, 0], [2, -1]))
        2
    """
    dq, dr = np.moveaxis(np.asarray(a) - np.asarray(b), -1, 0)
    return (np.abs(dq) + np.abs(dr) + np.abs(dq + dr)) // 2


def neighbours(axial: ArrayLike) -> NDArray[np.int64]:
    """Returns the six neighbours (..., 6, 2) of the hexagons `axial` (..., 2).

    Examples:
        >>> neighbours([0, 0]).tolist()
        [[1, 0], [0, 1], [-1, 1], [-1, 0], [0, -1], [1, -1]]
    """
    return np.asarray(axial)[..., None, :] + DIRECTIONS


def rotate(axial: ArrayLike, sixths: int) -> NDArray[np.int64]:
    """Returns `axial` (..., 2) turned counter-clockwise about (0, 0) by `sixths` x 60 degrees.

    Examples:
        >>> rotate([2, 0], sixths=1).tolist()
        [0, 2]
    """
    q, r = np.moveaxis(np.asarray(axial), -1, 0)
    for _ in range(sixths % 6):
        q, r = -r, q + r
    return np.stack([q, r], axis=-1)


def spiral(radius: int) -> NDArray[np.int64]:
    """Returns the hexagons within `radius` steps of (0, 0), the centre first, then ring by ring: (1 + 3 R (R + 1), 2).

    Examples:
        >>> len(spiral(2)), spiral(1)[0].tolist()
        (19, [0, 0])
    """
    cells = [(0, 0)]
    for k in range(1, radius + 1):
        for side in range(6):
            start, step = k * DIRECTIONS[side], DIRECTIONS[(side + 2) % 6]
            cells += [tuple(start + i * step) for i in range(k)]
    return np.array(cells)


def corners(pitch: float) -> NDArray[np.float64]:
    """Returns the six corners (6, 2) of the hexagon at the origin, counter-clockwise, in the unit of `pitch` (its width).

    Examples:
        >>> corners(2.0).shape
        (6, 2)
    """
    angle = np.deg2rad(30 + 60 * np.arange(6))
    return pitch / math.sqrt(3) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
