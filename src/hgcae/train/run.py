"""A training run from its settings: sample, model and trainer in a folder that says how to do it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from hgcae.errors import SettingsError, unknown
from hgcae.events import Events
from hgcae.geometry.detector import detector_of
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import root_xy_cm
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import ChildFrame, frames
from hgcae.model.presets import ModelSettings, Precision, l1_preset, original_preset
from hgcae.model.training_data import TrainingData
from hgcae.outputs import atomic_path
from hgcae.settings import Settings, fingerprint, overlaid
from hgcae.store import Reader
from hgcae.train.checkpoint import Checkpoint
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import EPOCHS, MOST_EPOCHS, SCHEDULES, Schedule
from hgcae.train.trainer import Trainer, TrainSettings


class RunSettings(Settings):
    """What `hgcae train` does."""

    input: str = Field(description="Parquet file of events.")
    root: str | None = Field(default=None, description="Train on the occupied units of this level instead of whole events.")
    preset: Literal["l1", "original"] = Field(
        default="l1", description="l1: made for the trigger; original: the original network on 4E3M codes."
    )
    latent: int | None = Field(default=None, ge=1, le=4096, description="Numbers in every code; default 8.")
    bits: int | None = Field(default=None, ge=2, le=16, description="Bits of every number (l1); default 9.")
    epochs: int | str | None = Field(default=None, description="Length of the schedule: a number, demo or full; default demo.")
    batch: int | None = Field(
        default=None, ge=1, le=1 << 20, description="Events in a step (original: 2); l1 takes units in proportion, made for 32."
    )
    seed: int = Field(default=1, ge=0, description="Start of the random numbers.")
    test_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the events that training never sees. l1: the last ones, default 0.1; original: the first ones of a random "
        "order, default 16 events, or half of fewer than 32.",
    )
    devices: int = Field(default=1, ge=1, le=4096, description="Devices (GPUs) that share each step.")
    decoder_precision: Precision | None = Field(
        default=None, description="Type in which decoders multiply: float32 (default); bfloat16 suits GPUs."
    )
    shard_events: int | None = Field(
        default=None, ge=1, le=1 << 40, description="Most events held in memory at a time; default by their charges."
    )
    loss: LossSettings = Field(default=LossSettings(), description="Weights of the terms of the l1 loss.")
    model: ModelSettings | None = Field(default=None, description="All model settings, instead of the preset's.")
    levels: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Settings of single levels over those of the preset or model, e.g. levels.MODULE.encoder=[32]."
    )
    schedule: Schedule | None = Field(default=None, description="The whole stage table, instead of the preset's.")

    @field_validator("epochs")
    @classmethod
    def _known_length(cls, epochs: int | str | None) -> int | str | None:
        if isinstance(epochs, str) and epochs not in ("demo", "full"):
            msg = "expected a number, demo or full"
            raise ValueError(msg)
        if isinstance(epochs, int) and not 1 <= epochs <= MOST_EPOCHS:
            msg = f"expected 1 to {MOST_EPOCHS}"
            raise ValueError(msg)
        return epochs

    @model_validator(mode="after")
    def _said_once(self) -> RunSettings:
        """Refuses short settings next to the whole ones that replace them: they would change nothing."""
        for whole, short in _REPLACED.items():
            given = [name for name in short if getattr(self, whole) is not None and getattr(self, name) is not None]
            if given:
                instead = "levels.LEVEL" if whole == "model" else "schedule.stages"
                found = f"{given[0]} = {getattr(self, given[0])}"
                msg = f"{found} changes nothing next to the whole {whole}; set {instead}, or leave {whole} out"
                raise ValueError(msg)
        return self


_REPLACED = {"model": ("latent", "bits", "decoder_precision"), "schedule": ("epochs", "batch")}
"""Settings in full, and the short ones of which they are made."""


@dataclass(frozen=True)
class Split:
    """Part of a Parquet file as a sample, with units of a level as events if asked for.

    Args:
        reader: The file.
        start: First event of the part.
        stop: End of the part.
        root: Level whose occupied units become the events; None = whole events.
        shuffled: All events of the file in the order of the sample; None = as they lie in the file.
    """

    reader: Reader
    start: int
    stop: int
    root: str | None = None
    shuffled: Events | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def take(self, start: int, stop: int) -> Events:
        """Returns the events (or their units) start, ..., stop - 1 of the part."""
        first, last = self.start + start, min(self.start + stop, self.stop)
        events = self.reader.take(first, last) if self.shuffled is None else self.shuffled[first:last]
        if self.root is None or self.root.upper() == events.hierarchy.root:
            return events
        return events.units(self.root)[0]

    def chunks(self, size: int = 2048) -> Iterator[Events]:
        """Yields the part in pieces."""
        for start in range(0, len(self), size):
            yield self.take(start, start + size)


def splits(settings: RunSettings) -> tuple[Split, Split]:
    """Returns the training and the held-out part of a run's input.

    Raises:
        SettingsError: Not a Parquet file, fewer than two events, or no such level.
    """
    if Path(settings.input).suffix.lower() != ".parquet":
        msg = f"{settings.input}: training reads Parquet files of hgcae; write one with hgcae convert"
        raise SettingsError(msg)
    reader = Reader(settings.input)
    if len(reader) < 2:
        msg = f"{settings.input}: found {len(reader)} events, expected at least 2: some to train on, some to test"
        raise SettingsError(msg)
    if settings.root is not None:
        reader.hierarchy.index(settings.root)
    n = len(reader)
    if settings.preset == "original":
        # The original program's order, which it took from NumPy's global generator.
        shuffled = reader.read()[np.random.RandomState(0).permutation(n)]
        edge = min(N_TEST, n // 2) if settings.test_share is None else min(max(1, round(settings.test_share * n)), n - 1)
        return Split(reader, edge, n, settings.root, shuffled), Split(reader, 0, edge, settings.root, shuffled)
    edge = max(1, n - max(1, round((settings.test_share or _TEST_SHARE) * n)))
    return Split(reader, 0, edge, settings.root), Split(reader, edge, n, settings.root)


N_TEST = 16
"""Events that the original program held back."""
_TEST_SHARE = 0.1


def training_data(train: Split, test: Split) -> TrainingData:
    """Returns what a model that is trained on one part of a file and tested on another has to say of it."""
    return TrainingData(train.reader.content_fingerprint, [train.start, train.stop], [test.start, test.stop], train.root)


def splits_of_run(run: Path, settings: RunSettings, data: TrainingData | None, path: Path | None = None) -> tuple[Split, Split] | None:
    """Returns the training and the held-out part of the file that a finished run was trained on; None where the file is not there.

    The file is looked for where the settings say, and then next to the run, which may have been moved.

    Args:
        run: Folder of the run.
        settings: Its settings.
        data: What its model says that it was trained on.
        path: The file, where it is known.

    Raises:
        SettingsError: There is a file, but with other events, or the settings have been changed since.
    """
    places = [path] if path else [Path(settings.input), run.resolve().parent / Path(settings.input).name]
    found = {place: Reader(place).content_fingerprint for place in places if place.exists()}
    if not found:
        return None
    if data is None:
        msg = f"{run}: its model does not say which events it was trained on"
        raise SettingsError(msg)
    chosen = next((place for place, events in found.items() if events == data.events), None)
    if chosen is None:
        place, events = next(iter(found.items()))
        msg = f"{place}: holds events of the fingerprint {events}, {run} was trained on those of {data.events}"
        raise SettingsError(msg)
    parts = splits(settings.model_copy(update={"input": str(chosen)}))
    if training_data(*parts) != data:
        texts = [f"events {part.train[0]} to {part.train[1] - 1} (root {part.root})" for part in (training_data(*parts), data)]
        msg = f"{run / 'run.yaml'}: asks for training {texts[0]}, its model was trained on {texts[1]}"
        raise SettingsError(msg)
    return parts


def prepare(settings: RunSettings, folder: Path) -> Trainer:
    """Builds the trainer of a run and writes `run.yaml` into its folder.

    Raises:
        SettingsError, DataFormatError, GeometryError: Bad input, settings that do not fit it, or a folder that holds another run.
    """
    train, test = splits(settings)
    data = training_data(train, test)
    test_events = test.take(0, min(len(test), 500) if settings.root is None else len(test))
    hierarchy = test_events.hierarchy
    detector = detector_of(train.reader.detector, settings.input)
    whole = detector if detector is not None and hierarchy.levels == detector.hierarchy.levels else None
    cell_xy = root_xy_cm(hierarchy, detector)
    weight = None if whole is None else whole.layer_mev_per_mip / np.median(whole.layer_mev_per_mip)
    positions = frames(hierarchy, cell_xy)
    written = _in_full(settings, hierarchy, positions)
    model = Autoencoder(
        hierarchy,
        model_settings(written, hierarchy, positions),
        Calibration.measure(train.chunks(), weight),
        positions,
        settings.seed,
        train.reader.detector,
    )
    model.trained_on = data
    options = TrainSettings(
        schedule=schedule_of(written, hierarchy),
        loss=settings.loss,
        seed=settings.seed,
        shard_events=settings.shard_events,
        devices=settings.devices,
    )
    trainer = Trainer(model, options, train, test_events, cell_xy, folder, _fingerprint(data, train.reader.hierarchy), whole)
    Checkpoint.load(folder, trainer.fingerprint)
    with atomic_path(folder / "run.yaml") as path:
        path.write_text(written.to_yaml(), encoding="utf-8")
    return trainer


def resolved(settings: RunSettings) -> RunSettings:
    """Returns settings that ask for the same training, with the whole model and stage table in them.

    Raises:
        SettingsError, DataFormatError: Bad input, or settings that do not fit it.
    """
    train, test = splits(settings)
    hierarchy = test.take(0, 1).hierarchy
    positions = frames(hierarchy, root_xy_cm(hierarchy, detector_of(train.reader.detector, settings.input)))
    return _in_full(settings, hierarchy, positions)


def _in_full(settings: RunSettings, hierarchy: Hierarchy, positions: Mapping[str, ChildFrame]) -> RunSettings:
    full = {"model": model_settings(settings, hierarchy, positions), "levels": {}, "schedule": schedule_of(settings, hierarchy)}
    return settings.model_copy(update={**full, **{name: None for short in _REPLACED.values() for name in short}})


def schedule_of(settings: RunSettings, hierarchy: Hierarchy) -> Schedule:
    """Returns the stage table of a run: its own, or the preset's.

    Raises:
        SettingsError: Fewer epochs than stages.
    """
    length = settings.epochs if isinstance(settings.epochs, int) else EPOCHS[settings.preset][settings.epochs or "demo"]
    batch = {"batch": settings.batch} if settings.batch else {}
    return settings.schedule or SCHEDULES[settings.preset](hierarchy, length, **batch)


def model_settings(settings: RunSettings, hierarchy: Hierarchy, positions: Mapping[str, ChildFrame]) -> ModelSettings:
    """Returns the model settings of a run: the preset's or its own, with what it changes of single levels.

    Raises:
        SettingsError: No such level, or settings that a level does not have.
    """
    chosen = settings.model or _preset(settings, hierarchy, positions)
    if not settings.levels:
        return chosen
    values = chosen.model_dump(mode="json")
    for name, changes in settings.levels.items():
        if name not in values["levels"]:
            raise SettingsError(unknown("level", name, values["levels"]))
        values["levels"][name] = overlaid(values["levels"][name], changes)
    return ModelSettings.load(values, "settings")


def _preset(settings: RunSettings, hierarchy: Hierarchy, positions: Mapping[str, ChildFrame]) -> ModelSettings:
    given: dict[str, Any] = {"latent": settings.latent, "precision": settings.decoder_precision}
    if settings.preset == "l1":
        depth = hierarchy.root in positions and positions[hierarchy.root].stacked
        given |= {"bits": settings.bits, "barycentre": bool(positions), "depth": depth}
    preset = original_preset if settings.preset == "original" else l1_preset
    return preset(hierarchy, **{name: value for name, value in given.items() if value is not None})


def _fingerprint(data: TrainingData, hierarchy: Hierarchy) -> str:
    return fingerprint([asdict(data), hierarchy.to_dict()])
