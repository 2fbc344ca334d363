"""The results of several seeds of one training: what each level keeps, with targets."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hgcae.evaluate.core.table import lookup
from hgcae.evaluate.showers.quantities import ESTIMATED
from hgcae.store.results import read_results
from pages import Collected, table

LEVELS = ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2")
Result = Mapping[str, Any]
Column = tuple[Callable[[Result], float], Mapping[str, float], str]
"""How a column is read from the results of a level, the targets of levels, and how it is printed."""


def _at(*keys: str) -> Callable[[Result], Any]:
    return lambda level: lookup(level, *keys)


def _barycentre(level: Result) -> float:
    """Returns the root mean square shift of barycentres per axis at 50 to 500 GeV, mm."""
    bins = [b for b in level["position"]["barycentre_shift"]["per_axis"]["bins"] if b["low_gev"] >= 50 and b["n"]]
    return math.sqrt(sum(b["n"] * b["rms"] ** 2 for b in bins) / sum(b["n"] for b in bins))


def _linearity(level: Result) -> float:
    """Returns the largest deviation of the mean decoded energy from the uncompressed one in any bin of true energy."""
    return max(abs(b["mean"] - 1) for b in level["energy"]["decoded_over_uncompressed"]["bins"] if b["mean"] is not None)


def _axis(level: Result) -> float:
    axis = level["position"]["truth_axis"]
    return axis["decoded"]["per_axis"]["above"]["rms"] / axis["uncompressed"]["per_axis"]["above"]["rms"]


def _targets(*values: float) -> Mapping[str, float]:
    return dict(zip(LEVELS, values, strict=True))


RATIO = ("energy", "truth", "decoded", "resolution_ratio", "above")
COLUMNS: Mapping[str, Column] = {
    "σ(E) / uncompressed": (_at(*RATIO, "ratio"), _targets(1.005, 1.005, 1.01, 1.01, 1.015), ".4f"),
    "barycentre [mm]": (_barycentre, _targets(0.2, 0.3, 0.4, 0.6, 0.8), ".3f"),
    "layer error": (_at("layers", "profile_error", "above", "mean"), _targets(0.003, 0.004, 0.005, 0.007, 0.06), ".2%"),
    "L1 of cells": (_at("events", "l1", "CELL"), _targets(0.05, 0.09, 0.12, 0.16, 0.20), ".3f"),
    "linearity": (_linearity, dict.fromkeys(LEVELS, 0.003), ".2%"),
    "true axis / uncompressed": (_axis, {"STAGE2": 1.10}, ".3f"),
}


def collect(folder: Path) -> Collected:
    """Reads the results of all seeds in `folder`/run*."""
    results = [read_results(path, "evaluation") for path in sorted(folder.glob("run*/results.json"))]
    levels = {name: [result["levels"][name] for result in results] for name in results[0]["levels"]}
    rows = [[name, *(_cell(column, found, name) for column in COLUMNS.values())] for name, found in levels.items()]
    errors = [_at(*RATIO, "ratio_error")(level) for found in levels.values() for level in found]
    values = {
        "command": "make docs-levels",
        "date": results[0]["date"],
        "versions": results[0]["versions"],
        "note": "",
        "seeds": len(results),
        "n_events": next(iter(levels.values()))[0]["n_events"],
        "ratio_error": f"{statistics.fmean(errors):.4f}",
        "levels": table(["level", *COLUMNS], rows),
        "heads": table(["quantity", "head of STAGE2", "uncompressed", "ratio"], _heads([result["heads"] for result in results])),
    }
    return Collected(values)


def _cell(column: Column, levels: Sequence[Result], name: str) -> str:
    read, targets, form = column
    values = [read(level) for level in levels]
    mean = statistics.fmean(values)
    text = format(mean, form) + (f" ± {format(statistics.stdev(values), form)}" if len(values) > 1 else "")
    return text if name not in targets else f"{text} of {format(targets[name], form)}{_missed(mean, targets[name])}"


def _heads(heads: Sequence[Result]) -> list[list[str]]:
    """Returns a row for each quantity: mean width of all seeds, that of the uncompressed charges with its error, the mean ratio."""
    rows = []
    for name, (text, scale, unit) in ESTIMATED.items():
        plain = heads[0]["uncompressed, vertex"].get(name) or heads[0]["uncompressed"].get(name)
        found = [head["STAGE2"][name] for head in heads if name in head["STAGE2"]]
        if not found or plain is None:
            continue
        widths = [scale * head["above"]["sigma_eff"] for head in found]
        ratio, error = (statistics.fmean(head["width_ratio"]["above"][key] for head in found) for key in ("ratio", "ratio_error"))
        seeds = f" ± {statistics.stdev(widths):.2g}" if len(widths) > 1 else ""
        without = f"{scale * plain['above']['sigma_eff']:.3f} ± {scale * plain['above']['sigma_eff_error']:.2g} {unit}"
        rows.append([text, f"{statistics.fmean(widths):.3f}{seeds} {unit}", without, f"{ratio:.3f} ± {error:.3f}{_missed(ratio, 1)}"])
    return rows


def _missed(value: float, target: float) -> str:
    return "" if value <= target else " **missed**"
