"""What all steps of a workflow share: settings from one file, a folder named by what made it, bounded threads, a log of failures."""

from __future__ import annotations

import os
import shutil
import traceback
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from hgcae import __version__
from hgcae.errors import MissingToolError
from hgcae.outputs import claimed
from hgcae.parallel import THREADS
from hgcae.settings import fingerprint
from hgcae.workflow.settings import Resources, WorkflowSettings, load_workflow

try:
    import law
    import luigi
    from luigi.cmdline_parser import CmdlineParser
    from luigi.rpc import RemoteScheduler
    from luigi.scheduler import Scheduler
    from luigi.worker import Worker
except ImportError as error:
    msg = f"{error.name} is not installed: workflows need the extra hgcae[workflow]"
    raise MissingToolError(msg) from None

from hgcae.workflow.batch import Farm, check_store

T = TypeVar("T", bound="Step")

__all__ = [
    "THREAD_VARIABLES",
    "CmdlineParser",
    "FolderStep",
    "RemoteScheduler",
    "Scheduler",
    "Step",
    "Worker",
    "check_store",
    "law",
    "luigi",
]
"""All that needs law is taken from here, behind the error that names its extra."""

THREAD_VARIABLES = (THREADS, "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NPROC")
"""What bounds the threads of this package, of NumPy's and SciPy's linear algebra, of numba, and of XLA
(openxla/xla@main, xla/pjrt/utils.cc, `DefaultThreadPoolSize`)."""


class Step(Farm):
    """A step of a workflow, with one branch for each of its files.

    Results lie in `STORE/<step>/<fingerprint>/`. The fingerprint covers the settings of the step, the version of this package and the
    fingerprints of the steps it needs: an unchanged step is found done, a changed one has another folder.
    """

    config = luigi.Parameter(description="YAML file of the workflow")

    @property
    def settings(self) -> WorkflowSettings:
        """The whole workflow."""
        return _settings(str(self.config))

    @property
    def resources_of_job(self) -> Resources:
        """What one branch may use."""
        return self.settings.needs(self.task_family)

    @property
    def store(self) -> Path:
        """Folder of all results."""
        return Path(self.settings.store)

    @abstractmethod
    def made_of(self) -> Any:
        """Returns the settings that decide what this step makes, as plain values."""

    def needs(self) -> Mapping[str, Step]:
        """Returns the steps whose results this one reads, whole; `requires` of a branch may be less."""
        return {}

    @abstractmethod
    def make(self) -> None:
        """Makes the output of this branch."""

    def warm_up(self) -> None:
        """Does once what every branch would do again; processes of branches are forked, and share what it leaves in memory.

        It must start no threads: those of XLA would not survive.
        """

    def check(self, path: Path) -> None:
        """Reads an output of this step as far as it takes to find damage.

        Raises:
            DataFormatError: It is damaged.
        """

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that identify what made the results of this step."""
        before = {name: step.fingerprint for name, step in self.needs().items()}
        return fingerprint({"step": self.task_family, "version": __version__, "made_of": self.made_of(), "needs": before})

    @property
    def job_folder_name(self) -> str:
        """Name of the folders of jobs and logs of this step."""
        return f"{self.task_family}-{self.fingerprint}"

    @property
    def folder(self) -> Path:
        """Folder of the results of this step."""
        return self.store / self.task_family.lower() / self.fingerprint

    def file(self, name: str) -> law.LocalFileTarget:
        """Returns a file in that folder."""
        return law.LocalFileTarget(str(self.folder / name))

    @property
    def path(self) -> Path:
        """Path of the output of this branch."""
        return Path(self.output().path)

    def need(self, step: type[T], branch: int = -1, **parameters: Any) -> T:
        """Returns another step (or a branch of it) of the same workflow, run in the same way."""
        return step.req(self, branch=branch, branches=(), **parameters)

    def create_branch_map(self) -> Any:
        """Returns what each branch makes, by number; by default there is one."""
        return {0: None}

    @property
    def branch_value(self) -> Any:
        """What this branch makes."""
        return self.branch_data

    def workflow_requires(self) -> dict[str, Any]:
        """Returns what has to be there before the first branch starts."""
        return dict(self.needs())

    def requires(self) -> Any:
        """Returns what a branch reads."""
        return dict(self.needs())

    def run(self) -> None:
        """Makes the output, on as many threads as the step may use."""
        cores = self.resources_of_job.cores
        for name in THREAD_VARIABLES:
            os.environ[name] = str(cores)
        # What was loaded before the fork has read them already: two branches, each with threads for all cores, wait for each other.
        with threadpool_limits(cores):
            self.make()

    def share_done(self, total: int) -> Callable[[float], None]:
        """Returns a function that tells the scheduler's page how many of `total` are done."""

        def update(done: float) -> None:
            percent = min(100 * done / total, 100)
            if int(percent) != self._last_progress_percentage:
                self.publish_progress(percent)
                self.set_status_message(f"{done:.4g} of {total}")

        return update

    @property
    def failure_log(self) -> Path:
        """File that says why this branch failed, if it did."""
        return self.store / "logs" / self.job_folder_name / f"failed-{self.branch if self.is_branch() else 'jobs'}.txt"

    def on_failure(self, exception: BaseException) -> str:
        """Writes why this branch failed to the folder of logs; luigi shows the same on its page."""
        text = "".join(traceback.format_exception(exception))
        self.failure_log.parent.mkdir(parents=True, exist_ok=True)
        self.failure_log.write_text(text, encoding="utf-8")
        return text

    def on_success(self) -> None:
        """Forgets earlier failures of this branch."""
        self.failure_log.unlink(missing_ok=True)

    def discard(self, path: Path) -> None:
        """Removes an output, so that it is made again."""
        path.unlink(missing_ok=True)


class FolderStep(Step):
    """A step with one branch that fills its folder with many files, and marks it done at last."""

    def output(self) -> law.LocalFileTarget:
        """The file that is written when everything else is there."""
        return self.file("done.json")

    def run(self) -> None:
        """Makes the output, unless another did meanwhile: trainings that begin alike share their first stages."""
        with claimed(self.path, wait=True):
            if not self.path.exists():
                super().run()

    def discard(self, path: Path) -> None:
        """Removes the whole folder."""
        shutil.rmtree(path.parent, ignore_errors=True)


@lru_cache(maxsize=8)
def _settings(path: str) -> WorkflowSettings:
    return load_workflow(path)
