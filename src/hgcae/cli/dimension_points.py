"""The points of `hgcae scan dimension`: trained and evaluated one by one, on one core or in several processes, each kept as a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae.cli.processes import WORKER_DIED, processes
from hgcae.errors import HgcaeError, WorkerError

if TYPE_CHECKING:
    from hgcae.evaluate import EvaluateSettings
    from hgcae.evaluate.eventwise import Reference
    from hgcae.train.dimension import FrozenModel, LevelData, PointSettings


@dataclass(frozen=True)
class ScanContext:
    """Where points are made: the base run, the folder of the scan, and how it is evaluated."""

    run: Path
    folder: Path
    evaluation: EvaluateSettings

    @property
    def points(self) -> Path:
        """Folder of the points."""
        return self.folder / "points"


def make_points(context: ScanContext, points: Sequence[PointSettings], workers: int, progress: Callable[[int, str], None]) -> Iterator[str]:
    """Makes points, and yields what went wrong: one line for each that failed, while the others go on.

    Raises:
        WorkerError: A process died.
    """
    if workers == 1:
        yield from _watched(((point, _make(context, point)) for point in points), progress)
        return
    with processes(workers) as pool:
        waiting = {pool.submit(_make, context, point): point for point in points}
        try:
            yield from _watched(((waiting[future], future.result()) for future in as_completed(waiting)), progress)
        except BrokenProcessPool:
            raise WorkerError(WORKER_DIED) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


POINTS = 20
"""Points after which a process forgets what it has compiled: that adds up. (A pool that replaces its processes, `max_tasks_per_child`, may
wait forever for one that has ended: https://github.com/python/cpython/issues/115634.)"""
_made = count(1)


def _watched(results: Iterator[tuple[PointSettings, str]], progress: Callable[[int, str], None]) -> Iterator[str]:
    for done, (point, problem) in enumerate(results, 1):
        progress(done, f"{point.sample} {point.level} {point.latent} x {point.bits}")
        if problem:
            yield f"{point.sample} {point.level} {point.latent} x {point.bits} bits, seed {point.seed}: {problem}"


def _make(context: ScanContext, point: PointSettings) -> str:
    """Makes a point and its file; returns what went wrong, or nothing."""
    import jax

    from hgcae.evaluate.points import write_point

    try:
        write_point(context.points, point.model_dump(mode="json"), measure(context, point))
    except (HgcaeError, OSError, MemoryError, ArithmeticError, ValueError, TypeError, RuntimeError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    finally:
        if next(_made) % POINTS == 0:
            jax.clear_caches()
    return ""


def measure(context: ScanContext, point: PointSettings) -> dict[str, Any]:
    """Trains and evaluates a point.

    Returns:
        `metrics` (see `hgcae.evaluate.eventwise`), `loss` at the end of the training, `seconds` of training and evaluation, and of them
        those that the processor was at work (`cpu`): the machine may be busy with other things.
    """
    from hgcae.model.compiled import keep_compiled

    keep_compiled(context.folder / "compiled")
    data, reference = _data(context, point.sample, point.level)
    start, cpu = time.perf_counter(), time.process_time()
    model, loss = data.train_level(point)
    trained = time.perf_counter()
    train, test = data.encode(model)
    model.heads.fit(model, data.train, {data.level: train}, _base(context.run).detector)
    estimates = {"energy_gev": model.heads.energies(model, test)} if model.heads.energy else {}
    if model.heads.kinematics:
        estimates = model.heads.momenta(model, test)
    metrics = reference.metrics(model.decode_codes(test, data.test.hierarchy), estimates)
    seconds = {"training": trained - start, "evaluation": time.perf_counter() - trained, "cpu": time.process_time() - cpu}
    return {"metrics": metrics, "loss": loss, "seconds": {key: round(value, 2) for key, value in seconds.items()}}


@lru_cache(maxsize=1)
def _data(context: ScanContext, sample: str, level: str) -> tuple[LevelData, Reference]:
    """Reads what the points of a sample and a level share; the last is kept."""
    from hgcae.evaluate.eventwise import Reference
    from hgcae.train.dimension import LevelData

    base = _base(context.run)
    data = LevelData.load(base, sample, level, context.folder)
    return data, Reference(data.test, base.detector, context.evaluation)


@lru_cache(maxsize=1)
def _base(run: Path) -> FrozenModel:
    """Reads the base run; all points share its lower levels, and what they compile."""
    from hgcae.train.dimension import FrozenModel

    return FrozenModel.load(run)
