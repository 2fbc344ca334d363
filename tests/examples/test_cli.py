"""The command: figures, workflow, mistakes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np
import pytest

from hgcae.examples.cli import main

PNG = b"\x89PNG\r\n\x1a\n"


def setup_example_model(folder: Path, *arguments: object) -> tuple[int, str, str]:
    """Runs the command with its two folders below another."""
    out, err = io.StringIO(), io.StringIO()
    status: Any = 0
    folders = {"WORKFLOW_DIR": str(folder / "w"), "OUTPUT_DIR": str(folder / "o")}
    with (
        patch.object(sys, "argv", ["SetupExampleModel", *map(str, arguments)]),
        patch.dict(os.environ, folders),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def done(tmp_path_factory, npz) -> tuple[Path, tuple[int, str, str]]:
    folder = tmp_path_factory.mktemp("done")
    return folder, setup_example_model(folder, 2, 4, "--data", npz, "--epochs", 3, "--every", 2, "--json")


def test_the_figures_of_the_example(done):
    folder, (status, out, err) = done
    assert status == 0, err
    found = json.loads(out)
    assert set(found) == {"trainings", "scan"}
    assert set(found["trainings"]) == {"2", "4"}
    for result in found["trainings"].values():
        figures = Path(result["figures"])
        assert figures.parent == folder / "o" / "mnist"
        names = {"MNIST_example_epoch0.png", "MNIST_example_epoch2.png", "MNIST_example_epoch3.png", "MNIST_example_cost.png"}
        assert {path.name for path in figures.iterdir()} == names | {"MNIST_example.gif", "MNIST_example.mp4"}
        assert all((figures / name).read_bytes().startswith(PNG) for name in names)
        assert (figures / "MNIST_example.gif").read_bytes().startswith(b"GIF8")
    assert "training: 4 dimensions, dense, squared error, 3 epochs" in err
    assert re.search(r"epoch 2: squared error 0\.\d+, test 0\.\d+", err)


def test_the_scan(done):
    folder, (_, out, _) = done
    scan = json.loads(out)["scan"]
    assert [point["ndim"] for point in scan["points"]] == [2, 4]
    assert scan["points"][0]["pca_squared_error"]["mean"] > scan["points"][1]["pca_squared_error"]["mean"]
    names = sorted(path.suffix for path in (folder / "o" / "mnist").glob("MNIST_example_scan_*"))
    assert names == [".json", ".png"]


def test_what_is_there_is_not_done_again(done, npz):
    folder, (_, out, _) = done
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    status, again, err = setup_example_model(folder, 2, 4, "--data", npz, "--epochs", 3, "--every", 2, "--json")
    assert (status, again, err) == (0, out, "")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_a_lost_figure_is_drawn_again_without_training(done, npz):
    folder, (_, out, _) = done
    figure = Path(json.loads(out)["trainings"]["2"]["figures"]) / "MNIST_example_epoch2.png"
    content = figure.read_bytes()
    figure.unlink()
    status, _, err = setup_example_model(folder, 2, "--data", npz, "--epochs", 3, "--every", 2)
    assert status == 0
    assert "training" not in err
    assert figure.read_bytes() == content


# Keras' own variables, when Keras saves them.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_files_of_the_original(tmp_path, npz):
    status, out, err = setup_example_model(tmp_path, 2, "--original", "--data", npz, "--epochs", 1, "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["settings"]["batch"] == 32
    folder = Path(found["figures"])
    with np.load(npz) as images:
        for part in ("train", "test"):
            np.testing.assert_array_equal(np.load(folder / "data" / f"MNIST_{part}.npy"), images[f"x_{part}"])
        image = images["x_test"][:4, ..., None] / 255
    models = folder / "models" / "2"
    assert (models / "cost.pdf").read_bytes().startswith(b"%PDF")
    assert (models / "anim.mp4").read_bytes() == (folder / "MNIST_example.mp4").read_bytes()
    encoder, decoder = (keras.saving.load_model(models / f"model_{part}.keras") for part in ("encoder", "decoder"))
    assert np.asarray(decoder(encoder(image))).shape == (4, 28, 28, 1)
    assert len(list(folder.rglob(".*"))) == 0
    status, _, err = setup_example_model(tmp_path, 2, "--original", "--batch", 7, "--data", npz, "--epochs", 1, "--json")
    assert (status, "batch" in err) == (0, False)


@pytest.mark.slow
def test_the_comparison(tmp_path, npz):
    status, out, err = setup_example_model(tmp_path, 2, "--compare", "--data", npz, "--epochs", 1, "--json")
    assert status == 0, err
    points = json.loads(out)["comparison"]["points"]
    pairs = {(point["architecture"], point["cost"]) for point in points}
    costs = ("squared_error", "cross_entropy", "structural_similarity")
    assert pairs == {(architecture, cost) for architecture in ("dense", "convolutional") for cost in costs}
    assert next((tmp_path / "o" / "mnist").glob("MNIST_example_comparison_*.png")).read_bytes().startswith(PNG)


def test_the_digits_of_scikit_learn_are_named(tmp_path, monkeypatch):
    import keras

    def no_network() -> None:
        msg = "no network"
        raise Exception(msg)

    monkeypatch.setattr(keras.datasets.mnist, "load_data", no_network)
    status, out, err = setup_example_model(tmp_path, 2, "--epochs", 1)
    assert status == 0, err
    assert "MNIST could not be had: these are the scikit-learn digits" in err
    assert re.search(r"data +scikit-learn digits", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "ndim: Input should be greater than or equal to 1"),
        ((2, "--set", "colour=1"), "unknown key colour, expected one of"),
        ((2, "--data", "absent.npz"), "absent.npz: file: found No such file"),
    ],
)
def test_mistakes_end_with_one_line(tmp_path, arguments, message):
    status, out, err = setup_example_model(tmp_path, *arguments)
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("SetupExampleModel: error: ")
    assert message in last
    assert "Traceback" not in err


def test_without_luigid(tmp_path, npz):
    from luigi.configuration import get_config

    get_config().set("core", "scheduler_port", "1")
    try:
        status, _, err = setup_example_model(tmp_path, 2, "--data", npz, "--central-scheduler")
    finally:
        get_config().remove_option("core", "scheduler_port")
    assert status == 2
    assert re.search(r"no luigid answers at localhost:1 \(.*\); start luigid", err)


def test_the_manual(tmp_path):
    status, out, _ = setup_example_model(tmp_path, "--help")
    assert status == 0
    assert "SetupExampleModel 28" in out
    assert "WORKFLOW_DIR" in out
