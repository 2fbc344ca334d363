"""Runs a workflow: builds its steps, hands them to luigi, tries failed branches again, and says what was found and what was made."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from hgcae import stopping
from hgcae.errors import DataFormatError, HgcaeError, SettingsError, unknown
from hgcae.workflow import tasks
from hgcae.workflow.settings import WorkflowSettings
from hgcae.workflow.step import CmdlineParser, RemoteScheduler, Scheduler, Step, Worker, check_store, luigi

STEPS = ("Simulate", "Convert", "Train", "Evaluate", "Scan", "Compress", "Export", "Compare", "Report")
"""Names of all steps, in the order of the data."""
Where = Literal["local", "slurm", "htcondor"]


@dataclass(frozen=True)
class Options:
    """How a workflow is run; nothing here changes a result.

    Args:
        workers: Branches (or steps in the batch system) at a time.
        where: What runs the branches.
        scheduler: Host and port of a luigid, which shows the state on its page; None = no page.
        retries: How often failed branches are tried again by themselves; None = as the workflow says.
        poll_seconds: Seconds between questions to the batch system; None = as the workflow says.
    """

    workers: int = 1
    where: Where = "local"
    scheduler: tuple[str, int] | None = None
    retries: int | None = None
    poll_seconds: float | None = None


@dataclass(frozen=True)
class State:
    """How far a step is.

    Args:
        name: Name of the step, with its sample, point or stage.
        folder: Folder of its results.
        done: Number of its files that are there.
        total: Number of its files.
    """

    name: str
    folder: Path
    done: int
    total: int


def steps_of(settings: WorkflowSettings, name: str = "Report", options: Options | None = None) -> list[Step]:
    """Returns the steps of a name, as the settings ask for them: of all samples, or of the training.

    Raises:
        SettingsError: No such step, or none of it in the settings.
    """
    if name not in STEPS:
        raise SettingsError(unknown("step", name, STEPS))
    options = options or Options()
    check_store(settings.store, options.where)
    batch = settings.batch
    common: dict[str, Any] = {
        "config": str(settings.freeze()),
        "workflow": options.where,
        "retries": batch.retries if options.retries is None else options.retries,
        "poll_interval": (options.poll_seconds or batch.poll_seconds) / 60,
        "parallel_jobs": batch.parallel_jobs,
    }
    step = getattr(tasks, name)
    if name in ("Simulate", "Convert"):
        return [step(sample=key, **common) for key, value in settings.samples.items() if name == "Convert" or value.simulate]
    needed = {"Scan": settings.scan, "Compress": settings.compress, "Compare": settings.compare, "Report": True}
    if not needed.get(name, settings.train):
        msg = f"step {name}: the workflow has no section for it"
        raise SettingsError(msg)
    return [step(**common)]


def closure(steps: list[Step]) -> list[Step]:
    """Returns steps with all that they need, needed ones first, each once."""
    found: dict[str, Step] = {}

    def visit(step: Step) -> None:
        before = list(step.needs().values())
        if isinstance(step, tasks.Scan):
            before = [step.need(tasks.Evaluate, point=point) for point in step.branch_map]
        for other in before:
            visit(other)
        found.setdefault(step.task_id, step)

    for step in steps:
        visit(step)
    return list(found.values())


def state(steps: list[Step]) -> list[State]:
    """Returns how far steps and all that they need are."""
    return [State(_name(step), step.folder, sum(path.exists() for path in _paths(step)), len(_paths(step))) for step in closure(steps)]


def discard_damaged(steps: list[Step]) -> list[str]:
    """Reads all results that are there, and removes those that are damaged.

    A process of its own reads them: a model starts JAX, and a process with JAX in it must not start those of the steps by forking.

    Returns:
        What is wrong with each damaged file.

    Raises:
        HgcaeError: That process died.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    reader = context.Process(target=lambda: sender.send(_damaged(steps)))
    reader.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        msg = "verify: the process that reads the results died, perhaps for want of memory"
        raise HgcaeError(msg) from None
    finally:
        reader.join()


def _damaged(steps: list[Step]) -> list[str]:
    damaged = []
    for step in closure(steps):
        for path in filter(Path.exists, _paths(step)):
            try:
                step.check(path)
            except (DataFormatError, ValueError, OSError) as error:
                damaged.append(f"{_name(step)}: {error}")
                step.discard(path)
    return damaged


