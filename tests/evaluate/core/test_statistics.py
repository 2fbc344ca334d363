from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hgcae.evaluate.core.statistics import MIN_ENTRIES, ONE_SIGMA, Bootstrap, core_width, in_bins, in_ranges, ratio_of_sums, sigma_eff


def test_one_sigma_is_68_per_cent():
    assert pytest.approx(0.6826894921) == ONE_SIGMA


def test_sigma_eff_of_evenly_spaced_values_is_known():
    # 100 values 0..99: the smallest interval with 69 of them spans 68 steps.
    assert sigma_eff(np.arange(100.0)) == 34.0


def test_sigma_eff_ignores_far_tails():
    values = np.sort(np.concatenate([np.linspace(-1, 1, 900), np.full(100, 1e6)]))
    assert sigma_eff(values) < 1.0


def test_widths_of_a_normal_sample_agree_with_its_sigma():
    n, sigma = 20_000, 3.0
    metrics = Bootstrap(100).spread(np.random.default_rng(5).normal(7.0, sigma, n))
    error_of_std = sigma / math.sqrt(2 * n)
    assert abs(metrics["mean"] - 7.0) < 4 * sigma / math.sqrt(n)
    assert abs(metrics["std"] - sigma) < 4 * error_of_std
    # The variance of sigma_eff is a few times that of the standard deviation; the smallest interval is biased low by less than 1 %.
    assert abs(metrics["sigma_eff"] - sigma) < 4 * metrics["sigma_eff_error"] + 0.01 * sigma
    # 100 replicas know an error to 1 / sqrt(200) = 7 %.
    assert metrics["mean_error"] == pytest.approx(sigma / math.sqrt(n), rel=0.3)
    assert metrics["std_error"] == pytest.approx(error_of_std, rel=0.3)


@given(hnp.arrays(np.float64, st.integers(MIN_ENTRIES, 60), elements=st.floats(-1e3, 1e3)), st.floats(0.1, 10), st.floats(-100, 100))
def test_widths_scale_and_do_not_shift(values, scale, shift):
    boot = Bootstrap(5)
    before, after = boot.spread(values), boot.spread(values * scale + shift)
    for name in ("std", "sigma_eff"):
        assert after[name] == pytest.approx(before[name] * scale, rel=1e-6, abs=1e-6)
    assert after["mean"] == pytest.approx(before["mean"] * scale + shift, rel=1e-6, abs=1e-6)


def test_same_seed_same_metrics_other_seed_others():
    values = np.random.default_rng(1).normal(size=200)
    assert Bootstrap(50, 3).spread(values) == Bootstrap(50, 3).spread(values)
    assert Bootstrap(50, 3).spread(values)["std_error"] != Bootstrap(50, 4).spread(values)["std_error"]


def test_large_samples_are_resampled_in_pieces():
    values = np.random.default_rng(2).normal(size=100_000)
    metrics = Bootstrap(60).spread(values)  # more than one piece of replicas
    assert metrics["mean_error"] == pytest.approx(1 / math.sqrt(1e5), rel=0.4)


def test_undefined_values_are_counted_and_few_values_give_no_figures():
    metrics = Bootstrap(10).spread([1.0, math.nan, math.inf])
    assert metrics == {
        "n": 1,
        "undefined": 2,
        "mean": None,
        "mean_error": None,
        "std": None,
        "std_error": None,
        "sigma_eff": None,
        "sigma_eff_error": None,
    }


def test_bins_hold_their_lower_edge_and_the_last_one_both():
    energy = np.array([0.5, 1.0, 4.9, 5.0, 10.0, 10.1])
    bins = in_bins(lambda use: {"n": int(use.sum())}, energy, (1, 5, 10))
    assert [b["n"] for b in bins] == [2, 2]
    assert bins[0]["energy_gev"] == pytest.approx((1 + 4.9) / 2)
    assert bins[1]["inverse_gev2"] == pytest.approx((1 / 25 + 1 / 100) / 2)


def test_an_empty_bin_is_reported_as_empty():
    (only,) = in_bins(lambda use: {"n": int(use.sum())}, np.full(3, 7.0), (1, 2))
    assert only["n"] == 0
    assert only["energy_gev"] is None


def test_ratio_of_sums_has_the_error_of_repeated_samples():
    rng = np.random.default_rng(3)
    ratios, errors = [], []
    for _ in range(300):
        b = rng.exponential(1.0, 200)
        ratio, error = ratio_of_sums(0.5 * b + rng.normal(0, 0.1, 200), b)
        ratios.append(ratio)
        errors.append(error)
    # 300 samples know their spread to 1 / sqrt(600) = 4 %.
    assert np.std(ratios) == pytest.approx(np.mean(errors), rel=0.2)
    assert abs(np.mean(ratios) - 0.5) < 4 * np.mean(errors) / math.sqrt(300)


def test_ratio_of_sums_without_charge_is_undefined():
    assert ratio_of_sums(np.zeros(2), np.zeros(2)) == (None, None)
    assert ratio_of_sums(np.ones(1), np.full(1, 2.0)) == (0.5, None)


def test_the_ratio_of_two_widths_of_the_same_events_is_known_better_than_either():
    rng = np.random.default_rng(9)
    shared = rng.normal(1, 0.05, 4000)
    metrics = Bootstrap(100).ratio(shared + rng.normal(0, 0.005, 4000), shared)
    # sqrt(0.05^2 + 0.005^2) / 0.05, with sigma_eff's own fluctuation from a part of 10 %.
    assert abs(metrics["ratio"] - math.hypot(1, 0.1)) < 5 * metrics["ratio_error"]
    single = Bootstrap(100).spread(shared, ("resolution",))
    assert metrics["ratio_error"] < 0.6 * single["resolution_error"] / single["resolution"]


def test_the_ratio_of_a_sample_to_itself_is_one():
    values = np.append(np.random.default_rng(1).normal(1, 0.1, 50), math.nan)
    assert Bootstrap(20).ratio(values, values) == {"n": 50, "ratio": 1.0, "ratio_error": 0.0}
    assert Bootstrap(20).ratio(values[:5], values[:5])["ratio"] is None
    assert Bootstrap(20).ratio(values, np.ones(51))["ratio"] is None


class TestCoreWidth:
    def test_a_normal_distribution(self):
        ordered = np.sort(np.random.default_rng(1).normal(3, 2, 40_000))
        assert core_width(ordered) == pytest.approx(2, rel=0.02)

    def test_tails_do_not_matter(self):
        rng = np.random.default_rng(2)
        values = np.concatenate([rng.normal(0, 1, 20_000), rng.uniform(-50, 50, 2_000)])
        assert core_width(np.sort(values)) == pytest.approx(1, rel=0.05)
        assert values.std() > 5

    def test_rows_are_independent(self):
        rows = np.sort(np.random.default_rng(3).normal(0, [[1.0], [5.0]], (2, 5_000)), axis=1)
        np.testing.assert_allclose(core_width(rows), [core_width(row) for row in rows])

    def test_a_spike_has_no_width(self):
        assert core_width(np.zeros(20)) == 0


def test_ranges_hold_their_lower_edges():
    values = np.array([0.0, 1.0, 1.5, 2.0, 3.0, np.nan])
    found = in_ranges(lambda use: {"n": int(use.sum())}, values, (0, 1, 2))
    assert [(b["low"], b["high"], b["n"]) for b in found] == [(0, 1, 1), (1, 2, 3)]
    assert found[1]["centre"] == 1.5
    assert in_ranges(lambda use: {}, values, (8, 9))[0]["centre"] is None
