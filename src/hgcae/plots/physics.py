"""Figures of the results on whole showers: response, shapes, profiles, electron against pion, two showers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hgcae.errors import DataFormatError
from hgcae.evaluate.core.table import lookup
from hgcae.evaluate.showers.pairs import UNCOMPRESSED
from hgcae.plots.results import draw_fit, draw_points, energy_axis, explain
from hgcae.plots.style import COLOURS, FAINT, INK, caption, label, save, styled

_MARKERS = ("o", "s", "^", "D", "v", "P")
_ORDER = (0, 1, 2, 3, 5, 4)
_LAST = 1.0
"""Height of the row of figures for the legend and the axis label, inches."""


def response_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws bias and resolution of the energy of every single particle against its energy.

    Args:
        results: As from `hgcae.evaluate.evaluate_physics`.
        path: PNG or PDF.

    Raises:
        DataFormatError: No sample of single particles.
    """
    showers = _showers(results)
    names = _names(results)
    with styled():
        figure, axes = _panels(2, len(showers))
        for column, (sample, found) in enumerate(showers.items()):
            bias, curve = axes[:, column]
            for i, name in enumerate(names):
                shift, response = found["samples"][name]["shift"]["energy_gev"], found["samples"][name]["response"]
                draw_points(bias, shift["bins"], "mean", i, len(names), _style(i, name), scale=100)
                draw_points(curve, response["bins"], "resolution", i + 1, len(names) + 1, _style(i, name), scale=100)
            reference = found["samples"][UNCOMPRESSED]["response"]
            draw_points(curve, reference["bins"], "resolution", 0, len(names) + 1, _reference(), scale=100)
            draw_fit(curve, reference["fit"])
            for ax in (bias, curve):
                energy_axis(ax, reference["bins"])
            bias.axhline(0, color=FAINT, lw=0.8)
            curve.set(xlabel="true energy [GeV]", ylim=(0, 1.25 * curve.get_ylim()[1]))
            handles = [h for h in zip(*curve.get_legend_handles_labels(), strict=True) if h[1].startswith("S =")]
            curve.legend(*([list(part) for part in zip(*handles, strict=True)] or [[], []]), loc="upper right")
            caption(bias, sample)
        axes[0, 0].set_ylabel("decoded / uncompressed - 1 [%]")
        axes[1, 0].set_ylabel(r"$\sigma_{eff}(E) / E$ [%]")
        label(axes[0, 0])
        _legend(figure, axes[1, 0])
        return save(figure, path)


_SHAPES = (
    ("impact_x_cm", "impact x [mm]", 1.0),
    ("eta", r"$\eta$ of the axis [$10^{-3}$]", 1e3),
    ("shower_max_x0", r"shower maximum [X$_0$]", 1.0),
    ("mean_depth_x0", r"mean depth [X$_0$]", 1.0),
    ("r50_mm", r"R$_{50}$ [mm]", 1.0),
    ("r90_mm", r"R$_{90}$ [mm]", 1.0),
)


def shapes_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws by how much shape quantities shift: sigma_eff of decoded minus uncompressed, by level, for every single particle.

    Args:
        results: As from `hgcae.evaluate.evaluate_physics`.
        path: PNG or PDF.

    Raises:
        DataFormatError: No sample of single particles.
    """
    showers, names = _showers(results), _names(results)
    with styled():
        figure, axes = _panels(2, 3)
        for ax, (key, text, scale) in zip(axes.flat, _SHAPES, strict=True):
            for i, (sample, found) in enumerate(showers.items()):
                rows = [found["samples"][name]["shift"][key]["above"] for name in names]
                _by_name(ax, rows, "sigma_eff", i, _style(i, sample), scale)
                bias = _style(i, f"{sample}, bias") | {"mfc": "white"}
                _by_name(ax, rows, "mean", i, bias, scale)
            ax.axhline(0, color=FAINT, lw=0.8)
            ax.set_ylabel(text)
            _name_axis(ax, names)
        label(axes[0, 0])
        caption(axes[0, 2], "decoded - uncompressed: width, bias")
        _legend(figure, axes[0, 0])
        return save(figure, path)


def profiles_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws mean profiles in depth and across, before and after, for every single particle.

    Args:
        results: As from `hgcae.evaluate.evaluate_physics`.
        path: PNG or PDF.

    Raises:
        DataFormatError: No sample of single particles.
    """
    showers, names = _showers(results), _names(results)
    with styled():
        figure, axes = _panels(2, len(showers), sharex=False)
        for column, (sample, found) in enumerate(showers.items()):
            depth, across = axes[:, column]
            edges = np.concatenate([[0.0], found["axes"]["depth_x0"]])
            radii = np.array(found["axes"]["radius_mm"])
            for ax, key, at, width in (
                (depth, "layers", edges, np.diff(edges)),
                (across, "rings", radii, np.diff(radii)),
            ):
                middle = (at[1:] + at[:-1]) / 2
                for i, name in enumerate([UNCOMPRESSED, *names]):
                    profile = found["samples"][name]["profiles"][key]
                    if profile is None:
                        continue
                    values = np.array(profile, dtype=float) / width
                    if name == UNCOMPRESSED:
                        ax.stairs(values, at, color=INK, lw=1.2, label=name)
                    else:
                        ax.plot(middle, values, ls="none", ms=4, mfc="none", **_style(i - 1, name))
            across.set(yscale="log", xlabel="distance to the axis [mm]")
            depth.set(xlabel=r"depth [X$_0$]", ylim=(0, None))
            caption(depth, sample)
        axes[0, 0].set_ylabel(r"share of the energy per X$_0$")
        axes[1, 0].set_ylabel("share of the energy per mm")
        figure.subplots_adjust(hspace=0.28)
        label(axes[0, 0])
        _legend(figure, axes[0, 0])
        return save(figure, path)


