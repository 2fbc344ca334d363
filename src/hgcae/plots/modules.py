"""Figures of the results on module codecs: distortion against rate, and the energy mover's distance by occupancy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hgcae.errors import DataFormatError
from hgcae.evaluate.modules.metrics import Metric, ModuleResult
from hgcae.plots.style import COLOURS, FAINT, caption, label, save, styled

_MARKERS = ("o", "s", "^", "D", "v", "P")
PANELS: dict[str, tuple[str, float]] = {
    "emd_median": ("EMD, median [sensor cells]", 1.0),
    "emd_mean": ("EMD, mean [sensor cells]", 1.0),
    "telescope": ("telescope loss", 1.0),
    "lost": ("charge in cells lost [%]", 100.0),
    "sum_bias": ("bias of module charge [%]", 100.0),
    "sum_std": ("spread of module charge [%]", 100.0),
}
"""Metrics drawn against the rate, a panel each, with their axis labels and scales."""
_COLUMNS = 3


def rate_distortion_figure(results: Sequence[ModuleResult], path: str | Path) -> Path:
    """Draws the metrics of all modules against the mean payload, one curve per codec and one panel per metric (`PANELS`).

    Args:
        results: Of one sample.
        path: PNG or PDF.

    Raises:
        DataFormatError: No results, or several samples.
    """
    codecs = _codecs(results)
    with styled():
        room, rows = _legend_height(codecs), -(-len(PANELS) // _COLUMNS)
        height = 0.8 + 3.4 * rows + room
        figure = Figure(figsize=(13, height))
        axes = figure.subplots(rows, _COLUMNS, sharex=True)
        bottom, top = (0.65 + room) / height, 1 - 0.45 / height
        figure.subplots_adjust(left=0.06, right=0.985, bottom=bottom, top=top, wspace=0.22, hspace=0.08)
        for ax in axes.flat[len(PANELS) :]:
            ax.axis("off")
        for ax, (name, (text, scale)) in zip(axes.flat, PANELS.items(), strict=False):
            for (codec, curve), style in zip(codecs.items(), _styles(), strict=False):
                points = sorted(curve, key=lambda result: result.metrics["bits"].value or 0.0)
                bits = [result.metrics["bits"].value for result in points]
                _draw(ax, bits, [result.metrics[name] for result in points], scale, {"label": codec, "ls": "-"} | style)
            ax.set(ylabel=text)
            if name == "sum_bias":
                ax.axhline(0, color=FAINT, lw=0.8, zorder=0)
            elif name.startswith("emd"):
                _distances(ax)
            else:
                ax.set_ylim(0, 1.08 * ax.get_ylim()[1])
        for ax in axes.flat[len(PANELS) - _COLUMNS : len(PANELS)]:
            ax.tick_params(labelbottom=True)
            ax.set(xlabel="mean payload [bits per module]", xscale="log")
            ax.set_xticks((8, 16, 32, 64, 128, 256), map(str, (8, 16, 32, 64, 128, 256)))
            ax.minorticks_off()
        _legend(figure, axes[0, 0])
        label(axes[0, 0])
        caption(axes[0, 2], f"{results[0].sample}: {results[0].n_modules:,} modules")
        return save(figure, path)


def emd_occupancy_figure(results: Sequence[ModuleResult], path: str | Path) -> Path:
    """Draws the median of the energy mover's distance in bins of charged cells, a panel for each number of links.

    Args:
        results: Of one sample.
        path: PNG or PDF.

    Raises:
        DataFormatError: No results, or several samples.
    """
    codecs = _codecs(results)
    links = sorted({result.links for result in results})
    with styled():
        room = _legend_height(codecs)
        height = 4.6 + room
        figure = Figure(figsize=(max(6.4, 1.2 + 3.7 * len(links)), height))
        axes = figure.subplots(1, len(links), sharey=True, squeeze=False)[0]
        width = figure.get_figwidth()
        figure.subplots_adjust(left=0.8 / width, right=1 - 0.15 / width, bottom=(0.62 + room) / height, top=1 - 0.44 / height, wspace=0.06)
        for ax, number in zip(axes, links, strict=True):
            for i, ((codec, curve), style) in enumerate(zip(codecs.items(), _styles(), strict=False)):
                for result in (result for result in curve if result.links == number):
                    bins = result.by("occupancy")
                    place = np.arange(len(bins)) + min(0.12, 0.8 / len(codecs)) * (i - (len(codecs) - 1) / 2)
                    _draw(ax, place.tolist(), [entry.metrics["emd_median"] for entry in bins], 1.0, {"label": codec, "ls": "none"} | style)
                    ax.set_xticks(range(len(bins)), [entry.name for entry in bins])
            ax.set(xlabel="charged trigger cells")
            ax.minorticks_off()
            caption(ax, f"{number} links")
        _distances(*axes)
        label(axes[0])
        axes[0].set_ylabel("EMD, median [sensor cells]")
        _legend(figure, axes[0])
        return save(figure, path)


def _codecs(results: Sequence[ModuleResult]) -> dict[str, list[ModuleResult]]:
    """Groups the results by codec, in their order."""
    samples = sorted({result.sample for result in results})
    if len(samples) != 1:
        raise DataFormatError(source="results", where="samples", found=", ".join(samples) or "none", expected="exactly one")
    codecs: dict[str, list[ModuleResult]] = {}
    for result in results:
        codecs.setdefault(result.codec, []).append(result)
    return codecs


def _styles() -> Any:
    """Yields colours with markers; no pair comes twice among the first 36."""
    for i in count():
        yield {"color": COLOURS[i % len(COLOURS)], "marker": _MARKERS[(i + i // len(COLOURS)) % len(_MARKERS)]}


def _distances(*axes: Axes) -> None:
    """Shows distances that are nothing and distances of many cells: linear near zero, logarithmic above 0.1."""
    # A panel without points has no largest value.
    top = max([0.3, *(1.3 * ax.dataLim.ymax for ax in axes if np.isfinite(ax.dataLim.ymax))])
    for ax in axes:
        ax.set_yscale("asinh", linear_width=0.1)
        ax.set_yticks((0, 0.1, 0.3, 1, 3, 10), ("0", "0.1", "0.3", "1", "3", "10"))
        ax.set_ylim(0, top)


_LEGEND_COLUMNS = 6


def _legend_height(codecs: Mapping[str, Any]) -> float:
    """Returns the height of the legend below the panels, inches."""
    return 0.15 + 0.26 * -(-len(codecs) // _LEGEND_COLUMNS)


def _legend(figure: Figure, ax: Axes) -> None:
    """Names the curves of a panel below all of them."""
    figure.legend(*ax.get_legend_handles_labels(), loc="lower center", ncols=_LEGEND_COLUMNS)


def _draw(ax: Axes, x: Sequence[float | None], figures: Sequence[Metric], scale: float, style: Mapping[str, Any]) -> None:
    """Draws those figures that were measured, with their errors."""
    known = [
        (at, value * scale, (error or 0.0) * scale)
        for at, (value, error) in zip(x, figures, strict=True)
        if at is not None and value is not None
    ]
    at, value, error = np.array(known).reshape(-1, 3).T
    ax.errorbar(at, value, error, ms=5, elinewidth=1, capsize=2, **style)
