"""The original training program: each of its options, stopped and resumed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import hgcae
from hgcae import store
from hgcae.cli import original
from hgcae.store import Reader
from hgcae.train.checkpoint import read_history
from model.toys import MODULE, showers

PROGRAM = Path(__file__).resolve().parents[1] / "train_experimental_cnn.py"


def options(folder: Path, *, epochs: int = 3, **others: object) -> list[str]:
    """The eight options, for a folder that holds `modules.pickle`."""
    values = {
        "dataTrain": folder / "modules.pickle",
        "costFigure": folder / "cost.png",
        "animFile": folder / "film.gif",
        "modelFile": folder / "model",
        "batchSize": 8,
        "NEpochs": epochs,
        "LatentDimension": 4,
        "GPU": -1,
    }
    return [text for name, value in (values | others).items() for text in (f"--{name}", str(value))]


def program(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Runs the program in this process."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    with (
        patch.object(sys, "argv", ["train_experimental_cnn.py", *arguments]),
        patch.dict(os.environ, environment),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            original.main()
        except SystemExit as stop:
            status = stop.code or 0
    return status, out.getvalue(), err.getvalue()


def modules() -> np.ndarray:
    """Charges of 48 modules, with some in every ROC, so that all steps of a phase have one shape and are compiled once."""
    digi = showers(MODULE, 48).to_dense()
    digi[..., 0, 0] += 20
    return digi


def write_pickle(folder: Path) -> None:
    """Writes the modules as the original programs did."""
    digi = modules()
    with (folder / "modules.pickle").open("wb") as stream:
        pickle.dump({"digi": digi, "meta": np.arange(2.0 * len(digi)).reshape(-1, 2)}, stream)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, tuple[int, str, str]]:
    folder = tmp_path_factory.mktemp("original")
    write_pickle(folder)
    return folder, program(*options(folder), "--json")


def test_what_it_leaves(trained):
    folder, (status, out, err) = trained
    assert status == 0, err
    metrics = json.loads(out)
    # 48 modules, 16 of them for tests: four steps of eight in an epoch.
    assert (metrics["epoch"], metrics["step"], metrics["batch"]) == (3, 12, 8)
    assert {path.name for path in folder.iterdir()} == {
        "modules.pickle",
        "cost.png",
        "film.gif",
        *(f"film_{i:04d}.png" for i in range(4)),
        "model",
    }
    assert (folder / "cost.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "film.gif").read_bytes().startswith(b"GIF8")
    model = hgcae.load(folder / "model")
    assert model.hierarchy == MODULE
    assert model.settings.preset == "original"
    assert {level.latent for level in model.settings.levels.values()} == {4}
    assert metrics["bits_per_unit"] == {"ROC": 36, "MODULE": 36}


def test_the_schedule_and_the_lines(trained):
    folder, (_, _, err) = trained
    rows = read_history(folder / "model")
    assert [(row["loss_level"], row["trains"]) for row in rows] == [("MODULE", ["ROC", "MODULE"]), ("ROC", ["ROC"]), ("ROC", ["ROC"])]
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-4] * 3)
    assert re.search(r"phase MODULE, epoch 1: train L2 [\d.]+, test L2 [\d.]+, [\d.]+ s", err)
    assert err.startswith("training on cpu")


def test_the_events_are_those_of_the_pickle(trained):
    events = Reader(trained[0] / "model" / "events.parquet").read()
    np.testing.assert_array_equal(events.columns["meta"][:, 0], np.arange(0, 96, 2))
    np.testing.assert_allclose(events.to_dense(), modules())


def test_a_larger_number_of_epochs_goes_on(trained):
    folder, _ = trained
    before = read_history(folder / "model")
    status, out, err = program(*options(folder, epochs=4), "--json")
    assert status == 0, err
    rows = read_history(folder / "model")
    assert rows[:3] == before
    assert json.loads(out)["step"] == rows[3]["step"] == 16
    assert (folder / "film_0004.png").exists()


@pytest.mark.parametrize("change", [{"LatentDimension": 5}, {"batchSize": 4}])
def test_another_training_is_refused(trained, change):
    status, _, err = program(*options(trained[0], **change))
    assert status == 2
    assert "other settings or other data" in err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataTrain": "absent.pickle"}, "absent.pickle: No such file or directory"),
        ({"costFigure": "cost.jpg"}, "--costFigure: found cost.jpg, expected a name that ends in .pdf or .png"),
        ({"animFile": "film.avi"}, "--animFile: found film.avi, expected a name that ends in .mp4 or .gif"),
    ],
)
def test_mistakes_end_with_one_line(trained, change, message):
    status, out, err = program(*options(trained[0], **change))
    assert (status, out) == (2, "")
    assert err == f"train_experimental_cnn.py: error: {message}\n"


def test_the_defaults(tmp_path, monkeypatch):
    """Those of the original program, below the two folders of setup.sh."""
    called: dict[str, Any] = {}
    monkeypatch.setattr(original, "parquet", lambda data, model: called.update(data=data, model=model) or data)
    monkeypatch.setattr(original, "original_settings", lambda events, batch, latent: called.update(batch=batch, latent=latent))
    monkeypatch.setattr(original, "choose_gpu", lambda gpu, _: called.update(gpu=gpu))
    monkeypatch.setattr(
        original, "run", lambda _settings, epochs, cost, film, _folder: called.update(epochs=epochs, cost=cost, film=film) or {}
    )
    status, _, err = program(WORKFLOW_DIR=str(tmp_path / "w"), OUTPUT_DIR=str(tmp_path / "o"))
    assert status == 0, err
    assert called == {
        "data": tmp_path / "w" / "electrons_config1_1_to_500GeV_4Tesla.pickle",
        "model": tmp_path / "o" / "model",
        "cost": tmp_path / "o" / "cost.pdf",
        "film": tmp_path / "o" / "ROC_AE.mp4",
        "batch": 2,
        "epochs": 2000,
        "latent": 8,
        "gpu": 3,
    }


def test_the_gpu_is_chosen_before_jax_looks():
    environment = {"PATH": "/bin"}
    original.choose_gpu(2, environment)
    assert environment == {"PATH": "/bin", "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "2"}
    original.choose_gpu(-1, environment)
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["JAX_PLATFORMS"]) == ("", "cpu")


@pytest.mark.slow
def test_a_killed_program_goes_on(trained, tmp_path):
    write_pickle(tmp_path)
    arguments = [sys.executable, str(PROGRAM), *options(tmp_path, epochs=4, costFigure=tmp_path / "cost.pdf"), "--json"]
    environment = dict(os.environ)
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 300
    while len(read_history(tmp_path / "model")) < 2 and time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    last = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert json.loads(last.stdout)["epoch"] == 4
    whole = read_history(trained[0] / "model")[:3]
    rows = read_history(tmp_path / "model")
    assert [row["loss_train"] for row in rows[:3]] == [row["loss_train"] for row in whole]
    assert (tmp_path / "cost.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF8")


@pytest.mark.slow
def test_whole_events(tmp_path, prototype):
    """A parquet file of two events of all five levels; the first epoch compares whole events."""
    digi = np.zeros((2, 30, 19, 3, 3, 4, 4), dtype=np.float32)
    digi[:, 5:12, 0, 0, 1, 1:3, 1:3] = np.arange(1, 29, dtype=np.float32).reshape(7, 2, 2) * 10
    store.write(tmp_path / "events.parquet", [hgcae.Events.from_dense(digi, prototype)])
    status, out, err = program(*options(tmp_path, epochs=1, dataTrain=tmp_path / "events.parquet", batchSize=1), "--json")
    assert status == 0, err
    metrics = json.loads(out)
    assert (metrics["level"], metrics["step"]) == ("STAGE2", 1)
    assert metrics["bits_per_unit"]["STAGE2"] == 36
    assert (tmp_path / "film_0001.png").exists()


@pytest.fixture
def prototype() -> hgcae.Hierarchy:
    return hgcae.Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3, STAGE1=19, STAGE2=30)


def test_setup_sh(tmp_path):
    script = f"source {PROGRAM.parent / 'setup.sh'} && echo $WORKFLOW_DIR && echo $OUTPUT_DIR"
    bare = {"PATH": os.environ["PATH"]}
    for given, expected in (
        ({}, [str(PROGRAM.parent / "workflow"), str(PROGRAM.parent / "output")]),
        ({"WORKFLOW_DIR": "/w"}, ["/w", str(PROGRAM.parent / "output")]),
    ):
        result = subprocess.run(["bash", "-c", script], env=bare | given, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert result.stdout.split() == expected
