"""Pictures of charges before and after: galleries of units in their true shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hgcae.evaluate.samples import check_pair
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots.cells import unit_shapes
from hgcae.plots.maps import colour_bar, frame_map, paint, scale
from hgcae.plots.style import FAINT, INK, label, save, styled

_COLUMNS = 10
_UNITS_IN = 14.6
"""Width of a full row of units."""
_LARGEST_UNIT_IN = 3.4
_LINE_IN = 0.22
"""Height of a line of text."""


def choose_units(events: Events, level: str, charged: int = 16, empty: int = 4) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns units for a picture that stays comparable over a training, in the order of falling charge, the empty ones last.

    Args:
        events: Test events that hold units of the level.
        level: The level, e.g. TRIPLET.
        charged: Number of charged ones, from the largest to the smallest, evenly spaced in the logarithm of their charge.
        empty: Number of empty ones, from the events that hold the charged ones.

    Returns:
        Events and flat indices of the units, (k,) each; fewer than asked for if the events hold fewer.
    """
    units, event, unit = events.units(level)
    total = units.unit_sums(level)[:, 0]
    order = np.argsort(-total, kind="stable")
    step = np.arange(min(charged, len(order)))
    pick = order[:0]
    if len(step):
        wanted = np.geomspace(total[order[0]], total[order[-1]], len(step))
        nearest = np.searchsorted(-total[order], -wanted)
        # Each unit once: move on to the next smaller one, but leave enough for the rest.
        pick = order[np.minimum(np.maximum.accumulate(nearest - step) + step, len(order) - len(step) + step)]
    holders = np.unique(event[pick]) if len(pick) else np.arange(min(len(events), 1))
    row, free = np.nonzero(events[holders].unit_sums(level) == 0)
    spread = np.unique(np.linspace(0, len(row) - 1, min(empty, len(row))).astype(int))
    return np.concatenate([event[pick], holders[row[spread]]]), np.concatenate([unit[pick], free[spread]])


def draw_units(true: Events, decoded: Events, path: str | Path, title: str) -> Path:
    """Draws bare units (ROCs, modules, triplets or flowers), each an event of the samples, input above and decoded below."""
    check_pair(true, decoded)
    dense = [sample.to_dense().reshape(len(sample), -1) for sample in (true, decoded)]
    return _gallery(dense[0], dense[1], true.hierarchy, path, title)


def _gallery(true: NDArray[np.floating], decoded: NDArray[np.floating], hierarchy: Hierarchy, path: str | Path, title: str) -> Path:
    shapes = unit_shapes(hierarchy)
    low, high = shapes.box
    width, height = high - low
    bands = max(1, -(-len(true) // _COLUMNS))
    columns = max(1, -(-len(true) // bands))
    unit_in = min(_UNITS_IN / columns, _LARGEST_UNIT_IN)
    # All lengths below are in cm of the detector; a line of text keeps its size on paper.
    gap, line = 0.12 * width, _LINE_IN * 1.12 * width / unit_in
    pair, margin = 2 * height + gap + 2 * line, 1.1 * line
    row, column = np.divmod(np.arange(len(true)), columns)
    above = np.stack([column * (width + gap), -row * (pair + line)], axis=-1)
    below = above - [0, height + gap]
    area = np.array([columns * (width + gap) + margin, bands * (pair + line)])
    size = area / (1.12 * width) * unit_in + [1.4, 0.7]
    with styled():
        figure = Figure(figsize=(round(size[0], 1), round(size[1], 1)))
        ax = figure.add_axes((0.1 / size[0], 0.1 / size[1], 1 - 1.4 / size[0], 1 - 0.7 / size[1]))
        bar = figure.add_axes((1 - 1.0 / size[0], 0.25 / size[1], 0.16 / size[0], 1 - 0.9 / size[1]))
        norm = scale(true)
        paint(ax, shapes, np.concatenate([above, below]) - low, np.concatenate([true, decoded]), norm)
        _annotate(ax, true.sum(axis=1), decoded.sum(axis=1), above + [width / 2, height], below + [width / 2, 0])
        for band in range(bands):
            for side, name in enumerate(("input", "decoded")):
                y = -band * (pair + line) - side * (height + gap) + height / 2
                ax.text(-margin / 2, y, name, rotation=90, ha="center", va="center", color=FAINT, size=10)
        top_left = np.array([-margin, height + line])
        frame_map(ax, top_left - [0, area[1]], top_left + [area[0], 0])
        colour_bar(bar, norm, "charge [ADC counts]")
        label(ax, title)
        return save(figure, path)


def _annotate(ax: Axes, true: NDArray[np.floating], decoded: NDArray[np.floating], *places: NDArray[np.float64]) -> None:
    """Writes the charge sum over each input, and sum and deviation under each decoded unit; `places` are those of both texts."""
    paper: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "size": 8, "color": INK}
    for x, y, above, below in zip(true, decoded, *places, strict=True):
        ax.annotate(f"{x:,.0f}" if x else "empty", above, (0, 2), va="bottom", **paper)
        change = f"  ({y / x - 1:+.1%})" if x else ""
        ax.annotate(f"{y:,.0f}{change}", below, (0, -2), va="top", **paper)
