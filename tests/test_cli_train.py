"""The command line: train, evaluate, show, demo, and how mistakes end."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import hgcae
from hgcae import store
from hgcae.cli import main
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.store.results import read_results
from hgcae.train import run as training
from hgcae.train.run import RunSettings
from hgcae.train.schedule import Schedule
from model.toys import MODULE, STACK, conserving_settings, showers
from train.toys import STEADY, write_run

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Result:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def hgcae_in(folder: Path, *arguments: object) -> Result:
    """Runs the command in a folder."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", ["hgcae", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
    return Result(status, out.getvalue(), err.getvalue())


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Result]:
    """A folder with `modules.parquet`, `stacks.parquet`, `settings.yaml` and the run `run` made of them, and what training printed."""
    folder = tmp_path_factory.mktemp("trained")
    write_run(folder, STEADY, "modules.parquet")
    store.write(folder / "stacks.parquet", [showers(STACK, 10)])
    return folder, hgcae_in(folder, "train", "--settings", "settings.yaml", "-o", "run", "--json")


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    """A copy of that folder, to break things in."""
    return Path(shutil.copytree(trained[0], tmp_path / "copy"))


@pytest.fixture
def fails(copy):
    """Runs the command; checks that it ends with one line, status 2 and all files as they were."""

    def run(*arguments: object) -> str:
        before = contents(copy)
        result = hgcae_in(copy, *arguments)
        assert (result.status, result.out) == (2, ""), result
        assert re.fullmatch(r"hgcae: error: .+\n", result.err), result.err
        assert contents(copy) == before
        return result.err

    return run


def help_of(verb: str, folder: Path) -> str:
    result = hgcae_in(folder, verb, "--help")
    assert result.status == 0
    return " ".join(result.out.split())


@pytest.mark.parametrize("verb", ["train", "evaluate", "show", "demo", "vectors"])
def test_manuals(verb, tmp_path):
    text = help_of(verb, tmp_path)
    assert "Examples:" in text
    assert f"hgcae {verb}" in text


class TestVectors:
    def test_of_held_out_events(self, copy):
        result = hgcae_in(copy, "vectors", "run", "--level", "module", "-n", 50, "-o", "vectors", "--json")
        assert (result.status, result.err) == (0, "")
        told = result.json
        assert (told["level"], told["bits"], sum(told["vectors"].values())) == ("MODULE", 48, 50)
        assert told["vectors"]["units of events"] > 0
        assert {path.name for path in (copy / "vectors").iterdir()} == {"encoder.json", "inputs.csv", "integers.csv", "packed.hex"}
        assert len((copy / "vectors" / "packed.hex").read_text().splitlines()) == 50

    def test_of_no_such_level(self, copy):
        result = hgcae_in(copy, "vectors", "run", "--level", "layer", "-o", "vectors")
        assert result.status == 2
        assert result.err.startswith("hgcae: error: unknown level")
        assert not (copy / "vectors").exists()


