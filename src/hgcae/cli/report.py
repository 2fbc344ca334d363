"""`hgcae report`: a training run on one interactive page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import DataFormatError, GeometryError

if TYPE_CHECKING:
    from hgcae.cli.evaluate import OpenRun
    from hgcae.plots.eventdata import Displays

_EXTRAS = {"physics.json": "Physics performance", "stress.json": "Stress tests"}
"""Further result files and the headings of their sections."""
_SHOWN = 4
"""Events on the page of a demo, and on any other unless more are asked for."""


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
    shown: Annotated[int, typer.Option(min=0, max=12, help="Events to show, from weak to strong.")] = _SHOWN,
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
    from hgcae.cli.evaluate import OpenRun, judge
    from hgcae.evaluate import EvaluateSettings, read_results

    folder = results or run
    opened = OpenRun.of(run, events, max_events)
    if (folder / "results.json").exists():
        found = read_results(folder / "results.json")
        _check_model(found, opened, folder / "results.json")
    else:
        console.note(f"{folder} holds no results.json: judging the run")
        found = judge(opened.model, opened.train, opened.test, opened.detector, EvaluateSettings(), folder)
    page = write_run_report(opened, found, output or run / "report.html", run, [run, folder], shown)
    console.show({"report": str(page), "megabytes": page.stat().st_size / 1e6, "levels": list(found["levels"])}, as_json=as_json)


def write_run_report(
    opened: OpenRun, results: Mapping[str, Any], page: Path, run: Path, folders: Sequence[Path], shown: int = _SHOWN
) -> Path:
    """Writes the report of a run.

    Args:
        opened: The run with its test events.
        results: What the judge has found.
        page: Where to write.
        run: Folder of the run, which holds its history.
        folders: Where further results may lie.
        shown: Number of events to show.

    Returns:
        The page.

    Raises:
        DataFormatError: A history or further results that are not what they should be.
    """
    from hgcae.plots.report import write_report

    test, model = opened.test, opened.model
    about = {
        "run": {
            "folder": str(run),
            "sample": opened.settings.input,
            "detector": "none" if opened.detector is None else opened.detector.name,
            "levels": " → ".join(f"{level.name} {'×'.join(map(str, level.shape))}" for level in model.hierarchy.levels),
            "test events": len(test),
        },
        "settings": opened.settings.model_dump(mode="json", exclude={"input", "model", "schedule"}),
    }
    return write_report(
        page,
        results,
        title=run.resolve().name if run.resolve().name != "run" else run.resolve().parent.name,
        history=list(_rows(run / "history.jsonl")),
        displays=_displays(opened, shown),
        about=about,
        extras=_extras(folders),
    )


def _check_model(results: Mapping[str, Any], opened: OpenRun, path: Path) -> None:
    """Refuses results of another model."""
    found, expected = results["fingerprints"].get("model"), opened.model.settings.fingerprint()
    if found != expected:
        raise DataFormatError(path, "fingerprints.model", str(found), f"{expected}, that of the run's model; judge it with hgcae evaluate")


def _displays(opened: OpenRun, shown: int) -> Displays | None:
    """Decodes a few events from every level; None where there are none, or nobody knows what they look like."""
    from hgcae.plots.cells import unit_shapes
    from hgcae.plots.eventdata import Displays, choose_events

    chosen = opened.test[choose_events(opened.test, shown)]
    if not len(chosen):
        return None
    if opened.whole is None:
        try:
            unit_shapes(chosen.hierarchy)
        except GeometryError as error:
            console.note(f"no events on the page: {error}")
            return None
    decoded = {name: opened.model.reconstruct(chosen, name) for name in opened.model.hierarchy.names}
    return Displays(chosen, decoded, opened.whole)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a history; a run without one has none."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            yield _parsed(line, path, f"line {number}")


def _extras(folders: Sequence[Path]) -> dict[str, Any]:
    """Returns the further results that lie in the folders, by the headings of their sections; the last folder wins."""
    return {
        heading: _parsed((folder / name).read_text(encoding="utf-8"), folder / name, "content")
        for name, heading in _EXTRAS.items()
        for folder in folders
        if (folder / name).exists()
    }


def _parsed(text: str, path: Path, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        raise DataFormatError(path, where, "no JSON", "a JSON object") from None
    if not isinstance(values, dict):
        raise DataFormatError(path, where, f"a {type(values).__name__}", "a JSON object")
    return values
