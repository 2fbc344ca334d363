"""Showers of the same truth, and their mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.simulate import SimulateSettings, mean_shower, repeated, simulate
from simulate.test_engine import MIXED, together

N = 10
SAME = ("pdg", "energy_gev", "px_gev", "py_gev", "pz_gev", "eta", "phi", "impact_x_cm", "impact_y_cm")


@pytest.fixture(scope="module")
def events() -> Events:
    return together(MIXED, N)


def test_the_same_truth_with_other_showers(events):
    copies = list(repeated(events, 2, seed=5, settings=MIXED))
    assert len(copies) == 2
    for copy in copies:
        copy.validate()
        np.testing.assert_array_equal(copy.particle_offsets, events.particle_offsets)
        for name in SAME:
            np.testing.assert_array_equal(copy.particles[name], events.particles[name])
        assert copy.detector == events.detector
    assert len({sample.charge.tobytes() for sample in (events, *copies)}) == 3


def test_chunks_and_workers_change_nothing(events):
    (one,), (other,) = (list(repeated(events, 1, 5, MIXED, **how)) for how in ({}, {"workers": 2, "chunk": 3}))
    np.testing.assert_array_equal(one.cell, other.cell)
    np.testing.assert_array_equal(one.charge, other.charge)


def test_seeds_give_different_showers(events):
    one, other = (next(repeated(events, 1, seed, MIXED)) for seed in (5, 6))
    assert not np.array_equal(one.charge, other.charge)


def test_the_mean_has_the_sum_of_the_event(events):
    weight = np.random.default_rng(1).uniform(0.5, 2, events.hierarchy.n_cells())
    mean = mean_shower(events, 4, 5, weight, MIXED).validate()
    sums = [(sample.unit_sums(sample.hierarchy.root, weight)).ravel() for sample in (events, mean)]
    assert sums[1] == pytest.approx(sums[0])
    assert (mean.counts > events.counts).all()
    assert mean.particles is events.particles


def test_the_mean_fluctuates_less_than_a_shower():
    """The layer sums of showers of one truth scatter less, the more of them are averaged."""
    settings = SimulateSettings.load({"detector": "testbeam", "gun": {"energy_gev": [50, 50], "radius_cm": 0}, "seed": 2})
    showers = Events.concatenate(list(simulate(settings, 40)))

    def scatter(k: int) -> float:
        sums = mean_shower(showers, k, 3, settings=settings).unit_sums("MODULE")
        shares = sums / sums.sum(axis=1, keepdims=True)
        return float(shares.std(axis=0).sum())

    assert scatter(9) == pytest.approx(scatter(1) / 3, rel=0.3)


def test_progress(events):
    seen: list[int] = []
    mean_shower(events, 3, 5, settings=MIXED, progress=seen.append)
    assert seen == [1, 2, 3]


def test_mistakes(events):
    with pytest.raises(SettingsError, match="k=0"):
        next(repeated(events, 0, 1))
    with pytest.raises(DataFormatError, match="particle columns"):
        next(repeated(replace(events, particles={}, particle_offsets=None), 1, 1))
    odd = events.particles | {"pdg": np.full(len(events.particles["pdg"]), 13, dtype=np.int32)}
    with pytest.raises(DataFormatError, match="pdg 13"):
        next(repeated(replace(events, particles=odd), 1, 1))
    with pytest.raises(SettingsError, match="testbeam"):
        next(repeated(events, 1, 1, SimulateSettings(detector="testbeam")))
