"""The results of `hgcae demo`, next to those of an earlier study."""

from __future__ import annotations

from pathlib import Path

from hgcae.evaluate import heads_table, table
from hgcae.evaluate.core.table import lookup
from hgcae.store.results import read_results
from pages import Collected
from pages import table as shown

PICTURES = ("event_MODULE.png", "event_STAGE2.png", "energy.png", "levels.png", "heads.png", "run/cost.png")

PROTOTYPE = {
    "ROC": ("1.00 / 1.00 / 1.00", ".20 / .12 / .07", ".24 %", ".048"),
    "MODULE": ("1.005 / 1.001 / 1.001", ".33 / .20 / .11", ".32 %", ".093"),
    "TRIPLET": ("1.004 / 1.006 / 1.003", ".45 / .29 / .20", ".40 %", ".125"),
    "STAGE1": ("1.003 / 1.005 / 1.004", "1.0 / .76 / .80", ".47 %", ".217"),
    "STAGE2": ("1.013 / 1.010 / 1.009", "1.7 / 1.5 / 1.3", "6.4 %", ".310"),
}
"""What an earlier study found with float networks: the columns of `STUDIED`; the page states its conditions."""

STUDIED = {
    "resolution ratio": (("energy", "truth", "decoded", "resolution_ratio", "above", "ratio"), ".4f"),
    "barycentre [mm]": (("position", "barycentre_shift", "per_axis", "above", "rms"), ".2f"),
    "layer error": (("layers", "profile_error", "above", "mean"), ".2%"),
    "L1 cells": (("events", "l1", "CELL"), ".3f"),
}
"""Columns of the comparison: where the value stands in the results of a level, and how it is printed."""


def collect(folder: Path) -> Collected:
    """Reads `results.json`, `demo.json` and the pictures of a demo."""
    results = read_results(folder / "results.json", "evaluation")
    run = read_results(folder / "demo.json", "demo")
    rows = []
    for name, level in results["levels"].items():
        measured = [f"{lookup(level, *keys):{form}}" for keys, form in STUDIED.values()]
        rows.append([name, *(text for pair in zip(measured, PROTOTYPE[name], strict=True) for text in pair)])
    values = {
        "command": "make docs",
        "date": results["date"],
        "versions": results["versions"],
        "cores": run["cores"],
        "seconds": {name: round(value) for name, value in run["seconds"].items()},
        "peak_rss_gib": round(run["peak_rss_gib"], 2),
        "n_train": run["events"]["electrons"],
        "n_test": run["events"]["test"],
        "seed": run["seed"],
        "levels": shown(*table(results)),
        "study": shown(["level", *(text for column in STUDIED for text in (column, "study"))], rows),
        "heads": shown(*heads_table(results)),
    }
    return Collected(values, {Path(picture).name: folder / picture for picture in PICTURES})
