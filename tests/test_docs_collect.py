"""The values of each generated page, collected from small results in the formats that the commands write, and printed by its template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pages
from evaluate.toys import toy_showers
from hgcae.evaluate import Bootstrap, evaluate_modules
from hgcae.geometry.detector import Detector
from hgcae.store.results import read_results, write_results
from hgcae.studies.code_size.analysis import answers
from pages import Collected, collect, keep, kept, render
from plots.runs import toy_results
from studies.test_aggregation_table import point as merged
from studies.test_analysis import point as sized

TOLD = {"date": "2026-01-31", "versions": {"python": "3.11.7"}}
MACHINE = {"machine": {"date": "2026-01-31", "cores": 2, "cpu": "a processor"}, "versions": {"hgcae": "0.1.0"}}


def shown(page: str, folder: Path) -> tuple[Collected, str]:
    """What is collected for a page, and its text, rendered from the values as they are read again."""
    found = collect(page, folder)
    return found, render(page, json.loads(pages.dumps(found.values)))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Path:
    """A folder with results of three levels."""
    folder = tmp_path_factory.mktemp("demo")
    detector = Detector.load("prototype")
    toy_results(toy_showers(detector, 60), detector, folder)
    return folder


def test_the_demo(evaluated):
    run = {
        "seconds": {"training": 61.6, "report": 1.2},
        "peak_rss_gib": 2.004,
        "cores": 2,
        "events": {"electrons": 6000, "test": 2000},
        "seed": 1,
    }
    write_results(evaluated / "demo.json", "demo", run)
    found, text = shown("demo", evaluated)
    assert "Time after the installation: training 62 s, report 1 s; peak memory 2.00 GiB." in text
    assert "6,000 electrons" in text
    assert found.values["levels"]["rows"][0][:3] == ["ROC", "8", "72"]
    assert [row[2] for row in found.values["study"]["rows"]] == ["1.00 / 1.00 / 1.00", "1.004 / 1.006 / 1.003", "1.013 / 1.010 / 1.009"]
    assert found.pictures["cost.png"] == evaluated / "run" / "cost.png"


def test_levels_with_targets(evaluated, tmp_path):
    results = read_results(evaluated / "results.json", "evaluation")
    for head in results["heads"]["STAGE2"].values():
        head["width_ratio"] = {"above": {"ratio": 1.25, "ratio_error": 0.01}}
    for seed in "12":
        (tmp_path / f"run{seed}").mkdir()
        write_results(tmp_path / f"run{seed}" / "results.json", "evaluation", results)
    found, text = shown("levels", tmp_path)
    assert "Mean of 2 seeds" in text
    assert "60 other events" in text
    roc, *_, stage2 = found.values["levels"]["rows"]
    assert roc[4] == "0.010 ± 0.000 of 0.050"
    assert stage2[5] == "5.00% ± 0.00% of 0.30% **missed**"
    assert {row[3] for row in found.values["heads"]["rows"]} == {"1.250 ± 0.010 **missed**"}


def test_module_codecs(tmp_path):
    rng = np.random.default_rng(1)
    true = rng.integers(0, 50, (120, 48)) * (rng.random((120, 48)) < 0.3)
    for sample in ("events", "ttbar", "electron"):
        results = [
            evaluate_modules("toy", codec, links, true, factor * true + np.roll(true, 1, axis=1), np.full(120, 9 * links), Bootstrap(5))
            for codec, factor in (("pyramid", 0.9), ("cms_pu", 0.8))
            for links in (2, 3)
        ]
        provenance = {"n_train": 1000, "n_test": 120, "steps": 10, "seed": 1}
        content = {**TOLD, "provenance": provenance, "results": [result.to_dict() for result in results]}
        write_results(tmp_path / sample / "results.json", "modules", content)
    found, text = shown("codecs", tmp_path)
    assert "`hgcae compare --sample ttbar --steps 10 --max-modules 120`, 2026-01-31;\n1,000 modules for training" in text
    sample = found.values["samples"]["events"]
    assert [row[:2] for row in sample["codecs"]["rows"]] == [
        ["pyramid 2", "18"],
        ["pyramid 3", "27"],
        ["cms_pu 2", "18"],
        ["cms_pu 3", "27"],
    ]
    assert sample["over_cms"]["head"] == ["codec", "2 links", "3 links"]
    assert [row[0] for row in sample["over_cms"]["rows"]] == ["pyramid"]
    assert [row[0] for row in sample["occupancy"]["rows"]] == ["pyramid 2 to 3", "cms_pu 2 to 3"]
    assert len(found.pictures) == 6


def test_robustness(tmp_path):
    metrics = dict.fromkeys(("response", "sigma_eff", "barycentre_mm", "layer_error", "l1_cells"), 0.25)
    levels = {"ROC": {"undisturbed": metrics, "input": metrics}}
    case = {"name": "dead", "what": "some cells read nothing", "uncompressed": metrics, "levels": levels}
    content = {**TOLD, "n_events": 1200, "seed": 1, "fingerprints": {}, "cases": [case]}
    write_results(tmp_path / "stress.json", "robustness", content)
    _, text = shown("robustness", tmp_path)
    assert "| `dead` | some cells read nothing |" in text
    assert text.count("| dead | ROC | +25.00% | 25.00% | 0.25 | 25.00% | 0.250 |") == 2
    assert "2026-01-31, 1,200 held-out events" in text


def test_ways_of_aggregating(tmp_path):
    points = [merged("merged", seed, 0.2 + seed / 1000) for seed in (1, 2, 3)]
    points += [merged("narrow", seed, 0.1 + seed / 1000) for seed in (1, 2, 3)]
    points += [merged("flat 4 x 6", seed, value) for seed, value in ((1, 0.4), (2, 0.2), (3, 0.2))]
    steps = {"merged": {"ROC": 1800, "MODULE": 2, "TRIPLET": 3}, "flat 4 x 6": {"MODULE": 960}}
    told = [point | {"steps": steps.get(str(point["variant"]), {}), "text": f"the variant {point['variant']}"} for point in points]
    settings = {"length": 0.4, "margin_cm": 2.0, "n_train": 4000, "n_test": 1000}
    write_results(tmp_path / "results.json", "aggregation", {**TOLD, "settings": settings, "points": told, "failures": ["one"]})
    found, text = shown("aggregation", tmp_path)
    assert "**Recommended: `narrow`** (the variant narrow), 49.5% ± 0.1% below `merged`" in text
    assert "3 variants, 3 of them with all\n3 seeds (1, 2, 3). 1 point failed." in text
    assert "* **Triplets, or modules alone?** narrow -49.5% ± 0.1%, layer error +0%; flat 4 x 6 +32.2% ± 33.4% (no difference)" in text
    assert "Steps: ROC 1,800" in text
    assert "take - steps" in text
    assert "--length 0.4\n" in text
    assert [row[0] for row in found.values["borders"]["rows"]] == ["merged", "narrow", "flat 4 x 6"]


def test_nothing_is_certain_with_one_seed(tmp_path):
    points = [merged("merged", 1, 0.2), merged("narrow", 1, 0.1)]
    told = [point | {"steps": {"ROC": 1, "MODULE": 2, "TRIPLET": 3}} for point in points]
    settings = {"length": 1, "margin_cm": 2.0, "n_train": 4000, "n_test": 1000}
    write_results(tmp_path / "results.json", "aggregation", {**TOLD, "settings": settings, "points": told, "failures": []})
    _, text = shown("aggregation", tmp_path)
    assert "**Recommended: `merged`**" in text
    assert "narrow -50.0% (one seed), layer error" in text
    assert "uncertain by an unknown amount" in text


def test_sizes_of_codes(tmp_path):
    values = {1: 9.0, 2: 3.0, 4: 1.04, 8: 1.0}
    metrics = ("layer_error", "cells_l1")
    points = [sized(d, 9, v, metric=name, sample=sample) for d, v in values.items() for sample in ("electron", "pion") for name in metrics]
    joint: dict[str, Any] = {}
    for point in points:
        key = json.dumps(point["settings"])
        joint.setdefault(key, point)["content"]["metrics"].update(point["content"]["metrics"])
    lower = [p | {"settings": p["settings"] | {"level": "ROC"}} for p in joint.values()]
    estimate = {"twonn": {"value": 4.0, "error": 0.5}}
    scan = {
        **TOLD,
        "settings": {
            "n_train": 4000,
            "n_test": 1000,
            "epochs": 1.0,
            "root": {"seeds": 3},
            "others_lower": {"seeds": 1},
            "lower": {"seeds": 2},
        },
        "points": 8,
        "failed": [],
        "cpu_s_per_point": {"STAGE2": 19.4},
        "answers": answers([*joint.values(), *lower], {}),
        "interpretation": {"electron": {"traversal": {"energies_gev": [78.2, 129.0]}}},
        "intrinsic": {
            "electron": {
                "CELLS": {"n": 1000, "ambient": 82080, "estimates": estimate, "control": estimate, "control_dimension": 7},
                "ROC": {"n": 3, "ambient": 8, "problem": "too few"},
            }
        },
    }
    write_results(tmp_path / "scan.json", "code_size", scan)
    (tmp_path / "dimension_STAGE2_numbers.png").touch()
    found, text = shown("dimension", tmp_path)
    assert "| electron | 4 / 36 | 4 / 36 |" in text
    assert "| electron | ROC | 4 / 36 | 4 / 36 |" in text
    assert "except the L1 of cells: electron 4, pion 4." in text
    assert "3 trainings of every size (1 at lower levels of other samples than electron)" in text
    assert "| electron | CELLS | 1,000 | 82,080 | 4.0 ± 0.5 (4.0) |\n| electron | ROC | 3 | 8 | too few |" in text
    assert "from 78 to 129 GeV" in text
    assert list(found.pictures) == ["dimension_STAGE2_numbers.png"]
    assert text.count("(figures/") == 1
    for heading in ("### pion: single charged pions", "### ROC, electron", "## All sizes, pion"):
        assert heading in text


def test_digits(tmp_path):
    value = {"mean": 0.5, "error": 0.01}
    errors = {"squared_error": value, "pca_squared_error": value, "squared_error_over_pca": 1.0}
    one = {
        "data": "mnist.npz",
        "n_train": 1500,
        "n_test": 297,
        "settings": {"epochs": 3, "quantised": True},
        "figures": str(tmp_path),
        **errors,
    }
    point = {"ndim": 28, "epochs": 5, "architecture": "dense", "cost": "squared_error", "weights": 1234, **errors}
    point |= {"cross_entropy": value, "structural_similarity": value}
    several = {"data": "scikit-learn digits", "figure": str(tmp_path / "all.png"), "points": [point], "intrinsic": {"MLE": value}}
    digits = one | {"data": "scikit-learn digits"}
    for name, content in {
        "mnist": one,
        "digits": digits,
        "quantised": one,
        "scan": {"scan": several},
        "comparison": {"comparison": several},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    found, text = shown("mnist", tmp_path)
    assert "| MNIST, quantised encoder | 1,500 / 297 | 3 | 0.50000 ± 0.01000 | 0.50000 ± 0.01000 | 1.00 |" in text
    assert "| dense, squared error | 1,234 | 0.50000 ± 0.01000 | 0.5000 ± 0.0100 | 0.5000 ± 0.0100 |" in text
    assert "SetupExampleModel 28 --data digits --epochs 5" in text
    assert "training images: 0.5 ± 0.0 (MLE)" in text
    assert found.pictures["mnist_last.png"] == tmp_path / "MNIST_example_epoch3.png"
    assert found.pictures["mnist_scan.png"] == tmp_path / "all.png"


def test_the_original_network(tmp_path):
    epoch = {"epoch": 1, "loss_level": "STAGE2", "trains": ["ROC", "STAGE2"], "loss_test": 3.4, "seconds": 60.0, "cpu_seconds": 50.0}
    theirs, mine = epoch | {"loss_test": 3.5, "steps": 20}, epoch | {"step": 1000, "stage": 1}
    level = {"losses": [6.9, 0.5, 0.25], "largest_loss_difference": 1e-6, "differing_codes": [0, 0.25], "of_the_peer_itself": 2e-6}
    result = {
        **MACHINE,
        "same": {"steps": 3, "batch": 1, "levels": {"ROC": level}},
        "course": {"zero": 3.7, "reference": {"versions": {"qkeras": "0.9.0"}, "history": [theirs]}, "hgcae": [mine]},
        "long": {"zero": 3.6, "history": [mine, mine | {"epoch": 2, "step": 1500}]},
        "long_reference": {"events": 80, "history": [theirs, theirs]},
        "l1": {"history": [mine]},
        "levels": {"zero": 3.9} | {name: {"ROC": 0.5} for name in ("hgcae", "reference", "l1", "largest_cells", "best_choice_spread")},
    }
    (tmp_path / "original.json").write_text(json.dumps(result))
    found, text = shown("original", tmp_path)
    assert "| ROC | 6.90000 | 0.25000 | 1.0e-06 | none | 2.5e-01 | 2.0e-06 |" in text
    assert "| 1 | STAGE2 | 3.5000 | 3.4000 | 2.86 % | 60 | 60 |\n\nThe two differ by at most 2.86 %." in text
    assert "| 2 | STAGE2 | 3.5000 (20 steps) | 3.4000 (500 steps) | 2.50 | 0.10 | 25.0 |" in text
    assert (
        "| original, TF + QKeras, 40 steps | 0.500 | 100 |\n| `l1`, hgcae | 0.500 | 50 |\n| the largest cells (not trained) | 0.500 |  |"
        in text
    )
    assert "is 3.4000, below the 3.41" in text
    assert "stage" not in found.values["long"]["history"][0]


@pytest.fixture
def physics(tmp_path) -> Path:
    """A folder with the results on showers of one level, and of a simple code."""
    value = {"mean": 0.5, "mean_error": 0.1, "sigma_eff": 0.2, "sigma_eff_error": 0.1}
    shifts = ("energy_gev", "pt_gev", "eta", "phi", "impact_x_cm", "shower_max_x0", "r50_mm", "r90_mm", "sigma_eta")
    sample = {"response": {"fit": None, "above": value}, "truth": {}, "shift": {name: {"unit": "1", "above": value} for name in shifts}}
    both = {"uncompressed": sample, "MODULE": sample}
    trees = {name: {"auc": 0.9, "auc_lost": 0.01, "auc_lost_error": 0.002, "pion_efficiency": 0.1} for name in both}
    pair = {name: {"efficiency": value, "distance_mm": value} for name in both}
    results = {
        "showers": {"electron": {"samples": both}, "pion": {"samples": both}},
        "transport": {"electron": {"MODULE": dict.fromkeys(("total", "depth", "across"), value)}},
        "separation": {"electron": {"gradient_boosting": trees}},
        "pairs": {"2.5": pair, "5": pair | {"MODULE": {"efficiency": value | {"mean": 0.1}, "distance_mm": value}}, "10": pair},
        "split": {"electron": {name: {"two_or_more": value} for name in both}},
        "multi_particle": {"five": {name: {"found": value} for name in both}},
        "no_particle": {"noise": {name: {"mean_gev": 0.1} for name in both}},
    }
    told = {"events": 600, "detector": "prototype", "seed": 1, "energy_gev": [20, 500]}
    codecs = {"MODULE": {"level": "MODULE", "bits_per_event": 123120}}
    content = {**TOLD, "fingerprints": {"model": "abc"}, "codecs": codecs, "provenance": told, **results}
    for path in (tmp_path / "physics.json", tmp_path / "simple" / "physics.json"):
        write_results(path, "physics", content)
    return tmp_path


def test_physics(physics):
    found, text = shown("physics_results", physics)
    assert "600 events of each single particle and half as many of the other samples, 20 to 500 GeV;" in text
    assert "Bits of an event: MODULE 123,120." in text
    assert "* **Electron against pion** at MODULE: AUC lost 0.0100 ± 0.0020, target at most 0.005: **missed**." in text
    assert "* **Two electrons 5 cm apart** are resolved at no level: uncompressed 50%, MODULE 10%." in text
    assert "* **Two electrons 10 cm apart** are resolved at every level: uncompressed 50%, MODULE 50%." in text
    assert text.count("**Electron: against the truth**") == 2
    assert text.count("**Showers found**") == 1
    assert found.pictures["physics_pairs.png"] == physics / "pairs.png"


def test_ranked_cells_beside_the_levels(physics):
    found, text = shown("ranked", physics)
    assert "600 events of each single particle and half as many of the others" in text
    assert text.count("**Showers found**") == 1
    assert not found.pictures


def test_benchmarks_that_were_not_run_and_others():
    speed = {"1": {"median": 1234.5}, "2": {"median": 2469.0}, "ratio": 2.0}
    steps = {
        "branches": 4,
        "events_per_branch": 1000,
        "per_s": {"train": speed, "loop": speed},
        "cpu_ms_per_event": {"train": {"1": {"median": 0.5}}},
    }
    runs = [{"particle": "e-", "events": 1000, "workers": 2, "showers_per_s": 1234.5, "peak_rss_gib": 1.0}]
    text = render("benchmarks", {"workflow": MACHINE | steps, "simulate": MACHINE | {"runs": runs, "note": "A note."}})
    assert "## Training" not in text
    assert "`benchmarks/bench_simulate.py`, 2026-01-31, 2 cores (a processor). A note." in text
    assert "| e- | 1,000 | 2 | 1,234 | 1.00 |" in text
    assert "| train | 1,234.5 | 2,469.0 | 2.00 | 0.50 |  |\n| loop | 1,234.5 | 2,469.0 | 2.00 |  |  |" in text


def test_values_and_pictures_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "DOCS", tmp_path)
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    (tmp_path / "figures").mkdir()
    (tmp_path / "a.png").write_bytes(b"picture")
    keep("demo", Collected({"date": "2026-01-31"}, {"b.png": tmp_path / "a.png"}))
    assert kept("demo") == {"date": "2026-01-31"}
    assert (tmp_path / "figures" / "b.png").read_bytes() == b"picture"
