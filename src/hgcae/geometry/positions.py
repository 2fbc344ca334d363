"""Positions of the trigger cells of any root: a whole detector, or a bare unit that is not placed in one."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hgcae.geometry import module
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy


@lru_cache(maxsize=1)
def _flower() -> Detector:
    return Detector.load("prototype")


def unit_module_xy_cm(n_modules: int) -> NDArray[np.float64] | None:
    """Returns module centres about their mean for one module, a triplet or a flower, cm: (n_modules, 2); None for other numbers."""
    if n_modules not in (1, 3, len(_flower().module_xy)):
        return None
    centres = _flower().module_xy[:n_modules]
    return centres - centres.mean(axis=0)


def unit_xy_cm(hierarchy: Hierarchy) -> NDArray[np.float64] | None:
    """Returns the trigger-cell centres of a bare unit about its centre, cm: (n_cells, 2); None where the geometry is unknown.

    A ROC is drawn as the first rhombus of its module, because a bare ROC does not know which of the three it is.
    """
    size = math.prod(module.SHAPE[1:])
    if hierarchy.shape == module.SHAPE[1:]:
        cells = module.trigger_cell_xy()[:size]
        return cells - cells.mean(axis=0)
    if hierarchy.shape[-3:] != module.SHAPE:
        return None
    modules = unit_module_xy_cm(hierarchy.n_cells() // module.N_CELLS)
    return None if modules is None else (modules[:, None] + module.trigger_cell_xy()).reshape(-1, 2)


def root_xy_cm(hierarchy: Hierarchy, detector: Detector | None) -> NDArray[np.float64] | None:
    """Returns the centres of all trigger cells of a root, cm: (n_cells, 2); None where the geometry is unknown.

    Args:
        hierarchy: Levels of the root.
        detector: Where the root lies, if it is a whole detector; a lower root is a bare unit.
    """
    if detector is None or hierarchy.levels != detector.hierarchy.levels:
        return unit_xy_cm(hierarchy)
    return np.tile(detector.layer_cell_xy, (detector.n_layers, 1))
