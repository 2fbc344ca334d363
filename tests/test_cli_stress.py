"""The command line: `hgcae stress`, and the bits that `hgcae evaluate` reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from hgcae.simulate.perturb import PERTURBATIONS
from hgcae.store import read_results
from test_cli_train import PNG, Result, hgcae_in
from train.toys import STEADY, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A folder with the run `run` on modules that hgcae did not simulate."""
    folder = tmp_path_factory.mktemp("stressed")
    write_run(folder, STEADY[:1], "modules.parquet")
    assert hgcae_in(folder, "train", "--settings", "settings.yaml", "-o", "run", "--json").status == 0
    return folder


@pytest.fixture(scope="module")
def stressed(run) -> tuple[Path, Result]:
    return run, hgcae_in(run, "stress", "run", "-o", "out", "--events", "30", "--json")


def test_every_disturbance_of_bare_modules(stressed):
    folder, result = stressed
    assert (result.status, result.err) == (0, "")
    assert result.json == read_results(folder / "out" / "stress.json", "robustness")
    names = [case["name"] for case in result.json["cases"]]
    expected = [kind.name for kind in PERTURBATIONS if not kind.simulates]
    assert names == [*expected, "one_bit", "flips_1e-6", "flips_1e-5", "flips_1e-4", "flips_1e-3"]
    assert (folder / "out" / "stress.png").read_bytes().startswith(PNG)


def test_what_they_do(stressed):
    cases = {case["name"]: case for case in stressed[1].json["cases"]}
    for level in ("ROC", "MODULE"):
        nominal = cases["nominal"]["levels"][level]["undisturbed"]
        assert "input" not in cases["nominal"]["levels"][level]
        # Sums are numbers of the codes.
        assert nominal["response"] == pytest.approx(0, abs=0.02)
        # A flipped bit in every code is worse than one of a million.
        one, rare = (cases[name]["levels"][level]["undisturbed"]["l1_cells"] for name in ("one_bit", "flips_1e-6"))
        assert one > rare
        assert rare == pytest.approx(nominal["l1_cells"], rel=0.2)
    dead = cases["dead_cells_5"]
    assert dead["uncompressed"]["l1_cells"] > 0
    # What the dead cells would have read is lost before it is encoded.
    found = dead["levels"]["ROC"]
    assert found["undisturbed"]["response"] < found["input"]["response"]


def test_one_disturbance_as_a_table(run):
    result = hgcae_in(run, "stress", "run", "-o", "one", "--events", "12", "--only", "dead_cells_1")
    assert result.status == 0
    assert "uncompressed" in result.out
    assert "dead_cells_1" in result.out
    assert [case["name"] for case in read_results(run / "one" / "stress.json", "robustness")["cases"]] == ["dead_cells_1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--only", "fire"], "unknown disturbance 'fire', expected one of nominal"),
        (["run", "--only", "photons"], "photons need events that hgcae simulated"),
        (["nowhere"], "nowhere/model/model.json: file: found No such file"),
    ],
)
def test_mistakes(run, arguments, message):
    result = hgcae_in(run, "stress", *arguments, "-o", "bad")
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert not (run / "bad").exists()


def test_bits_of_an_evaluation(run):
    result = hgcae_in(run, "evaluate", "run", "-o", "evaluated", "--json", "--set", "bootstrap_replicas=4")
    assert result.status == 0
    for name, level in result.json["levels"].items():
        bits = level["bits"]
        assert bits["exact"] == level["bits_per_event"]
        assert bits["occupied"] >= level["occupied_bits_per_event"]
        # Untrained codes of a few modules, coded with probabilities of others: shorter than they are, not below what is possible.
        assert 0 < bits["entropy_coded"] < 1.2 * bits["occupied"]
        assert bits["cross_entropy"] <= bits["entropy_coded"] + 1e-9
        assert bits["reference"]["best_choice_2"] == 60
        assert bits["ratio"]["repeater"]["exact"] == pytest.approx(336 / bits["exact"]), name
