"""Position and depth: how far decoding moves the barycentre, layer by layer and as a whole, and how it changes the profile in depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.core.moments import Moments, weighted_mean
from hgcae.evaluate.core.response import spread_by_energy
from hgcae.evaluate.core.statistics import Bootstrap

MM_PER_CM = 10.0
SHIFTS = ("mean", "rms", "sigma_eff")


def barycentre_shift(
    true: Moments,
    decoded: Moments,
    energy_gev: NDArray[np.float64] | None,
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any] | None:
    """Describes decoded minus uncompressed energy-weighted barycentre, mm.

    Returns:
        `x` and `y` (see `spread_by_energy`), and `per_axis`: both together, the one metric of a table. None where the geometry is unknown.
        Events that one of the two leaves empty are `undefined`.
    """
    before, after = true.barycentre_cm, decoded.barycentre_cm
    if before is None or after is None:
        return None
    shift = MM_PER_CM * (after - before)
    return _axes(shift, energy_gev, edges_gev, above_gev, bootstrap)


def _axes(
    shift_mm: NDArray[np.float64],
    energy_gev: NDArray[np.float64] | None,
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    both = None if energy_gev is None else np.concatenate([energy_gev, energy_gev])
    return {
        "x": spread_by_energy(shift_mm[:, 0], energy_gev, edges_gev, above_gev, bootstrap, SHIFTS),
        "y": spread_by_energy(shift_mm[:, 1], energy_gev, edges_gev, above_gev, bootstrap, SHIFTS),
        "per_axis": spread_by_energy(shift_mm.T.ravel(), both, edges_gev, above_gev, bootstrap, SHIFTS),
    }


def layer_barycentre_rms_mm(true: Moments, decoded: Moments) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the energy-weighted root mean square over layers of the barycentre shift, per axis, and the energy it covers.

    rms^2 = sum_l E_l |shift_l|^2 / (2 sum_l E_l), over the layers that hold charge before and after; E_l is the uncompressed energy.

    Returns:
        rms in mm, NaN without a common layer; fraction of the uncompressed energy in those layers: (n,) each.
    """
    if true.centre_cm is None or decoded.centre_cm is None:
        nothing = np.full(len(true.energy), np.nan)
        return nothing, nothing
    shift = MM_PER_CM * (decoded.centre_cm - true.centre_cm)
    common = np.isfinite(shift).all(axis=2)
    energy = np.where(common, true.energy, 0.0)
    mean_square = weighted_mean(np.nan_to_num((shift**2).sum(axis=2)), energy) / 2
    total = true.total
    return np.sqrt(mean_square), energy.sum(axis=1) / np.where(total > 0, total, np.nan)


def layer_profile_error(true: Moments, decoded: Moments) -> NDArray[np.float64]:
    """Returns sum over layers |decoded - true| energy over the true total of each event: (n,); NaN for empty events."""
    total = true.total
    return np.abs(decoded.energy - true.energy).sum(axis=1) / np.where(total > 0, total, np.nan)


def axis_distance(
    samples: Mapping[str, Moments],
    axis_cm: NDArray[np.float64],
    energy_gev: NDArray[np.float64],
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Compares log-weighted layer centres with the particle's true axis, averaged over layers with their energy.

    Args:
        samples: By name, e.g. `uncompressed` and `decoded`.
        axis_cm: Where the true axis crosses the layers: (n, n_layers, 2), see `hgcae.truth.axis_xy_cm`.
        energy_gev: True energies: (n,).
        edges_gev: Edges of the bins.
        above_gev: Lower limit of the integrated metrics.
        bootstrap: For the errors.

    Returns:
        For each name the distance in mm, in the form of `barycentre_shift`; empty where the geometry is unknown.
    """
    result = {}
    for name, sample in samples.items():
        if sample.log_centre_cm is None:
            continue
        distance = MM_PER_CM * (sample.log_centre_cm - axis_cm)
        known = np.isfinite(distance).all(axis=2)
        mean = weighted_mean(np.nan_to_num(distance), np.where(known, sample.energy, 0.0))
        result[name] = _axes(mean, energy_gev, edges_gev, above_gev, bootstrap)
    return result