def run(settings: WorkflowSettings, name: str = "Report", options: Options | None = None) -> list[State]:
    """Runs a step of a workflow and all that it needs; what is there already is not made again.

    Returns:
        How far everything is afterwards.

    Raises:
        SettingsError: Settings of a step are wrong; found before anything runs.
        WorkflowError: Branches failed, after all retries.
    """
    options = options or Options()
    steps = steps_of(settings, name, options)
    logs = {step.failure_log.parent for step in closure(steps)}
    retries = settings.batch.retries if options.retries is None else options.retries
    start = time.time()
    for _attempt in range(1 + (retries if options.where == "local" else 0)):
        luigi.Task.clear_instance_cache()
        if _build(steps_of(settings, name, options), options):
            return state(steps)
    failures = sorted(path for folder in logs for path in folder.glob("failed-*.txt") if path.stat().st_mtime >= start - 1)
    raise WorkflowError(name, failures, Path(settings.store) / "logs")


class WorkflowError(HgcaeError):
    """Branches failed, after all retries.

    Args:
        name: The step that was asked for.
        logs: One file for each failed branch.
        folder: Folder of all logs.
    """

    def __init__(self, name: str, logs: list[Path], folder: Path) -> None:
        self.logs = logs
        causes = [f"{log}: {log.read_text(encoding='utf-8').strip().splitlines()[-1]}" for log in logs[:3]]
        more = [f"and {len(logs) - 3} more"] if len(logs) > 3 else []
        super().__init__(f"{name}: {'; '.join(causes + more) or f'jobs failed, see {folder}'}")


def _warm_up(steps: list[Step]) -> None:
    """Prepares the steps of which several branches wait."""
    for step in closure(steps):
        if sum(not path.exists() for path in _paths(step)) > 1:
            # What fails here fails in the branches, too, and they tell.
            with contextlib.suppress(Exception):
                step.warm_up()


def _build(steps: list[Step], options: Options) -> bool:
    """Runs steps once; whatever tasks print goes to standard error."""
    stopping.forks_end_with_this()
    host, port = options.scheduler or ("localhost", 8082)
    with configured(steps[0].task_family), contextlib.redirect_stdout(sys.stderr):
        if options.where == "local":
            _warm_up(steps)
        done = luigi.build(
            steps,
            workers=options.workers,
            local_scheduler=options.scheduler is None,
            scheduler_host=host,
            scheduler_port=port,
            log_level="WARNING",
            worker_scheduler_factory=_Workers(),
        )
    return done is True


class _Workers:
    """Makes luigi's parts as luigi does, but for the process in which a worker keeps what is complete: it outlives signals to the group.

    Steps that found it gone would print their own errors while they stop.
    """

    def create_local_scheduler(self) -> Scheduler:
        """Returns the scheduler of one run."""
        return Scheduler(prune_on_get_work=True, record_task_history=False)

    def create_remote_scheduler(self, url: str) -> RemoteScheduler:
        """Returns the scheduler of a luigid."""
        return RemoteScheduler(url)

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> Worker:
        """Returns a worker."""
        with stopping.deferred():
            return Worker(scheduler=scheduler, worker_processes=worker_processes, assistant=assistant)


@contextlib.contextmanager
def configured(name: str) -> Iterator[None]:
    """Sets luigi and law up to run a step, for a while: a process for each branch, which leaves no memory and no threads behind.

    law writes the commands of its jobs from what luigi's command line was given, so there has to be one.
    """
    config = luigi.configuration.get_config()
    settings = [(section, key, value) for section, values in _LUIGI.items() for key, value in values.items()]
    before = [config.get(section, key, None) for section, key, _ in settings]
    for section, key, value in settings:
        config.set(section, key, value)
    try:
        with CmdlineParser.global_instance([name], allow_override=True):
            yield
    finally:
        for (section, key, _), value in zip(settings, before, strict=True):
            if value is None:
                config.remove_option(section, key)
            else:
                config.set(section, key, value)


_LUIGI = {
    "worker": {"force_multiprocessing": "true", "wait_interval": "0.2", "wait_jitter": "0.1", "cache_task_completion": "true"},
    # On a machine that is far too busy, a worker is silent for a while, and its task must not be given to another one.
    "scheduler": {"worker_disconnect_delay": "86400"},
}
"""Settings of luigi; times in seconds."""


def _name(step: Step) -> str:
    """Returns the name of a step with what tells it from others of its kind."""
    told = [getattr(step, "sample", ""), f"point {step.point}" if getattr(step, "point", -1) >= 0 else ""]  # type: ignore[attr-defined]
    if isinstance(step, tasks.Train):
        told.append(f"stage {step.number}")
    return " ".join(filter(None, [step.task_family, *told]))


def _paths(step: Step) -> list[Path]:
    return [branch.path for branch in step.get_branch_tasks().values()]
