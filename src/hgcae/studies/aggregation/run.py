"""The study from its settings to its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hgcae import __version__
from hgcae.errors import SettingsError, unknown
from hgcae.evaluate import EvaluateSettings, markdown
from hgcae.outputs import atomic_path, claimed
from hgcae.simulate import SimulateSettings, simulate
from hgcae.store import Reader, write
from hgcae.store.results import write_results
from hgcae.studies.aggregation.figure import aggregation_figure
from hgcae.studies.aggregation.points import AggregationContext, rounds
from hgcae.studies.aggregation.table import border_table, variant_table
from hgcae.studies.points import known_point
from hgcae.studies.runner import Console, missing, run


def compare(
    folder: Path,
    names: Sequence[str] | None,
    seeds: Sequence[int],
    length: float,
    counts: tuple[int, int],
    margin_cm: float,
    workers: int,
    console: Console,
) -> dict[str, Any]:
    """Makes all points that are not there yet, writes results, tables and figure, and returns the results.

    Args:
        folder: Folder of the study.
        names: Names of the variants; None = all.
        seeds: Seeds of the trainings.
        length: Factor on the steps of all stages.
        counts: Electrons to train and to evaluate on.
        margin_cm: Showers whose core is nearer to a border lie across it.
        workers: Processes.
        console: Where to report.

    Returns:
        What `results.json` holds; `failures` has a line for each point that failed.

    Raises:
        SettingsError: An unknown variant.
        WorkerError: A process died.
    """
    _electrons(folder, *counts, console)
    context = AggregationContext(folder, length, EvaluateSettings(bootstrap_replicas=30), margin_cm)
    variants = context.variants()
    chosen = list(dict.fromkeys(names or variants))
    if strange := [name for name in chosen if name not in variants]:
        raise SettingsError(unknown("variant", strange[0], variants))
    wanted = [(name, seed) for seed in dict.fromkeys(seeds) for name in chosen]
    new = missing(context.points, {key: context.settings(variants[key[0]], key[1]) for key in wanted}, console)
    with claimed(folder / "results.json"):
        failures = run(rounds(context, new, workers), len(new), workers, console)
        results = _collect(context, wanted, failures, {"n_train": counts[0], "n_test": counts[1]})
        if results["points"]:
            aggregation_figure(results["points"], folder / "aggregation.png")
            with atomic_path(folder / "results.md") as path:
                text = f"{markdown(*variant_table(results['points']))}\n\n{markdown(*border_table(results['points']))}\n"
                path.write_text(text, encoding="utf-8")
    return results


def _electrons(folder: Path, n_train: int, n_test: int, console: Console) -> None:
    """Simulates the samples that are not there yet."""
    for name, n, seed in (("train", n_train, 2), ("test", n_test, 3)):
        settings = SimulateSettings(seed=seed)
        provenance = {"program": f"hgcae {__version__} scan merge", "settings": settings.model_dump(mode="json"), "events": n}
        path = folder / f"{name}.parquet"
        if path.exists() and Reader(path).provenance == provenance:
            continue
        console.note(f"simulating {n} electrons ({name})")
        with console.progress(n, "events") as progress:
            write(path, simulate(settings, n, workers=1, progress=progress), provenance)


def _collect(
    context: AggregationContext, wanted: Sequence[tuple[str, int]], failures: Sequence[str], counts: Mapping[str, int]
) -> dict[str, Any]:
    """Reads the points and writes `results.json`."""
    variants = context.variants()
    found = [known_point(context.points, context.settings(variants[name], seed))[0] for name, seed in wanted]
    results = {
        "settings": {
            "length": context.length,
            "margin_cm": context.margin_cm,
            "evaluation": context.evaluation.model_dump(mode="json"),
            **counts,
        },
        "fingerprints": {name: Reader(context.folder / f"{name}.parquet").content_fingerprint for name in ("train", "test")},
        "points": [content for content in found if content is not None],
        "failures": list(failures),
    }
    return write_results(context.folder / "results.json", "aggregation", results)
