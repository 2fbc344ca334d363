"""Interactive figures of the judge's results and of a training, as plotly takes them: plain traces and layouts, checked by plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from hgcae.evaluate.quantities import ESTIMATED
from hgcae.evaluate.response import resolution
from hgcae.evaluate.table import lookup
from hgcae.plots.results import LEVEL_COLOURS
from hgcae.plots.style import COLOURS, FAINT, INK

SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down")
"""Markers of the levels, so that colour never stands alone."""

_GRID = "#e7e7ec"
_FONT = {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif", "size": 13, "color": INK}
_ENERGIES_GEV = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SERIES = (
    ("decoded", "this model", COLOURS[2], "circle", "solid"),
    ("pca", "PCA", COLOURS[0], "square", "dash"),
    ("largest_cells", "largest cells", COLOURS[1], "triangle-up", "dash"),
    ("mean", "mean unit", COLOURS[3], "diamond", "dot"),
    ("zero", "nothing", COLOURS[4], "x", "dot"),
)


@dataclass(frozen=True)
class Panel:
    """One figure of the page.

    Args:
        name: Its identifier in the page.
        title: What it shows, a heading.
        spec: Traces and layout.
        note: How to read it, may be empty.
        wide: Whether it takes the whole width.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    note: str = ""
    wide: bool = False

    def json(self) -> str:
        """Returns the figure as JSON.

        Raises:
            ValueError: plotly knows no such property or value.
        """
        import plotly.graph_objects as go

        figure = go.Figure(data=self.spec["data"], layout={**self.spec["layout"], "template": go.layout.Template()})
        return str(figure.to_json(validate=True, remove_uids=True))


def energy_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Returns response and resolution against the truth, and what decoding does to the energy, each against true energy."""
    over = ("energy", "decoded_over_uncompressed", "bins")
    truth = ("energy", "truth", "decoded", "bins")
    reference = _first(results, "energy", "truth", "uncompressed")
    first = [_reference(reference, key, scale, shift) for key, scale, shift in (("mean", 100, -1), ("resolution", 100, 0))]
    return _some(
        _energy_panel("response", "Response", "E / true E − 1 [%]", results, truth, "mean", 100, -1, first[0], line=0),
        _energy_panel("resolution", "Resolution", "σ<sub>eff</sub>(E) / E [%]", results, truth, "resolution", 100, 0, first[1]),
        _energy_panel("bias", "Bias from decoding", "decoded / uncompressed − 1 [%]", results, over, "mean", 100, -1, line=0),
        _energy_panel("width", "Width from decoding", "σ<sub>eff</sub>(decoded / uncompressed) [%]", results, over, "sigma_eff", 100),
        _energy_panel(
            "ratio",
            "Resolution, decoded over uncompressed",
            "ratio of resolutions",
            results,
            ("energy", "truth", "decoded", "resolution_ratio", "bins"),
            "ratio",
            line=1,
        ),
        _energy_panel(
            "profile", "Longitudinal profile", "Σ|decoded − true| / total [%]", results, ("layers", "profile_error", "bins"), "mean", 100
        ),
    )


def position_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Returns the shifts of barycentres and the distance to the true axis against true energy."""
    axis = ("position", "truth_axis")
    reference = _first(results, *axis, "uncompressed", "per_axis")
    shift = ("position", "barycentre_shift", "per_axis", "bins")
    layers = ("position", "layer_barycentre_rms", "bins")
    return _some(
        _energy_panel("barycentre", "Event barycentre", "rms shift per axis [mm]", results, shift, "rms", log=True),
        _energy_panel("layer-barycentre", "Layer barycentres", "rms shift per axis [mm]", results, layers, "rms", log=True),
        _energy_panel(
            "axis",
            "Distance to the true axis",
            "σ<sub>eff</sub> per axis [mm]",
            results,
            (*axis, "decoded", "per_axis", "bins"),
            "sigma_eff",
            extra=_reference(reference, "sigma_eff"),
            log=True,
        ),
    )


