"""`hgcae scan merge`: how neighbouring units are best aggregated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hgcae.cli import console
from hgcae.errors import WorkerError


def merge(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the scan; an unfinished one is resumed.")] = Path(
        "aggregation"
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
    """Compare ways of aggregating neighbouring units at the same bits per event.

    With triplets or without; levels trained alone or together; bits moved between levels.

    Every variant is trained and evaluated for every seed, on the same electrons of 1 to 500 GeV anywhere on the prototype detector;
    showers across borders of modules and of triplets are also evaluated separately. Stages that variants share are trained once.
    Existing points are kept, damaged ones are made again; a point that fails is named at the end and does not stop the others.

      DIR/train.parquet, DIR/test.parquet  the electrons
      DIR/stages/                          trained stages, by fingerprint of what decides them
      DIR/points/                          one small JSON file for each variant and seed
      DIR/results.json                     all points, versions and settings
      DIR/results.md                       the tables
      DIR/aggregation.png                  what they lose, inside modules and across borders

    Examples:
      hgcae scan merge -o aggregation
      hgcae scan merge -o quick --length 0.1 --seed 1 --variant merged --variant "flat 4 x 6"
    """
    from hgcae.studies.aggregation.run import compare
    from hgcae.studies.aggregation.table import variant_table

    results = compare(output, chosen, seeds or (1, 2, 3), length, (n_train, n_test), margin_cm, workers, console)
    if as_json:
        console.show(results, as_json=True)
    else:
        console.print_table(*variant_table(results["points"]))
        console.print_line(f"figure, results.md and results.json in {output}")
    if failures := results["failures"]:
        msg = f"{len(failures)} of {len(failures) + len(results['points'])} points failed, the first: {failures[0]}"
        raise WorkerError(msg)
