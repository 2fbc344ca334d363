"""`hgcae scan dimension`: how many numbers and bits the code of a level needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError, WorkerError, unknown

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
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the scan; an unfinished one is resumed.")],
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
    """Find the smallest code of a level: train it with more and fewer numbers and bits, above frozen lower levels.

    Every point of the scan trains one level of the base run anew, quantised, on the codes of the level below, for the same number of steps,
    and evaluates it on other events, decoded through the frozen lower levels. For every metric the smallest number of numbers (at the
    most bits) and of bits is told that keeps it within 5 % of the plateau, the largest code; with the fluctuation floor, the same metric of
    the mean of several other showers of the same truth. A point is a file named by the fingerprint of its settings: what is there is not
    made again, so a scan may be stopped, resumed and extended; a point that fails is reported, and the others continue.

      DIR/scan.json         the answer, with all sizes, errors, intrinsic dimensions and what the numbers mean
      DIR/points/*.json     the points; DIR/samples, DIR/codes, DIR/compiled: what they share
      DIR/*.png             figures against numbers and against bits; the numbers of a code moved one by one

    Examples:
      hgcae scan dimension run -o scan --quick
      hgcae scan dimension run -o scan --sample electron --level STAGE2
      hgcae scan dimension run -o scan --workers 8
      hgcae scan dimension run -o scan --set root.seeds=5 --set n_test=5000
    """
    from hgcae.evaluate.codes.dimension import require
    from hgcae.studies.code_size.analysis import answer_table
    from hgcae.studies.code_size.frozen import FrozenModel
    from hgcae.studies.code_size.plan import ScanSettings
    from hgcae.studies.code_size.run import scan

    if intrinsic:
        require()
    options = {"epochs": epochs, "levels": level or None, "root.seeds": seeds, "lower.seeds": seeds}
    values = console.settings_values(settings, options, assignments, QUICK if quick else None)
    base = FrozenModel.load(run)
    if quick:
        values.setdefault("levels", [base.model.hierarchy.root])
    chosen = ScanSettings.load(values, source=settings or "settings")
    if strange := [name for name in sample or () if name not in chosen.samples]:
        raise SettingsError(unknown("sample", strange[0], chosen.samples))
    chosen = chosen.model_copy(update={"samples": {name: chosen.samples[name] for name in sample or chosen.samples}})
    found = scan(chosen, base, run, output, workers, console, intrinsic=intrinsic)
    if as_json:
        console.show(found, as_json=True)
    else:
        for name, levels in found["answers"].items():
            for scanned, metrics in levels.items():
                console.print_line(f"{name}, {scanned}")
                console.print_table(*answer_table(metrics))
        console.print_line(f"figures and scan.json in {output}")
    if failed := found["failed"]:
        msg = f"{output}: {len(failed)} of {len(failed) + found['points']} points failed; the same command tries them again"
        raise WorkerError(msg)