def head_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Returns bias (hollow) and width (filled) of every quantity that heads estimate from codes, and uncompressed events beside them."""
    panels = []
    order = list(results["levels"])
    for name, (title, scale, unit) in ESTIMATED.items():
        chosen = {level: heads[name] for level, heads in results.get("heads", {}).items() if name in heads}
        traces = []
        for level, summary in chosen.items():
            i = order.index(level) if level in order else 0
            for key, hollow in (("sigma_eff", False), ("mean", True)):
                text = f"{level}, {'bias' if hollow else 'width'}"
                points = _by_energy(summary["bins"], key, i, len(order), text, level, scale, hollow=hollow)
                traces.append(points if level in order else _inked(points, "star-open" if "vertex" in level else "cross-thin-open"))
        if any(trace["y"] for trace in traces):
            layout = _energy_layout(traces, f"bias and width [{unit}]", line=0)
            panels.append(Panel(f"head-{name.replace('_', '-')}", title.capitalize(), {"data": traces, "layout": layout}))
    return panels


def rate_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Returns every figure of merit against the bits of an event: this model and, where they are measured, the baselines."""
    levels = [level for level in results["levels"].values() if level.get("bits_per_event")]
    if not levels:
        return []
    above = f"E > {results['settings']['above_gev']:g} GeV"
    over = ("energy", "decoded_over_uncompressed", "above")
    barycentre = ("position", "barycentre_shift", "per_axis", "above", "rms")
    quotient = ("energy", "truth", "decoded", "resolution_ratio", "above", "ratio")
    return _some(
        _against_baselines(levels, "rate-mse", "Squared error, units", "MSE per trigger cell [ADC²]", "mse"),
        _against_baselines(levels, "rate-mae", "Absolute error, charged cells", "MAE of charged cells [ADC]", "mae_occupied"),
        _against_baselines(levels, "rate-l1", "L1 of trigger cells, units", "Σ|decoded − true| / Σ true", "l1", "CELL"),
        _alone(levels, "rate-width", f"Energy width, {above}", "σ<sub>eff</sub>(decoded / uncompressed) [%]", (*over, "sigma_eff"), 100),
        _alone(levels, "rate-resolution", f"Resolution ratio, {above}", "decoded / uncompressed", quotient, line=1),
        _alone(levels, "rate-barycentre", f"Event barycentre, {above}", "rms shift per axis [mm]", barycentre, log=True),
        _alone(
            levels,
            "rate-layers",
            f"Longitudinal profile, {above}",
            "Σ|decoded − true| / total [%]",
            ("layers", "profile_error", "above", "mean"),
            100,
            log=True,
        ),
        _sums(levels),
    )


def history_panel(history: Sequence[Mapping[str, Any]]) -> Panel | None:
    """Returns training and test loss and the learning rate against optimisation steps, the stages as bands; None without a row."""
    if not history:
        return None
    step = [row["step"] for row in history]
    hover = [f"epoch {row['epoch']}, {row.get('loss_level', row['stage'])}" for row in history]
    common = {"mode": "lines+markers", "text": hover, "hovertemplate": "%{text}<br>step %{x:,}: %{y:.4g}<extra>%{fullData.name}</extra>"}
    styles = {"loss_train": ("training", COLOURS[0], "solid", "circle"), "loss_test": ("test", COLOURS[2], "dash", "diamond")}
    traces, shapes, notes = [], [], []
    begin = first = 0
    for number, rows in enumerate(stages(history)):
        picked = slice(first, first + len(rows))
        for key, (name, colour, dash, symbol) in styles.items():
            line = {"color": colour, "dash": dash, "width": 1.8}
            values = {"x": step[picked], "y": [row[key] for row in rows], "text": hover[picked]}
            legend = {"name": name, "legendgroup": name, "showlegend": number == 0}
            traces.append({**common, **values, **legend, "line": line, "marker": {"symbol": symbol, "size": 6}})
        rate = {"x": step[picked], "y": [row["learning_rate"] for row in rows], "text": hover[picked], "yaxis": "y2"}
        traces.append({**common, **rate, "name": "learning rate", "showlegend": False, "line": {"color": INK, "width": 1.5}})
        end = rows[-1]["step"]
        band = {"type": "rect", "xref": "x", "yref": "paper", "x0": begin, "x1": end, "y0": 0, "y1": 1, "line": {"width": 0}}
        shapes.append({**band, "fillcolor": INK, "opacity": 0.05 * (number % 2), "layer": "below"})
        text = {"text": str(rows[0].get("loss_level", rows[0]["stage"])), "x": (begin + end) / 2, "y": 1.0, "yref": "paper"}
        notes.append({**text, "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": "#5f5f66"}})
        begin, first = end, first + len(rows)
    layout = _layout("loss", log_y=True, height=470) | {
        "xaxis": _axis("optimisation steps") | {"tickformat": ",", "anchor": "y2", "range": [0, 1.01 * step[-1]], "mirror": "all"},
        "yaxis": _axis("loss", log=True) | _log_ticks(traces) | {"domain": [0.33, 1.0]},
        "yaxis2": _axis("learning rate", log=True) | _log_ticks(traces, "y2") | {"domain": [0.0, 0.25]},
        "shapes": shapes,
        "annotations": notes,
        "showlegend": True,
        "legend": {"x": 1, "y": 0.98, "xanchor": "right", "yanchor": "top", "bgcolor": "rgba(255,255,255,0.8)"},
        "margin": {"l": 70, "r": 16, "t": 28, "b": 50},
    }
    note = "Bands are the stages of the schedule, named by the level whose loss is minimised; losses of different stages do not compare."
    return Panel("history", "Loss and learning rate", {"data": traces, "layout": layout}, note, wide=True)


