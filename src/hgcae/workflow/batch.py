"""Where branches run: in processes of this machine, or as jobs of Slurm or HTCondor, which law submits, watches and submits again."""

from __future__ import annotations

import os
import re
import shlex
import sys
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import law
import luigi
from law.contrib.htcondor import HTCondorWorkflow
from law.contrib.slurm import SlurmWorkflow
from typing_extensions import override

from hgcae.errors import SettingsError
from hgcae.outputs import atomic_path

if TYPE_CHECKING:
    from hgcae.workflow.settings import Resources, WorkflowSettings

PASSED_ON = ("PYTHONPATH", "HGCAE_DATA", "JAX_PLATFORMS")
"""Variables that a job gets from the process that submits it."""


def setup_lines(settings: WorkflowSettings) -> list[str]:
    """Returns the shell lines that prepare a job: those of the workflow, or the Python environment that runs this process."""
    if settings.batch.setup is not None:
        return list(settings.batch.setup)
    lines = [f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"]
    return lines + [f"export {name}={shlex.quote(os.environ[name])}" for name in PASSED_ON if name in os.environ]


def check_store(store: str, where: str) -> None:
    """Checks that the path of a store reaches those who read it as it is.

    law writes paths unquoted into lists of files and into options, where blanks, quotes, commas, semicolons, `%` and `$` mean something to
    bash, Slurm or HTCondor; on this machine, it replaces variables in them.

    Raises:
        SettingsError: It would not.
    """
    told = re.search(r"\$" if where == "local" else r"[^\w/.+@~-]", store)
    if told:
        kind = "the store of a workflow" if where == "local" else "a store that jobs write into"
        msg = f"store: {store!r}: found {told[0]!r} in the path of {kind}; expected " + (
            "none" if where == "local" else "only letters, digits and / . _ + - @ ~"
        )
        raise SettingsError(msg)


def _one_line(options: dict[str, str]) -> list[tuple[str, str]]:
    for key, value in options.items():
        if any(character in key + value for character in "\n\r\0"):
            msg = f"batch: {key!r}: found the value {value!r}, expected one line"
            raise SettingsError(msg)
    return list(options.items())


def slurm_options(needs: Resources, further: dict[str, str]) -> list[tuple[str, str]]:
    """Returns #SBATCH options (slurm.schedmd.com/sbatch.html) for the resources of a job."""
    hours, minutes = divmod(needs.minutes, 60)
    options = {"ntasks": "1", "cpus-per-task": str(needs.cores), "mem": f"{needs.memory_mb}M", "time": f"{hours:02d}:{minutes:02d}:00"}
    if needs.gpus:
        options["gpus"] = str(needs.gpus)
    return _one_line(options | further)


def htcondor_commands(needs: Resources, further: dict[str, str]) -> list[tuple[str, str]]:
    """Returns submit commands (htcondor.readthedocs.io, condor_submit) for the resources of a job.

    A job that runs longer than it may is removed, and so counts as failed, whatever the pool's own limits; `+MaxRuntime` (seconds) is how
    CERN's pool wants to know it (batchdocs.web.cern.ch).
    """
    seconds = 60 * needs.minutes
    commands = {
        "request_cpus": str(needs.cores),
        "request_memory": f"{needs.memory_mb}MB",
        "periodic_remove": f"(JobStatus == 2) && (time() - EnteredCurrentStatus > {seconds})",
        "+MaxRuntime": str(seconds),
    }
    if needs.gpus:
        commands["request_gpus"] = str(needs.gpus)
    return _one_line(commands | further)


class Farm(law.LocalWorkflow, HTCondorWorkflow, SlurmWorkflow):
    """A task that runs anywhere: `--workflow local`, `slurm` or `htcondor`. Nothing here changes what it makes."""

    exclude_index = True
    transfer_logs = luigi.BoolParameter(default=True, significant=False, description="collect the logs of jobs in STORE/logs")

    @property
    @abstractmethod
    def settings(self) -> WorkflowSettings:
        """The whole workflow."""

    @property
    @abstractmethod
    def resources_of_job(self) -> Resources:
        """What one branch may use."""

    @property
    @abstractmethod
    def job_folder_name(self) -> str:
        """Name of the folders of jobs and logs of this step."""

    # What follows answers law's questions for one batch system after the other: the same folders, bootstrap file and settings.

    def _folder(self, kind: str) -> law.LocalDirectoryTarget:
        return law.LocalDirectoryTarget(str(Path(self.settings.store) / kind / self.job_folder_name))

    def _bootstrap(self) -> law.JobInputFile:
        """Returns the file that prepares a job, written into the folder of jobs."""
        path = Path(self.settings.store) / "jobs" / "bootstrap.sh"
        text = "\n".join(["#!/usr/bin/env bash", *setup_lines(self.settings), ""])
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return law.JobInputFile(str(path), copy=True, render_local=False)

    def _factory(self, kind: str, **options: Any) -> Any:
        check_store(self.settings.store, kind)
        folder = Path(self.settings.store) / "jobs" / self.job_folder_name / "files"
        folder.mkdir(parents=True, exist_ok=True)
        create = getattr(super(), f"{kind}_create_job_file_factory")
        return create(**{"dir": str(folder), "mkdtemp": False, "cleanup": False} | options)

    def slurm_output_directory(self) -> Any:
        """Folder of what law knows about the jobs."""
        return self._folder("jobs")

    def htcondor_output_directory(self) -> Any:
        """Folder of what law knows about the jobs."""
        return self._folder("jobs")

    def slurm_log_directory(self) -> Any:
        """Folder of logs."""
        return self._folder("logs")

    def htcondor_log_directory(self) -> Any:
        """Folder of logs."""
        return self._folder("logs")

    def slurm_bootstrap_file(self) -> Any:
        """Prepares a job."""
        return self._bootstrap()

    def htcondor_bootstrap_file(self) -> Any:
        """Prepares a job."""
        return self._bootstrap()

    def slurm_create_job_file_factory(self, **options: Any) -> Any:
        """Writes job files into the store."""
        return self._factory("slurm", **options)

    def htcondor_create_job_file_factory(self, **options: Any) -> Any:
        """Writes job files into the store."""
        return self._factory("htcondor", **options)

    @override
    def slurm_job_config(self, config: Any, job_num: int, branches: list[int]) -> Any:
        """Adds the resources."""
        config.custom_content += slurm_options(self.resources_of_job, self.settings.batch.slurm)
        return config

    @override
    def htcondor_job_config(self, config: Any, job_num: Any, branches: Any) -> Any:
        """Adds the resources."""
        config.custom_content += htcondor_commands(self.resources_of_job, self.settings.batch.htcondor)
        return config

    def slurm_use_local_scheduler(self) -> bool:
        """A job knows no luigid."""
        return True

    def htcondor_use_local_scheduler(self) -> bool:
        """A job knows no luigid."""
        return True

    def slurm_check_job_completeness(self) -> Any:
        """A job without its files has failed, whatever its exit status."""
        return True

    def htcondor_check_job_completeness(self) -> Any:
        """A job without its files has failed, whatever its exit status."""
        return True
