"""A run that is killed, as a batch system does it: the same command goes on, and nothing in the end tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hgcae.cli.train import train_run
from hgcae.train.checkpoint import read_history
from hgcae.train.run import RunSettings
from train.toys import STEADY, write_run

COMMAND = [sys.executable, "-m", "hgcae", "train"]
LONG = tuple(stage.model_copy(update={"steps": 100, "epochs": 4}) for stage in STEADY)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("settings"), LONG)


def killed(arguments: list[str], folder: Path, rows: int, environment: dict[str, str]) -> None:
    """Starts the command and kills it a little after the history has so many rows."""
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 300
    while (not (folder / "history.jsonl").exists() or len(read_history(folder)) < rows) and time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.15)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(settings, folder, tmp_path):
    arguments = [*COMMAND, "--settings", str(settings), "-o", str(folder), "--no-pictures", "--json"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    for rows in (1, 5):
        killed(arguments, folder, rows, environment)
    last = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    figures = json.loads(last.stdout)
    assert (figures["epochs"], figures["steps"]) == (8, 800)
    whole = train_run(RunSettings.from_yaml(settings), tmp_path / "whole", pictures=False)
    rows = read_history(folder)
    assert [row["epoch"] for row in rows] == list(range(1, 9))
    assert [row["loss_train"] for row in rows] == [row["loss_train"] for row in whole.history]
    assert figures["loss_test"] == whole.history[-1]["loss_test"]
    for name in ("checkpoint.npz", "model/weights-*.npz"):
        found, expected = (np.load(next(run.glob(name))) for run in (folder, tmp_path / "whole"))
        assert set(found.files) == set(expected.files)
        for key in {*expected.files} - {"header"}:
            np.testing.assert_array_equal(found[key], expected[key], err_msg=key)
    # What the kills left half-written is of no consequence.
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        "run.yaml",
        "checkpoint.npz",
        "history.jsonl",
        "model",
        "cost.png",
        "cost.pdf",
    }
