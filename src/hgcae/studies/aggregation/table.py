"""The points of the study as tables: means over seeds, and differences seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hgcae.evaluate.showers.borders import REGIONS

REFERENCE = "merged"
"""The variant to which the others are compared: what the package does."""

_COLUMNS = {
    "L1 cells": ("l1_cells", "{:.4f}"),
    "L1 ROCs": ("l1_rocs", "{:.4f}"),
    "L1 modules": ("l1_modules", "{:.4f}"),
    "layer error": ("layer_error", "{:.3%}"),
    "barycentre [mm]": ("barycentre_mm", "{:.3f}"),
    "E width": ("energy_width", "{:.3%}"),
    "E bias": ("energy_mean", "{:+.3%}"),
    "resolution ratio": ("resolution_ratio", "{:.4f}"),
    "MSE [ADC²]": ("mse", "{:.0f}"),
}
"""Columns of the table: a metric, and how it is written."""

Point = Mapping[str, Any]


def by_variant(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Returns the points of each variant, in order of appearance."""
    result: dict[str, list[Point]] = {}
    for point in points:
        result.setdefault(point["variant"], []).append(point)
    return result


def over_seeds(points: Sequence[Point], name: str, region: str = "all") -> tuple[float, float] | None:
    """Returns mean and standard error over seeds of a metric; of a single seed its statistical error; None where it was not measured."""
    measured = [point["regions"][region].get(name) for point in points]
    values = [pair[0] for pair in measured if pair is not None and pair[0] is not None]
    if not values:
        return None
    if len(values) == 1:
        error = next(pair[1] for pair in measured if pair is not None and pair[0] is not None)
        return values[0], 0.0 if error is None else error
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def relative(points: Sequence[Point], reference: Sequence[Point], name: str, region: str = "all") -> tuple[float, float | None] | None:
    """Returns mean and standard error over seeds of a metric over that of the reference with the same seed, minus one.

    Both are evaluated on the same showers, so what these have in common is not in the error; a single seed has none.
    """
    before = {point["seed"]: point["regions"][region].get(name) for point in reference}
    pairs = [(point["regions"][region].get(name), before.get(point["seed"])) for point in points]
    ratios = [new[0] / old[0] - 1 for new, old in pairs if new and old and new[0] is not None and old[0]]
    if not ratios:
        return None
    return float(np.mean(ratios)), float(np.std(ratios, ddof=1) / np.sqrt(len(ratios))) if len(ratios) > 1 else None


def variant_table(points: Sequence[Point]) -> tuple[list[str], list[list[str]]]:
    """Returns headings and one row per variant: bits, metrics of all showers with errors over seeds, difference to the reference, cost."""
    groups = by_variant(points)
    reference = groups.get(REFERENCE, [])
    rows = []
    for name, group in groups.items():
        first = group[0]
        links = " → ".join(f"{level} {bits}" for level, bits in first["link_bits"].items())
        cells = [_with_error(over_seeds(group, metric), form) for metric, form in _COLUMNS.values()]
        seconds = np.mean([point["cpu_seconds"] for point in group])
        change = _change(relative(group, reference, "l1_cells"))
        rows.append([name, f"{first['bits_per_event']:,}", links, str(len(group)), *cells[:1], change, *cells[1:], f"{seconds:.0f}"])
    return ["variant", "bits/event", "bits of codes", "seeds", "L1 cells", "against merged", *list(_COLUMNS)[1:], "CPU s"], rows


def border_table(points: Sequence[Point]) -> tuple[list[str], list[list[str]]]:
    """Returns headings and one row per variant: L1 of cells and barycentre by where the shower lies, with errors over seeds."""
    places = REGIONS[1:]
    headings = ["variant", *(f"L1 cells, {place}" for place in places), *(f"barycentre [mm], {place}" for place in places)]
    rows = []
    for name, group in by_variant(points).items():
        cells = [_with_error(over_seeds(group, metric, place), form) for metric, form in _BORDER for place in places]
        rows.append([name, *cells])
    return headings, rows


_BORDER = (("l1_cells", "{:.4f}"), ("barycentre_mm", "{:.3f}"))


def _with_error(value: tuple[float, float] | None, form: str) -> str:
    if value is None:
        return "-"
    shift = 1.0 if form.startswith("{:+") else 0.0
    return f"{form.format(value[0] - shift)} ± {form.replace('+', '').format(value[1])}"


def _change(value: tuple[float, float | None] | None) -> str:
    if value is None:
        return "-"
    return f"{value[0]:+.1%}" if value[1] is None else f"{value[0]:+.1%} ± {value[1]:.1%}"
