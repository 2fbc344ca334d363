"""Figures of a scan of the size of codes: metrics against numbers and bits, and the numbers of a code moved one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from hgcae.errors import DataFormatError
from hgcae.evaluate.showers.eventwise import METRICS
from hgcae.geometry.detector import Detector, detector_from_dict, detector_of
from hgcae.plots.cells import Shapes, layer_shapes
from hgcae.plots.maps import frame_map, paint, scale
from hgcae.plots.style import COLOURS, FAINT, INK, caption, label, save, styled
from hgcae.studies.code_size.analysis import MARGIN

_MARKERS = ("o", "s", "^", "D", "v", "P")


def code_size_figures(found: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draws all figures of a scan into a folder; returns their paths.

    Args:
        found: What `hgcae scan dimension` writes as scan.json.
        folder: Where to.
    """
    paths = []
    levels = list(dict.fromkeys(level for by_level in found["answers"].values() for level in by_level))
    for level in levels:
        samples = {name: by_level[level] for name, by_level in found["answers"].items() if level in by_level}
        drawn = [w for w in ("numbers", "bits") if any(len(_line(a, w)) > 1 for figures in samples.values() for a in figures.values())]
        paths += [_sizes_figure(samples, what, level, folder / f"dimension_{level}_{what}.png") for what in drawn]
    for sample, entry in found["interpretation"].items():
        paths.append(_correlation_figure(entry, sample, folder / f"interpretation_{sample}.png"))
        if "traversal" in entry:
            paths.append(_traversal_figure(entry, folder / f"traversal_{sample}.png"))
    return paths


def _line(answer: Mapping[str, Any], what: str) -> list[dict[str, Any]]:
    """Returns the sizes along which a figure is drawn: numbers at the most bits, or bits at the plateau's nearest well measured number."""
    most = max(entry["bits"] for entry in answer["sizes"])
    usual = [entry for entry in answer["sizes"] if entry["barycentre"] or entry["latent"] < 3]
    if what == "numbers":
        return [entry for entry in usual if entry["bits"] == most]
    counts: dict[int, int] = {}
    for entry in usual:
        counts[entry["latent"]] = counts.get(entry["latent"], 0) + 1
    best = max(counts, key=lambda d: counts[d]) if counts else 0
    return [entry for entry in usual if entry["latent"] == best]


