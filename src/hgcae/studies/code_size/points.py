"""Points of the scan: one level trained anew and evaluated on other events."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hgcae.evaluate import EvaluateSettings
from hgcae.evaluate.showers.eventwise import Reference
from hgcae.model.compiled import keep_compiled
from hgcae.studies.code_size.data import LevelData
from hgcae.studies.code_size.frozen import FrozenModel
from hgcae.studies.code_size.plan import PointSettings
from hgcae.studies.points import write_point
from hgcae.studies.runner import Job


@dataclass(frozen=True)
class ScanContext:
    """Where points are made: the base run, the folder of the scan, and how it is evaluated."""

    run: Path
    folder: Path
    evaluation: EvaluateSettings

    @property
    def points(self) -> Path:
        """Folder of the points."""
        return self.folder / "points"

    def settings(self, point: PointSettings) -> dict[str, Any]:
        """Returns what decides a point; its fingerprint names the file."""
        return point.model_dump(mode="json")


def job(context: ScanContext, point: PointSettings) -> Job:
    """Returns what makes a point."""
    return Job(f"{point.sample} {point.level} {point.latent} x {point.bits} bits, seed {point.seed}", make, (context, point))


def make(context: ScanContext, point: PointSettings) -> None:
    """Makes a point and its file."""
    write_point(context.points, context.settings(point), measure(context, point))


def measure(context: ScanContext, point: PointSettings) -> dict[str, Any]:
    """Trains and evaluates a point.

    Returns:
        `metrics` (see `evaluate.showers.eventwise`), `loss` at the end of the training, `seconds` of training and evaluation, and of them
        those that the processor was at work (`cpu`): the machine may be busy with other things.
    """
    keep_compiled(context.folder / "compiled")
    data, reference = _data(context, point.sample, point.level)
    start, cpu = time.perf_counter(), time.process_time()
    model, loss = data.train_level(point)
    trained = time.perf_counter()
    train, test = data.encode(model)
    model.heads.fit(model, data.train, {data.level: train}, _base(context.run).detector)
    estimates = {"energy_gev": model.heads.energies(model, test)} if model.heads.energy else {}
    if model.heads.kinematics:
        estimates = model.heads.momenta(model, test)
    metrics = reference.metrics(model.decode_codes(test, data.test.hierarchy), estimates)
    seconds = {"training": trained - start, "evaluation": time.perf_counter() - trained, "cpu": time.process_time() - cpu}
    return {"metrics": metrics, "loss": loss, "seconds": {key: round(value, 2) for key, value in seconds.items()}}


@lru_cache(maxsize=1)
def _data(context: ScanContext, sample: str, level: str) -> tuple[LevelData, Reference]:
    """Reads what the points of a sample and a level share; the last is kept."""
    base = _base(context.run)
    data = LevelData.load(base, sample, level, context.folder)
    return data, Reference(data.test, base.detector, context.evaluation)


@lru_cache(maxsize=1)
def _base(run: Path) -> FrozenModel:
    """Reads the base run; all points share its lower levels, and what they compile."""
    return FrozenModel.load(run)
