"""`Detector.locate` for compiled code: one point at a time, without arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.geometry import module
from hgcae.geometry.detector import Detector

_ROW = math.sqrt(3) / 2


class Placement(NamedTuple):
    """What `locate` needs of a detector.

    Args:
        origin_x_cm: x of the hexagon with axial coordinates (0, 0).
        origin_y_cm: y of it.
        pitch_cm: Distance between module centres.
        table: Module index at (q + shift, r + shift), -1 where there is none; its border is -1.
        shift: Offset of the table's indices.
        raster: Trigger cell (CALQ number) at each pixel of one module.
        raster_origin_cm: Lower edge of the raster, from the module centre.
        pixel_cm: Pixel width.
    """

    origin_x_cm: float
    origin_y_cm: float
    pitch_cm: float
    table: NDArray[np.int32]
    shift: int
    raster: NDArray[np.int16]
    raster_origin_cm: float
    pixel_cm: float


def placement(detector: Detector) -> Placement:
    """Returns the detector's module table and trigger-cell raster as plain values for compiled code."""
    table, shift = detector.module_table
    raster = module.cell_map()
    return Placement(*detector.lattice_origin_cm, module.PITCH_CM, table, shift, raster.cell, raster.origin_cm, raster.pixel_cm)


@njit(cache=True, nogil=True)
def locate(x: float, y: float, place: Placement) -> int:
    """Returns the index in the layer of the trigger cell at (x, y) cm, -1 outside the modules; equals `Detector.locate`."""
    x -= place.origin_x_cm
    y -= place.origin_y_cm
    # Cube rounding, as in hgcae.geometry.hexagons.containing: the coordinate that moved furthest follows from q + r + s = 0.
    r = y / (place.pitch_cm * _ROW)
    q = x / place.pitch_cm - r / 2
    s = -q - r
    rq, rr, rs = np.rint(q), np.rint(r), np.rint(s)
    dq, dr, ds = abs(rq - q), abs(rr - r), abs(rs - s)
    if dq > dr and dq > ds:
        rq = -rr - rs
    elif dr > ds:
        rr = -rq - rs
    if abs(rq) > place.shift or abs(rr) > place.shift:
        return -1
    unit = place.table[int(rq) + place.shift, int(rr) + place.shift]
    if unit < 0:
        return -1
    last = len(place.raster) - 1
    i = int((x - place.pitch_cm * (rq + rr / 2) - place.raster_origin_cm) / place.pixel_cm)
    j = int((y - place.pitch_cm * _ROW * rr - place.raster_origin_cm) / place.pixel_cm)
    return unit * module.N_CELLS + place.raster[min(max(i, 0), last), min(max(j, 0), last)]
