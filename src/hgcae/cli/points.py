"""The points of `hgcae scan dimension`: trained and judged one by one, on one core or in several processes, each kept as a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae.errors import HgcaeError

if TYPE_CHECKING:
    from hgcae.evaluate import EvaluateSettings
    from hgcae.evaluate.eventwise import Reference
    from hgcae.train.dimension import Base, LevelData, PointSettings


@dataclass(frozen=True)
class Bench:
    """Where points are made: the base run, the folder of the scan, and how it is judged."""

    run: Path
    folder: Path
    judge: EvaluateSettings

    @property
    def points(self) -> Path:
        """Folder of the points."""
        return self.folder / "points"


def make_points(bench: Bench, points: Sequence[PointSettings], workers: int, progress: Callable[[int, str], None]) -> Iterator[str]:
    """Makes points, and yields what went wrong: one line for each that failed, while the others go on.

    Raises:
        HgcaeError: A process died, e.g. for want of memory.
    """
    if workers == 1:
        yield from _watched(_one_by_one(bench, points), progress)
        return
    # One thread of linear algebra in each process, and no forks: JAX would not survive them.
    pools = ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=_TASKS)
    with _environment({"XLA_FLAGS": _ONE_THREAD, "OMP_NUM_THREADS": "1"}), pools as pool:
        waiting = {pool.submit(_make, bench, point): point for point in points}
        try:
            yield from _watched(((waiting[future], future.result()) for future in as_completed(waiting)), progress)
        except BrokenProcessPool:
            msg = "scan: a process was killed, perhaps for want of memory; the same command goes on from there, perhaps with fewer workers"
            raise HgcaeError(msg) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_TASKS = 20
"""Points after which a process is replaced, or forgets what it has compiled: that adds up."""


def _one_by_one(bench: Bench, points: Sequence[PointSettings]) -> Iterator[tuple[PointSettings, str]]:
    import jax

    for number, point in enumerate(points, 1):
        yield point, _make(bench, point)
        if number % _TASKS == 0:
            jax.clear_caches()


def _watched(results: Iterator[tuple[PointSettings, str]], progress: Callable[[int, str], None]) -> Iterator[str]:
    for done, (point, problem) in enumerate(results, 1):
        progress(done, f"{point.sample} {point.level} {point.latent} x {point.bits}")
        if problem:
            yield f"{point.sample} {point.level} {point.latent} x {point.bits} bits, seed {point.seed}: {problem}"


class _environment:  # noqa: N801 - read as a function
    """Sets variables of the environment that new processes inherit, and puts them back."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._new = variables

    def __enter__(self) -> None:
        self._old = {name: os.environ.get(name) for name in self._new}
        os.environ.update(self._new)

    def __exit__(self, *_: object) -> None:
        for name, value in self._old.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _make(bench: Bench, point: PointSettings) -> str:
    """Makes a point and its file; returns what went wrong, or nothing."""
    from hgcae.evaluate.points import write_point

    try:
        write_point(bench.points, point.model_dump(mode="json"), measure(bench, point))
    except (HgcaeError, OSError, MemoryError, ArithmeticError, ValueError, TypeError, RuntimeError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""


def measure(bench: Bench, point: PointSettings) -> dict[str, Any]:
    """Trains and judges a point.

    Returns:
        `figures` (see `hgcae.evaluate.eventwise`), `loss` at the end of the training, `seconds` of training and judgement, and of them
        those that the processor was at work (`cpu`): the machine may be busy with other things.
    """
    _keep_compiled(bench.folder)
    data, reference = _data(bench, point.sample, point.level)
    start, cpu = time.perf_counter(), time.process_time()
    model, loss = data.train_level(point)
    trained = time.perf_counter()
    train, test = data.encode(model)
    model.heads.fit(model, data.train, {data.level: train})
    estimates = {"energy_gev": model.heads.energies(model, test)} if model.heads.energy else {}
    if model.heads.kinematics:
        estimates = model.heads.momenta(model, test)
    figures = reference.figures(model.decode_codes(test, data.test.hierarchy), estimates)
    seconds = {"training": trained - start, "judgement": time.perf_counter() - trained, "cpu": time.process_time() - cpu}
    return {"figures": figures, "loss": loss, "seconds": {key: round(value, 2) for key, value in seconds.items()}}


@lru_cache(maxsize=1)
def _data(bench: Bench, sample: str, level: str) -> tuple[LevelData, Reference]:
    """Reads what the points of a sample and a level share; the last is kept."""
    from hgcae.evaluate.eventwise import Reference
    from hgcae.train.dimension import LevelData

    base = _base(bench.run)
    data = LevelData.load(base, sample, level, bench.folder)
    return data, Reference(data.test, base.detector, bench.judge)


@lru_cache(maxsize=1)
def _base(run: Path) -> Base:
    """Reads the base run; all points share its lower levels, and what they compile."""
    from hgcae.train.dimension import Base

    return Base.load(run)


def _keep_compiled(folder: Path) -> None:
    """Lets JAX keep what it compiles in the scan's folder: points that differ in seed or sample only run the same programs."""
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str((folder / "compiled").resolve()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
