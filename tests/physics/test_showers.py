"""Simulated showers against the physics they stand for, with tolerances from the number of showers."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from scipy import optimize, special, stats

from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.detector import Detector
from hgcae.simulate import ShowerSettings, SimulateSettings, em, shower, simulate
from hgcae.simulate.stack import Axis, no_hits, stack

UNTOUCHED = {"noise": False, "threshold_mip": 0, "saturation": False, "adc": False}
STRAIGHT = Axis(95.0, 0.0, 1.0, 0.0, 0.0, 1.0)


@cache
def sample(particle: str, energy: float, n: int, detector: str = "prototype") -> Events:
    """Central showers of one energy without digitisation."""
    gun = {"particles": [particle], "energy_gev": [energy, energy], "radius_cm": 15 if detector == "prototype" else 1}
    settings = SimulateSettings.load({"detector": detector, "gun": gun, "digitise": UNTOUCHED, "seed": 5})
    return Events.concatenate(list(simulate(settings, n, workers=2)))


def layer_gev(events: Events, detector: str = "prototype") -> np.ndarray:
    """Energies of the layers: (n, n_layers) GeV."""
    weight = Detector.load(detector).layer_mev_per_mip / ADC_PER_MIP / 1000
    return events.unit_sums("STAGE1" if detector == "prototype" else "MODULE") * weight


@pytest.mark.parametrize(("energy", "t_max"), [(10, 6.22), (35, 7.48), (100, 8.53), (200, 9.22)])
def test_the_mean_shower_maximum(energy, t_max):
    depth = sample("e-", energy, 300).particles["shower_max_x0"]
    assert depth.mean() == pytest.approx(t_max, abs=0.3)


def test_layers_receive_the_share_of_the_drawn_profile():
    made, rng = stack(ShowerSettings(), Detector.load("prototype")), np.random.default_rng(1)
    hits, energy, n = no_hits(Detector.load("prototype")), 100.0, 150
    before, pulls = 0.0, []
    for _ in range(n):
        profile = shower.electron(rng, energy, 0.0, STRAIGHT, made, hits)
        measured = hits.mip.sum(axis=1) / made.mip_per_gev
        expected = energy * np.diff(special.gammainc(profile.a, (profile.a - 1) / profile.t_max * made.x0))
        pulls.append((measured - before - expected) / np.sqrt(expected * made.em_sampling**2))
        before = measured
    # In front, energies are so small that their distribution is far from normal; behind, the widest tails reach beyond the modules.
    pulls = np.array(pulls)[:, (made.x0[1:] > 2) & (made.x0[1:] < 20)]
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=5 / math.sqrt(n))
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=5 / math.sqrt(2 * n))


@pytest.mark.parametrize("reach", [1.0, 16 / 17])
def test_spots_spread_as_the_radial_profile(reach):
    detector, n, radius = Detector.load("prototype"), 200_000, 3.0
    made, rng, hits = stack(ShowerSettings(), detector), np.random.default_rng(2), no_hits(detector)
    shower.add_spots(rng, 0, 1.0, n, radius, reach, STRAIGHT, made, hits)
    # The same by the textbook: the inverse of the radial distribution, a direction, and the detector's own locate.
    u, phi = reach * rng.random(n), rng.uniform(0, 2 * np.pi, n)
    r = radius * np.sqrt(u / (1 - u))
    cells = detector.locate(np.column_stack([95 + r * np.cos(phi), r * np.sin(phi)]))
    expected = np.bincount(cells[cells >= 0], minlength=detector.cells_per_layer)
    often = expected + hits.mip[0] > 20
    difference, both = (hits.mip[0] - expected)[often], (hits.mip[0] + expected)[often]
    assert stats.chi2.sf((difference**2 / both).sum(), len(both)) > 1e-3


def test_an_inclined_shower_is_an_ellipse():
    detector = Detector.load("prototype")
    made, rng, hits = stack(ShowerSettings(), detector), np.random.default_rng(2), no_hits(detector)
    shower.add_spots(rng, 0, 1.0, 200_000, 4.0, 16 / 17, Axis(95.0, 0.0, 0.6, 0.8, 1.0, math.sqrt(0.5)), made, hits)
    xy = detector.layer_cell_xy - np.array(detector.settings.centre_cm)
    along, across = xy @ [0.6, 0.8], xy @ [-0.8, 0.6]
    width = [math.sqrt(np.average(side**2, weights=hits.mip[0])) for side in (along, across)]
    assert width[0] / width[1] == pytest.approx(math.sqrt(2), rel=0.03)


def test_the_core_of_a_shower_is_contained_as_its_profile_says():
    detector, energy = Detector.load("prototype"), 100.0
    made, rng, hits = stack(ShowerSettings(), detector), np.random.default_rng(3), no_hits(detector)
    radii, contained = made.moliere_cm * np.array([1, 2, 4]), np.zeros(3)
    for _ in range(40):
        profile = shower.electron(rng, energy, 0.0, STRAIGHT, made, hits)
        shares = np.diff(special.gammainc(profile.a, (profile.a - 1) / profile.t_max * made.x0))
        for layer, share in enumerate(shares):
            depth = (made.x0[layer] + made.x0[layer + 1]) / 2
            core, tail, weight = em.radial(depth, math.log(energy), profile, made.medium)
            parts = [radii**2 / (radii**2 + (radius * made.moliere_cm) ** 2) for radius in (core, tail)]
            contained += share * (weight * parts[0] + (1 - weight) * parts[1]) / 40
    r = np.linalg.norm(detector.layer_cell_xy - np.array(detector.settings.centre_cm), axis=1)
    energies = hits.mip / made.mip_per_gev[:, None]
    found = [energies[:, r < radius].sum() / (40 * energy) for radius in radii]
    # Cells, 2.2 cm wide, count by their centre, so the smallest radius is not for them.
    np.testing.assert_allclose(found[1:], contained[1:], atol=0.01)
    # The Moliere radius is the one that holds 90 %.
    assert contained[0] == pytest.approx(0.90, abs=0.03)


def test_photons_convert_after_nine_sevenths_of_a_radiation_length():
    start = sample("gamma", 20, 800).particles["shower_start_x0"]
    assert start.mean() == pytest.approx(9 / 7, abs=5 * 9 / 7 / math.sqrt(800))
    assert stats.kstest(start, stats.expon(scale=9 / 7).cdf).pvalue > 1e-3


def test_photon_showers_lie_deeper_than_those_of_electrons():
    shift = sample("gamma", 20, 800).particles["shower_max_x0"].mean() - sample("e-", 20, 800).particles["shower_max_x0"].mean()
    assert 0.4 < shift < 1.3


def test_pions_start_after_one_interaction_length():
    detector = Detector.load("prototype")
    particles = sample("pi-", 50, 500).particles
    along = np.hypot(particles["px_gev"], particles["py_gev"]) / particles["pz_gev"]
    made = stack(ShowerSettings(), detector)
    depth = particles["shower_start_x0"] / np.hypot(1, along)
    inside = depth < made.x0[-1]
    crossed = np.interp(depth[inside], made.x0, made.lambda_n) * np.hypot(1, along[inside])
    limit = made.lambda_n[-1]
    assert stats.kstest(crossed[crossed < limit], stats.truncexpon(limit).cdf).pvalue > 1e-3
    assert inside.mean() == pytest.approx(1 - math.exp(-limit * np.hypot(1, along).mean()), abs=5 * 0.3 / math.sqrt(500))


def test_a_pion_before_its_shower_is_one_mip_in_each_layer():
    events = sample("pi-", 50, 500)
    late = np.flatnonzero(events.particles["shower_start_x0"] > 20)
    mip = events.unit_sums("STAGE1")[late][:, :15] / ADC_PER_MIP
    assert np.median(mip) == pytest.approx(1.09, abs=0.1)
    assert (mip > 0.6).all()


def resolution(detector: str, energies: list[float], n: int) -> tuple[float, float]:
    """Fits sigma / mean of the summed energy with a / sqrt(E) + b in quadrature."""
    totals = np.array([layer_gev(sample("e-", energy, n, detector), detector).sum(axis=1) for energy in energies])
    relative = totals.std(axis=1) / totals.mean(axis=1)
    (a, b), _ = optimize.curve_fit(
        lambda energy, a, b: np.hypot(a / np.sqrt(energy), b), energies, relative, p0=(0.2, 0.005), sigma=relative, bounds=(0, 1)
    )
    return float(a), float(b)


@pytest.mark.parametrize("detector", ["prototype", "testbeam"])
def test_the_resolution_is_that_of_a_silicon_sampling_calorimeter(detector):
    stochastic, constant = resolution(detector, [10, 35, 100, 200], 300)
    # 22 %/sqrt(E) and 0.6 % in the beam test of October 2018 (arXiv:2111.06855).
    assert 0.18 < stochastic < 0.26
    assert constant < 0.015


def test_the_response_is_linear():
    energies = [10, 35, 100, 200]
    means = [layer_gev(sample("e-", energy, 300)).sum(axis=1).mean() / energy for energy in energies]
    np.testing.assert_allclose(means, 1, atol=5 * 0.21 / math.sqrt(10 * 300))


def test_electrons_and_pions_are_told_apart_by_the_first_layers():
    shares = {}
    for particle in ("e-", "pi-"):
        energy = layer_gev(sample(particle, 50, 500))
        shares[particle] = energy[:, :14].sum(axis=1) / 50
    confused = (shares["pi-"][:, None] > shares["e-"]).mean()
    assert confused < 0.05


def test_pions_lose_energy_behind_the_detector_and_electrons_do_not():
    assert layer_gev(sample("e-", 50, 500)).sum(axis=1).min() > 40
    pions = layer_gev(sample("pi-", 50, 500)).sum(axis=1)
    assert 0.4 < pions.mean() / 50 < 0.9
    # Those that pass all layers leave one MIP in each: about 0.6 GeV.
    assert (pions < 1).mean() == pytest.approx(math.exp(-2.67 / 0.96), abs=0.04)
