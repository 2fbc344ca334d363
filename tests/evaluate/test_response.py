from __future__ import annotations

import math

import numpy as np
import pytest

from evaluate.toys import STOCHASTIC, VISIBLE, scaled, toy_showers
from hgcae.errors import GeometryError
from hgcae.evaluate.moments import moments
from hgcae.evaluate.response import against_truth, calibration, fit_resolution, ratio, resolution, spread_by_energy
from hgcae.evaluate.statistics import Bootstrap
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy

EDGES = (1, 5, 10, 20, 50, 100, 200, 350, 500)


def test_energy_is_charge_times_layer_weight(showers, prototype):
    energy = moments(showers, CellTable.of(showers.hierarchy, prototype)).energy
    charge = showers.to_dense().reshape(len(showers), prototype.n_layers, -1).sum(axis=2)
    np.testing.assert_allclose(energy, charge / ADC_PER_MIP * prototype.layer_mev_per_mip / 1000)


def test_a_bare_module_counts_adc():
    hierarchy = Hierarchy.of(ROC=(4, 4), MODULE=3)
    frame = CellTable.of(hierarchy)
    assert (frame.unit, frame.n_layers) == ("ADC", 1)
    assert (frame.weight == 1.0).all()


def test_a_detector_of_other_levels_is_refused(showers, testbeam):
    with pytest.raises(GeometryError, match="do not belong to detector testbeam"):
        CellTable.of(showers.hierarchy, testbeam)


def test_a_scaled_decoder_has_exactly_that_bias_and_no_width(showers, prototype):
    frame = CellTable.of(showers.hierarchy, prototype)
    before, after = moments(showers, frame).total, moments(scaled(showers, 1.02), frame).total
    metrics = spread_by_energy(ratio(after, before), showers.particles["energy_gev"], EDGES, 20, Bootstrap(20))
    for part in (metrics["all"], metrics["above"], metrics["bins"][-1]):
        assert part["mean"] == pytest.approx(1.02, abs=1e-12)
        assert part["sigma_eff"] == pytest.approx(0, abs=1e-12)
    assert metrics["above"]["n"] == (showers.particles["energy_gev"] > 20).sum()


def test_gaussian_smearing_is_recovered(prototype):
    events = toy_showers(prototype, 4000, spots=5)
    frame = CellTable.of(events.hierarchy, prototype)
    smear = 1 + 0.03 * np.random.default_rng(8).standard_normal(4000)
    metrics = spread_by_energy(
        ratio(moments(scaled(events, smear), frame).total, moments(events, frame).total), None, EDGES, 20, Bootstrap()
    )
    all_events = metrics["all"]
    assert all_events["std"] == pytest.approx(smear.std(ddof=1), rel=1e-6)
    assert abs(all_events["std"] - 0.03) < 4 * 0.03 / math.sqrt(8000)
    assert abs(all_events["sigma_eff"] - 0.03) < 4 * all_events["sigma_eff_error"] + 0.02 * 0.03
    assert metrics["bins"] == []


def test_ratio_to_nothing_is_undefined():
    np.testing.assert_array_equal(ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0])), [math.nan, 0.5])


def test_calibration_makes_the_mean_response_one():
    true = np.array([10.0, 50.0, 100.0])
    assert calibration(0.8 * true, true, above_gev=20) == pytest.approx(1.25)
    assert calibration(0.8 * true[:1], true[:1], above_gev=20) == pytest.approx(1.25)
    assert calibration(np.zeros(3), true, above_gev=20) is None
    assert calibration(np.zeros(0), np.zeros(0), above_gev=20) is None


@pytest.fixture(scope="module")
def wide(prototype: Detector):
    """Events of 5 to 500 GeV, evenly in the logarithm."""
    energy = np.exp(np.random.default_rng(6).uniform(math.log(5), math.log(500), 8000))
    events = toy_showers(prototype, 8000, energy_gev=energy, spots=4)
    return energy, moments(events, CellTable.of(events.hierarchy, prototype)).total


def test_toy_resolution_is_recovered_by_the_fit(wide):
    energy, measured = wide
    result = against_truth({"uncompressed": measured, "decoded": 1.05 * measured}, energy, EDGES, 20, Bootstrap(100))
    # The visible fraction is found to the precision of the mean: 0.2 / sqrt(E) over 8,000 events is below 1e-3.
    assert result["calibration"] == pytest.approx(1 / VISIBLE, abs=3e-3)
    fit = result["uncompressed"]["fit"]
    assert abs(fit["stochastic"] - STOCHASTIC) < 4 * fit["stochastic_error"] + 0.01 * STOCHASTIC
    assert fit["stochastic_error"] < 0.02
    assert fit["ndf"] == 4
    assert fit["p_value"] > 1e-4
    # One factor for all: the decoded response shows its bias, and its relative resolution is the same.
    assert result["decoded"]["above"]["mean"] == pytest.approx(1.05 * result["uncompressed"]["above"]["mean"])
    assert result["decoded"]["above"]["resolution"] == pytest.approx(result["uncompressed"]["above"]["resolution"])


def bins_of(stochastic: float, noise: float, constant: float, relative_error: float, seed: int | None = None):
    energy = np.array([3.0, 7, 15, 35, 75, 150, 275, 425])
    exact = resolution(energy, stochastic, noise, constant)
    rng = np.random.default_rng(seed)
    shift = 0 if seed is None else relative_error * exact * rng.standard_normal(len(energy))
    return [
        {"inverse_gev": 1 / e, "inverse_gev2": 1 / e**2, "resolution": r, "resolution_error": relative_error * x}
        for e, r, x in zip(energy, exact + shift, exact, strict=True)
    ]


@pytest.mark.parametrize(("s", "n", "c"), [(0.22, 0.3, 0.006), (0.2, 0.0, 0.01), (0.24, 0.5, 0.0), (0.0, 0.0, 0.02)])
def test_exact_curves_give_back_their_terms(s, n, c):
    fit = fit_resolution(bins_of(s, n, c, 0.01))
    assert fit is not None
    assert fit["stochastic"] == pytest.approx(s, abs=2e-3)
    assert fit["noise_gev"] == pytest.approx(n, abs=2e-2)
    assert fit["constant"] == pytest.approx(c, abs=2e-4)
    assert fit["chi2"] < 1e-3


def test_fit_errors_are_those_of_repeated_measurements():
    fits = [fit_resolution(bins_of(0.22, 0.4, 0.01, 0.02, seed)) for seed in range(150)]
    pulls = [(fit["stochastic"] - 0.22) / fit["stochastic_error"] for fit in fits if fit]
    assert len(pulls) == 150
    # The mean of 150 pulls is known to 0.08, their width to 6 %.
    assert abs(np.mean(pulls)) < 0.35
    assert np.std(pulls) == pytest.approx(1.0, abs=0.25)
    assert np.mean([fit["chi2"] for fit in fits if fit]) == pytest.approx(5.0, abs=1.2)


def test_too_few_bins_are_not_fitted():
    assert fit_resolution(bins_of(0.2, 0.1, 0.01, 0.01)[:3]) is None
