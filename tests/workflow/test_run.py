"""Workflows that run: what is made, what is kept, and what a failure costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("law")

import hgcae
from hgcae import store
from hgcae.simulate import simulate
from hgcae.store.codes import read_codes
from hgcae.workflow.archive import check_archive
from hgcae.workflow.settings import load_workflow
from workflow.toys import write_workflow

TESTS = Path(__file__).resolve().parents[1]


def play(folder: Path, *scenarios: str) -> Any:
    """Plays scenarios one after the other in a process of its own, each in its own folder."""
    path = os.pathsep.join([str(TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    command = [sys.executable, str(Path(__file__).with_name("scenario.py")), str(folder), *scenarios]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def names(files: list[str]) -> list[str]:
    return [Path(file).name for file in files]


def kinds(files: list[str]) -> set[str]:
    return {Path(file).parts[0] for file in files}


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory) -> tuple[Path, Any]:
    """The folder of the short scenarios, and what happened in each."""
    folder = tmp_path_factory.mktemp("scenarios")
    return folder, play(folder, "repeat", "fail", "damage", "compare")


class TestRepeated:
    @pytest.fixture
    def played(self, scenarios) -> tuple[Path, Any]:
        return scenarios[0] / "repeat", scenarios[1]["repeat"]

    def test_every_chunk_is_made_once(self, played):
        first = played[1]["first"]
        assert names(first["made"]) == ["events-000000000-4.parquet", "events-000000004-4.parquet", "events-000000008-4.parquet"]
        assert first["states"] == {"Simulate electrons": [3, 3]}

    def test_the_second_time_nothing_is_made(self, played):
        assert played[1]["again"]["made"] == []

    def test_a_longer_sample_keeps_the_shorter_one(self, played):
        assert names(played[1]["longer"]["made"]) == ["events-000000012-4.parquet"]
        assert played[1]["longer"]["states"] == {"Simulate electrons": [4, 4]}

    def test_cores_and_retries_change_nothing(self, played):
        assert played[1]["more cores"]["made"] == []

    def test_another_setting_has_another_folder(self, played):
        first, other = played[1]["first"]["made"], played[1]["other energy"]["made"]
        assert names(other) == names(first)
        assert not set(other) & set(first)

    def test_the_events_are_those_of_one_simulation(self, played):
        folder, result = played
        settings = load_workflow(write_workflow(folder)).sample("electrons").simulate
        assert settings is not None
        (one,) = simulate(settings, 12)
        many = [store.Reader(folder / "store" / file).read() for file in result["first"]["made"]]
        np.testing.assert_array_equal(np.concatenate([part.cell for part in many]), one.cell)
        np.testing.assert_array_equal(np.concatenate([part.charge for part in many]), one.charge)


def test_a_failed_branch_alone_is_tried_again(scenarios):
    result = scenarios[1]["fail"]
    assert names(result["failed"]["made"]) == ["events-000000000-4.parquet", "events-000000008-4.parquet"]
    assert result["failed"]["error"].endswith("RuntimeError: no more electrons")
    assert "Traceback" in result["log"]
    assert (result["mended"]["error"], names(result["mended"]["made"])) == ("", ["events-000000004-4.parquet"])
    # Twice in the first run; in the second, once in vain and once well. The others were made in the first run, once.
    assert sorted(result["calls"]) == ["0", "4", "4", "4", "4", "8"]
    assert result["logs"] == []


def test_a_damaged_file_is_found_and_made_again(scenarios):
    result = scenarios[1]["damage"]
    (line,) = result["damaged"]
    assert line.startswith("Simulate electrons: ")
    assert Path(result["chunk"]).name in line
    assert result["again"]["made"] == [result["chunk"]]
    assert result["same"]


def test_codecs_are_compared_one_by_one(scenarios):
    result = scenarios[1]["compare"]
    first = result["first"]["made"]
    assert result["first"]["error"] == ""
    assert names(first) == ["best_choice-3.json", "threshold_sum-3.json"]
    assert result["again"]["made"] == []
    assert names(result["more"]["made"]) == ["best_choice-5.json", "threshold_sum-5.json"]
    (report,) = (scenarios[0] / "compare" / "store").rglob("report.md")
    text = report.read_text(encoding="utf-8")
    assert "best_choice" in text
    assert "threshold_sum" in text
    other = result["other modules"]["made"]
    assert names(other) == names(first)
    assert not set(other) & set(first)


@pytest.mark.slow
class TestWhole:
    """One training of two stages, and another whose second stage differs."""

    @pytest.fixture(scope="class")
    @classmethod
    def played(cls, tmp_path_factory) -> tuple[Path, Any]:
        folder = tmp_path_factory.mktemp("whole")
        return folder / "whole" / "store", play(folder, "whole")["whole"]

    def test_everything_is_there(self, played):
        first = played[1]["first"]
        assert first["error"] == ""
        assert first["states"] == {
            "Simulate electrons": [3, 3],
            "Convert electrons": [1, 1],
            "Train stage 1": [1, 1],
            "Train stage 2": [1, 1],
            "Evaluate": [1, 1],
            "Export": [1, 1],
            "Train point 0 stage 1": [1, 1],
            "Train point 0 stage 2": [1, 1],
            "Evaluate point 0": [1, 1],
            "Scan": [1, 1],
            "Compress": [3, 3],
            "Report": [1, 1],
        }
        assert played[1]["damaged"] == []

    def test_trainings_that_begin_alike_share_their_stages(self, played):
        """Three stages were trained: the first once, the second twice."""
        done = [file for file in played[1]["first"]["made"] if file.startswith("train/") and file.endswith("done.json")]
        assert len(done) == 3

    def test_stage_by_stage_is_the_whole_run(self, played, tmp_path):
        """Bit for bit on a CPU."""
        from hgcae.model import files
        from hgcae.train.run import RunSettings, prepare

        stages = [path.parent for path in played[0].glob("train/*/done.json")]
        last = next(path for path in stages if json.loads((path / "done.json").read_text())["stage"] == 2)
        trainer = prepare(RunSettings.from_yaml(last / "run.yaml"), tmp_path / "run")
        trainer.run()
        expected, found = files.weight_arrays(trainer.model), files.weight_arrays(hgcae.load(last))
        assert expected.keys() == found.keys()
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)

    def test_codes_are_those_of_the_model(self, played):
        folder = played[0]
        made = min(folder.glob("compress/*/*.codes.npz"))
        codes, made_of = read_codes(made)
        model = hgcae.load(next(path.parent for path in folder.glob("train/*/done.json") if _model(path) == made_of["model"]))
        events = store.Reader(next(folder.glob(f"simulate/*/{made.name.removesuffix('.codes.npz')}.parquet"))).read()
        whole = model.encode_events(events.units("MODULE")[0], codes.level)
        np.testing.assert_array_equal(codes.words, whole.words)

    def test_the_archive_opens_as_a_model(self, played, tmp_path):
        import zipfile

        (archive,) = played[0].glob("export/*/model.zip")
        assert "model.json" in check_archive(archive)
        zipfile.ZipFile(archive).extractall(tmp_path)
        assert hgcae.load(tmp_path).hierarchy.names == ("ROC", "MODULE")

    def test_the_second_time_nothing_is_made(self, played):
        assert played[1]["again"]["made"] == []

    def test_another_judge_judges_again_and_trains_nothing(self, played):
        assert kinds(played[1]["evaluation"]["made"]) == {"evaluate", "scan", "report"}

    def test_another_level_only_compresses_again(self, played):
        assert kinds(played[1]["level"]["made"]) == {"compress"}

    def test_the_report_names_all(self, played):
        reports = [json.loads(path.read_text()) for path in played[0].glob("report/*/report.json")]
        assert len(reports) == 2
        assert all({"evaluate", "scan", "files"} <= set(report) for report in reports)
        text = next(iter(played[0].glob("report/*/report.md"))).read_text()
        assert all(heading in text for heading in ("## Evaluation", "## Scan", "| compress | 3 |"))


def _model(done: Path) -> str:
    return json.loads(done.read_text())["model"]
