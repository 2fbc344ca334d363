"""Figures of disturbances by hand, and their file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import scaled, toy_showers
from hgcae.errors import DataFormatError
from hgcae.evaluate import Bootstrap, degradation, stress_table
from hgcae.evaluate.core.degradation import METRICS
from hgcae.geometry.detector import Detector
from hgcae.studies.robustness.figure import stress_figure

DETECTOR = Detector.load("testbeam")
SHOWERS = toy_showers(DETECTOR, 40)
BOOTSTRAP = Bootstrap(5)


def test_nothing_is_changed():
    found = degradation(SHOWERS, SHOWERS, DETECTOR, BOOTSTRAP)
    assert {name: found[name] for name in METRICS} == pytest.approx(dict.fromkeys(METRICS, 0.0), abs=1e-12)


def test_a_tenth_is_lost():
    found = degradation(SHOWERS, scaled(SHOWERS, 0.9), DETECTOR, BOOTSTRAP)
    assert found["response"] == pytest.approx(-0.1)
    assert found["l1_cells"] == pytest.approx(0.1)
    assert found["layer_error"] == pytest.approx(0.1)
    assert (found["sigma_eff"], found["barycentre_mm"]) == pytest.approx((0, 0), abs=1e-9)


def test_small_energies_count_for_cells_alone():
    """A tenth of the charge is lost below 20 GeV, and a hundredth above."""
    energy = np.where(np.arange(30) < 15, 10.0, 100.0)
    showers = toy_showers(DETECTOR, 30, energy_gev=energy)
    found = degradation(showers, scaled(showers, np.where(energy < 20, 0.9, 0.99)), DETECTOR, BOOTSTRAP)
    assert found["response"] == pytest.approx(-0.01)
    assert found["layer_error"] == pytest.approx(0.01)
    total = [showers.charge[showers.event < 15].sum(), showers.charge[showers.event >= 15].sum()]
    assert found["l1_cells"] == pytest.approx((0.1 * total[0] + 0.01 * total[1]) / sum(total))
    low = showers[:15]
    assert degradation(low, scaled(low, 0.9), DETECTOR, BOOTSTRAP)["response"] == pytest.approx(-0.1)


def test_bare_units_and_few_events():
    bare = replace(SHOWERS, detector=None)[:3]
    found = degradation(bare, bare, None, BOOTSTRAP)
    assert found["response"] is found["barycentre_mm"] is None
    assert found["l1_cells"] == 0


@pytest.fixture
def results() -> dict:
    before, after = SHOWERS, scaled(SHOWERS, np.linspace(0.9, 1.1, len(SHOWERS)))
    metrics = degradation(before, after, DETECTOR, BOOTSTRAP)
    cases = [
        {"name": "nominal", "what": "", "uncompressed": None, "levels": {"ROC": {"undisturbed": metrics}}},
        {"name": "dead", "what": "", "uncompressed": metrics, "levels": {"ROC": {"undisturbed": metrics, "input": metrics}}},
    ]
    return {"n_events": len(before), "cases": cases}


def test_the_table(results):
    headings, rows = stress_table(results)
    assert [row[:2] for row in rows] == [["nominal", "ROC"], ["dead", "uncompressed"], ["dead", "ROC"]]
    assert all(len(row) == len(headings) for row in rows)
    assert [row[:2] for row in stress_table(results, "input")[1]] == [["dead", "ROC"]]


def test_the_figure(results, tmp_path):
    assert stress_figure(results, tmp_path / "stress.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataFormatError, match="disturbance"):
        stress_figure(results | {"cases": []}, tmp_path / "none.png")