def _sizes_figure(samples: Mapping[str, Mapping[str, Any]], what: str, level: str, path: Path) -> Path:
    """Draws every figure of merit over its plateau, one panel each, against the numbers or the bits of the code."""
    known = [figure for figure in METRICS if any(figure in a for a in samples.values())]
    columns = 4
    rows = -(-len(known) // columns)
    with styled():
        figure = Figure(figsize=(15, 3.4 * rows + 0.6))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        height = 3.4 * rows + 0.6
        figure.subplots_adjust(left=0.06, right=0.985, bottom=0.6 / height, top=1 - 0.55 / height, hspace=0.42, wspace=0.3)
        for ax, name in zip(axes, known, strict=False):
            for i, (sample, answers) in enumerate(samples.items()):
                if name in answers:
                    _draw_sizes(ax, answers[name], what, i, sample)
            text, unit = METRICS[name]
            ax.set_title(text + (f" [{unit}]" if unit else ""), size=10)
            ax.set_xlabel("numbers in the code" if what == "numbers" else "bits of each number", size=10)
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.xaxis.set_minor_locator(NullLocator())
            _scale(ax)
        for ax in axes[len(known) :]:
            ax.axis("off")
        handles, labels = axes[0].get_legend_handles_labels()
        (axes[len(known)] if len(known) < len(axes) else axes[0]).legend(handles, labels, loc="upper left", fontsize=9)
        axes[0].annotate(f"hgcae, {level}", (0, 1), (0, 22), xycoords="axes fraction", textcoords="offset points", weight="bold", size=12)
        return save(figure, path)


def _scale(ax: Axes) -> None:
    """Makes an axis logarithmic where the figures span more than a factor of three."""
    low, high = ax.dataLim.intervaly
    if low > 0 and high > 3 * low:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _draw_sizes(ax: Axes, answer: Mapping[str, Any], what: str, i: int, sample: str) -> None:
    line = _line(answer, what)
    key = "latent" if what == "numbers" else "bits"
    x = np.array([entry[key] for entry in line])
    y, error = (np.array([np.nan if entry[k] is None else entry[k] for entry in line], dtype=float) for k in ("value", "error"))
    colour = COLOURS[i % len(COLOURS)]
    ax.errorbar(x, y, error, color=colour, marker=_MARKERS[i % len(_MARKERS)], label=sample, ms=4, lw=1.2)
    if what == "numbers":
        ax.axhspan(answer["plateau"], (1 + MARGIN) * answer["plateau"], color=colour, alpha=0.15, lw=0)
        learned = [e for e in answer["sizes"] if not e["barycentre"] and e["latent"] >= 3 and e["bits"] == line[-1]["bits"]]
        if learned:
            ax.errorbar(
                [e["latent"] for e in learned],
                [e["value"] for e in learned],
                [e["error"] or 0 for e in learned],
                color=colour,
                marker="x",
                ls="none",
                label=f"{sample}, barycentre learned",
            )
    if answer["floor"] is not None:
        ax.axhline(answer["floor"], color=colour, ls=":", lw=1)


def _correlation_figure(entry: Mapping[str, Any], sample: str, path: Path) -> Path:
    """Draws the rank correlations of the numbers of a code with true and observed quantities."""
    names, found = entry["names"], entry["correlations"]
    table = np.array([[np.nan if x is None else x for x in values] for values in found.values()], dtype=float)
    with styled():
        width, height = 1.9 + 0.95 * len(names), 1.6 + 0.42 * len(found)
        figure = Figure(figsize=(width, height))
        ax = figure.subplots()
        figure.subplots_adjust(left=1.7 / width, right=1 - 0.15 / width, bottom=1.1 / height, top=1 - 0.45 / height)
        ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (i, j), value in np.ndenumerate(table):
            text = "" if np.isnan(value) else f"{value:.2f}"
            ax.text(j, i, text, ha="center", va="center", size=9, color="w" if abs(value) > 0.6 else INK)
        ax.set_xticks(range(len(names)), names, rotation=30, ha="right")
        ax.set_yticks(range(len(found)), list(found))
        ax.tick_params(which="both", length=0)
        ax.minorticks_off()
        label(ax, f"{sample}, rank correlation")
        return save(figure, path)


def _traversal_figure(entry: Mapping[str, Any], path: Path) -> Path:
    """Draws the profile and the map that decoding makes of a code whose numbers are moved one by one."""
    moved, names = entry["traversal"], entry["names"]
    detector = detector_of(detector_from_dict(moved["detector"]), path)
    if detector is None:
        raise DataFormatError(path, "detector", str(moved["detector"]["name"]), "one that is described")
    shapes = layer_shapes(detector)
    places = [0, len(moved["numbers"][0]["values"]) // 2, -1]
    maps = {j: [_dense(number["maps"][k], detector.cells_per_layer) for k in places] for j, number in enumerate(moved["numbers"])}
    everything = np.stack([m for row in maps.values() for m in row])
    window = _window(everything.max(axis=0), detector)
    xy = detector.layer_cell_xy
    near = np.flatnonzero(((xy > window[0] - 3) & (xy < window[1] + 3)).all(axis=1))
    shapes = Shapes(tuple(shapes.cells[i] for i in near), shapes.outlines)
    norm = scale(np.maximum(everything, 0) * (everything > 1e-4 * everything.max()))
    n = len(moved["numbers"])
    with styled():
        figure = Figure(figsize=(11, 1.9 * n + 0.6))
        height = 1.9 * n + 0.6
        area = {"left": 0.07, "right": 0.99, "bottom": 0.55 / height, "top": 1 - 0.4 / height}
        grid = figure.add_gridspec(n, 4, width_ratios=(2, 1, 1, 1), hspace=0.25, wspace=0.06, **area)
        shades = np.linspace(0.15, 0.95, len(moved["numbers"][0]["values"]))
        for j, number in enumerate(moved["numbers"]):
            ax = figure.add_subplot(grid[j, 0])
            layers = np.arange(1, len(number["profiles"][0]) + 1)
            for shade, profile in zip(shades, number["profiles"], strict=True):
                ax.plot(layers, profile, color=(0.9 * shade, 0.2, 0.9 * (1 - shade)), lw=1.2)
            ax.set(xlim=(0.5, len(layers) + 0.5), ylim=(0, None))
            ax.text(0.98, 0.93, names[j], transform=ax.transAxes, ha="right", va="top", size=10)
            ax.set_xlabel("layer" if j == n - 1 else "")
            ax.tick_params(labelbottom=j == n - 1)
            if j == 0:
                label(ax, "energy [GeV]")
            for column, k in enumerate(places):
                panel = figure.add_subplot(grid[j, column + 1])
                paint(panel, shapes, np.zeros((1, 2)), maps[j][column][near][None], norm, cell_edge=0.2, outline=0.5)
                frame_map(panel, *window)
                panel.text(0.03, 0.03, f"{number['values'][k]:.3g}", transform=panel.transAxes, size=8, color=FAINT)
                if j == 0:
                    caption(panel, ("5 %", "middle", "95 %")[column])
        return save(figure, path)


def _dense(entry: list[Any], n: int) -> np.ndarray[Any, Any]:
    values = np.zeros(n)
    values[np.array(entry[0], dtype=int)] = entry[1]
    return values


def _window(energy: np.ndarray[Any, Any], detector: Detector) -> np.ndarray[Any, Any]:
    """Returns the square that holds 95 % of the energy with some margin."""
    xy = detector.layer_cell_xy
    mean = energy @ xy / energy.sum()
    reach = np.abs(xy - mean).max(axis=1)
    order = np.argsort(reach)
    half = max(4.0, 1.3 * reach[order][np.searchsorted(np.cumsum(energy[order]), 0.95 * energy.sum())])
    return np.stack([mean - half, mean + half])
