"""The GFLASH formulas against scipy, against worked values and against their own limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from hgcae.geometry.detector import Detector
from hgcae.simulate import em
from hgcae.simulate.stack import ShowerSettings, stack

MEDIUM = em.Medium(z=74.0, critical_gev=0.007, sampling=1.0, e_hat_depth=1.40, e_hat_radius=0.70)
energies = st.floats(0.5, 1000.0)


@given(st.floats(0.2, 50.0), st.floats(0.0, 400.0))
def test_the_incomplete_gamma_function_is_scipys(a, x):
    assert em.incomplete_gamma(a, x) == pytest.approx(special.gammainc(a, x), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("energy", "t_max"), [(10, 6.19), (35, 7.45), (100, 8.51), (200, 9.20)])
def test_the_mean_maximum_agrees_with_the_fit_to_full_simulation(energy, t_max):
    # github.com/LLRCMS/HGCAL-FastShower: <T> = -1.396 + 1.007 ln y with a critical energy of 5.36 MeV.
    log_mean, log_y = math.log(em.mean_profile(energy, MEDIUM).t_max), math.log(energy / MEDIUM.critical_gev)
    sigma = 1 / (-2.5 + 1.25 * log_y)
    assert math.exp(log_mean + sigma**2 / 2) == pytest.approx(t_max, abs=0.1)


def test_the_shape_follows_the_formula():
    log_y = math.log(100 / 0.007)
    assert em.mean_profile(100.0, MEDIUM).a == pytest.approx(0.81 + (0.458 + 2.26 / 74) * log_y - 0.476)


def test_drawn_profiles_have_the_widths_and_the_correlation_of_the_formula():
    rng = np.random.default_rng(2)
    log_y = math.log(100 / 0.007)
    drawn = np.log([em.draw_profile(rng, 100.0, MEDIUM)[:2] for _ in range(4000)])
    mean, error = em.mean_profile(100.0, MEDIUM), 5 / math.sqrt(4000)
    sigma = np.array([1 / (-2.5 + 1.25 * log_y), 1 / (-0.82 + 0.79 * log_y)])
    np.testing.assert_allclose(drawn.mean(axis=0), np.log(mean[:2]), atol=error * sigma.max())
    np.testing.assert_allclose(drawn.std(axis=0), sigma, rtol=error / math.sqrt(2))
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.784 - 0.023 * log_y, abs=error)


@given(st.floats(1e-3, 1000.0), st.integers(0, 2**32))
def test_every_drawn_profile_is_a_profile(energy, seed):
    profile = em.draw_profile(np.random.default_rng(seed), energy, MEDIUM)
    assert profile.t_max >= 1
    assert 1.1 <= profile.a < 50
    assert 0 <= em.cumulative(profile, 10.0) <= em.cumulative(profile, 20.0) <= 1


def test_the_cumulative_profile_is_the_integral_of_the_profile():
    profile = em.mean_profile(50.0, MEDIUM)
    b = (profile.a - 1) / profile.t_max
    integral, _ = integrate.quad(lambda t: (b * t) ** (profile.a - 1) * b * math.exp(-b * t) / math.gamma(profile.a), 0, 12)
    assert em.cumulative(profile, 12.0) == pytest.approx(integral, rel=1e-7)


@given(energies, st.floats(0.0, 60.0))
def test_the_radial_profile_is_one_at_every_depth(energy, depth):
    core, tail, share = em.radial(depth, math.log(energy), em.mean_profile(energy, MEDIUM), MEDIUM)
    assert 0 <= share <= 1
    assert core >= 0
    assert tail >= 0
    assert math.isfinite(tail)


def test_showers_widen_behind_the_maximum():
    profile = em.mean_profile(100.0, MEDIUM)
    at = [em.radial(t, math.log(100.0), profile, MEDIUM) for t in (8.5, 12.0, 17.0, 22.0)]
    cores, tails, shares = np.array(at).T
    assert (np.diff(cores) > 0).all()
    assert (np.diff(tails) > 0).all()
    assert (np.diff(shares) < 0).all()


def test_a_shower_of_100_gev_has_a_few_thousand_spots():
    assert em.n_spots(100.0, 0.199) == pytest.approx(10.3 / 0.199 * 100**0.959)
    assert 4000 < em.n_spots(100.0, 0.199) < 6000


def test_the_sampling_of_a_detector_follows_from_its_layers():
    made = stack(ShowerSettings(), Detector.load("prototype"))
    assert made.medium.sampling == pytest.approx(26 / 27.7, rel=1e-3)
    np.testing.assert_allclose(made.em_sampling, 0.199 * np.sqrt(np.diff(made.x0)))
