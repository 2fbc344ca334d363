"""Robustness at a glance: every figure of every disturbance and level."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hgcae.errors import DataFormatError
from hgcae.plots.style import COLOURS, FAINT, INK, label, save, styled

_PANELS = (
    ("response", "energy bias [%]", 100.0, "symlog"),
    ("sigma_eff", "energy width [%]", 100.0, "log"),
    ("barycentre_mm", "barycentre shift [mm]", 1.0, "log"),
    ("layer_error", "layer error [%]", 100.0, "log"),
    ("l1_cells", r"$\Sigma\,|$decoded - true$|\;/\;\Sigma\,$true", 1.0, "log"),
)
_LEVEL_COLOURS = (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[3], COLOURS[5])
_MARKERS = ("o", "s", "^", "D", "v")


def stress_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws decoded against undisturbed events, a column for each disturbance and a colour for each level.

    Args:
        results: Those of the study, with `cases`.
        path: PNG or PDF.

    Raises:
        DataFormatError: No disturbance.
    """
    cases = results["cases"]
    if not cases:
        raise DataFormatError(source="results", where="cases", found="none", expected="at least one disturbance")
    with styled():
        width = 3.2 + 0.62 * len(cases)
        figure = Figure(figsize=(width, 13))
        axes = figure.subplots(len(_PANELS), 1, sharex=True)
        figure.subplots_adjust(left=0.9 / width, right=1 - 1.9 / width, bottom=0.11, top=0.965, hspace=0.08)
        for ax, (key, text, scale, kind) in zip(axes, _PANELS, strict=True):
            _draw(ax, cases, key, scale)
            ax.set_ylabel(text)
            ax.set_yscale(kind, **({"linthresh": 1.0} if kind == "symlog" else {}))
            ax.tick_params(axis="x", which="minor", bottom=False, top=False)
            ax.set_xlim(-0.6, len(cases) - 0.4)
            for x in range(1, len(cases)):
                ax.axvline(x - 0.5, color=FAINT, lw=0.4)
        axes[0].axhline(0, color=FAINT, lw=0.8)
        axes[0].legend(loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize="small")
        axes[-1].set_xticks(range(len(cases)), [case["name"].replace("_", " ") for case in cases], rotation=50, ha="right")
        label(axes[0], f"decoded against undisturbed events, {results['n_events']:,} of each kind")
        return save(figure, path)


def _draw(ax: Axes, cases: list[Mapping[str, Any]], key: str, scale: float) -> None:
    names = list(cases[0]["levels"])
    for i, name in enumerate(names):
        found = [case["levels"][name]["undisturbed"] for case in cases]
        style = {"color": _LEVEL_COLOURS[i % 5], "marker": _MARKERS[i % 5], "label": name}
        _points(ax, found, key, scale, 0.11 * (i - (len(names) - 1) / 2), style)
    alone = [case["uncompressed"] for case in cases]
    _points(ax, alone, key, scale, 0.11 * (-1 - (len(names) - 1) / 2), {"color": INK, "marker": "_", "ms": 9, "label": "uncompressed"})


def _points(ax: Axes, found: list[Mapping[str, Any] | None], key: str, scale: float, shift: float, style: Mapping[str, Any]) -> None:
    known = [(x, f[key], f[f"{key}_error"] or 0.0) for x, f in enumerate(found) if f is not None and f[key] is not None]
    # On a logarithmic axis nothing is at zero.
    known = [point for point in known if key == "response" or point[1] > 0]
    x, y, error = np.array(known, dtype=np.float64).reshape(-1, 3).T
    ax.errorbar(x + shift, y * scale, error * scale, ls="none", elinewidth=1, **style)
