"""Traces and axes that the interactive figures share, as plotly takes them: metrics against energy and against bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hgcae.evaluate.core.response import resolution
from hgcae.evaluate.core.table import lookup
from hgcae.plots.results import LEVEL_COLOURS
from hgcae.plots.style import FAINT, INK

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down")
"""Markers of the levels, so that colour never stands alone."""

_GRID = "#e7e7ec"
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif", "size": 13, "color": INK}
_ENERGIES_GEV = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def by_energy(
    bins: Sequence[Mapping[str, Any]],
    key: str,
    i: int,
    n: int,
    name: str,
    level: str,
    scale: float,
    shift: float = 0.0,
    *,
    hollow: bool = False,
) -> dict[str, Any]:
    """Returns one level's points; those of several levels stand side by side."""
    usable = [b for b in bins if b[key] is not None]
    colour = LEVEL_COLOURS[i % len(LEVEL_COLOURS)]
    symbol = SYMBOLS[i % len(SYMBOLS)]
    return _points(
        [b["energy_gev"] * 1.025 ** (i - (n - 1) / 2) for b in usable],
        [(b[key] + shift) * scale for b in usable],
        [(b[f"{key}_error"] or 0.0) * scale for b in usable],
        {"name": name, "legendgroup": level, "showlegend": False},
        colour,
        f"{symbol}-open" if hollow else symbol,
        "dot" if hollow else "solid",
        [f"{b['low_gev']:g} to {b['high_gev']:g} GeV, {b['n']:,} entries" for b in usable],
    )


def by_rate(
    levels: Sequence[Mapping[str, Any]], keys: tuple[str, ...], scale: float, name: str, colour: str, symbol: str, dash: str
) -> dict[str, Any]:
    """Returns a figure of merit of all levels against the bits of an event."""
    # The error of l1[part] is l1_error[part], that of any other figure is figure_error.
    error_keys = (*keys[:-2], "l1_error", keys[-1]) if keys[-2] == "l1" else (*keys[:-1], f"{keys[-1]}_error")
    rows = [(level, value) for level in levels if (value := lookup(level, *keys)) is not None]
    rows.sort(key=lambda row: row[0]["bits_per_event"])
    return _points(
        [level["bits_per_event"] for level, _ in rows],
        [value * scale for _, value in rows],
        [(lookup(level, *error_keys) or 0.0) * scale for level, _ in rows],
        {"name": name, "showlegend": False},
        colour,
        symbol,
        dash,
        [f"{level['level']}, {level['bits_per_event']:,.0f} bits an event" for level, _ in rows],
    )


def _points(
    x: Sequence[float],
    y: Sequence[float],
    error: Sequence[float],
    who: Mapping[str, Any],
    colour: str,
    symbol: str,
    dash: str,
    text: Sequence[str],
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(x),
        "y": list(y),
        "error_y": {"type": "data", "array": list(error), "thickness": 1.2, "width": 3, "color": colour},
        "line": {"color": colour, "width": 1, "dash": dash},
        "marker": {"color": colour, "symbol": symbol, "size": 7},
        "text": list(text),
        "hovertemplate": "%{text}<br>%{y:.4g} ± %{error_y.array:.2g}<extra>%{fullData.name}</extra>",
        **who,
    }


def inked(points: Mapping[str, Any], symbol: str = "cross-thin-open") -> dict[str, Any]:
    """Returns points as those of uncompressed events look."""
    ink: dict[str, Any] = {
        "line": {"color": INK, "width": 1, "dash": "solid"},
        "marker": {"color": INK, "symbol": symbol, "size": 10},
    }
    return {**points, **ink, "error_y": points["error_y"] | {"color": INK}}


def uncompressed_points(sample: Mapping[str, Any] | None, key: str, scale: float = 1.0, shift: float = 0.0) -> list[dict[str, Any]]:
    """Returns the uncompressed sample's points and, for a resolution, the fit."""
    if not sample:
        return []
    points = inked(by_energy(sample["bins"], key, 0, 1, "uncompressed", "uncompressed", scale, shift))
    fit = sample.get("fit") if key == "resolution" else None
    if not fit or not points["x"]:
        return [points]
    energy = np.geomspace(min(points["x"]), max(points["x"]), 80)
    curve = scale * resolution(energy, fit["stochastic"], fit["noise_gev"], fit["constant"])
    who = {"name": "fit, uncompressed", "legendgroup": "uncompressed", "showlegend": False}
    line = {"type": "scatter", "mode": "lines", "x": energy.tolist(), "y": curve.tolist(), "line": {"color": FAINT, "width": 1.4}}
    points["mode"] = "markers"
    return [{**line, **who, "hovertemplate": "%{y:.3g}<extra>S/√E ⊕ N/E ⊕ C</extra>"}, points]


