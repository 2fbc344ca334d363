"""Figures of the results: energy, all levels at a glance, heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from hgcae.errors import DataFormatError
from hgcae.evaluate.core.response import resolution
from hgcae.evaluate.core.table import lookup
from hgcae.evaluate.showers.quantities import ESTIMATED
from hgcae.plots.style import COLOURS, FAINT, INK, label, save, styled

LEVEL_COLOURS = (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[3], COLOURS[5])
_MARKERS = ("o", "s", "^", "D", "v")


def energy_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws bias and width of the decoded energy, and the resolution against the truth, for every level.

    Args:
        results: Those of an evaluation, measured on events with truth.
        path: PNG or PDF.
    """
    levels = _levels(results)
    with styled():
        figure = Figure(figsize=(13, 7.6))
        (bias, curve), (width, quotient) = figure.subplots(2, 2, sharex=True)
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.09, top=0.93, wspace=0.19, hspace=0.08)
        reference = None
        for i, level in enumerate(levels):
            bins = level["energy"]["decoded_over_uncompressed"]["bins"]
            style = _level_style(i, level["level"])
            draw_points(bias, bins, "mean", i, len(levels), style, scale=100, shift=-1)
            draw_points(width, bins, "sigma_eff", i, len(levels), style, scale=100)
            truth = level["energy"].get("truth")
            if truth:
                if reference is None:
                    reference = truth["uncompressed"]
                    draw_points(
                        curve, reference["bins"], "resolution", 0, 1, {"color": INK, "marker": "o", "label": "uncompressed"}, scale=100
                    )
                    draw_fit(curve, reference["fit"])
                draw_points(curve, truth["decoded"]["bins"], "resolution", i, len(levels), style | {"mfc": "none"}, scale=100)
                draw_points(quotient, truth["decoded"]["resolution_ratio"]["bins"], "ratio", i, len(levels), style)
        _energy_axes(bias, width, curve, quotient, levels)
        label(bias)
        label(curve, "events contained sideways" if reference else "")
        return save(figure, path)


def _energy_axes(bias: Axes, width: Axes, curve: Axes, quotient: Axes, levels: Sequence[Mapping[str, Any]]) -> None:
    bins = levels[0]["energy"]["decoded_over_uncompressed"]["bins"]
    for ax in (bias, width, curve, quotient):
        energy_axis(ax, bins)
    bias.axhline(0, color=FAINT, lw=0.8)
    quotient.axhline(1, color=FAINT, lw=0.8)
    bias.set_ylabel("decoded / uncompressed - 1 [%]")
    width.set(ylabel=r"$\sigma_{eff}$ (decoded / uncompressed) [%]", xlabel="true energy [GeV]", ylim=(0, None))
    curve.set(ylabel=r"$\sigma_{eff}(E) / E$ [%]", ylim=(0, None))
    quotient.set(ylabel="resolution, decoded / uncompressed", xlabel="true energy [GeV]")
    width.set_ylim(0, 1.3 * width.get_ylim()[1])
    explain(width, loc="upper center", ncols=3)
    explain(curve, loc="upper right")


