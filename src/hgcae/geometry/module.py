"""The low-density silicon module: 48 trigger cells = 3 ROCs x 4 x 4, each the sum of 2 x 2 hexagonal sensor cells.

Orders of the 48 trigger cells:

* **CALQ order** (`CALQ_0..47` of CMS module files, `TC_Number` of the ECON-T maps): here also C order of (roc, row, column).
* **PreMux order**: the order in which the HGCROC links deliver the cells to the ECON-T (`ECON_TC_Number_PreMux`).
* **(u, v)**: CMSSW's trigger-cell coordinates in the module.

Sources: positions `tc_uv_to_xy.csv`, order `tcRemap.csv` (github.com/rohanshenoy/Ecoder, github.com/NWUHEP/hgcal-analysis), PreMux order
`LDM_TC_Mapping.csv` (github.com/dnoonan08/ECONT_Emulator@c71cfa2a). That four sensor cells make a trigger cell: CMS HGCAL TDR,
CERN-LHCC-2017-023.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

N_CELLS = 48
SHAPE = (3, 4, 4)
"""ROC, row, column."""
WAFER_CM = 16.644
"""Width of the hexagonal sensor, flat to flat (CMS HGCAL geometry V16)."""
GAP_CM = 0.1
"""Gap between neighbouring sensors (CMS HGCAL geometry V16)."""
PITCH_CM = WAFER_CM + GAP_CM
"""Distance between neighbouring module centres."""

UV = np.array(
    [(u, v) for v in range(4, 8) for u in range(7, 3, -1)]
    + [(v + row + 1, v) for row in range(4) for v in range(4)]
    + [(3 - row, 6 - row - column) for row in range(4) for column in range(4)]
)
"""Trigger-cell coordinates (u, v) in CALQ order; (48, 2). Source: tcRemap.csv (`tc_cellu`, `tc_cellv` by `tc_cell_train`)."""

PREMUX_OF_CALQ = np.array(
    [29, 28, 27, 26, 30, 31, 25, 24, 22, 21, 18, 16, 23, 20, 19, 17]
    + [15, 12, 11, 10, 14, 13, 8, 9, 6, 5, 2, 0, 7, 4, 3, 1]
    + [44, 43, 42, 41, 47, 45, 40, 32, 46, 39, 35, 33, 38, 37, 36, 34]
)
"""Position in PreMux order of each cell in CALQ order; (48,). Source: LDM_TC_Mapping.csv, `ECON_TC_Number_PreMux` by `TC_Number`."""

CALQ_OF_PREMUX = np.argsort(PREMUX_OF_CALQ)
"""Position in CALQ order of each cell in PreMux order; (48,)."""

_ROC_FIRST_XY: NDArray[np.float64] = np.array([(-1.090002, 7.675890), (7.232008, -2.734381), (-5.944556, -4.736322)])
"""Centre of the first cell (row 0, column 0) of each ROC, cm. Source: tc_uv_to_xy.csv."""
_ROC_STEPS_XY: NDArray[np.float64] = np.array(
    [
        [(-2.080512, -1.201178), (0.0, -2.402366)],
        [(0.0, 2.402366), (-2.080507, 1.201188)],
        [(2.080506, -1.201188), (2.080513, 1.201178)],
    ]
)
"""Step per row and step per column of each ROC, cm: the three rhombi of the hexagon. Source: differences in tc_uv_to_xy.csv."""


def trigger_cell_xy() -> NDArray[np.float64]:
    """Returns the centres of the trigger cells in CALQ order, cm from the module centre: (48, 2).

    Examples:
        >>> trigger_cell_xy().shape
        (48, 2)
    """
    row, column = np.indices(SHAPE[1:])
    steps = row[None, :, :, None] * _ROC_STEPS_XY[:, None, None, 0] + column[None, :, :, None] * _ROC_STEPS_XY[:, None, None, 1]
    return (_ROC_FIRST_XY[:, None, None] + steps).reshape(N_CELLS, 2)


def sensor_cell_xy() -> NDArray[np.float64]:
    """Returns the centres of the four sensor cells of each trigger cell, cm from the module centre: (48, 4, 2).

    A trigger cell is 2 x 2 sensor cells along the row and column steps of its ROC, so they lie a quarter of a step off its centre.
    """
    signs = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)]) / 4
    offsets = np.einsum("sk,rkx->rsx", signs, _ROC_STEPS_XY)
    return trigger_cell_xy()[:, None] + np.repeat(offsets, 16, axis=0)


@dataclass(frozen=True)
class CellMap:
    """A raster over one module that gives the trigger cell at a point: `cell[i, j]` for x, y in the pixel (i, j).

    Args:
        cell: CALQ number at each pixel; (n, n) int16.
        origin_cm: Lower edge of the raster in x and y.
        pixel_cm: Pixel width.
    """

    cell: NDArray[np.int16]
    origin_cm: float
    pixel_cm: float


@lru_cache(maxsize=1)
def cell_map(pixel_cm: float = 0.025) -> CellMap:
    """Returns the trigger cell of the nearest sensor cell at every point of the module, as a raster.

    A raster answers millions of points per second at the cost of a border that is rough on the scale of its pixel, 1 % of a trigger cell.
    """
    from scipy.spatial import KDTree  # whoever places no cells need not load it

    n = 2 * math.ceil(1.02 * WAFER_CM / math.sqrt(3) / pixel_cm)
    axis = (np.arange(n) + 0.5 - n / 2) * pixel_cm
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    _, nearest = KDTree(sensor_cell_xy().reshape(-1, 2)).query(grid)
    return CellMap(np.asarray(nearest // 4, dtype=np.int16), -n / 2 * pixel_cm, pixel_cm)


def roc_row_column(calq: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns (roc, row, column) (..., 3) of cells given by their CALQ number (...).

    Examples:
        >>> roc_row_column(np.array([0, 21])).tolist()
        [[0, 0, 0], [1, 1, 1]]
    """
    return np.stack(np.unravel_index(calq, SHAPE), axis=-1)


def calq(roc_row_col: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the CALQ number (...) of cells given as (roc, row, column) (..., 3).

    Examples:
        >>> calq(np.array([[1, 1, 1]])).tolist()
        [21]
    """
    return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(np.asarray(roc_row_col), -1, 0)), SHAPE), dtype=np.int64)
