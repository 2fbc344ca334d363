"""`hgcae scan dimension`: how many numbers and bits the code of a level needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError, WorkerError, unknown
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.cli.dimension_points import ScanContext
    from hgcae.train.dimension import FrozenModel, PointSettings, ScanSettings

QUICK: dict[str, Any] = {
    "samples": {"electron": {"particles": ["e-"]}},
    "root": {"latent": [2, 3, 4, 8, 16], "bits": [5], "corners": [], "learned": [3], "seeds": 1},
    "n_train": 2000,
    "n_test": 1000,
    "epochs": 1,
    "copies": 4,
}
"""Settings of a look at it; only the root is scanned."""


def dimension(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run of all levels: the base.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the scan; an unfinished one goes on.")],
    sample: Annotated[
        list[str] | None, typer.Option(help="Only this sample of the settings; repeatable.", show_default="electron, photon, pion, pair")
    ] = None,
    level: Annotated[list[str] | None, typer.Option(help="Only this level; repeatable.", show_default="all, the root first")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of every size, from other random numbers.", show_default="3")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Length of a training, in epochs of the level's stage of the preset l1.", show_default="3")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few sizes, electrons, one short training each: a look at it.")] = False,
    intrinsic: Annotated[bool, typer.Option(help="Estimate intrinsic dimensions, too (the extra hgcae[scan]).")] = True,
    workers: Annotated[int, typer.Option(min=1, help="Processes; points are independent of each other.")] = 1,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Find the smallest code of a level: train it with more and fewer numbers and bits, above frozen lower levels, and judge them all.

    Every point of the scan trains one level of the base run anew, quantised, on the codes of the level below, for the same number of steps,
    and evaluates it on other events, decoded through the frozen lower levels. For every metric the smallest number of numbers (at the
    most bits) and of bits is told that keeps it within 5 % of the plateau, the largest code; with the fluctuation floor, the same metric of
    the mean of several other showers of the same truth. A point is a file named by the fingerprint of its settings: what is there is not
    made again, so a scan may be stopped, resumed and extended; a point that fails is told, and the others go on.

      DIR/scan.json         the answer, with all sizes, errors, intrinsic dimensions and what the numbers mean
      DIR/points/*.json     the points; DIR/samples, DIR/codes, DIR/compiled: what they share
      DIR/*.png             figures against numbers and against bits; the numbers of a code moved one by one

    Examples:
      hgcae scan dimension run -o scan --quick
      hgcae scan dimension run -o scan --sample electron --level STAGE2
      hgcae scan dimension run -o scan --workers 8
      hgcae scan dimension run -o scan --set root.seeds=5 --set n_test=5000
    """
    from hgcae.cli.dimension_points import ScanContext
    from hgcae.evaluate import EvaluateSettings
    from hgcae.evaluate.dimension import require
    from hgcae.train.dimension import FrozenModel, ScanSettings, plan

    if intrinsic:
        require()
    options = {"epochs": epochs, "levels": level or None, "root.seeds": seeds, "lower.seeds": seeds}
    values = console.settings_values(settings, options, assignments, QUICK if quick else None)
    base, context = FrozenModel.load(run), ScanContext(run, output, EvaluateSettings())
    if quick:
        values.setdefault("levels", [base.model.hierarchy.root])
    chosen = _only(ScanSettings.load(values, source=settings or "settings"), sample)
    points = plan(chosen, base, context.evaluation.fingerprint())
    with claimed(output / "scan.json"):
        _prepare(chosen, base, output, workers)
        failed = _make(base, context, points, workers)
        floors = _floors(chosen, base, context, workers)
        found = _collect(chosen, base, context, points, floors, failed, intrinsic=intrinsic)
        _report(found, output, as_json=as_json)
    if failed:
        msg = f"{output}: {len(failed)} of {len(points)} points failed; the same command tries them again"
        raise WorkerError(msg)


def _only(settings: ScanSettings, names: Sequence[str] | None) -> ScanSettings:
    if not names:
        return settings
    if strange := [name for name in names if name not in settings.samples]:
        raise SettingsError(unknown("sample", strange[0], settings.samples))
    return settings.model_copy(update={"samples": {name: settings.samples[name] for name in names}})


def _prepare(settings: ScanSettings, base: FrozenModel, folder: Path, workers: int) -> None:
    """Simulates the samples."""
    from hgcae.train.dimension import make_sample

    for name in settings.samples:
        with console.progress(settings.n_train + settings.n_test, "events") as progress:
            make_sample(settings, name, base.detector, folder, workers, progress)


