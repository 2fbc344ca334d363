"""`hgcae evaluate`: how good a trained model is, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.evaluate import EvaluateSettings
    from hgcae.workflow.loaded import LoadedRun


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    events: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other Parquet file of test events.", show_default="the run's held-out events"),
    ] = None,
    max_events: Annotated[int, typer.Option(min=1, help="Evaluate at most so many events.")] = 5000,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results.", show_default="RUN")] = None,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Evaluate a model on events it has never seen.

    At every level the events are encoded up to that level and decoded again through all lower levels. Reported next to each other: squared
    error of the model, of nothing, of the mean, and of as many principal components as the code has numbers; energy of decoded events
    against uncompressed ones and against the truth, with the fit of stochastic, noise and constant terms; barycentres; layer profiles; what
    the physics heads estimate; bits: of every unit, of occupied ones, and entropy-coded, next to the formats of the ECON-T.

    A run that was moved finds its events where run.yaml says or next to it; a file with other events there is refused. Without them, give
    others: what is fitted to training events (mean, principal components, entropy-coded bits) is left out then.

      DIR/results.json   all metrics with their errors, settings, versions and fingerprints
      DIR/energy.png     response and resolution; levels.png: all levels; heads.png: energy, momentum and impact point from codes

    Examples:
      hgcae evaluate run
      hgcae evaluate run -i photons.parquet -o photons --max-events 2000
    """
    from hgcae.evaluate import EvaluateSettings
    from hgcae.workflow.loaded import LoadedRun

    chosen = EvaluateSettings.load(console.settings_values(settings, {}, assignments), source=settings or "settings")
    loaded = LoadedRun.of(run, events, max_events, console.note)
    with claimed((output or run) / "results.json"):
        results = evaluate_run(loaded, chosen, output or run)
        report(results, output or run, as_json=as_json)


def evaluate_run(loaded: LoadedRun, settings: EvaluateSettings, folder: Path) -> dict[str, Any]:
    """Evaluates every level of a model with a progress bar, see `hgcae.workflow.evaluation`."""
    from hgcae.workflow import evaluation

    with console.progress(len(loaded.model.hierarchy.names), "levels") as progress:
        return evaluation.evaluate_run(loaded, settings, folder, progress)


def report(results: Mapping[str, Any], folder: Path, *, as_json: bool) -> None:
    """Draws the figures of an evaluation and prints its tables, or everything as JSON."""
    from hgcae.evaluate import heads_table, table
    from hgcae.plots import energy_figure, heads_figure, levels_figure

    energy_figure(results, folder / "energy.png")
    levels_figure(results, folder / "levels.png")
    if results["heads"]:
        heads_figure(results["heads"], folder / "heads.png")
    if as_json:
        console.show(results, as_json=True)
        return
    console.print_table(*table(results))
    if results["heads"]:
        console.print_table(*heads_table(results))
    console.print_line(f"figures and results.json in {folder}")