class TestTrain:
    def test_the_figures(self, trained):
        _, result = trained
        assert (result.status, result.err) == (0, "")
        metrics = result.json
        assert (metrics["run"], metrics["epochs"], metrics["steps"]) == ("run", 6, 120)
        assert metrics["bits_per_unit"] == {"ROC": 45, "MODULE": 48}
        assert 0 < metrics["loss_test"] < 10
        assert metrics["train_seconds"] > 0

    def test_what_the_model_is(self, trained):
        levels = hgcae_in(trained[0], "info", "run", "--json").json["levels"]
        for level in levels.values():
            assert sum(level["bits"]) == level["bits_per_unit"]
            assert len(level["bits"]) == level["numbers"]
        assert {name: level["bits_per_unit"] for name, level in levels.items()} == trained[1].json["bits_per_unit"]
        assert levels["ROC"]["bits_per_event"] == 3 * levels["ROC"]["bits_per_unit"]

    def test_the_files(self, trained):
        run = trained[0] / "run"
        names = {path.name for path in run.iterdir()}
        assert names == {
            "run.yaml",
            "history.jsonl",
            "checkpoint.npz",
            "model",
            "cost.png",
            "cost.pdf",
            "frames",
            "training.mp4",
            "training.gif",
        }
        assert sorted(path.name for path in (run / "frames").iterdir()) == [f"epoch_{i:05d}.png" for i in range(1, 7)]
        assert all(path.read_bytes().startswith(PNG) for path in [run / "cost.png", *(run / "frames").iterdir()])
        assert (run / "cost.pdf").read_bytes().startswith(b"%PDF")
        assert (run / "training.gif").read_bytes().startswith(b"GIF8")
        assert (run / "training.mp4").read_bytes()[4:8] == b"ftyp"
        history = (run / "history.jsonl").read_text().splitlines()
        assert len(history) == 6
        page = (Path(__file__).resolve().parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
        table = re.findall(r"^\| (`.*?`) \|", page.split("### Fields of the history")[1].split("\n## ")[0], re.MULTILINE)
        assert re.findall(r"`(\w+)`", " ".join(table)) == list(json.loads(history[0]))
        assert hgcae.load(run).hierarchy == MODULE

    def test_the_same_command_finds_it_finished(self, trained, copy):
        before = contents(copy)
        result = hgcae_in(copy, "train", "--settings", "settings.yaml", "-o", "run", "--json")
        assert result.status == 0
        assert result.json == trained[1].json
        changed = {path.name for path, content in contents(copy).items() if before[path] != content}
        assert changed <= {"training.mp4", "training.gif"}

    def test_the_settings_in_the_folder_do_it_again(self, trained, copy):
        (copy / "run").rename(copy / "first")
        result = hgcae_in(copy, "train", "--settings", "first/run.yaml", "-o", "again", "--no-pictures")
        assert result.status == 0
        assert "loss_test" in result.out
        assert not (copy / "again" / "frames").exists()
        # Asked for afterwards, there is nothing to make a film of.
        assert hgcae_in(copy, "train", "--settings", "first/run.yaml", "-o", "again").status == 0
        # The name of the weights holds their checksum.
        names = [sorted(path.name for path in (copy / run / "model").iterdir()) for run in ("first", "again")]
        assert names[0] == names[1]

    def test_units_of_a_level(self, copy):
        stage = STEADY[0].model_copy(update={"epochs": 1})
        roc = RunSettings(
            input="modules.parquet", test_share=0.25, model=conserving_settings(MODULE.rooted("ROC")), schedule=Schedule(stages=(stage,))
        )
        (copy / "roc.yaml").write_text(roc.to_yaml())
        result = hgcae_in(copy, "train", "--settings", "roc.yaml", "--root", "roc", "-o", "rocs", "--json")
        assert result.status == 0
        assert result.json["bits_per_unit"] == {"ROC": 45}
        assert RunSettings.from_yaml(copy / "rocs" / "run.yaml").root == "roc"

    def test_a_shape_that_cannot_be_drawn_is_trained_all_the_same(self, copy):
        """Nobody knows what these modules look like, so there are no pictures of them."""
        odd = Hierarchy.of(CHIP=(2, 3))
        dense = np.random.default_rng(1).integers(1, 50, (30, *odd.shape))
        store.write(copy / "odd.parquet", [Events.from_dense(dense, odd)])
        stage = {"loss_level": "CHIP", "trains": ["CHIP"], "epochs": 1, "steps": 1, "batch": 4, "sampling": "charge"}
        settings = {"input": "odd.parquet", "schedule": {"stages": [stage]}}
        (copy / "odd.yaml").write_text(json.dumps(settings))
        result = hgcae_in(copy, "train", "--settings", "odd.yaml", "-o", "odd", "--json")
        assert result.status == 0
        assert re.fullmatch(r"the events name no detector: no positions, .+\nno pictures: .+\n", result.err)
        assert result.json["epochs"] == 1
        assert not (copy / "odd" / "frames").exists()

    def test_all_settings_are_shown_and_ask_for_the_same(self, copy):
        before = contents(copy)
        shown = hgcae_in(copy, "train", "-i", "modules.parquet", "--set", "levels.MODULE.encoder=[5]", "--show-settings")
        assert (shown.status, shown.err) == (0, "")
        assert contents(copy) == before
        (copy / "shown.yaml").write_text(shown.out)
        again = hgcae_in(copy, "train", "--settings", "shown.yaml", "--show-settings")
        assert again.out == shown.out
        model = RunSettings.from_yaml(copy / "shown.yaml").model
        assert model is not None
        assert model.levels["MODULE"].encoder == (5,)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-o", "new"], "input: Field required"),
            (["-i", "modules.parquet"], "output: found none, expected -o RUN"),
            (["-i", "missing.parquet", "-o", "new"], "missing.parquet: No such file"),
            (["-i", "settings.yaml", "-o", "new"], "reads Parquet files of hgcae; write one with hgcae convert"),
            (["-i", "modules.parquet", "-o", "new", "--root", "LAYER"], "unknown level 'LAYER', expected one of ROC, MODULE"),
            (["-i", "modules.parquet", "-o", "new", "--epochs", "long"], "epochs: .*a number, demo or full"),
            (["-i", "modules.parquet", "-o", "new", "--epochs", "1"], "epochs"),
            (["-i", "modules.parquet", "-o", "new", "--latent", "2"], "latent"),
            (["-i", "modules.parquet", "-o", "new", "--bits", "40"], "bits"),
            (["-i", "modules.parquet", "-o", "new", "--seed", "-1"], "seed"),
            (["-i", "modules.parquet", "-o", "new", "--set", "colour=blue"], "unknown key colour, expected one of"),
            (["-i", "modules.parquet", "-o", "new", "--set", "loss.position_cm=-1"], "loss.position_cm: .*greater than 0"),
            (["-i", "modules.parquet", "-o", "new", "--set", "colour"], "expected KEY=VALUE"),
            (["--settings", "missing.yaml", "-o", "new"], "missing.yaml: cannot be read"),
            (["--settings", "settings.yaml", "-o", "run", "--seed", "5"], "run: holds a run with other settings or other data"),
            (["--settings", "settings.yaml", "-o", "run", "-i", "stacks.parquet", "--root", "module"], "other settings or other data"),
            (
                ["--settings", "settings.yaml", "-i", "stacks.parquet", "-o", "new"],
                "levels: found ROC, MODULE, expected ROC, MODULE, STACK",
            ),
        ],
    )
    def test_mistakes(self, fails, arguments, message):
        assert re.search(message, fails("train", *arguments))

    def test_a_truncated_file(self, fails, copy):
        content = (copy / "modules.parquet").read_bytes()
        (copy / "modules.parquet").write_bytes(content[: len(content) // 2])
        assert "modules.parquet" in fails("train", "-i", "modules.parquet", "-o", "new")

    def test_an_unknown_option(self, tmp_path):
        result = hgcae_in(tmp_path, "train", "--colour", "-o", "new")
        assert result.status == 2
        assert "No such option" in result.err
        assert not list(tmp_path.iterdir())


class TestEvaluate:
    @pytest.fixture(scope="class")
    @classmethod
    def evaluated(cls, trained) -> tuple[Path, Result]:
        return trained[0], hgcae_in(trained[0], "evaluate", "run", "-o", "evaluated", "--json", "--set", "bootstrap_replicas=10")

    def test_the_results(self, evaluated):
        folder, result = evaluated
        assert (result.status, result.err) == (0, "")
        results = result.json
        assert results == read_results(folder / "evaluated" / "results.json", "evaluation")
        assert set(results["levels"]) == {"ROC", "MODULE"}
        for name, bits in (("ROC", 45), ("MODULE", 48)):
            level = results["levels"][name]
            assert (level["n_events"], level["bits_per_unit"], level["level"]) == (30, bits, name)
            errors = level["units"]
            assert errors["zero"]["mse"] > errors["mean"]["mse"] > errors["pca"]["mse"]
            # A quarter of these events is empty: they have no ratio.
            ratio = level["energy"]["decoded_over_uncompressed"]["all"]
            assert ratio["n"] + ratio["undefined"] == 30
            assert ratio["mean"] == pytest.approx(1, abs=0.1)
        assert results["settings"]["bootstrap_replicas"] == 10

    def test_the_figures(self, evaluated):
        folder, _ = evaluated
        for name in ("energy.png", "levels.png"):
            assert (folder / "evaluated" / name).read_bytes().startswith(PNG)

    def test_other_events(self, trained, tmp_path):
        other = tmp_path / "other.parquet"
        store.write(other, [showers(MODULE, 30, seed=9)])
        result = hgcae_in(
            trained[0], "evaluate", "run", "-i", other, "-o", tmp_path / "out", "--max-events", "20", "--set", "bootstrap_replicas=4"
        )
        assert result.status == 0
        assert re.search(r"MODULE", result.out)
        assert json.loads((tmp_path / "out" / "results.json").read_text())["levels"]["ROC"]["n_events"] == 20

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["nowhere"], "nowhere/model/model.json: file: found No such file"),
            (["run", "-i", "missing.parquet"], "missing.parquet: No such file"),
            (["run", "-i", "stacks.parquet", "-o", "new"], "the events have levels .*; this model has ROC x 16, MODULE x 3"),
            (["run", "--set", "colour=blue"], "unknown key colour, expected one of"),
            (["run", "--set", "energy_edges_gev=[5, 1]"], "the edges must increase"),
        ],
    )
    def test_mistakes(self, fails, arguments, message):
        assert re.search(message, fails("evaluate", *arguments))

    def test_damage(self, fails, copy):
        for path in (next((copy / "run" / "model").glob("weights-*.npz")), copy / "run" / "model" / "model.json", copy / "modules.parquet"):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 4
            path.write_bytes(content)
            assert path.name in fails("evaluate", "run", "-o", "new")
            content[len(content) // 2] ^= 4
            path.write_bytes(content)

    def test_the_run_lost_its_events(self, fails, copy):
        (copy / "modules.parquet").unlink()
        message = fails("evaluate", "run", "-o", "new")
        assert re.search("modules.parquet: not there, nor modules.parquet next to the run; move it there, or give .* --input", message)

    def test_other_events_lie_where_those_of_the_run_were(self, fails, copy):
        expected = store.Reader(copy / "modules.parquet").content_fingerprint
        store.write(copy / "modules.parquet", [showers(MODULE, 120, seed=5)])
        found = store.Reader(copy / "modules.parquet").content_fingerprint
        for verb in ("evaluate", "stress", "report"):
            assert f"holds events of the fingerprint {found}, run was trained on those of {expected}" in fails(verb, "run", "-o", "new")

    def test_a_moved_run_without_its_events(self, copy):
        store.write(copy / "other.parquet", [showers(MODULE, 30, seed=9)])
        (copy / "run").rename(copy / "moved")
        (copy / "modules.parquet").unlink()
        result = hgcae_in(copy, "evaluate", "moved", "-i", "other.parquet", "-o", "new", "--json", "--set", "bootstrap_replicas=4")
        assert result.status == 0, result.err
        assert re.fullmatch(r"no baselines and no entropy-coded bits.*: modules.parquet: the training events are not there\n", result.err)
        level = result.json["levels"]["MODULE"]
        assert set(level["units"]) == {"decoded"}
        assert {"exact", "occupied", "rate_tbps", "reference", "ratio"} == set(level["bits"])
        assert result.json["fingerprints"]["events"] == store.Reader(copy / "other.parquet").content_fingerprint

    def test_the_events_of_the_run_are_known_wherever_they_are(self, trained, evaluated, copy):
        """Given under another name, they are the held-out ones all the same, with baselines."""
        (copy / "modules.parquet").rename(copy / "elsewhere.parquet")
        result = hgcae_in(copy, "evaluate", "run", "-i", "elsewhere.parquet", "-o", "new", "--json", "--set", "bootstrap_replicas=10")
        assert (result.status, result.err) == (0, "")
        assert result.json["levels"] == evaluated[1].json["levels"]

    def test_what_was_judged_is_named(self, evaluated):
        folder, result = evaluated
        found = result.json["fingerprints"]
        header = json.loads((folder / "run" / "model" / "model.json").read_text())
        assert found["model"] == header["fingerprint"]
        assert found["events"] == header["trained_on"]["events"] == store.Reader(folder / "modules.parquet").content_fingerprint

    def test_no_events_to_judge(self, fails, copy):
        store.write(copy / "none.parquet", [showers(MODULE, 4)[:0]])
        assert "no events to evaluate" in fails("evaluate", "run", "-i", "none.parquet", "-o", "new")


class TestShow:
    @pytest.mark.parametrize("options", [[], ["--model", "run"], ["--model", "run", "--level", "roc"]])
    def test_units(self, trained, tmp_path, options):
        result = hgcae_in(trained[0], "show", "modules.parquet", *options, "-o", tmp_path / "picture.png", "--json")
        assert (result.status, result.err) == (0, "")
        assert (tmp_path / "picture.png").read_bytes().startswith(PNG)
        assert result.json["events"] == 16
        charge = result.json["charge_adc"]
        assert charge["input"] == showers(MODULE, 120)[:16].charge.sum()
        assert set(charge) == ({"input", "decoded"} if options else {"input"})
        assert charge.get("decoded", charge["input"]) == pytest.approx(charge["input"], rel=0.01)

    def test_the_last_ones(self, trained, tmp_path):
        result = hgcae_in(trained[0], "show", "modules.parquet", "--event", "118", "-o", tmp_path / "picture.pdf", "--json")
        assert result.json["events"] == 2
        assert (tmp_path / "picture.pdf").read_bytes().startswith(b"%PDF")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["missing.parquet", "-o", "x.png"], "missing.parquet: No such file"),
            (["modules.parquet", "--event", "120", "-o", "x.png"], "event 120: found 120 events in the file"),
            (["stacks.parquet", "--model", "run", "-o", "x.png"], "unknown level 'STACK'|this model has ROC x 16, MODULE x 3"),
            (["modules.parquet", "--model", "run", "--level", "LAYER", "-o", "x.png"], "unknown level 'LAYER'"),
            (["modules.parquet", "--model", "nowhere", "-o", "x.png"], "nowhere/model/model.json: file: found No such file"),
            (["modules.parquet", "-o", "x.doc"], r"x\.doc"),
        ],
    )
    def test_mistakes(self, fails, arguments, message):
        assert re.search(message, fails("show", *arguments))