def energy_axis(ax: Axes, bins: Sequence[Mapping[str, Any]]) -> None:
    """Makes the abscissa one of energies, GeV, as wide as the bins."""
    ax.set_xscale("log")
    if bins:
        ax.set_xlim(0.9 * min(b["low_gev"] for b in bins), 1.1 * max(b["high_gev"] for b in bins))
    ax.xaxis.set_major_locator(FixedLocator([1, 2, 5, 10, 20, 50, 100, 200, 500]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def draw_fit(ax: Axes, fit: Mapping[str, Any] | None) -> None:
    """Draws a fitted resolution, if there is one, with its terms in the legend."""
    if fit is None:
        return
    energy = np.geomspace(1, 500, 200)
    stochastic, noise, constant = 100 * fit["stochastic"], 1000 * fit["noise_gev"], 100 * fit["constant"]
    terms = f"S = {stochastic:.1f}%, N = {noise:.0f} MeV, C = {constant:.2f}%"
    line = 100 * resolution(energy, fit["stochastic"], fit["noise_gev"], fit["constant"])
    ax.plot(energy, line, color=INK, lw=1, label=f"{terms}, $\\chi^2$/ndf = {fit['chi2']:.1f}/{fit['ndf']}")


def draw_points(
    ax: Axes,
    bins: Sequence[Mapping[str, Any]],
    key: str,
    i: int,
    n: int,
    style: Mapping[str, Any],
    *,
    scale: float = 1.0,
    shift: float = 0.0,
) -> None:
    """Draws a quantity against the mean energy of its bins, with errors; several series stand side by side."""
    usable = [b for b in bins if b[key] is not None]
    energy = np.array([b["energy_gev"] for b in usable]) * 1.03 ** (i - (n - 1) / 2)
    value = np.array([b[key] + shift for b in usable]) * scale
    error = np.array([b[f"{key}_error"] or 0.0 for b in usable]) * scale
    ax.errorbar(energy, value, error, ls="none", ms=5, elinewidth=1, **style)


def _level_style(i: int, name: str) -> dict[str, Any]:
    return {"color": LEVEL_COLOURS[i % len(LEVEL_COLOURS)], "marker": _MARKERS[i % len(_MARKERS)], "label": name}


def _levels(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    levels = list(results["levels"].values())
    if not levels:
        raise DataFormatError(source="results", where="levels", found="none", expected="at least one level")
    return levels


def levels_figure(results: Mapping[str, Any], path: str | Path) -> Path:
    """Draws all levels side by side: errors against the baselines, charge sums, energy and position.

    Args:
        results: Those of an evaluation.
        path: PNG or PDF.
    """
    levels = _levels(results)
    above = f"E > {results['settings']['above_gev']:g} GeV"
    with styled():
        figure = Figure(figsize=(12, 8.6))
        (error, sums), (energy, position) = figure.subplots(2, 2)
        figure.subplots_adjust(left=0.075, right=0.985, bottom=0.1, top=0.95, wspace=0.2, hspace=0.42)
        units = [level["units"] for level in levels]
        for i, (name, text) in enumerate(_BASELINES.items()):
            _by_level(error, units, (name, "mse"), i, {"label": text})
        error.set(yscale="log", ylabel=r"mean squared error per trigger cell [ADC$^2$]")
        for i, part in enumerate(("CELL", "ROC", "MODULE")):
            _by_level(sums, [level["events"] for level in levels], ("l1", part), i, {"label": _PARTS[part]})
        for i, name in enumerate(("quanta", "ranked"), len(_PARTS)):
            _by_level(sums, units, (name, "l1", "CELL"), i, {"label": f"cells, {_BASELINES[name]}"})
        sums.set(ylabel=r"$\Sigma\,|$decoded - true$|\;/\;\Sigma\,$true")
        ratio = [level["energy"]["decoded_over_uncompressed"]["above"] for level in levels]
        _by_level(energy, ratio, ("mean",), 0, {"label": "bias"}, scale=100, shift=-1)
        _by_level(energy, ratio, ("sigma_eff",), 1, {"label": r"$\sigma_{eff}$"}, scale=100)
        energy.axhline(0, color=FAINT, lw=0.8)
        energy.set_ylabel("decoded / uncompressed energy [%]")
        places = [level["position"] for level in levels]
        _by_level(position, places, ("barycentre_shift", "per_axis", "above", "rms"), 0, {"label": "event barycentre, rms"})
        _by_level(position, places, ("layer_barycentre_rms", "above", "rms"), 1, {"label": "layer barycentres, rms"})
        position.set(ylabel="shift per axis [mm]", ylim=(0, None))
        for ax, right in ((error, "units of the level"), (sums, "whole events"), (energy, above), (position, above)):
            _level_axis(ax, levels)
            label(ax, right)
        return save(figure, path)


_BASELINES = {"decoded": "decoded", "quanta": "quanta", "ranked": "ranked cells", "pca": "PCA", "mean": "mean"}
_PARTS = {"CELL": "trigger cells", "ROC": "ROC sums", "MODULE": "module sums"}


def explain(ax: Axes, **how: Any) -> None:
    """Explains the points of a panel, or says that there are none."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(**how)
    else:
        ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", va="center", color=FAINT)


def _level_axis(ax: Axes, levels: Sequence[Mapping[str, Any]]) -> None:
    """Names the levels below a panel and makes room for its legend above the points."""
    bits = [level["bits_per_event"] for level in levels]
    names = [level["level"] if n is None else f"{level['level']}\n{n:,.0f} bits" for level, n in zip(levels, bits, strict=True)]
    ax.set_xticks(range(len(levels)), names)
    ax.set_xlim(-0.6, len(levels) - 0.4)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high * (high / low) ** 0.3 if ax.get_yscale() == "log" else high + 0.3 * (high - low))
    if any(n is not None for n in bits):
        ax.set_xlabel("level and bits of an event")
    explain(ax, loc="upper left", ncols=3, columnspacing=1.2)


def _by_level(
    ax: Axes, rows: Sequence[Any], keys: tuple[str, ...], i: int, style: Mapping[str, Any], *, scale: float = 1.0, shift: float = 0.0
) -> None:
    """Draws one figure of every level that has it, with its error."""
    error_keys = ("l1_error", keys[-1]) if keys[0] == "l1" else (*keys[:-1], f"{keys[-1]}_error")
    points = []
    for x, row in enumerate(rows):
        value = lookup(row, *keys)
        if value is not None:
            points.append((x + 0.08 * (i - 1.5), (value + shift) * scale, (lookup(row, *error_keys) or 0.0) * scale))
    if points:
        x, y, e = np.array(points).T
        ax.errorbar(x, y, e, ls="none", marker=_MARKERS[i % 5], color=LEVEL_COLOURS[i % 5], elinewidth=1, **style)


def heads_figure(heads: Mapping[str, Mapping[str, Any]], path: str | Path) -> Path:
    """Draws bias and width of every estimated quantity against the true energy.

    Args:
        heads: Results of `hgcae.evaluate.head_summary` by name of the estimator, e.g. of the level it reads.
        path: PNG or PDF.

    Raises:
        DataFormatError: No estimator.
    """
    quantities = [name for name in ESTIMATED if any(name in summary for summary in heads.values())]
    if not quantities:
        raise DataFormatError(source="heads", where="estimators", found="none", expected="at least one quantity")
    with styled():
        columns = min(3, len(quantities))
        rows = -(-len(quantities) // columns)
        width, height = 0.4 + 4.5 * columns, 0.6 + 3.5 * rows
        figure = Figure(figsize=(width, height))
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        figure.subplots_adjust(0.85 / width, 0.65 / height, 1 - 0.2 / width, 1 - 0.45 / height, wspace=0.24, hspace=0.28)
        shown, order = set(), list(heads)
        for ax, name in zip(axes, quantities, strict=False):
            text, scale, unit = ESTIMATED[name]
            ax.axhline(0, color=FAINT, lw=0.8)
            chosen = _comparable(heads, name)
            for estimator, summary in chosen.items():
                i = order.index(estimator)
                style = _level_style(i, f"{estimator}, width")
                if estimator.startswith("uncompressed"):
                    style |= {"color": INK, "marker": "*" if "vertex" in estimator else "X"}
                draw_points(ax, summary["bins"], "sigma_eff", i, len(order), style, scale=scale)
                style |= {"mfc": "white", "label": f"{estimator}, bias"}
                draw_points(ax, summary["bins"], "mean", i, len(order), style, scale=scale)
            energy_axis(ax, [b for summary in chosen.values() for b in summary["bins"]])
            # The font has no superscript minus; mathematical text has.
            ax.set(xlabel="true energy [GeV]", ylabel=f"{text} [{unit.replace('10⁻³', '$10^{-3}$')}]")
            new = {text: handle for handle, text in zip(*ax.get_legend_handles_labels(), strict=True) if text not in shown}
            if new:
                ax.legend(list(new.values()), list(new), loc="upper right", ncols=1 + (len(new) > 4), fontsize="x-small", columnspacing=1.0)
            shown |= set(new)
        for ax in axes[len(quantities) :]:
            ax.remove()
        label(axes[0], "estimate against truth")
        return save(figure, path)


def _comparable(heads: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Mapping[str, Any]]:
    """Returns what estimates a quantity; no line through the layers where there is one from the interaction point, far narrower."""
    chosen = {estimator: summary[name] for estimator, summary in heads.items() if name in summary}
    if "uncompressed, vertex" in chosen:
        chosen.pop("uncompressed", None)
    return chosen
