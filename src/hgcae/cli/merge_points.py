"""The points of `hgcae scan merge`: variants trained and evaluated, in this process or in several, each kept as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae.cli.processes import WORKER_DIED, processes
from hgcae.errors import HgcaeError, WorkerError

if TYPE_CHECKING:
    from hgcae.evaluate import EvaluateSettings
    from hgcae.events import Events
    from hgcae.train.merging import StageCache, Variant

Task = tuple[str, int, int]
"""Name of a variant, seed, and number of stages; 0 stages = the whole point."""


@dataclass(frozen=True)
class MergeContext:
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
        from hgcae.train.merging import variants

        return {variant.name: variant for variant in variants(self.stage_cache().detector.hierarchy, self.length)}

    def stage_cache(self) -> StageCache:
        """Returns what trains them."""
        from hgcae.geometry.detector import Detector
        from hgcae.train.merging import StageCache

        return StageCache(self.folder / "train.parquet", Detector.load("prototype"), self.folder / "stages")

    def settings(self, variant: Variant, seed: int) -> dict[str, Any]:
        """Returns what decides a point; its fingerprint names the file."""
        from hgcae.store import Reader

        evaluated = [Reader(self.folder / "test.parquet").content_fingerprint, self.evaluation.fingerprint(), self.margin_cm]
        return variant.settings(seed, self.stage_cache().data_fingerprint()) | {"evaluated": evaluated}


def make_points(
    context: MergeContext, points: Sequence[tuple[str, int]], workers: int, progress: Callable[[int, str], None]
) -> Iterator[str]:
    """Makes the points (variant, seed), and yields one line for each that failed, while the others go on.

    Several processes first train, depth by depth, the stages that variants of a seed share, so that none is trained twice.

    Raises:
        WorkerError: A process died.
    """
    done = 0
    if workers == 1:
        for done, (name, seed) in enumerate(points, 1):
            if problem := make(context, (name, seed, 0)):
                yield f"{name}, seed {seed}: {problem}"
            progress(done, name)
        return
    with processes(workers) as pool:
        for tasks in _rounds(context, points):
            waiting = {pool.submit(make, context, task): task for task in tasks}
            try:
                for future in as_completed(waiting):
                    name, seed, stages = waiting[future]
                    if stages:
                        continue  # whoever needs a stage that failed tells
                    done += 1
                    progress(done, name)
                    if problem := future.result():
                        yield f"{name}, seed {seed}: {problem}"
            except BrokenProcessPool:
                raise WorkerError(WORKER_DIED) from None
            finally:
                for future in waiting:
                    future.cancel()


def _rounds(context: MergeContext, points: Sequence[tuple[str, int]]) -> Iterator[list[Task]]:
    """Yields what may be done at the same time: for each seed all first stages, all second ones, ..., then the points."""
    variants, cache = context.variants(), context.stage_cache()
    for seed in dict.fromkeys(seed for _, seed in points):
        chosen = [name for name, number in points if number == seed]
        stages = {name: cache.stages_of(variants[name], seed) for name in chosen}
        for depth in range(1, max(map(len, stages.values())) + 1):
            first = {stages[name][depth - 1]: name for name in reversed(chosen) if len(stages[name]) >= depth}
            yield [(name, seed, depth) for name in first.values()]
        yield [(name, seed, 0) for name in chosen]


def make(context: MergeContext, task: Task) -> str:
    """Trains stages, or makes a point and its file; returns what went wrong, or nothing."""
    import jax

    from hgcae.evaluate.points import write_point
    from hgcae.model.compiled import keep_compiled

    name, seed, stages = task
    keep_compiled(context.folder / "compiled")
    try:
        variant = context.variants()[name]
        if stages:
            context.stage_cache().trained(variant, seed, stages)
        else:
            write_point(context.points, context.settings(variant, seed), measure(context, variant, seed))
    except (HgcaeError, OSError, MemoryError, ArithmeticError, ValueError, TypeError, KeyError, RuntimeError) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    finally:
        jax.clear_caches()  # programs of other variants add up
    return ""


def measure(context: MergeContext, variant: Variant, seed: int) -> dict[str, Any]:
    """Trains and evaluates a variant; returns plain values."""
    from hgcae.evaluate.borders import evaluate_regions

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
    from hgcae.store import Reader

    return Reader(folder / "test.parquet").read()