def _make(base: FrozenModel, context: ScanContext, points: Sequence[PointSettings], workers: int) -> list[str]:
    """Makes the points that are not there; returns what went wrong, which it tells at once."""
    from hgcae.cli.dimension_points import make_points
    from hgcae.evaluate.points import known_point
    from hgcae.train.dimension import make_codes

    wanted = []
    for point in points:
        content, problem = known_point(context.points, point.model_dump(mode="json"))
        if problem is not None:
            console.note(f"made again: {problem}")
        if content is None:
            wanted.append(point)
    console.note(f"{len(points)} points, {len(points) - len(wanted)} of them are there")
    # Made here, once, and not by all processes at the same time.
    for sample, level in dict.fromkeys((point.sample, point.level) for point in wanted):
        make_codes(base, sample, level, context.folder)
    failed = []
    with console.progress(len(wanted), "points") as progress:
        for problem in make_points(context, wanted, workers, progress):
            console.note(f"failed: {problem}")
            failed.append(problem)
    return failed


def _floors(settings: ScanSettings, base: FrozenModel, context: ScanContext, workers: int) -> dict[str, Any]:
    """Returns the figures of the mean of repeated showers, by sample; each is a point, too."""
    import numpy as np

    from hgcae.evaluate.eventwise import Reference
    from hgcae.evaluate.points import known_point, write_point
    from hgcae.simulate import mean_shower
    from hgcae.store import Reader
    from hgcae.train.dimension import sample_fingerprint, simulation

    floors = {}
    for sample in settings.samples:
        made = sample_fingerprint(settings, sample, base.detector)
        what = {"floor": made, "copies": settings.copies, "evaluation": context.evaluation.fingerprint()}
        content, _ = known_point(context.points, what)
        if content is None:
            test = Reader(context.folder / "samples" / f"{sample}-test.parquet").read()
            weight = np.repeat(base.detector.layer_mev_per_mip, base.detector.cells_per_layer)
            how = simulation(settings, sample, base.detector, "test")
            with console.progress(settings.copies, "showers of each event") as progress:
                mean = mean_shower(test, settings.copies, settings.seed, weight, how, workers, progress)
            content = {"metrics": Reference(test, base.detector, context.evaluation).metrics(mean)}
            write_point(context.points, what, content)
        floors[sample] = content["figures"]
    return floors


def _collect(
    settings: ScanSettings,
    base: FrozenModel,
    context: ScanContext,
    points: Sequence[PointSettings],
    floors: dict[str, Any],
    failed: Sequence[str],
    *,
    intrinsic: bool,
) -> dict[str, Any]:
    """Puts the answer together and writes it."""
    from hgcae.cli.dimension_codes import intrinsic_dimensions, meaning
    from hgcae.evaluate.points import known_point
    from hgcae.evaluate.report import versions
    from hgcae.evaluate.saturation import answers
    from hgcae.store.results import write_results_file
    from hgcae.train.dimension import sample_fingerprint

    known = []
    for point in points:
        content, _ = known_point(context.points, point.model_dump(mode="json"))
        if content is not None:
            known.append({"settings": point.model_dump(mode="json"), "content": content})
    seconds: dict[str, list[float]] = {}
    for point in known:
        seconds.setdefault(point["settings"]["level"], []).append(point["content"]["seconds"]["cpu"])
    found = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "settings": settings.model_dump(mode="json"),
        "fingerprints": {
            "model": base.checksum,
            "samples": {name: sample_fingerprint(settings, name, base.detector) for name in settings.samples},
        },
        "points": len(known),
        "failed": list(failed),
        "cpu_s_per_point": {name: round(sum(values) / len(values), 1) for name, values in seconds.items()},
        "answers": answers(known, floors),
        "meaning": meaning(settings, base, context),
        "intrinsic": intrinsic_dimensions(settings, base, context) if intrinsic else {},
    }
    write_results_file(context.folder / "scan.json", console.finite(found))
    return found


def _report(found: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    """Draws the figures and prints the answer."""
    from hgcae.evaluate.saturation import answer_table
    from hgcae.plots.dimension import dimension_figures

    dimension_figures(found, folder)
    if as_json:
        console.show(found, as_json=True)
        return
    for sample, levels in found["answers"].items():
        for level, figures in levels.items():
            console.print_line(f"{sample}, {level}")
            console.print_table(*answer_table(figures))
    console.print_line(f"figures and scan.json in {folder}")
