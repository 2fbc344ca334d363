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
    from hgcae.workflow.opened import OpenRun


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
    max_events: Annotated[int, typer.Option(min=1, help="Choose the shown events from, and judge, at most so many.")] = 5000,
    shown: Annotated[int, typer.Option(min=0, max=12, help="Events to show, from weak to strong.")] = SHOWN,
    as_json: console.JsonOption = False,
) -> None:
    """Write a run as one HTML page: tables, interactive figures, events, training, settings.

    The page needs nothing beside it and no network; any browser of the last years opens it, and it prints well. It shows what
    hgcae evaluate has found (results.json in DIR; if there is none, the run is judged now and results.json is written), the history of the
    training, and events before and after: layer by layer with a slider, and in space, decoded from the level you choose. Results of other
    studies that lie in RUN or DIR (physics.json, stress.json) get sections of their own.

    Examples:
      hgcae report run
      hgcae report demo/run --results demo -i demo/test.parquet -o report.html
    """
    from hgcae.cli.evaluate import judge
    from hgcae.evaluate import EvaluateSettings, read_results
    from hgcae.workflow.opened import OpenRun
    from hgcae.workflow.page import write_page

    folder = results or run
    opened = OpenRun.of(run, events, max_events)
    if (folder / "results.json").exists():
        found = read_results(folder / "results.json")
        _check_model(found, opened, folder / "results.json")
    else:
        console.note(f"{folder} holds no results.json: judging the run")
        found = judge(opened.model, opened.train, opened.test, opened.detector, EvaluateSettings(), folder)
    page = write_page(opened, found, output or run / "report.html", run, [run, folder], shown, console.note)
    console.show({"report": str(page), "megabytes": page.stat().st_size / 1e6, "levels": list(found["levels"])}, as_json=as_json)


def _check_model(results: Mapping[str, Any], opened: OpenRun, path: Path) -> None:
    """Refuses results of another model."""
    found, expected = results["fingerprints"].get("model"), opened.model.settings.fingerprint()
    if found != expected:
        raise DataFormatError(path, "fingerprints.model", str(found), f"{expected}, that of the run's model; judge it with hgcae evaluate")
