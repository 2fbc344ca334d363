"""What is measured of a shower or estimated from a code: units, and how two values of a quantity are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.core.position import MM_PER_CM
from hgcae.evaluate.core.response import ratio

Deviation = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns angles in [-pi, pi), radian."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def relative(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns estimate / truth - 1; NaN where the truth is zero."""
    return ratio(estimate, truth) - 1


def difference(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns estimate - truth."""
    return estimate - truth


def angle(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the difference of two angles, in [-pi, pi)."""
    return wrapped(estimate - truth)


def millimetres(estimate: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the difference of two lengths in cm, mm."""
    return MM_PER_CM * (estimate - truth)


QUANTITIES: Mapping[str, tuple[Deviation, str]] = {
    "energy_gev": (relative, "1"),
    "pt_gev": (relative, "1"),
    "eta": (difference, "1"),
    "phi": (angle, "rad"),
    "impact_x_cm": (millimetres, "mm"),
    "impact_y_cm": (millimetres, "mm"),
    "barycentre_x_cm": (millimetres, "mm"),
    "barycentre_y_cm": (millimetres, "mm"),
    "shower_start_x0": (difference, "X0"),
    "shower_max_x0": (difference, "X0"),
    "mean_depth_x0": (difference, "X0"),
    "depth_rms_x0": (difference, "X0"),
    "front_fraction": (difference, "1"),
    "rear_fraction": (difference, "1"),
    "peak_fraction": (difference, "1"),
    "r50_mm": (difference, "mm"),
    "r90_mm": (difference, "mm"),
    "radius_rms_mm": (difference, "mm"),
    "sigma_eta": (difference, "1"),
    "sigma_phi": (difference, "rad"),
}
"""How two values of a quantity are compared, and the unit of the deviation: relative for energy and pT, absolute for the rest.

Quantities that the truth has, too, are named like its columns."""

ESTIMATED: Mapping[str, tuple[str, float, str]] = {
    "energy_gev": ("energy", 100.0, "%"),
    "pt_gev": ("transverse momentum", 100.0, "%"),
    "eta": ("pseudorapidity", 1000.0, "10⁻³"),
    "phi": ("azimuth", 1000.0, "mrad"),
    "impact_x_cm": ("impact x", 1.0, "mm"),
    "impact_y_cm": ("impact y", 1.0, "mm"),
}
"""Quantities that heads estimate, for tables and figures: name, and the factor that brings a deviation to a unit for people."""
