"""The training loop: stages, epochs, steps; it may stop at any moment and resumes where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.sparse import Codes, Tree
from hgcae.settings import Settings, atomic_path
from hgcae.train.batches import Batch, Batches
from hgcae.train.checkpoint import Checkpoint
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Schedule, Stage


class TrainSettings(Settings):
    """What a training run does besides the model's own settings."""

    schedule: Schedule
    loss: LossSettings = LossSettings()
    seed: int = Field(default=1, ge=0)
    shard_events: int | None = Field(
        default=None,
        ge=1,
        description="Most events held in memory; each epoch uses the next such shard. Default: as many as have 4 million charges.",
    )
    test_batches: int = Field(default=4, ge=1, description="Fixed batches of the test sample whose mean loss is recorded after each epoch.")


_SHARD_CHARGES = 4_000_000
"""Charges of a shard: with the tree above them some hundreds of MiB."""


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
        on_progress: Called after every step.
        on_epoch: Called after every epoch with the trainer and the history row; pictures are drawn here.
    """

    model: Autoencoder
    settings: TrainSettings
    train: Sample
    test: Events
    cell_xy: NDArray[np.float64] | None
    folder: Path
    data_fingerprint: str = ""
    on_progress: Callable[[Progress], None] = lambda _: None
    on_epoch: Callable[[Trainer, dict[str, Any]], None] = lambda *_: None
    history: list[dict[str, Any]] = field(default_factory=list)
    _codes: dict[str, Codes] = field(default_factory=dict)
    _codes_shard: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.settings.schedule.check(self.model.hierarchy)
        if not len(self.train) or not len(self.test):
            msg = "training needs at least one training and one test event"
            raise SettingsError(msg)

    @property
    def fingerprint(self) -> str:
        """Identifies model, settings and data of this run."""
        return "-".join([self.model.settings.fingerprint(), self.settings.fingerprint(), self.data_fingerprint])

    def run(self) -> None:
        """Trains until the schedule is done, from the last checkpoint if there is one; then fits the heads."""
        done, step, optimiser = self._resume()
        first = 0
        for number, stage in enumerate(self.settings.schedule.stages):
            if done < first + stage.epochs:
                step = self._run_stage(number, stage, first, max(done, first), step, optimiser if done > first else [])
            first += stage.epochs
        self.fit_heads()
        self.model.save(self.folder / "model")

    def _resume(self) -> tuple[int, int, list[NDArray[Any]]]:
        path = self.folder / "checkpoint.npz"
        if not path.exists():
            self._write_history([])
            return 0, 0, []
        checkpoint = Checkpoint.load(path, self.fingerprint)
        files.set_weight_arrays(self.model, checkpoint.weights, path)
        # A run killed between its history and its checkpoint repeats that epoch, and so its row.
        self._write_history([row for row in read_history(self.folder) if row["epoch"] <= checkpoint.epoch])
        return checkpoint.epoch, checkpoint.step, checkpoint.optimiser

    def _run_stage(self, number: int, stage: Stage, first: int, done: int, step: int, optimiser: list[NDArray[Any]]) -> int:
        hierarchy = self.model.hierarchy
        base = hierarchy.names[min(hierarchy.index(name) for name in stage.trains)]
        shard = self._shard(done)
        batches = Batches(stage, self._tree(shard, base, stage.loss_level), hierarchy)
        loop = StageLoop(self.model, stage, base, batches.steps, self.settings.loss, self.cell_xy)
        if optimiser:
            loop.set_optimiser(optimiser)
        tests = self._test_batches(stage, base)
        for epoch in range(done, first + stage.epochs):
            if self._shard(epoch) != shard:
                shard = self._shard(epoch)
                batches = Batches(stage, self._tree(shard, base, stage.loss_level), hierarchy)
            start, losses = time.perf_counter(), []
            rng = np.random.default_rng([self.settings.seed, epoch])
            seen = 0
            for i, batch in enumerate(batches.epoch(rng), 1):
                losses.append(loop.step(batch))
                seen += batch.n_roots
                rate = seen / batches.roots_per_event / (time.perf_counter() - start)
                self.on_progress(Progress((number + 1, stage), epoch + 1, self.settings.schedule.epochs, i, batches.steps, rate))
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
                "events_per_s": round(seen / batches.roots_per_event / seconds, 2),
            }
            self._finish_epoch(row, loop)
        return step

    def _finish_epoch(self, row: dict[str, Any], loop: StageLoop) -> None:
        loop.store_weights()
        learned = min(self.model.hierarchy.index(name) for name in row["trains"])
        self._codes = {name: codes for name, codes in self._codes.items() if self.model.hierarchy.index(name) < learned}
        self._write_history([*self.history, row])
        self.model.save(self.folder / "model")
        Checkpoint(self.fingerprint, row["epoch"], row["step"], files.weight_arrays(self.model), loop.optimiser_arrays()).save(
            self.folder / "checkpoint.npz"
        )
        self.on_epoch(self, row)

    def _write_history(self, rows: list[dict[str, Any]]) -> None:
        self.history = rows
        with atomic_path(self.folder / "history.jsonl") as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def _shard(self, epoch: int) -> tuple[int, int]:
        """Returns first and last event of the shard of an epoch; shards are of equal size."""
        size = self.settings.shard_events or self._default_shard
        edges = np.linspace(0, len(self.train), -(-len(self.train) // size) + 1).astype(int)
        number = epoch % (len(edges) - 1)
        return int(edges[number]), int(edges[number + 1])

    @cached_property
    def _default_shard(self) -> int:
        n = min(1000, len(self.train))
        return max(1, round(_SHARD_CHARGES * n / max(len(self.train.take(0, n).charge), 1)))

    def _tree(self, shard: tuple[int, int], base: str, top: str) -> Tree:
        events, lower = self.train.take(*shard), self.model.hierarchy.below(base)
        return Tree.build(events, base, top, None if lower is None else self._frozen_codes(events, lower, shard))

    def _frozen_codes(self, events: Events, level: str, shard: tuple[int, int]) -> Codes:
        """Returns the codes of a level that does not learn now; each level of a shard is encoded once until it learns again."""
        if self._codes_shard != shard:
            self._codes, self._codes_shard = {}, shard
        if level not in self._codes:
            lower = self.model.hierarchy.below(level)
            below = None if lower is None else self._frozen_codes(events, lower, shard)
            self._codes[level] = self.model.encode_events(events, level, below)
        return self._codes[level]

    def _test_batches(self, stage: Stage, base: str) -> list[Batch]:
        lower = self.model.hierarchy.below(base)
        codes = None if lower is None else self.model.encode_events(self.test, lower)
        batches = Batches(stage, Tree.build(self.test, base, stage.loss_level, codes), self.model.hierarchy)
        rng = np.random.default_rng([self.settings.seed, 2**31])
        return [batch for batch, _ in zip(batches.epoch(rng), range(self.settings.test_batches), strict=False)]

    def fit_heads(self) -> None:
        """Fits the energy and momentum heads on the first shard of the training sample."""
        shard = self._shard(0)
        events = self.train.take(*shard)
        codes = {name: self._frozen_codes(events, name, shard) for name in self.model.hierarchy.names}
        self.model.heads.fit(self.model, events, codes)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Reads the history of a run; an absent file is an empty history.

    Raises:
        DataFormatError: A line is not the JSON object of an epoch.
    """
    path = folder / "history.jsonl"
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append(row | {"epoch": int(row["epoch"])})
        except (KeyError, TypeError, ValueError):
            raise DataFormatError(path, f"line {number}", repr(line[:40]), "the JSON object of an epoch") from None
    return rows
