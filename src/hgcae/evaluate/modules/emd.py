"""Energy mover's distance: how far charge has to be carried, on average, to turn a module's decoded image into the true one.

Both images are normalised to the sum 1; the cost of a charge is its share times the distance of the cells. The unit is the spacing of
sensor cells, half that of trigger cells.
Sources: github.com/fastmachinelearning/fastml-science@13f4b5dc (sensor-data-compression/utils/metrics.py), whose cells are those of
`hgcae.geometry.module` but for 0.16 units between two ROCs; P. T. Komiske, E. M. Metodiev, J. Thaler, Phys. Rev. Lett. 123 (2019)
041801; the exact transport is solved by POT, R. Flamary et al., JMLR 22 (2021) 78.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.geometry import module

_ROUNDING = 1e-14
"""Shares of charge that normalisation may leave over."""


@lru_cache(maxsize=1)
def cell_distances() -> NDArray[np.float64]:
    """Returns the distances between the trigger cells of a module, in spacings of sensor cells: (48, 48)."""
    xy = module.trigger_cell_xy()
    spacing = float(np.linalg.norm(xy[1] - xy[0])) / 2
    return np.linalg.norm(xy[:, None] - xy, axis=-1) / spacing


def _between_cells(source: NDArray[np.intp], sink: NDArray[np.intp]) -> NDArray[np.float64]:
    return cell_distances()[np.ix_(source, sink)]


def emd(true: NDArray[Any], decoded: NDArray[Any]) -> NDArray[np.float64]:
    """Returns the energy mover's distance of each module.

    Args:
        true: Charges, at least 0: (n, 48).
        decoded: Charges: (n, 48); negative ones count as 0.

    Returns:
        (n,): NaN for a module without true charge; the largest distance between two cells where no charge is decoded.

    Raises:
        DataFormatError: Other shapes, or a charge that is not finite.
    """
    true, decoded = _images(true, "true charges"), _images(decoded, "decoded charges")
    if true.shape != decoded.shape:
        raise DataFormatError(source="decoded charges", where="shape", found=str(decoded.shape), expected=f"{true.shape} as the true ones")
    sums = [image.sum(axis=1) for image in (true, decoded)]
    result = np.where(sums[0] > 0, cell_distances().max(), np.nan)
    both = np.flatnonzero((sums[0] > 0) & (sums[1] > 0))
    # What both images have in the same cell may stay there, because distances obey the triangle inequality.
    surplus = true[both] / sums[0][both, None] - decoded[both] / sums[1][both, None]
    # One problem per module: exact transport comes in no batches.
    result[both] = [carried(row, _between_cells) for row in surplus]
    return result


def _images(charges: NDArray[Any], name: str) -> NDArray[np.float64]:
    values = np.asarray(charges, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != module.N_CELLS:
        raise DataFormatError(name, "shape", str(values.shape), f"(n, {module.N_CELLS})")
    if not np.isfinite(values).all():
        raise DataFormatError(
            name, f"module {int(np.argmin(np.isfinite(values).all(axis=1)))}", "a charge that is not finite", "finite ones"
        )
    return np.maximum(values, 0.0)


def carried(surplus: NDArray[np.float64], distance: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]]) -> float:
    """Returns the least cost of carrying shares from the places above zero to those below.

    Args:
        surplus: What is too much at each place, adding up to 0: (n,).
        distance: Gives the distances (k, m) between k places to carry from and m to carry to, by their indices.
    """
    source, sink = np.flatnonzero(surplus > 0), np.flatnonzero(surplus < 0)
    supply, demand = surplus[source], -surplus[sink]
    share = float(supply.sum())
    if share < _ROUNDING:
        return 0.0
    cost = distance(source, sink)
    if 1 in cost.shape:  # there is only one way
        return float(np.sum(cost.ravel() * (demand if len(source) == 1 else supply)))
    return share * float(_solver()(supply / share, demand / demand.sum(), cost, check_marginals=False))


@lru_cache(maxsize=1)
def _solver() -> Callable[..., Any]:
    """Imports POT, without the machine-learning packages that it would load to work on their arrays, too."""
    wish = {f"POT_BACKEND_DISABLE_{name}": "1" for name in ("PYTORCH", "JAX", "CUPY", "TENSORFLOW")}
    before = {name: os.environ.get(name) for name in wish}
    os.environ.update(wish)
    try:
        with warnings.catch_warnings():
            # An escape in one of its docstrings, told when it is compiled: a SyntaxWarning, before Python 3.12 a DeprecationWarning.
            warnings.filterwarnings("ignore", "invalid escape sequence")
            import ot
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return ot.emd2
