"""What numbers mean, for codes whose meaning is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import scaled
from hgcae.evaluate.codes.interpret import STEPS, correlations, near_energy, quantities, traversal


def test_quantities(showers, prototype):
    values = quantities(showers, prototype)
    assert {"energy_gev", "eta", "seen_gev", "depth_x0", "length_x0", "x_cm", "width_cm"} <= set(values)
    assert all(v.shape == (len(showers),) for v in values.values())
    # The showers are as narrow as they were made: spots at exponential distances of 1.2 cm, on cells of about 2 cm.
    assert 0.8 < np.nanmedian(values["width_cm"]) < 2.5
    assert values["depth_x0"].max() < prototype.total_x0
    assert np.corrcoef(values["x_cm"], values["impact_x_cm"])[0, 1] > 0.8


def test_the_width_of_two_cells(showers, prototype):
    """Half their distance, where both hold the same."""
    cells = np.array([0, 40], dtype=np.int32)
    two = replace(showers[:1], offsets=np.array([0, 2]), cell=cells, charge=np.array([50.0, 50.0]))
    distance = np.linalg.norm(np.subtract(*prototype.layer_cell_xy[cells]))
    assert quantities(two, prototype)["width_cm"] == pytest.approx(distance / 2)


def test_correlations():
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 200))
    code = np.stack([np.exp(x), -y, np.ones(200)], axis=1)
    found = correlations(code, {"x": np.where(rng.random(200) < 0.1, np.nan, x), "y": y, "none": np.full(200, np.nan)})
    assert found["x"][0] == pytest.approx(1)
    assert abs(found["x"][1]) < 0.25
    assert found["x"][2] is None
    assert found["y"][1] == pytest.approx(-1)
    assert found["none"] == [None] * 3


def test_events_near_an_energy():
    assert near_energy(np.array([0.0, 90, 100, 400, 105, np.nan]), 100, 3).tolist() == [1, 2, 4]
    assert near_energy(np.array([0.0, 90, np.nan]), 100, 3).tolist() == [1]


def test_a_number_that_is_moved(showers, prototype):
    """The code is the size of a shower and a number without meaning."""
    rng = np.random.default_rng(2)
    code = np.stack([rng.integers(50, 150, 80), rng.random(80)], axis=1).astype(np.float32)

    def decode(moved):
        return scaled(showers[np.zeros(len(moved), dtype=int)], moved[:, 0].astype(float))

    found = traversal(code, decode, prototype)
    size, idle = found["numbers"]
    assert (np.diff(size["values"]) > 0).all()
    assert size["values"][0] == pytest.approx(np.quantile(code[:, 0], 0.05))
    totals = np.sum(size["profiles"], axis=1)
    assert totals / totals[0] == pytest.approx(np.round(size["values"]) / round(size["values"][0]), rel=1e-3)
    assert len(idle["profiles"]) == STEPS
    assert all(profile == idle["profiles"][0] for profile in idle["profiles"])
    for number in (size, idle):
        for (cells, energies), profile in zip(number["maps"], number["profiles"], strict=True):
            assert len(cells) == len(energies)
            assert sum(energies) == pytest.approx(sum(profile), rel=1e-3)
