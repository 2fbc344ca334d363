"""The command line: a scan of the size of codes on a small detector, and how it resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hgcae.errors import SettingsError
from hgcae.evaluate.showers.eventwise import METRICS
from hgcae.model import files
from hgcae.model.presets import ConservingSettings, ModelSettings
from hgcae.simulate import GunSettings, SimulateSettings, simulate
from hgcae.store import write
from hgcae.store.results import read_results
from hgcae.studies.code_size import points as cli_points
from hgcae.train.run import RunSettings, prepare
from test_cli_train import contents, help_of, hgcae_in

pytestmark = pytest.mark.slow

GUN = {"particles": ["e-"], "radius_cm": 0.5, "energy_gev": [30, 300]}
SETTINGS: dict[str, Any] = {
    "samples": {"electron": GUN},
    "levels": ["STAGE2"],
    "root": {"latent": [2, 3, 5], "bits": [6], "corners": [], "learned": [], "at_latent": 3, "seeds": 1},
    "n_train": 40,
    "n_test": 120,
    "epochs": 0.02,
    "copies": 2,
}


def base_run(folder: Path) -> None:
    """Writes a run of the beam test's detector whose small levels have not learned anything."""
    how = SimulateSettings(detector="testbeam", gun=GunSettings.load(GUN), seed=3)
    write(folder / "base.parquet", simulate(how, 20))
    names = ("ROC", "MODULE", "STAGE2")
    levels = {name: ConservingSettings(latent=4, bits=7, encoder=(8,), decoder=(8,)) for name in names}
    settings = RunSettings(input=str(folder / "base.parquet"), model=ModelSettings(preset="l1", levels={**levels}))
    trainer = prepare(settings, folder / "run")
    files.save(trainer.model, folder / "run" / "model")


@pytest.fixture(scope="module")
def scanned(tmp_path_factory) -> tuple[Path, Any]:
    """A folder with the run `run` and the scan `scan` of it, and what that printed."""
    folder = tmp_path_factory.mktemp("scanned")
    base_run(folder)
    (folder / "scan.yaml").write_text(json.dumps(SETTINGS))
    result = hgcae_in(folder, "scan", "dimension", "run", "-o", "scan", "--settings", "scan.yaml", "--no-intrinsic", "--json")
    assert result.status == 0, result.err
    return folder, result


@pytest.fixture
def copy(scanned, tmp_path) -> Path:
    return Path(shutil.copytree(scanned[0], tmp_path / "copy"))


def again(folder: Path, *more: object) -> Any:
    return hgcae_in(folder, "scan", "dimension", "run", "-o", "scan", "--settings", "scan.yaml", "--no-intrinsic", "--json", *more)


def points(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "scan" / "points").iterdir()}


def test_the_manual(tmp_path):
    text = help_of("scan", tmp_path)
    assert "dimension" in text
    result = hgcae_in(tmp_path, "scan", "dimension", "--help")
    assert "Examples:" in result.out
    assert "hgcae scan dimension run -o scan --workers 8" in result.out


def test_what_is_found(scanned):
    folder, result = scanned
    found = result.json
    assert found == read_results(folder / "scan" / "scan.json", "code_size")
    assert (found["points"], found["failed"], found["intrinsic"]) == (4, [], {})
    assert found["cpu_s_per_point"]["STAGE2"] > 0
    answers = found["answers"]["electron"]["STAGE2"]
    assert set(answers) <= set(METRICS)
    assert {"resolution_ratio", "barycentre_mm", "layer_error", "depth_x0", "cells_l1"} <= set(answers)
    for answer in answers.values():
        assert answer["at"] == [5, 9, True]
        assert [entry["latent"] * entry["bits"] for entry in answer["sizes"]] == [18, 18, 27, 45]
        assert answer["numbers"]["value"] in {2, 3, 5}
        assert answer["numbers"]["low"] <= answer["numbers"]["high"]
        assert answer["bits"]["value"] in {18, 27, 45}
    for name in ("barycentre_mm", "layer_error", "depth_x0", "cells_l1"):
        assert answers[name]["floor"] > 0
    # Scaled to the event's sum, and not coded, so there is nothing to estimate from.
    assert answers["energy_width"]["floor"] is answers["head_energy"]["floor"] is None
    interpretation = found["interpretation"]["electron"]
    assert interpretation["names"] == ["sum", "barycentre x", "barycentre y", "learned 1"]
    # The first number is the sum, so it goes with the energy; the second is the barycentre.
    assert interpretation["correlations"]["seen_gev"][0] > 0.95
    assert interpretation["correlations"]["x_cm"][1] > 0.8
    assert [len(number["profiles"]) for number in interpretation["traversal"]["numbers"]] == [5] * 4
    energy = np.sum(interpretation["traversal"]["numbers"][0]["profiles"], axis=1)
    assert (np.diff(energy) > 0).all()


