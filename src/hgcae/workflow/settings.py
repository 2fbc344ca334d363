"""What a workflow is: one YAML file that says which samples to make, what to train on them, and what to do with the result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from hgcae.errors import SettingsError
from hgcae.events import DigiKind
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.outputs import atomic_path
from hgcae.reading.files import open_regular
from hgcae.settings import Settings, override, read_yaml
from hgcae.simulate import SimulateSettings
from hgcae.workflow.digest import file_digest

MOST_CHUNKS = 10_000
"""Files of a sample; each has a job of its own."""


class ConvertSettings(Settings):
    """A file that is there already."""

    source: str = Field(description="File of any format that hgcae convert reads; relative to the workflow's own file.")
    detector: str | None = Field(default=None, description="Detector of the events in a pickle or csv file; null: levels of the prototype.")
    root: str | None = Field(default=None, description="One event is one unit of this level, e.g. MODULE; null: whole events.")
    digi: DigiKind | None = Field(default=None, description="What digi of a pickle holds; null: whole numbers up to 127 are codes.")
    sha256: str | None = Field(default=None, description="Expected SHA-256 of the file; null: as it is found when the workflow starts.")


class SampleSettings(Settings):
    """Events: simulated in chunks, or from a file. Exactly one of `simulate` and `convert`."""

    simulate: SimulateSettings | None = Field(default=None, description="Settings of hgcae simulate.")
    events: int | None = Field(default=None, ge=1, description="Number of simulated events.")
    chunk: int = Field(default=2000, ge=1, description="Events in a file, which a job of its own makes; the events do not depend on it.")
    convert: ConvertSettings | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> SampleSettings:
        if (self.simulate is None) == (self.convert is None):
            msg = "expected exactly one of simulate and convert"
            raise ValueError(msg)
        if (self.simulate is None) != (self.events is None):
            msg = "expected events (their number) with simulate, and only there"
            raise ValueError(msg)
        if self.events is not None and self.events > MOST_CHUNKS * self.chunk:
            msg = f"expected at most {MOST_CHUNKS} files, so chunk = {-(-self.events // MOST_CHUNKS)} or more for {self.events} events"
            raise ValueError(msg)
        return self

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """First event and number of events of each simulated file."""
        total = self.events or 0
        return [(first, min(self.chunk, total - first)) for first in range(0, total, self.chunk)]

    def hierarchy(self) -> Hierarchy:
        """Returns the levels of the events.

        Raises:
            SettingsError, GeometryError: An unknown detector or level.
        """
        if self.convert is None:
            return Detector.load((self.simulate or SimulateSettings()).detector).hierarchy
        levels = PROTOTYPE if self.convert.detector is None else Detector.load(self.convert.detector).hierarchy
        return levels if self.convert.root is None else levels.rooted(self.convert.root)


class TrainSection(Settings):
    """What is trained."""

    sample: str = Field(description="Name of the sample.")
    settings: dict[str, Any] = Field(default={}, description="Settings of hgcae train but for the input; see hgcae.train.run.RunSettings.")


class EvaluateSection(Settings):
    """How trained models are evaluated."""

    sample: str | None = Field(default=None, description="Name of another sample; null: the events that the training never saw.")
    max_events: int = Field(default=5000, ge=1, description="Evaluate at most so many events.")
    settings: dict[str, Any] = Field(default={}, description="Settings of hgcae evaluate.")


class CompressSection(Settings):
    """What is encoded with the trained model."""

    sample: str = Field(description="Name of the sample; each of its files becomes a file of codes.")
    level: str | None = Field(default=None, description="Level whose codes are written; null: the root.")


class CompareSection(Settings):
    """Module codecs next to each other, as hgcae compare does it; each codec and number of links is a job of its own."""

    data: str = Field(description="Folder of real data.")
    sample: Literal["events", "electron", "ttbar"] = "events"
    codecs: tuple[str, ...] = Field(min_length=1, description="Names of codecs, see hgcae compare --help.")
    links: tuple[int, ...] = Field(default=(2, 3, 4, 5), min_length=1)
    max_modules: int = Field(default=20_000, ge=1)
    steps: int = Field(default=4000, ge=1)
    seed: int = Field(default=1, ge=0)


class Resources(Settings):
    """What one job may use. On one machine, only `cores` matters."""

    cores: int = Field(default=1, ge=1, description="Threads of a task, and cores asked of the batch system.")
    memory_mb: int = Field(default=4000, ge=1)
    minutes: int = Field(default=120, ge=1, description="Longest wall-clock time.")
    gpus: int = Field(default=0, ge=0)


class BatchSettings(Settings):
    """How jobs find their way. Changes nothing in the results."""

    setup: tuple[str, ...] | None = Field(
        default=None, description="Shell lines that prepare a job; null: the Python environment that runs the workflow, by its path."
    )
    retries: int = Field(default=2, ge=0, description="How often a failed branch is tried again by itself.")
    poll_seconds: float = Field(default=60, gt=0, description="Seconds between questions to the batch system.")
    parallel_jobs: int = Field(default=1000, ge=1, description="Most jobs in the batch system at a time.")
    slurm: dict[str, str] = Field(default={}, description="Further #SBATCH options, e.g. {account: cms, partition: short}.")
    htcondor: dict[str, str] = Field(default={}, description="Further lines of the submit file, e.g. {+JobFlavour: \"'longlunch'\"}.")


class WorkflowSettings(Settings):
    """Everything that `hgcae run` does. Where results lie, and how many cores made them, is not part of any fingerprint."""

    store: str = Field(default="store", description="Folder of all results; relative to the workflow's own file.")
    samples: dict[str, SampleSettings] = Field(min_length=1)
    train: TrainSection | None = None
    scan: tuple[dict[str, Any], ...] = Field(
        default=(), description="Further trainings: changes of `train` by dotted key, e.g. {settings.latent: 4} or {sample: pions}."
    )
    evaluate: EvaluateSection = EvaluateSection()
    compress: CompressSection | None = None
    compare: CompareSection | None = None
    resources: dict[str, Resources] = Field(default={}, description="By name of the step; `default` for all others.")
    batch: BatchSettings = BatchSettings()

    @field_validator("samples")
    @classmethod
    def _file_names(cls, samples: dict[str, SampleSettings]) -> dict[str, SampleSettings]:
        for name in samples:
            if not name.replace("_", "").replace("-", "").isalnum():
                msg = f"sample {name!r}: expected letters, digits, - and _ only"
                raise ValueError(msg)
        return samples

    @model_validator(mode="after")
    def _known_names(self) -> WorkflowSettings:
        if self.train is None and (self.scan or self.compress):
            msg = "scan and compress need train"
            raise ValueError(msg)
        sections = {"train": self.train, "evaluate": self.evaluate, "compress": self.compress}
        for key, section in sections.items():
            name = None if section is None else section.sample
            if name is not None and name not in self.samples:
                msg = f"{key}: unknown sample {name!r}, expected one of {', '.join(self.samples)}"
                raise ValueError(msg)
        return self

    def sample(self, name: str) -> SampleSettings:
        """Returns a sample.

        Raises:
            SettingsError: No such sample.
        """
        if name not in self.samples:
            msg = f"unknown sample {name!r}, expected one of {', '.join(self.samples)}"
            raise SettingsError(msg)
        return self.samples[name]

    def training(self, point: int = -1) -> TrainSection:
        """Returns what is trained: `train` itself (-1), or with the changes of a point of the scan.

        Raises:
            SettingsError: Nothing is trained, no such point, or a change that does not fit.
        """
        if self.train is None or point >= len(self.scan):
            msg = f"found {len(self.scan)} points of a scan and {'no' if self.train is None else 'a'} training, asked for point {point}"
            raise SettingsError(msg)
        if point < 0:
            return self.train
        changes = [f"{key}={json.dumps(value)}" for key, value in self.scan[point].items()]
        chosen = TrainSection.load(override(self.train.model_dump(mode="json"), changes), f"scan: point {point}")
        self.sample(chosen.sample)
        return chosen

    def needs(self, step: str) -> Resources:
        """Returns the resources of a step."""
        return self.resources.get(step) or self.resources.get("default") or Resources()

    def freeze(self) -> Path:
        """Writes these settings into the store, under a name that says what is in it; returns the path.

        Jobs read that file: who edits the original meanwhile does not change what they do.
        """
        path = Path(self.store) / "workflows" / f"{self.fingerprint()}.yaml"
        if not path.exists():
            with atomic_path(path) as temporary:
                temporary.write_text(self.to_yaml(), encoding="utf-8")
        return path


def load_workflow(path: str | Path, overrides: Sequence[str] = ()) -> WorkflowSettings:
    """Reads a workflow: `key.subkey=value` overrides applied, paths absolute, and the content of foreign files known by their checksum.

    Raises:
        SettingsError: The file cannot be read, or holds something else; a foreign file is missing.
    """
    path = Path(path)
    values = override(read_yaml(path), overrides)
    settings = WorkflowSettings.load(values, path)
    base = path.resolve().parent
    plain = settings.model_dump(mode="json")
    plain["store"] = _absolute(base, settings.store)
    for name, sample in settings.samples.items():
        made = plain["samples"][name]
        if sample.simulate is not None:
            made["simulate"]["detector"] = _detector(base, sample.simulate.detector)
        if sample.convert is not None:
            made["convert"] |= _located(base, sample.convert)
    if settings.compare is not None:
        plain["compare"]["data"] = _absolute(base, settings.compare.data)
    return WorkflowSettings.load(plain, path)


def _absolute(base: Path, path: str) -> str:
    try:
        return str((base / Path(path).expanduser()).resolve())
    except (ValueError, RuntimeError, OSError) as error:
        msg = f"{path!r}: no path: {error}"
        raise SettingsError(msg) from None


def _detector(base: Path, name: str | None) -> str | None:
    """Returns the name of a shipped detector as it is, and the path of a file as an absolute one."""
    return _absolute(base, name) if name is not None and name.endswith((".yaml", ".yml")) else name


def _located(base: Path, convert: ConvertSettings) -> Mapping[str, str | None]:
    source = _absolute(base, convert.source)
    try:
        if convert.sha256 is None:
            open_regular(source, is_zip=True).close()
        digest = convert.sha256 or file_digest(source)
    except OSError as error:
        msg = f"{source}: {error.strerror}"
        raise SettingsError(msg) from None
    return {"source": source, "sha256": digest, "detector": _detector(base, convert.detector)}
