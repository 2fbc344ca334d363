"""Electromagnetic showers: the GFLASH parametrisation of sampling calorimeters, compiled.

Source of all formulas: G. Grindhammer, S. Peters, "The Parameterized Simulation of Electromagnetic Showers in Homogeneous and
Sampling Calorimeters", hep-ex/0001020, appendix A; guards against small energies as in Geant4's GFlashSamplingShowerParameterisation.cc
(github.com/Geant4/geant4@082ba4df). Depths t are in radiation lengths, radii in Moliere radii, energies in GeV.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

MIN_PROFILE_GEV = 0.1
"""Profiles of softer electrons (the soft one of a converted photon) are those of this energy: below, ln y leaves the range of the fits."""
MAX_TAU = 10.0
"""Largest scaled depth for the radial profile. Source: CMSSW EMECALShowerParametrization."""


class Medium(NamedTuple):
    """The effective material of a sampling calorimeter.

    Args:
        z: Effective atomic number.
        critical_gev: Critical energy, GeV.
        sampling: Sampling layers per radiation length (Fs).
        e_hat_depth: Ratio e/mip that enters the depth of the maximum.
        e_hat_radius: Ratio e/mip that enters the radial profile.
    """

    z: float
    critical_gev: float
    sampling: float
    e_hat_depth: float
    e_hat_radius: float


class Profile(NamedTuple):
    """Longitudinal profile of one electron: f(t) = (b t)^(a-1) b exp(-b t) / Gamma(a).

    Args:
        t_max: Depth of the maximum, (a - 1) / b.
        a: Shape.
        a_mean: Shape of the mean shower of this energy, which scales the depth for the radial profile.
    """

    t_max: float
    a: float
    a_mean: float


@njit(cache=True, nogil=True)
def incomplete_gamma(a: float, x: float) -> float:
    """Returns the regularised lower incomplete gamma function P(a, x) for a below about 50.

    Power series x^a e^-x sum_k x^k / Gamma(a + k + 1); all terms are positive, so nothing cancels. Source: DLMF 8.7.1.
    """
    if x <= 0:
        return 0.0
    if x > 300:
        return 1.0
    term = 1 / a
    total = term
    k = 0
    while term > 1e-14 * total:
        k += 1
        term *= x / (a + k)
        total += term
    return min(1.0, total * math.exp(a * math.log(x) - x - math.lgamma(a)))


@njit(cache=True, nogil=True)
def gamma_density(t: float, a: float, b: float) -> float:
    """Returns the gamma distribution (b t)^(a-1) b exp(-b t) / Gamma(a) at t > 0."""
    return b * math.exp((a - 1) * math.log(b * t) - b * t - math.lgamma(a))


@njit(cache=True, nogil=True)
def mean_profile(energy: float, med: Medium) -> Profile:
    """Returns the mean longitudinal profile of electrons of `energy` GeV (the fluctuating quantities at the mean of their logarithms)."""
    log_y = math.log(max(energy, MIN_PROFILE_GEV) / med.critical_gev)
    t_max = max(log_y - 0.812, 0.1) - 0.55 / med.sampling - 0.69 * (1 - med.e_hat_depth)
    a = max(0.81 + (0.458 + 2.26 / med.z) * log_y, 0.1) - 0.476 / med.sampling
    a = max(a, 1.1)
    return Profile(max(t_max, 1.0), a, a)


@njit(cache=True, nogil=True)
def draw_profile(rng: np.random.Generator, energy: float, med: Medium) -> Profile:
    """Draws the longitudinal profile of one electron: correlated lognormal fluctuations of T and a."""
    mean = mean_profile(energy, med)
    log_y = math.log(max(energy, MIN_PROFILE_GEV) / med.critical_gev)
    # The floors keep both sigmas at most 0.5, also where the fits would turn negative.
    sigma_t = 1 / max(-2.5 + 1.25 * log_y, 2.0)
    sigma_a = 1 / max(-0.82 + 0.79 * log_y, 2.0)
    rho = 0.784 - 0.023 * log_y
    common = math.sqrt((1 + rho) / 2) * rng.standard_normal()
    opposite = math.sqrt((1 - rho) / 2) * rng.standard_normal()
    t_max = mean.t_max * math.exp(sigma_t * (common + opposite))
    a = mean.a * math.exp(sigma_a * (common - opposite))
    return Profile(max(t_max, 1.0), max(a, 1.1), mean.a)


@njit(cache=True, nogil=True)
def spot_profile(profile: Profile, med: Medium) -> Profile:
    """Returns the longitudinal profile of the number of spots, which is not that of the energy."""
    return Profile(profile.t_max * (0.813 + 0.0019 * med.z), profile.a * (0.844 + 0.0026 * med.z), profile.a_mean)


@njit(cache=True, nogil=True)
def n_spots(energy: float, resolution: float) -> float:
    """Returns the number of spots of a shower, for a sampling resolution in sqrt(GeV)."""
    return 10.3 / resolution * energy**0.959


@njit(cache=True, nogil=True)
def cumulative(profile: Profile, depth: float) -> float:
    """Returns the share of the profile before `depth` radiation lengths."""
    return incomplete_gamma(profile.a, (profile.a - 1) / profile.t_max * depth)


@njit(cache=True, nogil=True)
def radial(depth: float, log_energy: float, profile: Profile, med: Medium) -> tuple[float, float, float]:
    """Returns core radius, tail radius (Moliere radii) and share of the core at `depth`; each part is 2 r R^2 / (r^2 + R^2)^2."""
    a, a_mean = profile.a, profile.a_mean
    tau = min(depth / profile.t_max * (a - 1) / a * a_mean / (a_mean - 1), MAX_TAU)
    core = 0.0251 + 0.00319 * log_energy + (0.1162 - 0.000381 * med.z) * tau
    slope = 0.3585 + 0.0421 * log_energy
    tail = (0.659 - 0.00309 * med.z) * (math.exp(-2.59 * (tau - 0.645)) + math.exp(slope * (tau - 0.645)))
    falling = (0.401 + 0.00187 * med.z - tau) / (1.313 - 0.0686 * log_energy)
    share = (2.632 - 0.00094 * med.z) * math.exp(falling - math.exp(falling))
    dead = 1 - med.e_hat_radius
    core += -0.0203 * dead + 0.0397 / med.sampling * math.exp(-tau)
    tail += -0.14 * dead - 0.495 / med.sampling * math.exp(-tau)
    share += dead * (0.348 - 0.642 / med.sampling * math.exp(-((tau - 1) ** 2)))
    return max(core, 0.0), max(tail, 0.0), min(max(share, 0.0), 1.0)
