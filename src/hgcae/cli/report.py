"""`hgcae report`: a training run on one interactive page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import DataFormatError
from hgcae.workflow.page import SHOWN

if TYPE_CHECKING:
    from hgcae.workflow.loaded import LoadedRun


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Page.", show_default="RUN/report.html")] = None,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="DIR", help="Folder of the results of hgcae evaluate.", show_default="RUN")
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other Parquet file of test events.", show_default="the run's held-out events"),
    ] = None,
    max_events: Annotated[int, typer.Option(min=1, help="Evaluate at most so many events, and choose the shown ones from them.")] = 5000,
    shown: Annotated[int, typer.Option(min=0, max=12, help="Events to show, from weak to strong.")] = SHOWN,
    as_json: console.JsonOption = False,
) -> None:
    """Write a run as one HTML page: tables, interactive figures, events, training, settings.

    The page is self-contained and needs no network; any recent browser opens it, and it prints well. It shows the results of
    hgcae evaluate (DIR/results.json; without it the run is evaluated now and the file is written), the history of the training, and
    events before and after compression: layer by layer with a slider, and in space, decoded from the level you choose. Results of other
    studies in RUN or DIR (physics.json, stress.json) get sections of their own. Results of another model, or of other events than those
    shown, are refused; if the file of the events is gone, the page shows none.

    Examples:
      hgcae report run
      hgcae report demo/run --results demo -i demo/test.parquet -o report.html
    """
    from hgcae.cli.evaluate import evaluate_run
    from hgcae.evaluate import EvaluateSettings
    from hgcae.model.files import model_fingerprint
    from hgcae.store.results import read_results
    from hgcae.workflow.loaded import LoadedRun
    from hgcae.workflow.page import results_of_model, write_page

    folder = results or run
    path = folder / "results.json"
    loaded = LoadedRun.of(run, events, max_events, console.note)
    if path.exists():
        found = results_of_model(read_results(path, "evaluation"), model_fingerprint(loaded.model), path)
        _check_events(found, loaded, path)
    else:
        console.note(f"{folder} holds no results.json: evaluating the run")
        found = evaluate_run(loaded, EvaluateSettings(), folder)
    page = write_page(loaded, found, output or run / "report.html", run, [run, folder], shown, console.note)
    console.show({"report": str(page), "megabytes": page.stat().st_size / 1e6, "levels": list(found["levels"])}, as_json=as_json)


def _check_events(results: Mapping[str, Any], loaded: LoadedRun, path: Path) -> None:
    """Refuses results on events of another file than those that the page would show."""
    found, expected = results["fingerprints"].get("events"), loaded.events_fingerprint
    if loaded.test is not None and found != expected:
        shown = f"{expected}, that of {loaded.test.reader.path}; give the file of the results with --input"
        raise DataFormatError(path, "fingerprints.events", str(found), shown)
