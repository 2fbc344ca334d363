"""The results of `hgcae scan dimension`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.evaluate.showers.eventwise import METRICS
from hgcae.store.results import read_results
from hgcae.studies.code_size.analysis import answer_table, count, size_table
from pages import Collected, table

ROOT = "STAGE2"
SHOWN = ("resolution_ratio", "barycentre_mm", "layer_error", "depth_x0", "cells_l1", "head_energy", "head_impact_mm")
"""Metrics in the table of all sizes."""


def collect(folder: Path) -> Collected:
    """Reads `scan.json` and the pictures."""
    found = read_results(folder / "scan.json", "code_size")
    settings, answers = found["settings"], found["answers"]
    root = {sample: levels[ROOT] for sample, levels in answers.items() if ROOT in levels}
    lower = {(sample, level): metrics for sample, levels in answers.items() for level, metrics in levels.items() if level != ROOT}
    first = next(iter(answers), "")
    moved = next((name for name, entry in found["interpretation"].items() if "traversal" in entry), None)
    pictures = [
        f"dimension_{ROOT}_numbers",
        f"dimension_{ROOT}_bits",
        f"traversal_{moved}",
        *(f"interpretation_{name}" for name in found["interpretation"]),
    ]
    pictures += [f"dimension_{level}_numbers" for sample, level in lower if sample == first]
    pictures = [name for name in pictures if (folder / f"{name}.png").exists()]
    values = {
        "command": "make docs-dimension",
        "date": found["date"],
        "versions": found["versions"],
        "points": found["points"],
        "failed": len(found["failed"]),
        **{key: settings[key] for key in ("n_train", "n_test", "epochs")},
        "seeds": settings["root"]["seeds"],
        "seeds_lower": (settings["others_lower"] or settings["lower"])["seeds"],
        "cpu_s": {level: round(value) for level, value in found["cpu_s_per_point"].items()},
        "root": ROOT,
        "first": first,
        "smallest": _smallest({(sample,): metrics for sample, metrics in root.items()}, ["sample"]),
        "enough": {sample: _enough(metrics) for sample, metrics in root.items()},
        "answers": {sample: table(*answer_table(metrics)) for sample, metrics in root.items()},
        "sizes": {sample: table(*size_table(metrics, SHOWN)) for sample, metrics in root.items()},
        "moved": {"sample": moved, "energies_gev": found["interpretation"][moved]["traversal"]["energies_gev"]} if moved else None,
        "interpretation": list(found["interpretation"]),
        "intrinsic": _intrinsic(found["intrinsic"]),
        "lower_at": max((metric["at"][0] for metrics in lower.values() for metric in metrics.values()), default=0),
        "lower_smallest": _smallest(lower, ["sample", "level"]),
        "lower": {
            level: {"answer": table(*answer_table(metrics)), "sizes": table(*size_table(metrics, SHOWN))}
            for (sample, level), metrics in lower.items()
            if sample == first
        },
        "pictures": pictures,
    }
    return Collected(values, {f"{name}.png": folder / f"{name}.png" for name in pictures})


def _enough(metrics: Mapping[str, Any]) -> str:
    """Returns the numbers that keep all metrics but the L1 of cells."""
    return count(max((metrics[name]["numbers"] for name in metrics if name != "cells_l1"), key=lambda found: found["value"]))


def _smallest(answers: Mapping[tuple[str, ...], Mapping[str, Any]], head: list[str]) -> dict[str, Any]:
    """Returns the table of the smallest numbers and bits for each metric."""
    metrics = [name for name in METRICS if any(name in found for found in answers.values())]
    rows = [
        [*names, *(f"{count(found[m]['numbers'])} / {count(found[m]['bits'])}" if m in found else "-" for m in metrics)]
        for names, found in answers.items()
    ]
    return table([*head, *metrics], rows)


def _intrinsic(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Returns the dimension of the control samples and the table of estimates; None where nothing was estimated."""
    if not found:
        return None
    entries = [(sample, what, entry) for sample, by_what in found.items() for what, entry in by_what.items()]
    known = [entry for *_, entry in entries if "estimates" in entry]
    rows = []
    for sample, what, entry in entries:
        cells = [entry.get("problem", "")]
        if "estimates" in entry:
            cells = [f"{_number(e)} ({_number({**entry['control'][k], 'error': None})})" for k, e in entry["estimates"].items()]
        rows.append([sample, what, f"{entry['n']:,}", f"{entry['ambient']:,}", *cells])
    names = list(known[-1]["estimates"]) if known else []
    return {
        "dimension": known[0]["control_dimension"] if known else 7,
        "table": table(["sample", "what", "points", "space", *names], rows),
    }


def _number(entry: Mapping[str, float | None]) -> str:
    """Returns a value with its error."""
    value, error = entry["value"], entry["error"]
    return "-" if value is None else f"{value:.1f}" + ("" if error is None else f" ± {error:.1f}")
