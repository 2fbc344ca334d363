"""Training as a chain of steps: each stage of the schedule has a folder of its own and starts from the checkpoint of the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError, SettingsError
from hgcae.train.checkpoint import Checkpoint
from hgcae.train.run import RunSettings, prepare, schedule_of
from hgcae.train.schedule import Schedule
from hgcae.train.trainer import Progress, Trainer
from hgcae.workflow.settings import WorkflowSettings

_UNKNOWN = "sample.parquet"
"""Stands for the input while only settings are compared."""


def run_settings(workflow: WorkflowSettings, point: int = -1) -> RunSettings:
    """Returns the settings of a training with its whole stage table, which replaces what else decides on the schedule.

    Raises:
        SettingsError: Settings that are not those of a training, or do not fit the sample.
    """
    section = workflow.training(point)
    if "input" in section.settings:
        msg = "train: settings.input: found a file, expected none: the sample is given by its name"
        raise SettingsError(msg)
    chosen = RunSettings.load(section.settings | {"input": _UNKNOWN}, "train: settings")
    hierarchy = workflow.sample(section.sample).hierarchy()
    if chosen.root is not None:
        hierarchy = hierarchy.rooted(chosen.root)
    schedule = schedule_of(chosen, hierarchy)
    return chosen.model_copy(update={"schedule": schedule, "epochs": None, "batch": None})


def until(settings: RunSettings, stage: int, path: Path | str = _UNKNOWN) -> RunSettings:
    """Returns the settings of a run that ends after so many stages, with its input."""
    table = Schedule(stages=(settings.schedule or Schedule(stages=())).stages[:stage])
    return settings.model_copy(update={"schedule": table, "input": str(path)})


def train_stage(settings: RunSettings, folder: Path, before: Path | None, on_progress: Callable[[Progress], None]) -> Trainer:
    """Trains the last stage of a run, or resumes it; on a CPU, all stages one by one give the weights of the whole run.

    Args:
        settings: Settings that end with this stage.
        folder: Folder of this stage.
        before: Folder of the stage before; None for the first.
        on_progress: Called after every step.
    """
    trainer = prepare(settings, folder)
    if before is not None and Checkpoint.read(folder) is None:
        _hand_over(trainer, before)
    trainer.on_progress = on_progress
    trainer.run()
    return trainer


def _hand_over(trainer: Trainer, before: Path) -> None:
    """Makes the checkpoint of the stage before that of this one.

    Raises:
        DataFormatError: The stage before has none.
    """
    shorter = Schedule(stages=trainer.settings.schedule.stages[:-1])
    earlier = replace(trainer, settings=trainer.settings.model_copy(update={"schedule": shorter}))
    checkpoint = Checkpoint.load(before, earlier.fingerprint)
    if checkpoint is None:
        raise DataFormatError(before, "checkpoint", "none", "that of the stage before")
    replace(checkpoint, fingerprint=trainer.fingerprint).save(trainer.folder)


def share_of_stage(settings: RunSettings, update: Callable[[float], Any]) -> Callable[[Progress], None]:
    """Returns a function that translates the trainer's progress into epochs of the last stage."""
    stage = (settings.schedule or Schedule(stages=())).stages[-1]
    first = settings.schedule.epochs - stage.epochs if settings.schedule else 0

    def on_progress(now: Progress) -> None:
        update(now.epoch - 1 - first + now.steps_done / now.steps)

    return on_progress
