"""Figure of the study: what ways of aggregating lose, inside modules and across borders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hgcae.evaluate.showers.borders import REGIONS
from hgcae.plots.style import COLOURS, FAINT, INK, caption, label, save, styled
from hgcae.studies.aggregation.table import by_variant, over_seeds

_PANELS = {
    "l1_cells": ("L1 of cells", 1.0),
    "l1_modules": ("L1 of module sums", 1.0),
    "barycentre_mm": ("barycentre shift [mm]", 1.0),
    "layer_error": ("layer error [%]", 100.0),
}
_MARKERS = ("o", "s", "^", "D")


def aggregation_figure(points: Sequence[Mapping[str, Any]], path: str | Path) -> Path:
    """Draws four figures of every variant, one marker for each place of the shower, with errors over seeds.

    Args:
        points: Contents of the points, at least one.
        path: PNG or PDF.
    """
    groups = by_variant(points)
    # Variants of one budget stand together; a line parts the budgets.
    names = sorted(groups, key=lambda name: groups[name][0]["bits_per_event"])
    y = np.arange(len(names))[::-1].astype(float)
    budgets = [groups[name][0]["bits_per_event"] for name in names]
    with styled():
        height = 1.9 + 0.36 * len(names)
        figure = Figure(figsize=(13, height))
        axes = figure.subplots(1, len(_PANELS), sharey=True)
        figure.subplots_adjust(left=0.135, right=0.985, bottom=1.2 / height, top=1 - 0.45 / height, wspace=0.06)
        for ax, (name, (text, scale)) in zip(axes, _PANELS.items(), strict=True):
            for i, region in enumerate(REGIONS):
                found = [over_seeds(groups[variant], name, region) for variant in names]
                use = [k for k, value in enumerate(found) if value is not None]
                values, errors = np.array([found[k] for k in use], dtype=float).reshape(-1, 2).T * scale
                colour = INK if region == "all" else COLOURS[i - 1]
                style: dict[str, Any] = {"fmt": _MARKERS[i], "color": colour, "ms": 5, "lw": 0, "elinewidth": 1.2, "capsize": 0}
                ax.errorbar(values, y[use] + 0.24 - 0.16 * i, xerr=errors, label="all showers" if i == 0 else region, **style)
            for row in range(len(names) - 1):
                other = budgets[row] != budgets[row + 1]
                ax.axhline(y[row] - 0.5, color=INK if other else FAINT, lw=1.0 if other else 0.3)
            ax.set(xlabel=text, xlim=(0, None), ylim=(-0.5, len(names) - 0.5))
            ax.tick_params(axis="y", which="both", left=False, right=False)
            ax.yaxis.set_ticks(y, names)
        label(axes[0])
        seeds = len({point["seed"] for point in points})
        caption(axes[-1], f"{' and '.join(f'{bits:,}' for bits in sorted(set(budgets)))} bits an event, {seeds} seeds")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=len(REGIONS), frameon=False)
        return save(figure, path)
