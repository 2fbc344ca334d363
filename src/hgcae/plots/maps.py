"""Maps of charges on trigger cells: the paint that all event displays share."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, ListedColormap, LogNorm
from numpy.typing import NDArray

from hgcae.plots.cells import Polygon, Shapes
from hgcae.plots.style import INK

EMPTY = "#ececf0"


def colours() -> Colormap:
    """Returns the colours of charges, light to dark; empty cells and cells below the scale are pale grey."""
    steps = mpl.colormaps["magma_r"](np.linspace(0.06, 0.94, 256))
    return ListedColormap(steps, name="charge", bad=EMPTY, under=EMPTY)


def scale(true: NDArray[np.floating]) -> LogNorm:
    """Returns the logarithmic colour scale that spans the positive true values: the decoded ones have to fit, not the other way round."""
    positive = true[true > 0]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (1.0, 10.0)
    return LogNorm(low, max(high, 3 * low))


def paint(
    ax: Axes,
    shapes: Shapes,
    places: NDArray[np.float64],
    values: NDArray[np.floating],
    norm: LogNorm,
    *,
    cell_edge: float = 0.25,
    outline: float = 0.6,
) -> None:
    """Paints units.

    Args:
        ax: Panel; one unit of its axes is 1 cm.
        shapes: Of one unit.
        places: Where each unit's origin goes: (n, 2) cm.
        values: (n, n_cells); what is not positive is painted as empty.
        norm: Colour scale.
        cell_edge: Width of the lines between trigger cells, points.
        outline: Width of the lines around modules, points.
    """
    charged = np.ma.masked_less_equal(values.ravel(), 0)
    edges = {"edgecolors": "white", "linewidths": cell_edge}
    cells = PolyCollection(_placed(shapes.cells, places), array=charged, cmap=colours(), norm=norm, **edges)
    ax.add_collection(cells, autolim=False)
    closed = [np.concatenate([line, line[:1]]) for line in shapes.outlines]
    ax.add_collection(LineCollection(_placed(closed, places), colors=INK, linewidths=outline, capstyle="round"), autolim=False)


def _placed(polygons: Sequence[Polygon], places: NDArray[np.float64]) -> list[Polygon]:
    return [polygon + place for place in places for polygon in polygons]


def frame_map(ax: Axes, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """Shows a rectangle of the plane without axes, x and y to the same scale."""
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.axis("off")


def colour_bar(ax: Axes, norm: LogNorm, text: str) -> None:
    """Fills a narrow panel with the colour scale; its arrows stand for what lies beyond the true values."""
    bar = Colorbar(ax, ScalarMappable(norm, colours()), extend="both", extendfrac=0.025)
    bar.set_label(text, loc="top")
    bar.outline.set_linewidth(0.6)
    ax.tick_params(which="both", direction="out", left=False)
