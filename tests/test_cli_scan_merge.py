"""`hgcae scan merge`: points are made, kept, found again and made again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from hgcae.cli import main
from hgcae.errors import SettingsError
from hgcae.evaluate.showers.borders import REGIONS
from hgcae.store.results import read_results
from hgcae.studies.aggregation import points as merge_points

pytestmark = pytest.mark.slow

QUICK = ("--length", "0.002", "--n-train", "40", "--n-test", "12", "--seed", "1", "--variant", "flat 4 x 6", "--variant", "flat 3 x 8")


class Command:
    """The command in one folder."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._capfd, self._monkeypatch = folder, capfd, monkeypatch

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["hgcae", "scan", "merge", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = self._capfd.readouterr()
        return int(stop.value.code or 0), out, err

    def points(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "points").glob("*.json")}


@pytest.fixture
def command(tmp_path, capfd, monkeypatch) -> Command:
    return Command(tmp_path / "aggregation", capfd, monkeypatch)


def test_a_scan_from_electrons_to_figure_and_again(command):
    status, out, err = command("-o", command.folder, *QUICK)
    assert status == 0, err
    assert "flat 3 x 8" in out
    assert {path.name for path in command.folder.iterdir()} >= {"results.json", "results.md", "aggregation.png", "points", "stages"}
    results = read_results(command.folder / "results.json", "aggregation")
    assert [point["variant"] for point in results["points"]] == ["flat 4 x 6", "flat 3 x 8"]
    for point in results["points"]:
        assert point["bits_per_event"] == 41_040
        assert set(point["regions"]) == set(REGIONS)
        assert sum(point["regions"][region]["n_events"] for region in REGIONS[1:]) == 12
        assert 0 < point["regions"]["all"]["l1_cells"][0] < 3
    # ROC, and the modules of two variants: what they share is trained once.
    assert len(list((command.folder / "stages").iterdir())) == 3

    before = command.points()
    assert len(before) == 2
    with patch.object(merge_points, "make", side_effect=AssertionError("made again")):
        status, out, err = command("-o", command.folder, *QUICK, "--json")
    assert status == 0
    assert "2 of 2 points are there" in err
    assert json.loads(out)["points"] == results["points"]

    damaged, kept = sorted(command.folder.glob("points/*.json"))
    damaged.write_text(damaged.read_text().replace("0.", "1.", 1))
    status, _, err = command("-o", command.folder, *QUICK)
    assert status == 0
    assert f"made again: {damaged}: checksum" in err
    assert "1 of 2 points are there" in err
    after = command.points()
    assert after[kept.name] == before[kept.name]
    again, first = (json.loads(points[damaged.name])["content"] for points in (after, before))
    assert again["regions"] == first["regions"]


def test_a_point_that_fails_does_not_stop_the_others(command):
    measure = merge_points.measure

    def fails(context, variant, seed):
        if variant.name == "flat 4 x 6":
            msg = "no luck"
            raise SettingsError(msg)
        return measure(context, variant, seed)

    with patch.object(merge_points, "measure", side_effect=fails):
        status, _, err = command("-o", command.folder, *QUICK)
    assert status == 2
    assert "failed: flat 4 x 6, seed 1: SettingsError: no luck" in err
    assert "1 of 2 points failed" in err
    assert len(command.points()) == 1


def test_an_unknown_variant_is_named(command):
    status, _, err = command("-o", command.folder, "--n-train", 20, "--n-test", 10, "--variant", "flat")
    assert status == 2
    assert "expected one of merged, flat 4 x 6" in err


def test_rounds_train_shared_stages_once(command, tmp_path):
    (tmp_path / "aggregation").mkdir()
    command("-o", command.folder, "--n-train", 20, "--n-test", 10, "--variant", "flat")
    from hgcae.evaluate import EvaluateSettings

    context = merge_points.AggregationContext(command.folder, 1.0, EvaluateSettings(), 2.0)
    chosen = ["merged", "triplet 12 x 6", "joint"]
    jobs = merge_points.rounds(context, [(name, seed) for seed in (1, 2) for name in chosen], 2)
    rounds = [[(job.name, *job.arguments[1:]) for job in jobs_of_round] for jobs_of_round in jobs]
    assert rounds[:4] == [
        [("", "merged", 1, 1)],
        [("", "joint", 1, 2), ("", "merged", 1, 2)],
        [("", "triplet 12 x 6", 1, 3), ("", "merged", 1, 3)],
        [(f"{name}, seed 1", name, 1) for name in chosen],
    ]
    assert [task[2] for tasks in rounds[4:] for task in tasks] == [2] * 8
