"""The compiled `locate` is `Detector.locate`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.geometry.detector import Detector
from hgcae.simulate.placement import locate, placement

DETECTORS = {name: Detector.load(name) for name in ("prototype", "testbeam")}
PLACES = {name: placement(detector) for name, detector in DETECTORS.items()}


@pytest.mark.parametrize("name", DETECTORS)
def test_random_points_around_the_modules(name):
    detector, place = DETECTORS[name], PLACES[name]
    points = np.array(detector.settings.centre_cm) + np.random.default_rng(1).uniform(-1.5, 1.5, (5000, 2)) * detector.radius_cm
    expected = detector.locate(points)
    np.testing.assert_array_equal([locate(x, y, place) for x, y in points], expected)
    assert 0.2 < (expected < 0).mean() < 0.9


@given(st.sampled_from(sorted(DETECTORS)), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
def test_any_point(name, x, y):
    assert locate(x, y, PLACES[name]) == DETECTORS[name].locate(np.array([x, y]))


@pytest.mark.parametrize("name", DETECTORS)
def test_cell_centres(name):
    detector = DETECTORS[name]
    found = [locate(x, y, PLACES[name]) for x, y in detector.layer_cell_xy]
    np.testing.assert_array_equal(found, np.arange(detector.cells_per_layer))
