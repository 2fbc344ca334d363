"""The training loop: stages, epochs, steps; it may stop at any moment and resumes where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.sparse import Tree
from hgcae.parallel import ahead
from hgcae.settings import Settings
from hgcae.train.batches import Batch, Batches
from hgcae.train.checkpoint import Checkpoint
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.sensitivity import sensitivity


class TrainSettings(Settings):
    """What a training run does besides the model's own settings."""

    schedule: Schedule
    loss: LossSettings = LossSettings()
    seed: int = Field(default=1, ge=0)
    shard_events: int | None = Field(
        default=None,
        ge=1,
        description="Events of a shard: what is held in memory at a time, while the next is prepared. An epoch of drawn units passes "
        "through four. Default: as many as have two million charges.",
    )
    devices: int = Field(default=1, ge=1, description="Devices (GPUs) that share each step.")
    test_batches: int = Field(
        default=4, ge=1, description="Fixed batches of test units whose mean loss is recorded after each epoch; of whole events all count."
    )


_SHARD_CHARGES = 2_000_000
"""Charges of a shard: with the tree above them some hundred MiB."""
_SHARDS_PER_EPOCH = 4
"""Fewer shards stay in memory, and an epoch passes through all; of a larger sample it passes through the next four."""
_SENSITIVITY_EVENTS = 200


class Sample(Protocol):
    """A sample of events that is read in pieces."""

    def __len__(self) -> int: ...

    def take(self, start: int, stop: int) -> Events:
        """Returns the events start, ..., stop - 1."""
        ...


@dataclass(frozen=True)
class Progress:
    """State of a run, for a progress bar.

    Args:
        stage: Number of the stage, from 1, and the stage.
        epoch: Current epoch over all stages, from 1.
        epochs: Number of epochs of all stages.
        steps_done: Steps done in this epoch.
        steps: Steps of an epoch.
        events_per_s: Events that pass per second in this epoch (units, divided by their mean number in an event).
    """

    stage: tuple[int, Stage]
    epoch: int
    epochs: int
    steps_done: int
    steps: int
    events_per_s: float


