"""What luigid's page knows of a workflow that runs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("law")

from workflow.toys import write_workflow


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def luigid(tmp_path):
    """A scheduler; gives its port."""
    port = free_port()
    code = "from luigi.cmdline import luigid; luigid()"
    options = ["--address", "127.0.0.1", "--port", str(port), "--state-path", str(tmp_path / "state.pickle")]
    process = subprocess.Popen([sys.executable, "-c", code, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield port
    process.send_signal(signal.SIGTERM)
    process.wait(30)


def tasks(port: int) -> dict[str, Any]:
    """What the page shows, as its script asks for it."""
    data = urllib.parse.quote(json.dumps({"status": "DONE", "upstream_status": ""}))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/task_list?data={data}") as answer:
        return json.load(answer)["response"]


def test_the_page_shows_branches_and_how_far_they_are(luigid, tmp_path):
    path = write_workflow(tmp_path, events=6, chunk=3)
    command = [
        sys.executable,
        "-c",
        "from hgcae.cli import main; main()",
        "run",
        str(path),
        "Simulate",
        "--scheduler",
        f"127.0.0.1:{luigid}",
    ]
    done = subprocess.run([*command, "--json"], check=False, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["made"] == 2
    shown = list(tasks(luigid).values())
    assert {task["display_name"].split("(")[0] for task in shown} == {"Simulate"}
    branches = [task for task in shown if task["params"]["branch"] != "-1"]
    assert [Path(task["params"]["config"]).parent.name for task in branches] == ["workflows"] * 2
    assert [task["progress_percentage"] for task in branches] == [100, 100]
    assert [task["status_message"] for task in branches] == ["3 of 3"] * 2
