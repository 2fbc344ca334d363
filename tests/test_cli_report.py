"""`hgcae report`: from a run to its page, and how mistakes end."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from hgcae import store
from hgcae.cli import main
from hgcae.evaluate import EvaluateSettings
from hgcae.store.results import read_results, write_results
from hgcae.train.run import RunSettings
from model.toys import MODULE, showers
from train.toys import STEADY, write_run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with the run `run`, evaluated and reported by the first command."""
    folder = tmp_path_factory.mktemp("trained")
    write_run(folder, STEADY)
    for arguments in (["train", "--settings", folder / "settings.yaml", "-o", folder / "run", "--no-pictures"], ["report", folder / "run"]):
        quick = EvaluateSettings.model_fields["bootstrap_replicas"]
        with (
            patch.object(sys, "argv", ["hgcae", *map(str, arguments)]),
            patch.object(quick, "default", 5),
            pytest.raises(SystemExit) as stop,
        ):
            main()
        assert not stop.value.code
    return folder


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))


@pytest.fixture
def hgcae(monkeypatch, capfd) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hgcae", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capfd.readouterr()

    return run


def data(page: Path, name: str):
    return json.loads(re.findall(rf'id="{name}-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[0])


def test_the_run_is_judged_where_nobody_has_done_it(trained):
    results = json.loads((trained / "run" / "results.json").read_text())
    assert set(results["levels"]) == {"ROC", "MODULE"}
    page = trained / "run" / "report.html"
    events = data(page, "event")
    assert len(events["events"]) == 4
    assert list(events["events"][0]["pictures"]) == ["input", "ROC", "MODULE"]
    assert events["layers"] == 1
    totals = [event["pictures"]["input"]["total"] for event in events["events"]]
    assert totals == sorted(totals)
    # Codes hold the charge sum, so even this hasty model keeps it.
    for event in events["events"]:
        assert event["pictures"]["MODULE"]["total"] == pytest.approx(event["pictures"]["input"]["total"], rel=0.05)
    assert {"rate-mse", "rate-sums", "history"} <= set(data(page, "figure"))


def test_results_that_are_there_are_used(hgcae, copy):
    model = read_results(copy / "results.json", "evaluation")["fingerprints"]["model"]
    write_results(copy / "physics.json", "physics", {"showers": {}, "separation": {"auc": 0.987}, "fingerprints": {"model": model}})
    before = (copy / "results.json").read_bytes()
    status, out, err = hgcae("report", copy, "-o", copy / "other.html", "--shown", 2, "--json")
    assert (status, err) == (0, "")
    metrics = json.loads(out)
    assert metrics["report"] == str(copy / "other.html")
    assert 4 < metrics["megabytes"] < 15
    assert metrics["levels"] == ["ROC", "MODULE"]
    assert (copy / "results.json").read_bytes() == before
    page = (copy / "other.html").read_text(encoding="utf-8")
    assert "Physics performance" in page
    assert "0.987" in page
    assert "Stress tests" not in page
    assert len(data(copy / "other.html", "event")["events"]) == 2


def test_a_run_without_history_and_without_events(hgcae, copy):
    for name in ("history.jsonl", "checkpoint.npz"):
        (copy / name).unlink()
    assert hgcae("report", copy, "--shown", 0)[0] == 0
    assert "history" not in data(copy / "report.html", "figure")
    assert data(copy / "report.html", "event") is None


def test_a_run_whose_events_are_gone(hgcae, copy):
    """The page says so and tells all the rest."""
    settings = (copy / "run.yaml").read_text()
    (copy / "run.yaml").write_text(re.sub("input: .*", "input: gone.parquet", settings))
    status, _, err = hgcae("report", copy)
    assert (status, err) == (0, "no events on the page: gone.parquet is not there\n")
    assert data(copy / "report.html", "event") is None
    assert {"rate-mse", "rate-sums", "history"} <= set(data(copy / "report.html", "figure"))


def test_results_on_other_events_than_those_shown(hgcae, copy):
    store.write(copy / "other.parquet", [showers(MODULE, 8, seed=3)])
    status, _, err = hgcae("report", copy, "-i", copy / "other.parquet")
    assert status == 2
    found, shown = (
        store.Reader(path).content_fingerprint for path in (RunSettings.from_yaml(copy / "run.yaml").input, copy / "other.parquet")
    )
    assert f"results.json: fingerprints.events: found {found}, expected {shown}, that of" in err


def edited(name: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    """Returns what changes the text of a file of the run, which may be new."""
    return lambda run: (run / name).write_text(change((run / name).read_text() if (run / name).exists() else ""))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: shutil.rmtree(run / "model"), "run/model/model.json: file: found No such file"),
        (lambda run: (run / "run.yaml").unlink(), "run.yaml: cannot be read: No such file"),
        (edited("results.json", lambda text: text[:50]), "results.json: content: found no JSON"),
        (
            lambda run: write_results(run / "results.json", "evaluation", {"levels": {}, "heads": {}, "fingerprints": {"model": "0"}}),
            "results.json: fingerprints.model: found 0, expected [0-9a-f]{16}, that of the run's model",
        ),
        (edited("results.json", lambda text: text.replace('"n_events": 30', '"n_events": 31')), "results.json: checksum: found"),
        (lambda run: (run / "checkpoint.npz").unlink(), "checkpoint.npz: file: found none next to history.jsonl"),
        (
            lambda run: write_results(run / "stress.json", "robustness", {"cases": [], "fingerprints": {"model": "0"}}),
            "stress.json: fingerprints.model: found 0, expected [0-9a-f]{16}, that of the run's model",
        ),
        (edited("physics.json", lambda _: "[1, 2]"), "physics.json: content: found a list, expected results of kind 'physics'"),
    ],
)
def test_mistakes(hgcae, copy, damage, message):
    damage(copy)
    (copy / "report.html").unlink()
    status, out, err = hgcae("report", copy)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"hgcae: error: .+\n", err)
    assert re.search(message, err)
    assert not (copy / "report.html").exists()


def test_a_folder_that_is_none(hgcae, tmp_path):
    status, _, err = hgcae("report", tmp_path / "nowhere")
    assert status == 2
    assert "nowhere/model/model.json: file: found No such file" in err


def test_the_manual(hgcae):
    status, out, _ = hgcae("report", "--help")
    assert status == 0
    assert "Examples:" in out
    assert "hgcae report run" in out
