"""Points of the study: variants trained with a seed and evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hgcae.evaluate import EvaluateSettings
from hgcae.evaluate.showers.borders import evaluate_regions
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.model.compiled import keep_compiled
from hgcae.store import Reader
from hgcae.studies.aggregation.stages import StageCache
from hgcae.studies.aggregation.variants import Variant, variants
from hgcae.studies.points import write_point
from hgcae.studies.runner import Job


@dataclass(frozen=True)
class AggregationContext:
    """Where points are made, and how they are evaluated.

    Args:
        folder: Folder of the scan; it holds `train.parquet`, `test.parquet`, `stages/` and `points/`.
        length: Factor on the steps of all stages.
        evaluation: How to measure.
        margin_cm: Showers whose core is nearer to a border lie across it.
    """

    folder: Path
    length: float
    evaluation: EvaluateSettings
    margin_cm: float

    @property
    def points(self) -> Path:
        """Folder of the points."""
        return self.folder / "points"

    def variants(self) -> dict[str, Variant]:
        """Returns all variants by name."""
        return {variant.name: variant for variant in variants(self.stage_cache().detector.hierarchy, self.length)}

    def stage_cache(self) -> StageCache:
        """Returns what trains them."""
        return StageCache(self.folder / "train.parquet", Detector.load("prototype"), self.folder / "stages")

    def settings(self, variant: Variant, seed: int) -> dict[str, Any]:
        """Returns what decides a point; its fingerprint names the file."""
        evaluated = [Reader(self.folder / "test.parquet").content_fingerprint, self.evaluation.fingerprint(), self.margin_cm]
        return variant.settings(seed, self.stage_cache().data_fingerprint()) | {"evaluated": evaluated}


def rounds(context: AggregationContext, points: Sequence[tuple[str, int]], workers: int) -> Iterator[list[Job]]:
    """Yields what may be done at the same time.

    Several processes first train, depth by depth, the stages that variants of a seed share, so that none is trained twice: for each seed
    all first stages, all second ones, ..., then the points.
    """
    known, cache = context.variants(), context.stage_cache()
    for seed in dict.fromkeys(seed for _, seed in points):
        chosen = [name for name, number in points if number == seed]
        stages = {name: cache.stages_of(known[name], seed) for name in chosen}
        for depth in range(1, max(map(len, stages.values())) + 1) if workers > 1 else ():
            first = {stages[name][depth - 1]: name for name in reversed(chosen) if len(stages[name]) >= depth}
            yield [Job("", train, (context, name, seed, depth), forget=True) for name in first.values()]
        yield [Job(f"{name}, seed {seed}", make, (context, name, seed), forget=True) for name in chosen]


def train(context: AggregationContext, name: str, seed: int, stages: int) -> None:
    """Trains the first stages of a variant."""
    keep_compiled(context.folder / "compiled")
    context.stage_cache().trained(context.variants()[name], seed, stages)


def make(context: AggregationContext, name: str, seed: int) -> None:
    """Makes a point and its file."""
    keep_compiled(context.folder / "compiled")
    variant = context.variants()[name]
    write_point(context.points, context.settings(variant, seed), measure(context, variant, seed))


def measure(context: AggregationContext, variant: Variant, seed: int) -> dict[str, Any]:
    """Trains and evaluates a variant; returns plain values."""
    cache = context.stage_cache()
    model, seconds = cache.trained(variant, seed)
    test = _test(context.folder)
    decoded = model.reconstruct(test, variant.sent)
    hierarchy = cache.detector.hierarchy
    return {
        "variant": variant.name,
        "question": variant.question,
        "text": variant.text,
        "seed": seed,
        "sent": variant.sent,
        "bits_per_event": variant.bits_per_event(hierarchy),
        "link_bits": variant.link_bits(),
        "cpu_seconds": round(seconds, 1),
        "steps": {"+".join(stage.trains): stage.epochs * (stage.steps or 0) for stage in variant.stages},
        "regions": evaluate_regions(test, decoded, hierarchy.names[2], cache.detector, context.evaluation, context.margin_cm),
    }


@lru_cache(maxsize=1)
def _test(folder: Path) -> Events:
    return Reader(folder / "test.parquet").read()
