"""Quantities estimated from a code, compared with the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.evaluate.position import MM_PER_CM
from hgcae.evaluate.response import ratio, spread_by_energy
from hgcae.evaluate.statistics import Bootstrap

Deviation = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns angles in [-pi, pi), radian."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _relative(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return ratio(estimate, truth) - 1


def _difference(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return estimate - truth


def _angle(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return wrapped(estimate - truth)


def _millimetres(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return MM_PER_CM * (estimate - truth)


QUANTITIES: Mapping[str, tuple[Deviation, str]] = {
    "energy_gev": (_relative, "1"),
    "pt_gev": (_relative, "1"),
    "eta": (_difference, "1"),
    "phi": (_angle, "rad"),
    "impact_x_cm": (_millimetres, "mm"),
    "impact_y_cm": (_millimetres, "mm"),
}
"""How an estimate is compared with the truth, and the unit of the deviation: relative for energy and pT, absolute for the rest."""


def head_summary(
    estimate: Mapping[str, NDArray[np.float64]],
    truth: Mapping[str, NDArray[np.float64]],
    *,
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Describes bias (`mean`) and width of estimated quantities.

    Args:
        estimate: Estimates by name (see `QUANTITIES`): (n,) each; what is absent is not reported.
        truth: True values by the same names, `energy_gev` among them; `hgcae.evaluate.truth.leading_particle` gives them.
        edges_gev: Edges of the bins of true energy.
        above_gev: Lower limit of the integrated figures.
        bootstrap: For the errors.

    Returns:
        By name the deviation (see `spread_by_energy`) with its `unit`.

    Raises:
        DataFormatError: A quantity is unknown, has no truth or another length than the truth.
    """
    if "energy_gev" not in truth:
        raise DataFormatError(
            source="truth", where="energy_gev", found="no such column", expected="the true energies, by which the figures are binned"
        )
    result = {}
    for name, values in estimate.items():
        if name not in QUANTITIES or name not in truth:
            raise DataFormatError(
                source="head estimates",
                where=name,
                found="no such true quantity",
                expected=", ".join(key for key in QUANTITIES if key in truth),
            )
        if np.shape(values) != np.shape(truth[name]):
            raise DataFormatError(
                source="head estimates",
                where=name,
                found=f"shape {np.shape(values)}",
                expected=f"shape {np.shape(truth[name])} as in the truth",
            )
        deviation, unit = QUANTITIES[name]
        offset = deviation(np.asarray(values, dtype=np.float64), truth[name])
        result[name] = {"unit": unit} | spread_by_energy(offset, truth["energy_gev"], edges_gev, above_gev, bootstrap)
    return result
