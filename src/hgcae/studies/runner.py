"""The runner of all studies: makes points in this process or in several, keeps what is finished, names what failed."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from hgcae import stopping
from hgcae.errors import HgcaeError, WorkerError
from hgcae.parallel import THREADS, environment
from hgcae.studies.points import known_point

K = TypeVar("K")
WORKER_DIED = "scan: a worker process died, possibly out of memory; what is finished is kept: rerun with fewer workers"
JOBS = 20
"""Jobs after which a process forgets what it has compiled: that adds up. (A pool that replaces its processes, `max_tasks_per_child`, may
wait forever for one that has ended: https://github.com/python/cpython/issues/115634.)"""
_done = count(1)


class Console(Protocol):
    """Where a study reports, see `hgcae.cli.console`."""

    def note(self, text: str) -> None:
        """Prints a line to standard error."""
        ...

    def progress(self, total: int, unit: str) -> AbstractContextManager[Callable[..., None]]:
        """Gives a function that is called with the number of what is done, and with what is going on."""
        ...


class Job(NamedTuple):
    """Something to make.

    Args:
        name: For messages; empty for what several points need: the point that needs a failed one reports it.
        make: Makes it; a function of a module, because other processes import it.
        arguments: Its arguments.
        forget: Whether it compiles what no other job needs, to be forgotten at once.
    """

    name: str
    make: Callable[..., object]
    arguments: tuple[Any, ...]
    forget: bool = False


def missing(folder: Path, points: Mapping[K, Mapping[str, Any]], console: Console) -> list[K]:
    """Returns the points, by their settings, that a folder does not hold; says which of its files are damaged."""
    wanted = []
    for key, settings in points.items():
        content, problem = known_point(folder, settings)
        if problem is not None:
            console.note(f"made again: {problem}")
        if content is None:
            wanted.append(key)
    console.note(f"{len(points) - len(wanted)} of {len(points)} points are there")
    return wanted


def run(rounds: Iterable[Sequence[Job]], n_points: int, workers: int, console: Console) -> list[str]:
    """Runs jobs round by round; a point that fails is told and does not stop the others.

    Args:
        rounds: Jobs that may run at the same time; all of a round end before the next begins.
        n_points: Number of jobs with a name.
        workers: Processes; 1 = this one.
        console: Where to report.

    Returns:
        One line for each point that failed.

    Raises:
        WorkerError: A process died.
    """
    failed = []
    with console.progress(n_points, "points") as progress:
        for done, (job, problem) in enumerate(_results(rounds, workers), 1):
            progress(done, job.name)
            if problem:
                failed.append(f"{job.name}: {problem}")
                console.note(f"failed: {failed[-1]}")
    return failed


def _results(rounds: Iterable[Sequence[Job]], workers: int) -> Iterator[tuple[Job, str]]:
    if workers == 1:
        yield from ((job, attempt(job)) for jobs in rounds for job in jobs if job.name)
        return
    with processes(workers) as pool:
        for jobs in rounds:
            waiting = {pool.submit(attempt, job): job for job in jobs}
            try:
                for future in as_completed(waiting):
                    problem = future.result()
                    if waiting[future].name:
                        yield waiting[future], problem
            except BrokenProcessPool:
                raise WorkerError(WORKER_DIED) from None
            finally:
                for future in waiting:
                    future.cancel()


def attempt(job: Job) -> str:
    """Runs a job; returns what went wrong, or nothing."""
    import jax

    try:
        job.make(*job.arguments)
    except (HgcaeError, OSError, MemoryError, ArithmeticError, ValueError, TypeError, KeyError, RuntimeError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    finally:
        if next(_done) % JOBS == 0 or job.forget:
            jax.clear_caches()
    return ""


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Gives a pool of processes with one thread of linear algebra each, which ends at once when this command is stopped or fails.

    They are not forked: JAX would not survive that.
    """
    single = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", THREADS: "1"}
    spawn = multiprocessing.get_context("spawn")
    with environment(single), ProcessPoolExecutor(workers, spawn, initializer=stopping.attend) as pool:
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
