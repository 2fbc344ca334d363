"""The results on whole showers: shifts, separation, and all of it in one file."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluate.showers.test_seeds import NOTHING, blobs
from evaluate.toys import scaled, toy_showers
from hgcae.errors import DataFormatError
from hgcae.evaluate import (
    PhysicsSamples,
    PhysicsSettings,
    Sample,
    evaluate_physics,
    evaluate_separation,
    evaluate_showers,
    physics_markdown,
)
from hgcae.evaluate.showers.pairs import UNCOMPRESSED
from hgcae.evaluate.showers.quantities import QUANTITIES
from hgcae.evaluate.showers.separation import area, pion_efficiency
from hgcae.events import Events
from hgcae.geometry.detector import Detector

SETTINGS = PhysicsSettings(bootstrap_replicas=5, transport_events=12, folds=2, energy_edges_gev=(20, 200, 500))
PROTOTYPE = Detector.load("prototype")


@pytest.fixture(scope="module")
def electrons() -> Events:
    rng = np.random.default_rng(5)
    return toy_showers(PROTOTYPE, 60, seed=3, energy_gev=rng.uniform(20, 500, 60))


def deeper(events: Events, layers: int) -> Events:
    """The same showers some layers further back; what would leave the detector stays in the last layer's place."""
    cell = events.cell + layers * PROTOTYPE.cells_per_layer
    use = cell < PROTOTYPE.hierarchy.n_cells()
    counts = np.bincount(events.event[use], minlength=len(events))
    return replace(
        events,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cell=cell[use].astype(np.int32),
        charge=events.charge[use],
    )


class TestShowers:
    def test_the_same_events_have_no_shift(self, electrons):
        found = evaluate_showers(electrons, {"same": electrons}, PROTOTYPE, SETTINGS)["samples"]
        assert set(found["same"]["shift"]) == set(QUANTITIES)
        for name, shift in found["same"]["shift"].items():
            assert (shift["all"]["mean"], shift["all"]["sigma_eff"]) == (0, 0), name
        ratios = [metrics["width_ratio"]["all"]["ratio"] for metrics in found["same"]["truth"].values()]
        assert ratios == pytest.approx([1] * len(ratios))

    def test_a_larger_charge_is_a_bias_of_the_energy_alone(self, electrons):
        shift = evaluate_showers(electrons, {"more": scaled(electrons, 1.05)}, PROTOTYPE, SETTINGS)["samples"]["more"]["shift"]
        for name in ("energy_gev", "pt_gev"):
            assert shift[name]["above"]["mean"] == pytest.approx(0.05)
            assert shift[name]["unit"] == "1"
        assert shift["r50_mm"]["above"]["mean"] == pytest.approx(0, abs=1e-9)
        assert [b["n"] for b in shift["energy_gev"]["bins"]] == [b["n"] for b in shift["r50_mm"]["bins"]]
        assert sum(b["n"] for b in shift["energy_gev"]["by"]["eta"]) <= 60

    def test_deeper_showers(self, electrons):
        """One layer deeper in an evenly spaced part is as much deeper in radiation lengths as the layers are thick."""
        shift = evaluate_showers(electrons, {"deep": deeper(electrons, 2)}, PROTOTYPE, SETTINGS)["samples"]["deep"]["shift"]
        assert 1.5 < shift["mean_depth_x0"]["above"]["mean"] < 3
        assert 1.0 < shift["shower_max_x0"]["above"]["mean"] < 3.5

    def test_response_and_profiles(self, electrons):
        found = evaluate_showers(electrons, {"more": scaled(electrons, 1.05)}, PROTOTYPE, SETTINGS)["samples"]
        for name, factor in ((UNCOMPRESSED, 1.0), ("more", 1.05)):
            assert found[name]["response"]["all"]["mean"] == pytest.approx(factor)
            assert found[name]["response"]["all"]["core"] > 0
            assert sum(found[name]["profiles"]["layers"]) == pytest.approx(1)


