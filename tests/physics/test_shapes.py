"""Measured shapes of simulated showers against what was simulated."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from hgcae.evaluate.showers.shapes import shower_shapes
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.simulate import SimulateSettings, simulate
from hgcae.truth import leading_particle

PROTOTYPE = Detector.load("prototype")
N = 60


@cache
def measured(particle: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Shapes and truth of central showers of 100 GeV, as the front end gives them."""
    gun = {"particles": [particle], "energy_gev": [100, 100], "radius_cm": 15}
    events = Events.concatenate(list(simulate(SimulateSettings.load({"gun": gun, "seed": 8}), N)))
    return shower_shapes(events, PROTOTYPE).values, leading_particle(events)


@pytest.mark.parametrize(
    ("name", "bias", "width"),
    [("shower_max_x0", 0.25, 0.6), ("impact_x_cm", 0.2, 0.5), ("impact_y_cm", 0.2, 0.5), ("eta", 0.03, 0.15), ("phi", 0.03, 0.15)],
)
def test_electrons_point_back_and_have_their_maximum(name, bias, width):
    values, truth = measured("e-")
    deviation = values[name] - truth[name]
    assert abs(np.median(deviation)) < bias + 3 * width / math.sqrt(N)
    assert np.subtract(*np.quantile(deviation, [0.84, 0.16])) / 2 < width


def test_nine_tenths_of_an_electron_lie_within_a_moliere_radius():
    """Widened by the trigger cells, whose centres are up to 1.3 cm from a charge."""
    r90 = np.median(measured("e-")[0]["r90_mm"])
    assert 10 * PROTOTYPE.settings.moliere_radius_cm == pytest.approx(r90, abs=8)


def test_energy_is_that_of_the_electron():
    response = measured("e-")[0]["energy_gev"] / 100
    assert response.mean() == pytest.approx(1, abs=0.05)
    assert response.std() < 0.05


def test_pions_are_deeper_wider_and_start_later():
    electron, pion = measured("e-")[0], measured("pi-")[0]
    for name in ("mean_depth_x0", "r90_mm", "radius_rms_mm", "rear_fraction"):
        assert np.nanmedian(pion[name]) > np.nanmedian(electron[name]), name
    started = np.isfinite(pion["shower_start_x0"])
    assert 0.3 < started.mean() < 1
    assert np.median(pion["shower_start_x0"][started]) > np.median(electron["shower_start_x0"])


def test_the_start_of_pions_is_near_their_first_interaction():
    values, truth = measured("pi-")
    found = np.isfinite(values["shower_start_x0"])
    assert np.median(values["shower_start_x0"][found] - truth["shower_start_x0"][found]) == pytest.approx(0.7, abs=1.2)
