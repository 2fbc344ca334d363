"""`hgcae stress`: what a trained model does with events unlike those it was trained on, and with flipped bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hgcae.cli import console


def stress(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    given: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other Parquet file of test events.", show_default="the run's held-out events"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results.", show_default="RUN")] = None,
    n_events: Annotated[int, typer.Option("--events", min=1, help="Use at most so many events.")] = 500,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this disturbance; repeatable.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws maps of cells and flipped bits.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Measure a model on events unlike those it was trained on, and with flipped bits in its codes.

    The held-out events of the run are disturbed in one way after the other: dead cells and modules, a wrong calibration, twice the noise;
    or simulated with other particles or energies. At every level they are encoded and decoded, and compared with the undisturbed events
    and with what the encoders saw; next to it, what the disturbance alone does to uncompressed events. Bits are flipped in the words
    that are sent. What has to be simulated is left out for events that hgcae did not simulate.

      DIR/stress.json   all metrics with their errors
      DIR/stress.png    the same at a glance

    Examples:
      hgcae stress run
      hgcae stress run --events 2000 -o run/stress --only nominal --only noise_2 --only one_bit
    """
    from hgcae.evaluate import stress_table
    from hgcae.studies.robustness.run import disturb
    from hgcae.workflow.loaded import LoadedRun

    folder = output or run
    results = disturb(LoadedRun.of(run, given, n_events, lambda _: None), only or (), seed, folder, console)
    if as_json:
        console.show(results, as_json=True)
        return
    console.print_table(*stress_table(results))
    console.print_line(f"stress.json and stress.png in {folder}")
