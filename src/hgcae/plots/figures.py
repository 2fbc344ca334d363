"""Figures of a training and of a sample: the cost of every stage, and the occupancy of the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector
from hgcae.plots.style import COLOURS, FAINT, INK, label, save, styled


def cost_figure(history: Sequence[Mapping[str, Any]], path: str | Path, sample: str = "simulation") -> Path:
    """Draws train and test loss and the learning rate against optimisation steps, stage by stage.

    Args:
        history: One row per epoch with `stage`, `step`, `loss_train`, `loss_test`, `learning_rate` and, where stages are known by their
            level, `loss_level`.
        path: PNG or PDF.
        sample: What was trained on, in a word.

    Raises:
        DataFormatError: No row.
    """
    if not history:
        raise DataFormatError(source="history", where="rows", found="none", expected="at least one epoch")
    with styled():
        figure = Figure(figsize=(10, 6.4))
        grid = figure.add_gridspec(4, 1, left=0.09, right=0.975, bottom=0.105, top=0.92, hspace=0.12)
        ax = figure.add_subplot(grid[:3])
        rate = figure.add_subplot(grid[3], sharex=ax)
        curves: dict[str, dict[str, Any]] = {"loss_train": {"color": COLOURS[0], "ls": "-"}, "loss_test": {"color": COLOURS[2], "ls": "--"}}
        begin, end = 0, max(int(row["step"]) for row in history)
        for number, rows in enumerate(_stages(history)):
            step = np.array([row["step"] for row in rows])
            for panel in (ax, rate):
                panel.axvspan(begin, step[-1], color=INK, alpha=0.05 * (number % 2), lw=0)
            for key, style in curves.items():
                ax.plot(step, [row[key] for row in rows], marker="o" if len(rows) == 1 else "", ms=3, **style)
            rate.plot([begin, *step], [rows[0]["learning_rate"], *(row["learning_rate"] for row in rows)], color=INK, lw=1.2)
            _name_stage(ax, (begin, int(step[-1])), end, str(rows[0].get("loss_level", rows[0]["stage"])))
            begin = int(step[-1])
        ax.set(yscale="log", xlim=(0, 1.01 * end), ylabel="loss")
        low, high = ax.get_ylim()
        # At least a decade, and room for the stages' names above.
        widen = max(1.0, (10 * low / high) ** 0.5)
        low, high = low / widen, high * widen
        ax.set_ylim(low, high * (high / low) ** 0.22)
        ax.tick_params(labelbottom=False)
        rate.set(yscale="log", xlabel="optimisation steps", ylabel="learning rate")
        rate.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        figure.align_ylabels([ax, rate])
        # Said in the legend, because it is why the line of training may lie above that of test.
        names = {"loss_train": "train, mean during the epoch", "loss_test": "test, at its end"}
        handles = [Line2D([], [], label=names[key], **style) for key, style in curves.items()]
        ax.legend(handles=handles, loc="upper right", bbox_to_anchor=(1, 0.94), ncols=2)
        # No times: a training that was killed and went on ends with the same figure.
        label(ax, f"epoch {history[-1]['epoch']:,}", sample)
        return save(figure, path)


def _stages(history: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    stages: list[list[Mapping[str, Any]]] = []
    for row in history:
        if not stages or stages[-1][-1]["stage"] != row["stage"]:
            stages.append([])
        stages[-1].append(row)
    return stages


def _name_stage(ax: Axes, span: tuple[int, int], end: int, name: str) -> None:
    """Writes a stage's name at the top of its band: along it, upright where it is narrow, not at all where it would not fit."""
    width = (span[1] - span[0]) / end
    if width > 0.022:
        turn = 0 if width > 0.012 * len(name) else 90
        ax.text(sum(span) / 2, 0.98, name, transform=ax.get_xaxis_transform(), rotation=turn, ha="center", va="top", size=9, color=FAINT)


def occupancy_figure(samples: Mapping[str, Events], detector: Detector, path: str | Path) -> Path:
    """Draws how many trigger cells are charged in each layer, and the spectrum of their charges.

    Args:
        samples: By name, e.g. `input` and the decoded levels; the first is drawn filled.
        detector: Detector of the events.
        path: PNG or PDF.
    """
    with styled():
        figure = Figure(figsize=(12, 4.8))
        layers, spectrum = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.065, right=0.985, bottom=0.13, top=0.91, wspace=0.2)
        n_layers = detector.n_layers
        highest = max((float(sample.charge.max()) for sample in samples.values() if len(sample.charge)), default=ADC_PER_MIP)
        edges = np.geomspace(0.1, max(2 * highest / ADC_PER_MIP, 1.0), 50)
        for i, (name, sample) in enumerate(samples.items()):
            layer = CellTable.of(sample.hierarchy, detector).layer[sample.cell]
            per_layer = np.bincount(layer, minlength=n_layers) / max(len(sample), 1)
            density = np.histogram(sample.charge / ADC_PER_MIP, edges)[0] / max(len(sample), 1)
            style: dict[str, Any] = {"fill": True, "color": "#cfcfd4"} if i == 0 else {"color": COLOURS[(i - 1) % len(COLOURS)], "lw": 1.5}
            layers.stairs(per_layer, np.arange(n_layers + 1) + 0.5, label=name, **style)
            spectrum.stairs(density, edges, label=name, **style)
        layers.set(xlabel="layer", ylabel="charged trigger cells per event", xlim=(0.5, n_layers + 0.5), ylim=(0, None))
        spectrum.set(
            xscale="log", yscale="log", xlabel="charge [MIP]", ylabel="trigger cells per event and bin", xlim=(edges[0], edges[-1])
        )
        spectrum.legend(loc="upper right")
        label(layers)
        label(spectrum, f"{len(next(iter(samples.values()))):,} events")
        return save(figure, path)