def separation_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws the area under the ROC curve and the pion efficiency of all classifiers, before and after.

    Args:
        results: As from `hgcae.evaluate.evaluate_physics`.
        path: PNG or PDF.
    """
    names = [UNCOMPRESSED, *_names(results)]
    separation = results["separation"]
    efficiency = results["settings"]["electron_efficiency"]
    with styled():
        figure, axes = _panels(1, 2)
        for ax, key in zip(axes[0], ("auc", "pion_efficiency"), strict=True):
            i = 0
            for sample, found in separation.items():
                for kind, figures in found.items():
                    style = _style(i, f"{sample}, {kind.replace('_', ' ')}")
                    _by_name(ax, [figures[name] for name in names], key, i, style, 100.0 if key != "auc" else 1.0)
                    i += 1
            _name_axis(ax, names)
        axes[0, 0].set_ylabel("area under the ROC curve")
        axes[0, 1].set(ylabel=f"pion efficiency at {efficiency:.0%} signal [%]", ylim=(0, None))
        label(axes[0, 0])
        caption(axes[0, 1], "against pions, by shape alone")
        _legend(figure, axes[0, 0])
        return save(figure, path)


def pairs_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws against the distance of two showers how often both are found, and width of their distance and shares of energy.

    Args:
        results: As from `hgcae.evaluate.evaluate_physics`.
        path: PNG or PDF.
    """
    names, pairs = [UNCOMPRESSED, *_names(results)], results["pairs"]
    panels = (
        ("efficiency", "mean", 100.0, "both showers found [%]"),
        ("distance_mm", "sigma_eff", 1.0, r"distance found - true, $\sigma_{eff}$ [mm]"),
        ("sharing", "sigma_eff", 100.0, r"share of energy found - true, $\sigma_{eff}$ [%]"),
    )
    with styled():
        figure, axes = _panels(1, 3)
        for ax, (quantity, key, scale, text) in zip(axes[0], panels, strict=True):
            for i, name in enumerate(names):
                style = _reference() | {"ls": "-"} if name == UNCOMPRESSED else _style(i - 1, name) | {"ls": "-"}
                points = [
                    (float(distance) + 0.12 * (i - (len(names) - 1) / 2), *_value(found[name][quantity], key, scale))
                    for distance, found in pairs.items()
                    if lookup(found, name, quantity, key) is not None
                ]
                x, y, error = np.array(points).reshape(-1, 3).T
                ax.errorbar(x, y, error, ms=5, lw=0.8, elinewidth=1, **style)
            ax.set(xlabel="distance of the particles [cm]", ylabel=text, ylim=(0, None), xlim=(0, None))
        label(axes[0, 0])
        caption(axes[0, 2], "two electrons, 20 to 500 GeV")
        _legend(figure, axes[0, 0])
        return save(figure, path)


def _showers(results: Mapping[str, Any]) -> Mapping[str, Any]:
    if not results["showers"]:
        raise DataFormatError(source="results", where="showers", found="none", expected="at least one sample")
    return results["showers"]


def _names(results: Mapping[str, Any]) -> list[str]:
    """Returns the names of what is next to the uncompressed events."""
    samples = next(iter(_showers(results).values()))["samples"]
    return [name for name in samples if name != UNCOMPRESSED]


def _panels(rows: int, columns: int, *, sharex: bool = True) -> tuple[Figure, Any]:
    """Returns a figure with room for a legend below its panels."""
    width, height = 0.5 + 4.4 * columns, _LAST + 3.3 * rows + 0.4
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, squeeze=False, sharex="col" if sharex else False)
    figure.subplots_adjust(0.75 / width, _LAST / height, 1 - 0.15 / width, 1 - 0.4 / height, wspace=0.24, hspace=0.09)
    return figure, axes


def _style(i: int, name: str) -> dict[str, Any]:
    return {"color": COLOURS[_ORDER[i % 6]], "marker": _MARKERS[(i + i // 6) % 6], "label": name}


def _reference() -> dict[str, Any]:
    return {"color": INK, "marker": "o", "label": UNCOMPRESSED}


def _value(figures: Mapping[str, Any], key: str, scale: float) -> tuple[float, float]:
    return figures[key] * scale, (figures.get(f"{key}_error") or 0.0) * scale


def _by_name(ax: Axes, rows: Sequence[Mapping[str, Any]], key: str, i: int, style: Mapping[str, Any], scale: float) -> None:
    points = [(x + 0.12 * (i - 1), *_value(row, key, scale)) for x, row in enumerate(rows) if row[key] is not None]
    x, y, error = np.array(points).reshape(-1, 3).T
    ax.errorbar(x, y, error, ls="none", ms=5, elinewidth=1, **style)


def _name_axis(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xticks(range(len(names)), names, rotation=20 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)


def _legend(figure: Figure, ax: Axes) -> None:
    """Names the series of a panel below all of them."""
    handles = [h for h in zip(*ax.get_legend_handles_labels(), strict=True) if not h[1].startswith("S =")]
    if handles:
        figure.legend(*(list(part) for part in zip(*handles, strict=True)), loc="lower center", ncols=6)
    else:
        explain(ax)
