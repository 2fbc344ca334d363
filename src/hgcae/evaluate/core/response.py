"""Energy: what decoding does to it, and how it compares with the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls
from scipy.special import chdtrc

from hgcae.evaluate.core.statistics import WIDTHS, Bootstrap, in_bins, plain

TRUTH_STATISTICS = ("mean", "std", "sigma_eff", "resolution")


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns numerator / denominator, NaN where the denominator is zero or unknown."""
    known = np.where(denominator != 0, denominator, np.nan)
    return numerator / known


def spread_by_energy(
    values: NDArray[np.float64],
    energy_gev: NDArray[np.float64] | None,
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
    statistics: Sequence[str] = WIDTHS,
) -> dict[str, Any]:
    """Describes values in bins of true energy and together.

    Args:
        values: (n,).
        energy_gev: True energies, GeV: (n,); None for samples without truth, which have no bins.
        edges_gev: Edges of the bins.
        above_gev: Lower limit of the integrated metrics.
        bootstrap: For the errors.
        statistics: Keys of `hgcae.evaluate.core.statistics.STATISTICS`.

    Returns:
        `all`: every value; `above`: those above `above_gev` (the same as `all` without truth), `bins`.
    """
    return by_energy(lambda use: bootstrap.spread(values[use], statistics), len(values), energy_gev, edges_gev, above_gev)


def by_energy(
    describe: Callable[[NDArray[np.bool_]], dict[str, Any]],
    n: int,
    energy_gev: NDArray[np.float64] | None,
    edges_gev: Sequence[float],
    above_gev: float,
) -> dict[str, Any]:
    """Describes a sample as a whole (`all`), above `above_gev`, and in `bins` of true energy; see `spread_by_energy`."""
    everything = describe(np.ones(n, dtype=bool))
    if energy_gev is None:
        return {"all": everything, "above": everything, "bins": []}
    return {"all": everything, "above": describe(energy_gev > above_gev), "bins": in_bins(describe, energy_gev, edges_gev)}


def ratio_by_energy(
    values: NDArray[np.float64],
    reference: NDArray[np.float64],
    statistic: str,
    energy_gev: NDArray[np.float64],
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Returns the quotient of a statistic of two measurements of the same events, see `Bootstrap.ratio` and `spread_by_energy`."""
    compared = partial(_compared, values, reference, statistic, bootstrap)
    return by_energy(compared, len(values), energy_gev, edges_gev, above_gev)


def _compared(
    values: NDArray[np.float64], reference: NDArray[np.float64], statistic: str, bootstrap: Bootstrap, use: NDArray[np.bool_]
) -> dict[str, Any]:
    return bootstrap.ratio(values[use], reference[use], statistic)


def calibration(energy: NDArray[np.float64], true_gev: NDArray[np.float64], above_gev: float) -> float | None:
    """Returns the one factor that makes the mean of energy / truth above `above_gev` equal to one; None if there is nothing to use.

    Below that energy threshold effects dominate; if the whole sample lies there, all of it is used.
    """
    measured = np.where(true_gev > 0, ratio(energy, true_gev), np.nan)
    use = np.isfinite(measured) & (true_gev > above_gev)
    if not use.any():
        use = np.isfinite(measured)
    mean = float(measured[use].mean()) if use.any() else 0.0
    return 1 / mean if mean > 0 else None


def against_truth(
    energies: dict[str, NDArray[np.float64]],
    true_gev: NDArray[np.float64],
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
    statistics: Sequence[str] = TRUTH_STATISTICS,
) -> dict[str, Any]:
    """Compares energies with the truth, side by side, all calibrated with one factor from the first of them.

    Args:
        energies: By name, e.g. `uncompressed` and `decoded`: (n,) each.
        true_gev: (n,).
        edges_gev: Edges of the bins.
        above_gev: Lower limit of the integrated metrics and of the calibration.
        bootstrap: For the errors.
        statistics: Of the response, `resolution` among them.

    Returns:
        `calibration`, and for each name the response energy / truth (see `spread_by_energy`) and the `fit` of its resolution. All but the
        first have in the same bins their `resolution_ratio`: the resolution over that of the first (see `Bootstrap.ratio`).
    """
    factor = calibration(next(iter(energies.values())), true_gev, above_gev)
    responses = {name: ratio(energy * (factor or 1.0), true_gev) for name, energy in energies.items()}
    reference = next(iter(responses.values()))
    result: dict[str, Any] = {"calibration": factor}
    for name, response in responses.items():
        metrics = spread_by_energy(response, true_gev, edges_gev, above_gev, bootstrap, statistics)
        result[name] = metrics | {"fit": fit_resolution(metrics["bins"])}
        if response is not reference:
            result[name]["resolution_ratio"] = ratio_by_energy(response, reference, "resolution", true_gev, edges_gev, above_gev, bootstrap)
    return result


def resolution(energy_gev: NDArray[np.float64], stochastic: float, noise_gev: float, constant: float) -> NDArray[np.float64]:
    """Returns sigma(E) / E = S / sqrt(E) (+) N / E (+) C, added in quadrature.

    Source: R. L. Workman et al. (Particle Data Group), Prog. Theor. Exp. Phys. 2022, 083C01, review of particle detectors, calorimeters.

    Args:
        energy_gev: GeV.
        stochastic: S, sqrt(GeV).
        noise_gev: N, GeV.
        constant: C.
    """
    return np.sqrt(stochastic**2 / energy_gev + (noise_gev / energy_gev) ** 2 + constant**2)


def fit_resolution(bins: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Fits the resolution in bins of energy with S / sqrt(E) (+) N / E (+) C, all terms non-negative.

    The squares of the terms are fitted, because the model is smooth in them at zero; in wide bins it takes the means of 1/E and 1/E^2.

    Args:
        bins: As from `in_bins`, with the statistic `resolution`.

    Returns:
        `stochastic` (sqrt(GeV)), `noise_gev`, `constant`, each with `<name>_error` (upwards, one standard deviation: for a term at zero it
        is the upper limit), `chi2`, `ndf` and `p_value`; None with fewer than four usable bins.
    """
    usable = [b for b in bins if b["resolution"] and b["resolution_error"]]
    if len(usable) < 4:
        return None
    terms = np.array([(b["inverse_gev"], b["inverse_gev2"], 1.0) for b in usable])
    measured, error = (np.array([b[key] for b in usable]) for key in ("resolution", "resolution_error"))
    scale = terms.max(axis=0)

    def residual(squares: NDArray[np.float64]) -> NDArray[np.float64]:
        return (np.sqrt(terms / scale @ squares) - measured) / error

    # Linear in the squares up to the weights, so that non-negative least squares give a start near the minimum.
    start, _ = nnls(terms / scale / (2 * measured * error)[:, None], measured / (2 * error))
    start = np.maximum(start, 1e-6 * start.max())
    found = least_squares(residual, start, bounds=(0, np.inf), x_scale=start.max(), xtol=1e-12, ftol=1e-12, gtol=1e-12)
    squares = found.x / scale
    errors = np.sqrt(np.diag(np.linalg.pinv(found.jac.T @ found.jac))) / scale
    chi_square, ndf = float(2 * found.cost), len(usable) - 3
    result: dict[str, Any] = {}
    for name, square, square_error in zip(("stochastic", "noise_gev", "constant"), squares, errors, strict=True):
        result[name] = float(np.sqrt(square))
        result[f"{name}_error"] = plain(np.sqrt(square + square_error) - np.sqrt(square))
    return result | {"chi2": chi_square, "ndf": ndf, "p_value": float(chdtrc(ndf, chi_square))}
