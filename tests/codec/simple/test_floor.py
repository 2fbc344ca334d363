"""The fluctuation floor: the mean of other showers of the same particles, with the true sums."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.codec.simple import FLOOR, equal_bits, fluctuation_floor
from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.simulate import SimulateSettings, simulate

SETTINGS = SimulateSettings.load({"gun": {"energy_gev": [50, 50], "radius_cm": 5}, "seed": 3})


@pytest.fixture(scope="module")
def events() -> Events:
    return next(iter(simulate(SETTINGS, 3)))


def distance(a: Events, b: Events) -> float:
    return float(np.abs(a.to_dense() - b.to_dense()).sum() / a.charge.sum())


def test_sums_are_true_and_more_showers_are_closer(events):
    one, many = (fluctuation_floor(events, "STAGE2", SETTINGS, copies=copies) for copies in (1, 6))
    for found in (one, many):
        np.testing.assert_allclose(found.validate().unit_sums("STAGE2"), events.unit_sums("STAGE2"))
        assert found.particles is events.particles
    assert 0 < distance(events, many) < distance(events, one) < 2
    # Knowing the sums of layers says more.
    assert distance(events, fluctuation_floor(events, "STAGE1", SETTINGS, copies=6)) < distance(events, many)


def test_it_is_one_of_the_codes(events):
    found = equal_bits(events, "STAGE2", 72, events, simulation=SETTINGS, copies=2)
    np.testing.assert_array_equal(found[FLOOR].charge, fluctuation_floor(events, "STAGE2", SETTINGS, copies=2).charge)


def test_mistakes(events):
    with pytest.raises(SettingsError, match="k=0"):
        fluctuation_floor(events, "STAGE2", SETTINGS, copies=0)