@dataclass
class Trainer:
    """Trains a model in a folder.

    The folder keeps `checkpoint.npz`, `history.jsonl` (one row per epoch) and `model/` of the last finished epoch.

    Args:
        model: The model; its weights are replaced by those of the checkpoint when the run resumes.
        settings: Schedule, loss, seed.
        train: Training sample.
        test: Test events that the training never sees.
        cell_xy: Position of each trigger cell of the root, cm: (n_cells, 2); None where unknown.
        folder: The run's folder.
        data_fingerprint: Identifies the training data; a checkpoint made with other data is refused.
        detector: Detector of whole events, for the heads; None where unknown.
        last_epoch: Epoch after which to stop before the schedule is done; a later run may resume. None = the schedule's end.
        on_progress: Called after every step.
        on_epoch: Called after every epoch with the trainer and the history row, before the checkpoint: pictures are drawn here, and a run
            that is killed meanwhile does the epoch again.
    """

    model: Autoencoder
    settings: TrainSettings
    train: Sample
    test: Events
    cell_xy: NDArray[np.float64] | None
    folder: Path
    data_fingerprint: str = ""
    detector: Detector | None = None
    last_epoch: int | None = None
    on_progress: Callable[[Progress], None] = lambda _: None
    on_epoch: Callable[[Trainer, dict[str, Any]], None] = lambda *_: None
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings.schedule.check(self.model.hierarchy, self.model.conserves_charge)

        if not len(self.train) or not len(self.test):
            msg = "training needs at least one training and one test event"
            raise SettingsError(msg)

    @property
    def fingerprint(self) -> str:
        """Identifies model, settings and data of this run, and what weights mean to this version of the program."""
        return "-".join([str(files.VERSION), self.model.settings.fingerprint(), self.settings.fingerprint(), self.data_fingerprint])

    @property
    def epochs(self) -> int:
        """Epochs of the run."""
        return min(self.settings.schedule.epochs, self.last_epoch or self.settings.schedule.epochs)

    def run(self) -> None:
        """Trains until the last epoch, from the last checkpoint if there is one; then fits the heads."""
        self.train_stages()
        self.fit_heads()
        files.save(self.model, self.folder / "model")

    def train_stages(self) -> None:
        """Trains until the last epoch, from the last checkpoint if there is one."""
        checkpoint = self._resume()
        done, step = (0, 0) if checkpoint is None else (checkpoint.epoch, checkpoint.step)
        first = 0
        for number, stage in enumerate(self.settings.schedule.stages):
            span = range(max(done, first), min(first + stage.epochs, self.epochs))
            if span:
                step = self._run_stage(number, stage, span, step, checkpoint if done > first else None)
            first += stage.epochs

    def _resume(self) -> Checkpoint | None:
        checkpoint = Checkpoint.load(self.folder, self.fingerprint)
        self.history = [] if checkpoint is None else list(checkpoint.history)
        if checkpoint is not None:
            files.set_weight_arrays(self.model, checkpoint.weights, self.folder)
            checkpoint.write_history(self.folder)
        return checkpoint

    def _run_stage(self, number: int, stage: Stage, span: range, step: int, checkpoint: Checkpoint | None) -> int:
        base = self._base(stage)
        loop = self.loop(stage, base)
        if checkpoint is not None:
            loop.set_optimiser(checkpoint.optimiser)
        tests = self._test_batches(stage, base)
        pieces = ahead(self._pieces(stage, base, span), depth=1)
        for epoch in span:
            steps = sum(self._steps(stage, epoch))
            start, losses, seen = time.perf_counter(), [], 0.0
            for j in range(len(self._shards(stage, epoch))):
                batches, n = next(pieces)
                rng = np.random.default_rng([self.settings.seed, epoch, j])
                for batch in ahead(map(loop.place, batches.draw(rng, n))):
                    losses.append(loop.step(batch))
                    seen += batches.events_per_step
                    rate = seen / (time.perf_counter() - start)
                    self.on_progress(Progress((number + 1, stage), epoch + 1, self.epochs, len(losses), steps, rate))
            step += len(losses)
            loss_train = float(np.mean(jax.device_get(losses)))
            seconds = time.perf_counter() - start
            row = {
                "stage": number + 1,
                "loss_level": stage.loss_level,
                "trains": list(stage.trains),
                "epoch": epoch + 1,
                "step": step,
                "loss_train": loss_train,
                "loss_test": loop.test(tests),
                "learning_rate": loop.learning_rate,
                "seconds": round(seconds, 3),
                "events_per_s": round(seen / seconds, 2),
                "compilations": loop.compilations,
            }
            self._finish_epoch(row, loop)
        return step

    def loop(self, stage: Stage, base: str) -> StageLoop:
        """Returns the step of a stage; `base` is the lowest level that learns."""
        lower = self.model.hierarchy.below(stage.loss_level) if stage.compare == "children" else None
        costs = None if lower is None else sensitivity(self.model, self.train.take(0, _SENSITIVITY_EVENTS), lower, self.settings.seed)
        return StageLoop(self.model, stage, base, self.settings.loss, self.cell_xy, self.settings.devices, costs)

    def _base(self, stage: Stage) -> str:
        """Returns the lowest level that learns: all below it are encoded once."""
        hierarchy = self.model.hierarchy
        return hierarchy.names[min(hierarchy.index(name) for name in stage.trains)]

    def _pieces(self, stage: Stage, base: str, epochs: range) -> Iterator[tuple[Batches, int]]:
        """Yields what epochs draw from, shard after shard, and how many steps each serves."""
        known: dict[tuple[int, int], Batches] = {}
        for epoch in epochs:
            shards = self._shards(stage, epoch)
            for shard, steps in zip(shards, self._steps(stage, epoch), strict=True):
                if shard not in known:
                    if len(shards) >= _SHARDS_PER_EPOCH:
                        known.clear()  # a large sample: one shard at a time
                    tree = self.tree(self.train.take(*shard), base, stage.loss_level)
                    known[shard] = Batches(stage, tree, self.model.hierarchy, self.settings.devices)
                yield known[shard], steps

    def _steps(self, stage: Stage, epoch: int) -> list[int]:
        """Returns the steps of each shard of an epoch."""
        sizes = np.array([stop - start for start, stop in self._shards(stage, epoch)])
        if stage.steps is None:
            return [-(-size // stage.batch) for size in sizes.tolist()]
        return np.diff(np.round(np.append(0, np.cumsum(sizes)) * stage.steps / sizes.sum()).astype(int)).tolist()

    def _finish_epoch(self, row: dict[str, Any], loop: StageLoop) -> None:
        loop.store_weights()
        files.save(self.model, self.folder / "model")
        self.history = [*self.history, row]
        # Before the checkpoint, so that a run killed in between draws it again with the epoch.
        self.on_epoch(self, row)
        arrays = files.weight_arrays(self.model), loop.optimiser_arrays()
        Checkpoint(self.fingerprint, row["epoch"], row["step"], *arrays, self.history).save(self.folder)

    def _shards(self, stage: Stage, epoch: int) -> list[tuple[int, int]]:
        """Returns first and last event of the shards of an epoch: the next few of a large sample, all of a small one.

        Whole events pass in their order, all of them: their shards end where batches do.
        """
        size = self.settings.shard_events or self._default_shard
        edges = np.linspace(0, len(self.train), -(-len(self.train) // size) + 1).astype(int)
        if stage.sampling == "events":
            edges[1:-1] -= edges[1:-1] % stage.batch
            edges = np.unique(edges)
        total = len(edges) - 1
        count = total if stage.sampling == "events" else min(total, _SHARDS_PER_EPOCH)
        numbers = [(epoch * count + j) % total for j in range(count)]
        return [(int(edges[i]), int(edges[i + 1])) for i in numbers]

    @cached_property
    def _default_shard(self) -> int:
        n = min(1000, len(self.train))
        return max(1, round(_SHARD_CHARGES * n / max(len(self.train.take(0, n).charge), 1)))

    def tree(self, events: Events, base: str, top: str) -> Tree:
        """Returns the tree of events; the levels below `base` do not learn, so they are encoded here and not in every step."""
        lower = self.model.hierarchy.below(base)
        codes = None if lower is None else self.model.encode_events(events, lower)
        return Tree.build(self.model.digi(events), base, top, codes)

    def _test_batches(self, stage: Stage, base: str) -> list[Batch]:
        tree = self.tree(self.test, base, stage.loss_level)
        # Whole events are compared exactly, all of them.
        batches = Batches(stage.model_copy(update={"empty_share": 1.0}), tree, self.model.hierarchy, self.settings.devices)
        rng = np.random.default_rng([self.settings.seed, 2**31])
        return list(batches.draw(rng, -(-len(self.test) // stage.batch) if stage.sampling == "events" else self.settings.test_batches))

    def fit_heads(self) -> None:
        """Fits the energy and momentum heads on the first shard of the training sample."""
        events, codes, below = self.train.take(*self._shards(self.settings.schedule.stages[-1], 0)[0]), {}, None
        for name in self.model.hierarchy.names:
            codes[name] = below = self.model.encode_events(events, name, below)
        self.model.heads.fit(self.model, events, codes, self.detector)
