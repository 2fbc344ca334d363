"""`hgcae scan merge`: how neighbouring units are best merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import SettingsError, WorkerError, unknown
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.cli.merge_points import MergeContext


def merge(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the scan; an unfinished one is resumed.")] = Path(
        "merging"
    ),
    seeds: Annotated[list[int] | None, typer.Option("--seed", min=0, help="Repeatable.", show_default="1 2 3")] = None,
    chosen: Annotated[list[str] | None, typer.Option("--variant", metavar="NAME", help="Repeatable.", show_default="all")] = None,
    length: Annotated[float, typer.Option(min=0.001, help="Factor on the steps of all trainings.")] = 1.0,
    n_train: Annotated[int, typer.Option(min=20, help="Electrons to train on.")] = 4000,
    n_test: Annotated[int, typer.Option(min=10, help="Electrons to evaluate on.")] = 1000,
    margin_cm: Annotated[float, typer.Option(min=0, help="Showers whose core is nearer to a border lie across it, cm.")] = 2.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Compare ways of merging neighbouring units at the same bits per event.

    With triplets or without; levels trained alone or together; bits moved between levels.

    Every variant is trained and evaluated for every seed, on the same electrons of 1 to 500 GeV anywhere on the prototype detector;
    showers across borders of modules and of triplets are also evaluated separately. Stages that variants share are trained once.
    Existing points are kept, damaged ones are made again; a point that fails is named at the end and does not stop the others.

      DIR/train.parquet, DIR/test.parquet  the electrons
      DIR/stages/                          trained stages, by fingerprint of what decides them
      DIR/points/                          one small JSON file for each variant and seed
      DIR/results.json                     all points, versions and settings
      DIR/results.md                       the tables
      DIR/merging.png                      what they lose, inside modules and across borders

    Examples:
      hgcae scan merge -o merging
      hgcae scan merge -o quick --length 0.1 --seed 1 --variant merged --variant "flat 4 x 6"
    """
    from hgcae.cli.merge_points import MergeContext, make_points
    from hgcae.evaluate import EvaluateSettings
    from hgcae.evaluate.points import known_point

    numbers = list(dict.fromkeys(seeds or (1, 2, 3)))
    _electrons(output, n_train, n_test)
    context = MergeContext(output, length, EvaluateSettings(bootstrap_replicas=30), margin_cm)
    variants = context.variants()
    names = list(dict.fromkeys(chosen or variants))
    if strange := [name for name in names if name not in variants]:
        raise SettingsError(unknown("variant", strange[0], variants))
    wanted = [(name, seed) for seed in numbers for name in names]
    missing = []
    for name, seed in wanted:
        content, problem = known_point(context.points, context.settings(variants[name], seed))
        if problem is not None:
            console.note(f"made again: {problem}")
        if content is None:
            missing.append((name, seed))
    console.note(f"{len(wanted) - len(missing)} of {len(wanted)} points are there")
    failures = []
    with claimed(output / "results.json"):
        with console.progress(len(missing), "points") as progress:
            for problem in make_points(context, missing, workers, progress):
                console.note(f"failed: {problem}")
                failures.append(problem)
        results = _collect(context, wanted, failures, {"n_train": n_train, "n_test": n_test})
        report(results, output, as_json=as_json)
    if failures:
        msg = f"{len(failures)} of {len(wanted)} points failed, the first: {failures[0]}"
        raise WorkerError(msg)


def _electrons(folder: Path, n_train: int, n_test: int) -> None:
    """Simulates the samples that are not there yet."""
    from hgcae import simulate as stage
    from hgcae.store import Reader, write

    for name, n, seed in (("train", n_train, 2), ("test", n_test, 3)):
        settings = stage.SimulateSettings(seed=seed)
        provenance = {"program": f"hgcae {__version__} scan merge", "settings": settings.model_dump(mode="json"), "events": n}
        path = folder / f"{name}.parquet"
        if path.exists() and Reader(path).provenance == provenance:
            continue
        console.note(f"simulating {n} electrons ({name})")
        with console.progress(n, "events") as progress:
            write(path, stage.simulate(settings, n, workers=1, progress=progress), provenance)


def _collect(
    context: MergeContext, wanted: Sequence[tuple[str, int]], failures: Sequence[str], counts: Mapping[str, int]
) -> dict[str, Any]:
    """Reads the points and writes `results.json`."""
    from hgcae.evaluate.points import known_point
    from hgcae.evaluate.report import versions
    from hgcae.store import Reader
    from hgcae.store.results import write_results_file

    variants = context.variants()
    found = [known_point(context.points, context.settings(variants[name], seed))[0] for name, seed in wanted]
    results = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
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
    return write_results_file(context.folder / "results.json", results)


def report(results: Mapping[str, Any], folder: Path, *, as_json: bool) -> None:
    """Writes tables and figure, and prints the first table, or everything as JSON."""
    from hgcae.evaluate.merging import border_table, markdown, merge_table
    from hgcae.outputs import atomic_path
    from hgcae.plots import merging_figure

    if results["points"]:
        merging_figure(results["points"], folder / "merging.png")
        with atomic_path(folder / "results.md") as path:
            text = f"{markdown(*merge_table(results['points']))}\n\n{markdown(*border_table(results['points']))}\n"
            path.write_text(text, encoding="utf-8")
    if as_json:
        console.show(results, as_json=True)
        return
    console.print_table(*merge_table(results["points"]))
    console.print_line(f"figure, results.md and results.json in {folder}")
