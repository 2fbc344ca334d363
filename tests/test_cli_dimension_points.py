"""The points of a scan in several processes."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Self

import pytest

from hgcae.cli import dimension_points, merge_points, processes
from hgcae.errors import WorkerError

PROGRAM = """
from pathlib import Path
from hgcae.cli.dimension_points import ScanContext, POINTS, make_points
from hgcae.evaluate import EvaluateSettings
from hgcae.train.dimension import PointSettings

base = {"base": "0", "sample": "none", "sample_fingerprint": "0", "evaluation": "0"}
size = {"level": "ROC", "latent": 2, "bits": 4, "barycentre": False, "depth": False, "epochs": 1}
points = [PointSettings(**base, **size, seed=seed) for seed in range(3 * POINTS)]
seen = []
problems = list(make_points(ScanContext(Path("nowhere"), Path("."), EvaluateSettings()), points, 2, lambda done, name: seen.append(done)))
assert seen == list(range(1, len(points) + 1)), seen
assert len(problems) == len(points) and all("nowhere" in line for line in problems), problems[:3]
"""


@pytest.mark.slow
def test_processes_outlast_many_points(tmp_path):
    """Each process makes more points than after which it forgets what it has compiled; here all of them fail, and none is forgotten."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
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


@pytest.mark.parametrize(("module", "point"), [(dimension_points, object()), (merge_points, ("merged", 1))])
def test_a_worker_that_was_killed_is_named(monkeypatch, module, point):
    monkeypatch.setattr(processes, "ProcessPoolExecutor", Broken)
    monkeypatch.setattr(merge_points, "_rounds", lambda *_: [[("merged", 1, 0)]])
    with pytest.raises(WorkerError, match="a worker process died, possibly out of memory.*rerun with fewer workers"):
        list(module.make_points(None, [point], 2, lambda *_: None))