def energy_layout(traces: Sequence[Mapping[str, Any]], y_title: str, *, line: float | None = None, log: bool = False) -> dict[str, Any]:
    """Returns the layout of a figure against true energy, with a horizontal line at `line`; without it a linear axis starts at zero."""
    energies = [x for trace in traces for x in trace["x"]] or [1.0, 500.0]
    ticks = [e for e in _ENERGIES_GEV if 0.5 * min(energies) <= e <= 2 * max(energies)]
    x = titled_axis("true energy [GeV]", log=True) | {
        "tickvals": ticks,
        "range": [np.log10(0.75 * min(energies)), np.log10(1.35 * max(energies))],
    }
    layout = basic_layout(y_title, log_y=log) | {"xaxis": x}
    layout["yaxis"] |= log_ticks(traces) if log else {}
    if line is None and not log:
        layout["yaxis"]["rangemode"] = "tozero"
    return layout | ({} if line is None else {"shapes": [rule_at(line)]})


def rate_layout(levels: Sequence[Mapping[str, Any]], traces: Sequence[Mapping[str, Any]], y_title: str, *, log: bool) -> dict[str, Any]:
    """Returns the layout of a figure against the bits of an event, with the names of the levels above it."""
    bits = [level["bits_per_event"] for level in levels]
    span = np.log10([min(bits), max(bits)])
    margin = 0.08 * max(span[1] - span[0], 1.0)
    limits = [span[0] - margin, span[1] + margin]
    ticks = [10.0**k for k in range(int(np.floor(span[0])), int(np.ceil(span[1])) + 1)]
    bottom = titled_axis("bits per event", log=True) | {"range": limits, "tickvals": ticks, "ticktext": [f"{t:,.0f}" for t in ticks]}
    layout = basic_layout(y_title, log_y=log) | {"xaxis": bottom}
    layout["yaxis"] |= log_ticks(traces) if log else {}
    names = [
        {"x": float(np.log10(b)), "y": 1.0, "yref": "paper", "yanchor": "bottom", "text": level["level"], "showarrow": False}
        | {"font": {"size": 10, "color": "#5f5f66"}}
        for b, level in zip(bits, levels, strict=True)
    ]
    return layout | {"annotations": names}


def basic_layout(y_title: str, *, log_y: bool = False, height: int = 330) -> dict[str, Any]:
    """Returns the layout that all figures start from."""
    return {
        "font": _FONT,
        "height": height,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 66, "r": 14, "t": 26, "b": 48},
        "xaxis": titled_axis(""),
        "yaxis": titled_axis(y_title, log=log_y),
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "xanchor": "left", "yanchor": "top", "font": {"size": 12}},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "font": {"color": INK}},
    }


def titled_axis(title: str, *, log: bool = False) -> dict[str, Any]:
    """Returns an axis in the style of the page."""
    axis = {
        "title": {"text": title, "standoff": 8, "font": {"size": 13}},
        "showline": True,
        "linecolor": "#77777d",
        "mirror": True,
        "ticks": "inside",
        "tickcolor": "#77777d",
        "gridcolor": _GRID,
        "zeroline": False,
    }
    return axis | ({"type": "log"} if log else {})


def rule_at(y: float) -> dict[str, Any]:
    """Returns a horizontal line over the whole width."""
    line = {"color": FAINT, "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y, "y1": y, "line": line, "layer": "below"}


def log_ticks(traces: Sequence[Mapping[str, Any]], axis: str = "y") -> dict[str, Any]:
    """Returns the ticks of a logarithmic axis: decades, and between them 2 and 5 or 3 where there are few."""
    values = [value for trace in traces if trace.get("yaxis", "y") == axis for value in trace["y"] if value > 0]
    if not values:
        return {}
    low, high = np.log10([min(values), max(values)])
    steps = (1, 2, 5) if high - low < 1.5 else (1, 3) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**k for k in range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1) for step in steps]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" if 1e-4 < tick < 1e5 else f"{tick:.0e}" for tick in ticks]}
