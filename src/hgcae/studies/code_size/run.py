"""The scan from its settings to its answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.evaluate import EvaluateSettings
from hgcae.evaluate.showers.eventwise import Reference
from hgcae.outputs import claimed, finite
from hgcae.simulate import mean_shower
from hgcae.store import Reader
from hgcae.store.results import write_results
from hgcae.studies.code_size.analysis import answers
from hgcae.studies.code_size.data import make_codes
from hgcae.studies.code_size.figure import code_size_figures
from hgcae.studies.code_size.frozen import FrozenModel
from hgcae.studies.code_size.interpretation import interpretation, intrinsic_dimensions
from hgcae.studies.code_size.plan import PointSettings, ScanSettings, make_sample, plan, sample_fingerprint, sample_path, simulation
from hgcae.studies.code_size.points import ScanContext, job
from hgcae.studies.points import known_point, write_point
from hgcae.studies.runner import Console, missing, run


def scan(
    settings: ScanSettings, base: FrozenModel, path: Path, folder: Path, workers: int, console: Console, *, intrinsic: bool
) -> dict[str, Any]:
    """Makes all points that are not there yet, writes `scan.json` and the figures, and returns what was found.

    Args:
        settings: What to scan.
        base: The base model.
        path: Folder of its run.
        folder: Folder of the scan.
        workers: Processes.
        console: Where to report.
        intrinsic: Whether to estimate intrinsic dimensions.

    Returns:
        What `scan.json` holds; `failed` has a line for each point that failed.

    Raises:
        WorkerError: A process died.
    """
    context = ScanContext(path, folder, EvaluateSettings())
    points = plan(settings, base, context.evaluation.fingerprint())
    with claimed(folder / "scan.json"):
        for name in settings.samples:
            with console.progress(settings.n_train + settings.n_test, "events") as progress:
                make_sample(settings, name, base.detector, folder, workers, progress)
        wanted = missing(context.points, {point: context.settings(point) for point in points}, console)
        # Made here, once, and not by all processes at the same time.
        for sample, level in dict.fromkeys((point.sample, point.level) for point in wanted):
            make_codes(base, sample, level, folder)
        failed = run([[job(context, point) for point in wanted]], len(wanted), workers, console)
        floors = _floors(settings, base, context, workers, console)
        found = _collect(settings, base, context, points, floors, failed, console, intrinsic=intrinsic)
        code_size_figures(found, folder)
    return found


def _floors(settings: ScanSettings, base: FrozenModel, context: ScanContext, workers: int, console: Console) -> dict[str, Any]:
    """Returns the metrics of the mean of repeated showers, by sample; each is a point, too."""
    floors = {}
    for sample in settings.samples:
        made = sample_fingerprint(settings, sample, base.detector)
        what = {"floor": made, "copies": settings.copies, "evaluation": context.evaluation.fingerprint()}
        content, _ = known_point(context.points, what)
        if content is None:
            test = Reader(sample_path(context.folder, sample, "test")).read()
            weight = np.repeat(base.detector.layer_mev_per_mip, base.detector.cells_per_layer)
            how = simulation(settings, sample, base.detector, "test")
            with console.progress(settings.copies, "showers of each event") as progress:
                mean = mean_shower(test, settings.copies, settings.seed, weight, how, workers, progress)
            content = {"metrics": Reference(test, base.detector, context.evaluation).metrics(mean)}
            write_point(context.points, what, content)
        floors[sample] = content["metrics"]
    return floors


def _collect(
    settings: ScanSettings,
    base: FrozenModel,
    context: ScanContext,
    points: Sequence[PointSettings],
    floors: dict[str, Any],
    failed: Sequence[str],
    console: Console,
    *,
    intrinsic: bool,
) -> dict[str, Any]:
    """Puts the answer together and writes it."""
    known = []
    for point in points:
        content, _ = known_point(context.points, context.settings(point))
        if content is not None:
            known.append({"settings": context.settings(point), "content": content})
    seconds: dict[str, list[float]] = {}
    for point in known:
        seconds.setdefault(point["settings"]["level"], []).append(point["content"]["seconds"]["cpu"])
    found = {
        "settings": settings.model_dump(mode="json"),
        "fingerprints": {
            "model": base.checksum,
            "samples": {name: sample_fingerprint(settings, name, base.detector) for name in settings.samples},
        },
        "points": len(known),
        "failed": list(failed),
        "cpu_s_per_point": {name: round(sum(values) / len(values), 1) for name, values in seconds.items()},
        "answers": answers(known, floors),
        "interpretation": interpretation(settings, base, context),
        "intrinsic": intrinsic_dimensions(settings, base, context, console) if intrinsic else {},
    }
    return write_results(context.folder / "scan.json", "code_size", finite(found))
