"""A workflow on a real Slurm: `make test-slurm` starts one. The result is that of the same workflow on one machine, byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("law")

from hgcae.workflow.run import Options, run
from hgcae.workflow.settings import load_workflow
from workflow.toys import outputs, write_workflow

pytestmark = pytest.mark.skipif(
    shutil.which("sbatch") is None or "SLURM_CONF" not in os.environ, reason="no Slurm here; make test-slurm starts one"
)
BRANCHES = 8


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def accounts() -> dict[str, str]:
    """The state of every job that ever was, by its number."""
    lines = slurm("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State").splitlines()
    return {number: state.split()[0] for number, state in (line.split("|") for line in lines)}


KILL = """
until job=$(squeue --noheader --states=RUNNING --format=%A | head -n 1) && [ -n "$job" ]; do sleep 0.05; done
scancel "$job" && echo "$job"
"""


@pytest.fixture
def killer() -> Iterator[subprocess.Popen[str]]:
    """Cancels the first job that runs, and then says its number.

    A process of its own: in a thread of this one, the pipe of a question to Slurm may be inherited by a process that luigi forks in that
    moment, and the answer comes when that process ends.
    """
    with subprocess.Popen(["bash", "-c", KILL], stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_killed_job_is_submitted_again_and_the_result_is_that_of_one_machine(tmp_path, killer):
    events = 5 * BRANCHES
    here = load_workflow(write_workflow(tmp_path / "here", events=events, chunk=5))
    there = load_workflow(write_workflow(tmp_path / "there", events=events, chunk=5))
    run(here, "Simulate", Options(workers=2))
    before = accounts()
    (state,) = run(there, "Simulate", Options(where="slurm", poll_seconds=1, retries=3))
    killed = killer.communicate(timeout=60)[0].strip()
    assert (state.done, state.total) == (BRANCHES, BRANCHES)

    local, remote = outputs(Path(here.store)), outputs(Path(there.store))
    assert len(local) == BRANCHES
    assert local == remote

    (record,) = Path(there.store).glob("jobs/*/slurm_jobs_*.json")
    jobs = json.loads(record.read_text())
    assert len(jobs["jobs"]) == BRANCHES
    assert sum(jobs["attempts"].values()) == 1
    states = {number: state for number, state in accounts().items() if number not in before}
    assert states[killed] == "CANCELLED"
    assert sorted(states.values()) == ["CANCELLED", *["COMPLETED"] * BRANCHES]
    logs = list(Path(there.store).glob("logs/*/stdall_*.txt"))
    assert len(logs) == BRANCHES
    assert all("job exit code : 0" in log.read_text() for log in logs)