class TestSeparation:
    def test_the_area(self):
        rng = np.random.default_rng(1)
        label, score = rng.random(200) < 0.4, np.round(rng.random(200), 1)
        assert area(score, label) == pytest.approx(roc_auc_score(label, score))
        assert area(np.array([3.0, 2, 1]), np.array([True, True, False])) == 1

    def test_the_efficiency(self):
        score = np.arange(200) / 200
        label = np.arange(200) >= 100
        assert pion_efficiency(score, label, 0.95) == 0
        assert pion_efficiency(score, ~label, 0.95) == 1
        assert pion_efficiency(np.tile(score[:100], 2), label, 0.95) == pytest.approx(0.95, abs=0.011)

    def test_what_differs_is_told_apart_and_what_was_lost_is_counted(self, electrons):
        pions = deeper(toy_showers(PROTOTYPE, 60, seed=4, energy_gev=np.full(60, 100.0)), 6)
        blurred = toy_showers(PROTOTYPE, 60, seed=9, energy_gev=np.full(60, 100.0))
        decoded = {"same": (electrons, pions), "blurred": (electrons, blurred)}
        found = evaluate_separation(electrons, pions, decoded, PROTOTYPE, SETTINGS)
        for metrics in found.values():
            assert metrics[UNCOMPRESSED]["auc"] > 0.95
            assert metrics["same"]["auc_lost"] == pytest.approx(0)
            assert metrics["same"]["auc_lost_error"] == pytest.approx(0)
            assert metrics["blurred"]["auc"] < 0.8
            assert metrics["blurred"]["auc_lost"] == pytest.approx(metrics[UNCOMPRESSED]["auc"] - metrics["blurred"]["auc"])

    def test_what_leaves_nothing_tells_nothing(self, electrons):
        """A simple code may drop every cell of every event; no variable has a value then."""
        pions = deeper(toy_showers(PROTOTYPE, 60, seed=4, energy_gev=np.full(60, 100.0)), 6)
        empty = [replace(e, offsets=np.zeros_like(e.offsets), cell=e.cell[:0], charge=e.charge[:0]) for e in (electrons, pions)]
        found = evaluate_separation(electrons, pions, {"nothing": (empty[0], empty[1])}, PROTOTYPE, SETTINGS)
        for metrics in found.values():
            assert metrics["nothing"]["auc"] == pytest.approx(0.5)
            assert metrics[UNCOMPRESSED]["auc"] > 0.95

    def test_too_few(self, electrons):
        with pytest.raises(DataFormatError, match="at least 2 of each"):
            evaluate_separation(electrons, electrons[:1], {}, PROTOTYPE, SETTINGS)


@pytest.fixture(scope="module")
def results(electrons):
    def twice(events: Events) -> Sample:
        return Sample(events, {"MODULE": events, "other": scaled(events, 1.02)})

    pairs = {distance: twice(blobs([(-distance / 2, 0), (distance / 2, 0)], [50, 30], n=12)) for distance in (2.5, 10.0)}
    samples = PhysicsSamples(
        {"electron": twice(electrons), "pion": twice(deeper(electrons, 6))},
        pairs,
        {"five": twice(blobs([(0, 0), (9, 9), (-9, 9)], [30, 40, 50], n=12))},
        {"noise": twice(Events.concatenate([NOTHING] * 12))},
    )
    said: list[str] = []
    results = evaluate_physics(samples, PROTOTYPE, SETTINGS, said.append)
    assert said[0] == "electron: shapes"
    return results


def test_everything_is_judged(results):
    assert json.loads(json.dumps(results, allow_nan=False)) == results
    assert set(results["showers"]) == {"electron", "pion"}
    assert set(results["pairs"]) == {"2.5", "10"}
    assert results["transport"]["electron"]["other"]["total"]["mean"] == pytest.approx(0, abs=1e-6)
    assert results["pairs"]["10"]["MODULE"]["efficiency"]["mean"] >= results["pairs"]["2.5"]["MODULE"]["efficiency"]["mean"]
    assert results["split"]["electron"][UNCOMPRESSED]["two_or_more"]["mean"] <= SETTINGS.split_rate
    text = physics_markdown(results)
    assert text.count("**Electron against pion**") == 1
    assert "| other |" in text


def test_no_electrons():
    with pytest.raises(DataFormatError, match="electron"):
        evaluate_physics(PhysicsSamples({}), PROTOTYPE, SETTINGS)


def test_figures(results, tmp_path):
    from hgcae import plots

    results = dict(results) | {"settings": SETTINGS.model_dump(mode="json")}
    for name in ("response", "shapes", "profiles", "separation", "pairs"):
        path = getattr(plots, f"{name}_figure")(results, tmp_path / f"{name}.png")
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    for name in ("response", "shapes", "profiles", "separation", "pairs"):
        with pytest.raises(DataFormatError):
            getattr(plots, f"{name}_figure")(results | {"showers": {}}, tmp_path / "none.png")
