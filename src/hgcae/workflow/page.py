"""A run on one interactive page: what is gathered for `hgcae.plots.report`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae.errors import DataFormatError, GeometryError

if TYPE_CHECKING:
    from hgcae.plots.eventdata import Displays
    from hgcae.workflow.loaded import LoadedRun

_EXTRAS = {"physics.json": ("physics", "Physics performance"), "stress.json": ("robustness", "Stress tests")}
"""Further result files: their kinds, and the headings of their sections."""
SHOWN = 4
"""Events on a page unless more are asked for."""


def write_page(
    loaded: LoadedRun,
    results: Mapping[str, Any],
    page: Path,
    run: Path,
    folders: Sequence[Path],
    shown: int = SHOWN,
    note: Callable[[str], None] = lambda _: None,
) -> Path:
    """Writes the page of a run.

    Args:
        loaded: The run with its test events.
        results: Results of the evaluation.
        page: Where to write.
        run: Folder of the run, which holds its history.
        folders: Where further results may lie.
        shown: Number of events to show.
        note: Called with what is left out, and why.

    Returns:
        The page.

    Raises:
        DataFormatError: A checkpoint, which tells the history, or further results that are damaged or of an older version.
    """
    from hgcae.model.files import model_fingerprint
    from hgcae.plots.report import write_report
    from hgcae.train.checkpoint import read_history

    model = loaded.model
    about = {
        "run": {
            "folder": str(run),
            "sample": loaded.settings.input,
            "detector": "none" if loaded.detector is None else loaded.detector.name,
            "levels": " → ".join(f"{level.name} {'×'.join(map(str, level.shape))}" for level in model.hierarchy.levels),
            "test events": 0 if loaded.test is None else len(loaded.sample),
        },
        "settings": loaded.settings.model_dump(mode="json", exclude={"input", "model", "schedule"}),
    }
    return write_report(
        page,
        results,
        title=run.resolve().name if run.resolve().name != "run" else run.resolve().parent.name,
        history=read_history(run),
        displays=_displays(loaded, shown, note),
        about=about,
        extras=_extras(folders, model_fingerprint(model)),
    )


def _displays(loaded: LoadedRun, shown: int, note: Callable[[str], None]) -> Displays | None:
    """Decodes a few events from every level; None without events or without a known geometry."""
    from hgcae.plots.cells import unit_shapes
    from hgcae.plots.eventdata import Displays, choose_events

    if loaded.test is None:
        note(f"no events on the page: {loaded.settings.input} is not there")
        return None
    chosen = loaded.sample[choose_events(loaded.sample, shown)]
    if not len(chosen):
        return None
    if loaded.whole is None:
        try:
            unit_shapes(chosen.hierarchy)
        except GeometryError as error:
            note(f"no events on the page: {error}")
            return None
    decoded = {name: loaded.model.reconstruct(chosen, name) for name in loaded.model.hierarchy.names}
    return Displays(chosen, decoded, loaded.whole)


def _extras(folders: Sequence[Path], model: str) -> dict[str, Any]:
    """Returns the further results that lie in the folders, by the headings of their sections; the last folder wins.

    Raises:
        DataFormatError: They are damaged, or those of another model.
    """
    from hgcae.store.results import read_results

    found = {name: folder / name for name in _EXTRAS for folder in folders if (folder / name).exists()}
    extras = {}
    for name, path in found.items():
        kind, heading = _EXTRAS[name]
        extras[heading] = results_of_model(read_results(path, kind), model, path)
    return extras


def results_of_model(results: dict[str, Any], model: str, path: Path) -> dict[str, Any]:
    """Returns results after checking that they are those of a model.

    Raises:
        DataFormatError: They are those of another one.
    """
    found = results.get("fingerprints", {}).get("model")
    if found != model:
        raise DataFormatError(path, "fingerprints.model", str(found), f"{model}, that of the run's model; make them again or remove them")
    return results