def test_the_files(scanned):
    folder, _ = scanned
    assert len(points(folder)) == 5
    names = {path.name for path in (folder / "scan").glob("*.png")}
    assert names == {"dimension_STAGE2_numbers.png", "dimension_STAGE2_bits.png", "interpretation_electron.png", "traversal_electron.png"}


class TestResume:
    def test_nothing_is_made_twice(self, copy):
        before = contents(copy / "scan")
        result = again(copy)
        assert result.status == 0
        assert "4 of 4 points are there" in result.err
        after = contents(copy / "scan")
        assert {p.name for p, content in after.items() if before.get(p) != content} <= {"scan.json"}

    def test_a_damaged_point_is_made_again(self, copy):
        before = points(copy)
        path = min((copy / "scan" / "points").iterdir())
        path.write_bytes(path.read_bytes()[:-20])
        result = again(copy)
        assert result.status == 0
        assert set(points(copy)) == set(before)
        other = {name: content for name, content in points(copy).items() if name != path.name}
        assert other == {name: content for name, content in before.items() if name != path.name}
        assert json.loads(points(copy)[path.name])["settings"] == json.loads(before[path.name])["settings"]

    def test_other_settings_are_other_points(self, copy):
        before = points(copy)
        result = again(copy, "--seeds", "2")
        assert "4 of 8 points are there" in result.err
        assert {name: points(copy)[name] for name in before} == before
        assert len(points(copy)) == len(before) + 4
        entry = result.json["answers"]["electron"]["STAGE2"]["layer_error"]["sizes"][0]
        assert entry["seeds"] == 2
        assert entry["seed_spread"] > 0

    def test_a_point_that_fails_is_told_and_the_others_go_on(self, copy, monkeypatch):
        def measure(bench, point):
            if point.latent == 4:
                msg = "no such luck"
                raise SettingsError(msg)
            return works(bench, point)

        works = cli_points.measure
        monkeypatch.setattr(cli_points, "measure", measure)
        result = again(copy, "--set", "root.latent=[2,4,3,5,6]")
        assert result.status == 2
        assert "4 of 6 points are there" in result.err
        assert "failed: electron STAGE2 4 x 9 bits, seed 1: SettingsError: no such luck" in result.err
        assert "1 of 6 points failed" in result.err
        assert json.loads((copy / "scan" / "scan.json").read_text())["points"] == 5
        assert len(points(copy)) == 6

    def test_processes_find_the_same_up_to_rounding(self, copy):
        before = points(copy)
        for path in (copy / "scan" / "points").iterdir():
            path.unlink()
        assert again(copy, "--workers", "2").status == 0
        after = points(copy)
        assert set(after) == set(before)
        for name, content in after.items():
            found, expected = json.loads(content)["content"]["metrics"], json.loads(before[name])["content"]["metrics"]
            assert {k: v["value"] for k, v in found.items()} == pytest.approx({k: v["value"] for k, v in expected.items()}, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "muon"], "unknown sample 'muon', expected one of electron"),
        (["--level", "CRATE"], "unknown level 'CRATE'"),
        (["--set", "samples={'a b': {}}"], "is no name for a file"),
        (["--set", "root.latent=[0]"], "root.latent.0"),
    ],
)
def test_mistakes(copy, arguments, message):
    result = again(copy, *arguments)
    assert result.status == 2
    assert message in result.err