class TestDemo:
    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls, tmp_path_factory) -> tuple[Path, Result]:
        """The whole chain, but only the lowest level learns, and only a little."""
        folder = tmp_path_factory.mktemp("demo")
        original = training.SCHEDULES["l1"]

        def quick(*args: Any, **options: Any) -> Schedule:
            first = original(*args, **options).stages[0]
            return Schedule(stages=(first.model_copy(update={"epochs": 1, "steps": 2, "batch": 4}),))

        with patch.dict(training.SCHEDULES, {"l1": quick}):
            return folder, hgcae_in(folder, "demo", "-o", "out", "--n-train", 20, "--n-test", 10, "--epochs", 8, "--workers", 1, "--json")

    def test_it_ends(self, shown):
        folder, result = shown
        assert result.status == 0, result.err
        assert result.json == read_results(folder / "out" / "results.json", "evaluation")
        assert set(result.json["levels"]) == {"ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2"}
        assert all(line and "error" not in line for line in result.err.splitlines())

    def test_what_is_left(self, shown):
        out = shown[0] / "out"
        names = {path.name for path in out.iterdir()}
        pictures = {"energy.png", "levels.png", *(f"event_{name}.png" for name in ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2"))}
        assert {"electrons.parquet", "test.parquet", "run", "results.json", "report.html"} | pictures <= names
        assert all((out / name).read_bytes().startswith(PNG) for name in pictures)
        assert len(store.Reader(out / "electrons.parquet")) == 20
        assert len(store.Reader(out / "test.parquet")) == 10
        model = hgcae.load(out / "run")
        assert model.detector is not None
        assert model.detector[0] == "prototype"
        assert set(model.heads.energy) == set(model.hierarchy.names)

    def test_training_and_test_events_are_different(self, shown):
        one, two = (store.Reader(shown[0] / "out" / name).read().particles["energy_gev"] for name in ("electrons.parquet", "test.parquet"))
        assert not np.isin(one, two).any()

    def test_an_event_of_the_detector_can_be_shown(self, shown, tmp_path):
        picture = tmp_path / "event.png"
        result = hgcae_in(
            shown[0], "show", "out/test.parquet", "--model", "out/run", "--event", "3", "--layer", "8", "-o", picture, "--json"
        )
        assert (result.status, result.json["events"]) == (0, 1)
        assert picture.read_bytes().startswith(PNG)

    @pytest.mark.parametrize(("options", "message"), [(["--epochs", "long"], "a number, demo or full"), (["--epochs", "2"], "epochs")])
    def test_mistakes_cost_no_time(self, tmp_path, options, message):
        """They are found before anything is simulated."""
        result = hgcae_in(tmp_path, "demo", *options, "--n-train", "20", "--n-test", "10")
        assert result.status == 2
        assert re.search(message, result.err)
        assert not list(tmp_path.iterdir())
