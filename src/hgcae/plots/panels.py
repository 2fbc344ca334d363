"""Interactive figures of the results and of a training, as plotly takes them: plain traces and layouts, checked by plotly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from hgcae.evaluate.core.table import lookup
from hgcae.evaluate.showers.quantities import ESTIMATED
from hgcae.plots.style import COLOURS, INK
from hgcae.plots.traces import (
    basic_layout,
    by_energy,
    by_rate,
    energy_layout,
    inked,
    log_ticks,
    rate_layout,
    rule_at,
    titled_axis,
    uncompressed_points,
)

_SERIES = (
    ("decoded", "this model", COLOURS[2], "circle", "solid"),
    ("pca", "PCA", COLOURS[0], "square", "dash"),
    ("quanta", "strongest cells, quanta", COLOURS[1], "triangle-up", "dash"),
    ("ranked", "ranked cells", COLOURS[5], "triangle-down", "dash"),
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
    first = [uncompressed_points(reference, key, scale, shift) for key, scale, shift in (("mean", 100, -1), ("resolution", 100, 0))]
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
            extra=uncompressed_points(reference, "sigma_eff"),
            log=True,
        ),
    )


def head_panels(results: Mapping[str, Any]) -> list[Panel]:
    """Returns bias (hollow) and width (filled) of every quantity that heads estimate from codes, and uncompressed events next to them."""
    panels = []
    order = list(results["levels"])
    for name, (title, scale, unit) in ESTIMATED.items():
        chosen = {level: heads[name] for level, heads in results.get("heads", {}).items() if name in heads}
        traces = []
        for level, summary in chosen.items():
            i = order.index(level) if level in order else 0
            for key, hollow in (("sigma_eff", False), ("mean", True)):
                text = f"{level}, {'bias' if hollow else 'width'}"
                points = by_energy(summary["bins"], key, i, len(order), text, level, scale, hollow=hollow)
                traces.append(points if level in order else inked(points, "star-open" if "vertex" in level else "cross-thin-open"))
        if any(trace["y"] for trace in traces):
            layout = energy_layout(traces, f"bias and width [{unit}]", line=0)
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
    layout = basic_layout("loss", log_y=True, height=470) | {
        "xaxis": titled_axis("optimisation steps") | {"tickformat": ",", "anchor": "y2", "range": [0, 1.01 * step[-1]], "mirror": "all"},
        "yaxis": titled_axis("loss", log=True) | log_ticks(traces) | {"domain": [0.33, 1.0]},
        "yaxis2": titled_axis("learning rate", log=True) | log_ticks(traces, "y2") | {"domain": [0.0, 0.25]},
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
        by_energy(bins, key, i, len(levels), level, level, scale, shift)
        for i, (level, result) in enumerate(levels.items())
        if isinstance(bins := lookup(result, *keys), list)
    ]
    if not any(trace["y"] for trace in traces):
        return None
    return Panel(name, title, {"data": [*extra, *traces], "layout": energy_layout(traces, y_title, line=line, log=log)})


def _against_baselines(levels: Sequence[Mapping[str, Any]], name: str, title: str, y_title: str, *keys: str) -> Panel | None:
    """Returns a figure of units next to the same of every baseline."""
    traces = []
    for series, text, colour, symbol, dash in _SERIES:
        trace = by_rate(levels, ("units", series, *keys), 1.0, text, colour, symbol, dash)
        # A logarithmic axis has no place for the error of exactly nothing.
        if any(value > 0 for value in trace["y"]):
            traces.append(trace | {"showlegend": True})
    if not traces:
        return None
    layout = rate_layout(levels, traces, y_title, log=True) | {"showlegend": True}
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
    trace = by_rate(levels, keys, scale, *_SERIES[0][1:])
    if not trace["y"]:
        return None
    layout: dict[str, Any] = rate_layout(levels, [trace], y_title, log=log) | ({} if line is None else {"shapes": [rule_at(line)]})
    if line is None and not log:
        layout["yaxis"]["rangemode"] = "tozero"
    return Panel(name, title, {"data": [trace], "layout": layout})


def _sums(levels: Sequence[Mapping[str, Any]]) -> Panel | None:
    """Returns the L1 distances of whole events, of cells and of the sums that lower levels carry."""
    traces = []
    for (part, text), (_, _, colour, symbol, _) in zip(
        (("CELL", "trigger cells"), ("ROC", "ROC sums"), ("MODULE", "module sums")), _SERIES, strict=False
    ):
        trace = by_rate(levels, ("events", "l1", part), 1.0, text, colour, symbol, "solid")
        if any(value > 0 for value in trace["y"]):
            traces.append(trace | {"showlegend": True})
    if not traces:
        return None
    layout = rate_layout(levels, traces, "Σ|decoded − true| / Σ true", log=True) | {"showlegend": True}
    return Panel("rate-sums", "L1 of whole events", {"data": traces, "layout": layout})
