"""The command as a process: killed and started again, and under luigid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from hgcae.examples.mnist import data, training
from hgcae.examples.mnist.settings import ExampleSettings
from hgcae.train.checkpoint import read_history

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-c", "from hgcae.examples.cli import main; main()"]
LUIGID = [sys.executable, "-c", "from luigi.cmdline import luigid; luigid()"]


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    folders = {"WORKFLOW_DIR": str(tmp_path / "w"), "OUTPUT_DIR": str(tmp_path / "o")}
    return {**os.environ, **folders, "JAX_PLATFORMS": "cpu"}


def killed(arguments: list[str], history: Path, rows: int, environment: dict[str, str]) -> None:
    """Starts the command and kills it after the history has so many rows."""
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 300
    while (not history.exists() or len(read_history(history.parent)) < rows) and time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_a_killed_command_goes_on(tmp_path, npz, environment):
    arguments = [*COMMAND, "3", "--data", str(npz), "--epochs", "200", "--every", "100", "--json"]
    settings = ExampleSettings(ndim=3, data=str(npz), epochs=200, every=100)
    folder = tmp_path / "w" / "mnist" / settings.name
    killed(arguments, folder / "history.jsonl", 3, environment)
    assert not (folder / "result.json").exists()
    last = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert "data:" not in last.stderr  # the images were there already
    whole = training.train(settings, data.read(npz), tmp_path / "whole")
    losses = [[row["loss_train"] for row in read_history(path)] for path in (folder, tmp_path / "whole")]
    assert len(losses[0]) == 200
    assert losses[0] == losses[1]
    assert json.loads(last.stdout)["squared_error"] == whole["squared_error"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answer(port: int, api: str, **question: str) -> dict:
    url = f"http://127.0.0.1:{port}/api/{api}?data={urllib.parse.quote(json.dumps(question))}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return json.load(reply)["response"]


def test_under_luigid(tmp_path, npz, environment):
    port = free_port()
    (tmp_path / "luigi.cfg").write_text(f"[core]\ndefault-scheduler-host=127.0.0.1\ndefault-scheduler-port={port}\n")
    environment["LUIGI_CONFIG_PATH"] = str(tmp_path / "luigi.cfg")
    options = ["--address", "127.0.0.1", "--port", str(port), "--state-path", str(tmp_path / "state"), "--logdir", str(tmp_path)]
    server = subprocess.Popen([*LUIGID, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                answer(port, "task_list", status="DONE", upstream_status="")
                break
            except urllib.error.URLError:
                assert server.poll() is None, server.communicate()
                time.sleep(0.1)
        arguments = [*COMMAND, "2", "--data", str(npz), "--epochs", "2", "--central-scheduler", "--json"]
        result = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert result.returncode == 0, result.stderr
        assert 0 < json.loads(result.stdout)["squared_error"]["mean"] < 1
        tasks = answer(port, "task_list", status="DONE", upstream_status="")
        assert sorted(name.split("_")[0] for name in tasks) == ["Data", "Figures", "Train"]
    finally:
        server.kill()
        server.communicate()
