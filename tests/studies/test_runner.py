"""The runner of studies in several processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

import pytest

from hgcae.errors import SettingsError, WorkerError
from hgcae.studies import runner
from hgcae.studies.runner import Job

PROGRAM = """
from pathlib import Path
from hgcae.evaluate import EvaluateSettings
from hgcae.studies.code_size.plan import PointSettings
from hgcae.studies.code_size.points import ScanContext, job
from hgcae.studies.runner import JOBS, run
from studies.test_runner import Told

base = {"base": "0", "sample": "none", "sample_fingerprint": "0", "evaluation": "0"}
size = {"level": "ROC", "latent": 2, "bits": 4, "barycentre": False, "depth": False, "epochs": 1}
points = [PointSettings(**base, **size, seed=seed) for seed in range(3 * JOBS)]
context, told = ScanContext(Path("nowhere"), Path("."), EvaluateSettings()), Told()
problems = run([[job(context, point) for point in points]], len(points), 2, told)
assert told.done == list(range(1, len(points) + 1)), told.done
assert len(problems) == len(points) and all("nowhere" in line for line in problems), problems[:3]
"""


class Told:
    """A console that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextlib.contextmanager
    def progress(self, total: int, unit: str) -> Iterator[Callable[..., None]]:
        yield lambda done, text="": self.done.append(done)


def fails(text: str) -> None:
    raise SettingsError(text)


def test_a_point_that_fails_is_told_and_the_others_run():
    told, made = Told(), []
    shared, b = Job("", made.append, ("shared",)), Job("b", fails, ("no luck",))
    jobs = [shared, Job("a", made.append, ("a",)), b, Job("c", made.append, ("c",))]
    assert runner.run([jobs], 3, 1, told) == ["b: SettingsError: no luck"]
    assert told.notes == ["failed: b: SettingsError: no luck"]
    assert told.done == [1, 2, 3]
    # One process makes what several points need when the first of them needs it.
    assert made == ["a", "c"]


@pytest.mark.slow
def test_processes_outlast_many_points(tmp_path):
    """Each process makes more points than after which it forgets what it has compiled; here all of them fail, and none is forgotten."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


class Broken:
    """A pool whose processes the system has killed."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, *_: object) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def shutdown(self, **_: object) -> None:
        pass


def test_a_worker_that_was_killed_is_named(monkeypatch):
    monkeypatch.setattr(runner, "ProcessPoolExecutor", Broken)
    with pytest.raises(WorkerError, match="a worker process died, possibly out of memory.*rerun with fewer workers"):
        runner.run([[Job("a", fails, ("never",))]], 1, 2, Told())