def stages(history: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Splits the rows of a history into its stages."""
    return [list(rows) for _, rows in groupby(history, key=lambda row: row["stage"])]


def _first(results: Mapping[str, Any], *keys: str) -> Any:
    """Returns what the first level that has it says; the uncompressed events are the same for all of them."""
    return next((found for level in results["levels"].values() if (found := lookup(level, *keys)) is not None), None)


def _some(*panels: Panel | None) -> list[Panel]:
    return [panel for panel in panels if panel is not None]


def _energy_panel(
    name: str,
    title: str,
    y_title: str,
    results: Mapping[str, Any],
    keys: tuple[str, ...],
    key: str,
    scale: float = 1.0,
    shift: float = 0.0,
    extra: Sequence[Mapping[str, Any]] = (),
    *,
    line: float | None = None,
    log: bool = False,
) -> Panel | None:
    """Returns a quantity of all levels against true energy; None where no level has it."""
    levels = results["levels"]
    traces = [
        _by_energy(bins, key, i, len(levels), level, level, scale, shift)
        for i, (level, result) in enumerate(levels.items())
        if isinstance(bins := lookup(result, *keys), list)
    ]
    if not any(trace["y"] for trace in traces):
        return None
    return Panel(name, title, {"data": [*extra, *traces], "layout": _energy_layout(traces, y_title, line=line, log=log)})


def _by_energy(
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


def _inked(points: Mapping[str, Any], symbol: str = "cross-thin-open") -> dict[str, Any]:
    """Returns points as those of uncompressed events look."""
    ink: dict[str, Any] = {
        "line": {"color": INK, "width": 1, "dash": "solid"},
        "marker": {"color": INK, "symbol": symbol, "size": 10},
    }
    return {**points, **ink, "error_y": points["error_y"] | {"color": INK}}


def _reference(sample: Mapping[str, Any] | None, key: str, scale: float = 1.0, shift: float = 0.0) -> list[dict[str, Any]]:
    """Returns the uncompressed sample's points and, for a resolution, the fit."""
    if not sample:
        return []
    points = _inked(_by_energy(sample["bins"], key, 0, 1, "uncompressed", "uncompressed", scale, shift))
    fit = sample.get("fit") if key == "resolution" else None
    if not fit or not points["x"]:
        return [points]
    energy = np.geomspace(min(points["x"]), max(points["x"]), 80)
    curve = scale * resolution(energy, fit["stochastic"], fit["noise_gev"], fit["constant"])
    who = {"name": "fit, uncompressed", "legendgroup": "uncompressed", "showlegend": False}
    line = {"type": "scatter", "mode": "lines", "x": energy.tolist(), "y": curve.tolist(), "line": {"color": FAINT, "width": 1.4}}
    points["mode"] = "markers"
    return [{**line, **who, "hovertemplate": "%{y:.3g}<extra>S/√E ⊕ N/E ⊕ C</extra>"}, points]


def _energy_layout(traces: Sequence[Mapping[str, Any]], y_title: str, *, line: float | None = None, log: bool = False) -> dict[str, Any]:
    energies = [x for trace in traces for x in trace["x"]] or [1.0, 500.0]
    ticks = [e for e in _ENERGIES_GEV if 0.5 * min(energies) <= e <= 2 * max(energies)]
    x = _axis("true energy [GeV]", log=True) | {
        "tickvals": ticks,
        "range": [np.log10(0.75 * min(energies)), np.log10(1.35 * max(energies))],
    }
    layout = _layout(y_title, log_y=log) | {"xaxis": x}
    layout["yaxis"] |= _log_ticks(traces) if log else {}
    if line is None and not log:
        layout["yaxis"]["rangemode"] = "tozero"
    return layout | ({} if line is None else {"shapes": [_rule(line)]})


def _rule(y: float) -> dict[str, Any]:
    line = {"color": FAINT, "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y, "y1": y, "line": line, "layer": "below"}


def _against_baselines(levels: Sequence[Mapping[str, Any]], name: str, title: str, y_title: str, *keys: str) -> Panel | None:
    """Returns a figure of units beside the same of every baseline."""
    traces = []
    for series, text, colour, symbol, dash in _SERIES:
        trace = _by_rate(levels, ("units", series, *keys), 1.0, text, colour, symbol, dash)
        # A logarithmic axis has no place for the error of exactly nothing.
        if any(value > 0 for value in trace["y"]):
            traces.append(trace | {"showlegend": True})
    if not traces:
        return None
    layout = _rate_layout(levels, traces, y_title, log=True) | {"showlegend": True}
    return Panel(name, title, {"data": traces, "layout": layout})


def _alone(
    levels: Sequence[Mapping[str, Any]],
    name: str,
    title: str,
    y_title: str,
    keys: tuple[str, ...],
    scale: float = 1.0,
    *,
    line: float | None = None,
    log: bool = False,
) -> Panel | None:
    """Returns a figure that is measured for the decoded events only."""
    trace = _by_rate(levels, keys, scale, *_SERIES[0][1:])
    if not trace["y"]:
        return None
    layout: dict[str, Any] = _rate_layout(levels, [trace], y_title, log=log) | ({} if line is None else {"shapes": [_rule(line)]})
    if line is None and not log:
        layout["yaxis"]["rangemode"] = "tozero"
    return Panel(name, title, {"data": [trace], "layout": layout})


def _sums(levels: Sequence[Mapping[str, Any]]) -> Panel | None:
    """Returns the L1 distances of whole events, of cells and of the sums that lower levels carry."""
    traces = []
    for (part, text), (_, _, colour, symbol, _) in zip(
        (("CELL", "trigger cells"), ("ROC", "ROC sums"), ("MODULE", "module sums")), _SERIES, strict=False
    ):
        trace = _by_rate(levels, ("events", "l1", part), 1.0, text, colour, symbol, "solid")
        if any(value > 0 for value in trace["y"]):
            traces.append(trace | {"showlegend": True})
    if not traces:
        return None
    layout = _rate_layout(levels, traces, "Σ|decoded − true| / Σ true", log=True) | {"showlegend": True}
    return Panel("rate-sums", "L1 of whole events", {"data": traces, "layout": layout})


def _by_rate(
    levels: Sequence[Mapping[str, Any]], keys: tuple[str, ...], scale: float, name: str, colour: str, symbol: str, dash: str
) -> dict[str, Any]:
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


def _rate_layout(levels: Sequence[Mapping[str, Any]], traces: Sequence[Mapping[str, Any]], y_title: str, *, log: bool) -> dict[str, Any]:
    bits = [level["bits_per_event"] for level in levels]
    span = np.log10([min(bits), max(bits)])
    margin = 0.08 * max(span[1] - span[0], 1.0)
    limits = [span[0] - margin, span[1] + margin]
    ticks = [10.0**k for k in range(int(np.floor(span[0])), int(np.ceil(span[1])) + 1)]
    bottom = _axis("bits per event", log=True) | {"range": limits, "tickvals": ticks, "ticktext": [f"{t:,.0f}" for t in ticks]}
    layout = _layout(y_title, log_y=log) | {"xaxis": bottom}
    layout["yaxis"] |= _log_ticks(traces) if log else {}
    names = [
        {"x": float(np.log10(b)), "y": 1.0, "yref": "paper", "yanchor": "bottom", "text": level["level"], "showarrow": False}
        | {"font": {"size": 10, "color": "#5f5f66"}}
        for b, level in zip(bits, levels, strict=True)
    ]
    return layout | {"annotations": names}


def _layout(y_title: str, *, log_y: bool = False, height: int = 330) -> dict[str, Any]:
    return {
        "font": _FONT,
        "height": height,
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 66, "r": 14, "t": 26, "b": 48},
        "xaxis": _axis(""),
        "yaxis": _axis(y_title, log=log_y),
        "showlegend": False,
        "legend": {"orientation": "h", "x": 0, "y": -0.18, "xanchor": "left", "yanchor": "top", "font": {"size": 12}},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "font": {"color": INK}},
    }


def _axis(title: str, *, log: bool = False) -> dict[str, Any]:
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


def _log_ticks(traces: Sequence[Mapping[str, Any]], axis: str = "y") -> dict[str, Any]:
    """Returns the ticks of a logarithmic axis: decades, and between them 2 and 5 or 3 where there are few."""
    values = [value for trace in traces if trace.get("yaxis", "y") == axis for value in trace["y"] if value > 0]
    if not values:
        return {}
    low, high = np.log10([min(values), max(values)])
    steps = (1, 2, 5) if high - low < 1.5 else (1, 3) if high - low < 2.5 else (1,)
    ticks = [step * 10.0**k for k in range(int(np.floor(low)) - 1, int(np.ceil(high)) + 1) for step in steps]
    return {"tickvals": ticks, "ticktext": [f"{tick:g}" if 1e-4 < tick < 1e5 else f"{tick:.0e}" for tick in ticks]}
