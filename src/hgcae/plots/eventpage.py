"""One event on one page: layers before and after, the whole arrangement, the profile in depth, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hgcae.errors import GeometryError
from hgcae.evaluate.frame import check_pair
from hgcae.evaluate.moments import moments
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector
from hgcae.plots.cells import Shapes, layer_shapes
from hgcae.plots.maps import colour_bar, frame_map, paint, scale
from hgcae.plots.style import COLOURS, FAINT, INK, label, save, styled
from hgcae.truth import leading_particle

PARTICLES = {11: "electron", -11: "positron", 22: "photon", 13: "muon", -13: "antimuon", 211: "pi+", -211: "pi-", 111: "pi0"}
"""Names by Monte Carlo number (Particle Data Group)."""

STRONGEST = 8
"""Layers shown unless others are asked for; also the number of maps in a row."""

_SMALLEST_WINDOW_CM = 7.0
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0}


@dataclass(frozen=True)
class _Side:
    """Input or decoded charges, ready to draw: (n_layers, cells_per_layer) MIP and (n_layers,) GeV."""

    name: str
    charge: NDArray[np.float64]
    energy: NDArray[np.float64]


@dataclass(frozen=True)
class _Page:
    """What the panels share; `window` is the lower left and the upper right corner of the zoomed maps, cm."""

    detector: Detector
    sides: list[_Side]
    layers: list[int]
    shapes: Shapes
    window: NDArray[np.float64]

    @property
    def bands(self) -> int:
        """Number of rows of layers."""
        return -(-len(self.layers) // STRONGEST)


def draw_event(
    true: Events, decoded: Events | None, detector: Detector, path: str | Path, layers: Sequence[int] | None = None, title: str = ""
) -> Path:
    """Draws one event, input above decoded.

    Args:
        true: One event, with truth or without.
        decoded: The same event decoded; None draws the input alone.
        detector: Its detector.
        path: PNG or PDF.
        layers: Layers to show, counted from 0; default the eight of highest energy.
        title: Text above the upper right corner.

    Returns:
        The path.

    Raises:
        GeometryError: Not one event, another detector, or layers that do not exist.
    """
    sides = [_side("input", true, detector)]
    if decoded is not None:
        check_pair(true, decoded)
        sides.append(_side("decoded", decoded, detector))
    chosen = list(layers) if layers is not None else sorted(np.argsort(-sides[0].energy, kind="stable")[:STRONGEST].tolist())
    if not chosen or not all(0 <= layer < detector.n_layers for layer in chosen):
        msg = f"layers to draw: found {chosen}, expected numbers from 0 to {detector.n_layers - 1}"
        raise GeometryError(msg)
    page = _Page(detector, sides, chosen, layer_shapes(detector), window(sides[0].charge, detector))
    with styled():
        heights = [0.35 + 1.88 * len(sides) * page.bands, 3.4]
        figure = Figure(figsize=(16, 0.3 + sum(heights)))
        (upper,), (lower,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[heights[0] + 0.3, heights[1]])
        _draw_layers(upper, page, title)
        ((left, middle, right),) = lower.subfigures(1, 3, squeeze=False, width_ratios=[5.6, 6.6, 3.8])
        _draw_overview(left, page)
        _draw_profile(middle, page)
        _write_truth(right.add_axes((0.02, 0.05, 0.84, 0.87)), true, sides)
        return save(figure, path)


def _side(name: str, events: Events, detector: Detector) -> _Side:
    if len(events) != 1:
        msg = f"a page shows one event, found {len(events)}"
        raise GeometryError(msg)
    frame = CellTable.of(events.hierarchy, detector)
    charge = events.to_dense().reshape(detector.n_layers, -1) / ADC_PER_MIP
    return _Side(name, charge, moments(events, frame).energy[0])


def window(charge: NDArray[np.float64], detector: Detector) -> NDArray[np.float64]:
    """Returns the square that holds 95 % of the charge (n_layers, cells_per_layer) with some margin, at most the whole arrangement.

    Returns:
        Its lower left and its upper right corner, cm: (2, 2).
    """
    xy, charge = detector.layer_cell_xy, charge.sum(axis=0)
    outline = detector.outline_cm.reshape(-1, 2)
    low, high = outline.min(axis=0), outline.max(axis=0)
    whole = 1.02 * (high - low).max() / 2
    centre, half = (low + high) / 2, whole
    if charge.any():
        mean = charge @ xy / charge.sum()
        reach = np.abs(xy - mean).max(axis=1)
        order = np.argsort(reach)
        inside = np.searchsorted(np.cumsum(charge[order]), 0.95 * charge.sum())
        zoomed = max(_SMALLEST_WINDOW_CM, 1.5 * reach[order][inside])
        if zoomed < whole:
            centre, half = mean, zoomed
    return np.stack([centre - half, centre + half])


def _draw_layers(figure: SubFigure, page: _Page, title: str) -> None:
    width, height = 16, figure.bbox.height / figure.figure.dpi
    rows = page.bands * len(page.sides)
    area = {"left": 0.35 / width, "right": 1 - 1.25 / width, "bottom": 0.05 / height, "top": 1 - 0.65 / height}
    grid = figure.add_gridspec(rows, STRONGEST, wspace=0.04, hspace=0.08 if page.bands == 1 else 0.16, **area)
    norm = scale(page.sides[0].charge)
    xy = page.detector.layer_cell_xy
    near = np.flatnonzero(((xy > page.window[0] - 3) & (xy < page.window[1] + 3)).all(axis=1))
    shapes = Shapes(tuple(page.shapes.cells[i] for i in near), page.shapes.outlines)
    depth = np.cumsum(page.detector.layer_x0)
    for i, layer in enumerate(page.layers):
        band, column = divmod(i, STRONGEST)
        for row, side in enumerate(page.sides):
            ax = figure.add_subplot(grid[band * len(page.sides) + row, column])
            paint(ax, shapes, np.zeros((1, 2)), side.charge[layer, near], norm, cell_edge=0.4, outline=0.8)
            frame_map(ax, *page.window)
            ax.text(0.03, 0.03, f"{side.energy[layer]:.2f} GeV", transform=ax.transAxes, size=8.5, bbox=_PAPER)
            if row == 0:
                ax.set_title(f"layer {layer + 1}, {depth[layer]:.1f} X$_0$", size=10, pad=4)
            if column == 0:
                ax.text(-0.04, 0.5, side.name, transform=ax.transAxes, rotation=90, ha="right", va="center", color=FAINT, size=11)
            if row == i == 0:
                _ruler(ax, page.window)
    bar = (1 - 1.05 / width, area["bottom"], 0.15 / width, area["top"] - area["bottom"])
    colour_bar(figure.add_axes(bar), norm, "charge [MIP]")
    head = figure.add_axes((area["left"], 0, area["right"] - area["left"], 1 - 0.42 / height), zorder=-1)
    head.axis("off")
    label(head, title)


def _ruler(ax: Axes, window: NDArray[np.float64]) -> None:
    """Draws a length of 5 or 20 cm in the upper left corner."""
    width = window[1][0] - window[0][0]
    length = 5 if width < 50 else 20
    x, y = window[0][0] + 0.05 * width, window[1][1] - 0.06 * width
    ax.plot([x, x + length], [y, y], color=INK, lw=2, solid_capstyle="butt")
    ax.text(x, y - 0.03 * width, f"{length} cm", size=8.5, va="top", bbox=_PAPER)


def _draw_overview(figure: SubFigure, page: _Page) -> None:
    outline = page.detector.outline_cm.reshape(-1, 2)
    low, high = outline.min(axis=0), outline.max(axis=0)
    margin = 0.02 * (high - low)
    norm: LogNorm = scale(page.sides[0].charge.sum(axis=0))
    grid = figure.add_gridspec(1, len(page.sides), left=0.06, right=0.97, bottom=0.06, top=0.9, wspace=0.03)
    for column, side in enumerate(page.sides):
        ax = figure.add_subplot(grid[0, column])
        paint(ax, page.shapes, np.zeros((1, 2)), side.charge.sum(axis=0), norm, cell_edge=0.0, outline=0.4)
        frame_map(ax, low - margin, high + margin)
        corner, size = page.window[0], page.window[1] - page.window[0]
        ax.add_patch(Rectangle((corner[0], corner[1]), size[0], size[1], fill=False, edgecolor=COLOURS[0], lw=1.2, clip_on=False))
        ax.set_title(f"all layers, {side.name}", size=10, pad=4)


def _draw_profile(figure: SubFigure, page: _Page) -> None:
    layer, energy = np.arange(1, page.detector.n_layers + 1), page.sides[0].energy
    grid = figure.add_gridspec(4, 1, left=0.11, right=0.97, bottom=0.17, top=0.93, hspace=0.2)
    ax = figure.add_subplot(grid[:3] if len(page.sides) > 1 else grid[:])
    shown = np.isin(layer - 1, page.layers)
    ax.bar(layer, energy, 1.0, color="#d5d5d9", label="input")
    ax.bar(layer[shown], energy[shown], 1.0, color="#b4b4bc", label="input, shown above")
    top = max(side.energy.max() for side in page.sides)
    ax.set(xlim=(0.5, len(layer) + 0.5), ylabel="energy [GeV]", ylim=(0, 1.15 * top if top > 0 else 1.0))
    bottom = ax
    if len(page.sides) > 1:
        ax.plot(layer, page.sides[1].energy, "o", color=COLOURS[2], label="decoded")
        ax.tick_params(labelbottom=False)
        bottom = figure.add_subplot(grid[3], sharex=ax)
        _draw_ratio(bottom, layer, page.sides[1].energy, energy)
        figure.align_ylabels([ax, bottom])
    bottom.set_xlabel("layer")
    ax.legend(loc="upper right")


def _draw_ratio(ax: Axes, layer: NDArray[np.int64], decoded: NDArray[np.float64], energy: NDArray[np.float64]) -> None:
    """Draws decoded / input; arrows at the border stand for values beyond it."""
    ratio = np.divide(decoded, energy, out=np.full(len(layer), np.nan), where=energy > 0)
    ax.axhline(1, color=FAINT, lw=0.8)
    for inside, marker in ((np.abs(ratio - 1) <= 0.5, "o"), (ratio > 1.5, "^"), (ratio < 0.5, "v")):
        ax.plot(layer[inside], np.clip(ratio[inside], 0.5, 1.5), marker, ls="none", color=COLOURS[2], ms=4)
    ax.set(ylim=(0.42, 1.58), yticks=[0.5, 1, 1.5], ylabel="ratio")


def _write_truth(ax: Axes, true: Events, sides: Sequence[_Side]) -> None:
    ax.axis("off")
    truth = {name: values[0] for name, values in leading_particle(true).items() if np.isfinite(values[0])}
    rows = []
    if "pdg" in truth:
        rows.append(("particle", PARTICLES.get(int(truth["pdg"]), f"pdg {int(truth['pdg'])}")))
    forms = {
        "energy_gev": ("energy", "{:.1f} GeV"),
        "pt_gev": ("transverse momentum", "{:.2f} GeV"),
        "eta": ("eta", "{:.3f}"),
        "phi": ("phi", "{:.3f} rad"),
        "impact_x_cm": ("impact x", "{:.2f} cm"),
        "impact_y_cm": ("impact y", "{:.2f} cm"),
    }
    rows += [(text, form.format(truth[name])) for name, (text, form) in forms.items() if name in truth]
    rows += [("", "")] if rows else []
    rows += [(f"{side.name} energy", f"{side.energy.sum():.2f} GeV") for side in sides]
    rows += [(f"{side.name} cells", f"{(side.charge > 0).sum():,}") for side in sides]
    total = sides[0].energy.sum()
    if len(sides) > 1 and total > 0:
        rows.append(("decoded / input energy", f"{sides[1].energy.sum() / total:.4f}"))
    for i, (name, value) in enumerate(rows):
        y = 1.0 - i * 0.077
        ax.text(0, y, name, transform=ax.transAxes, size=11, color=FAINT, va="top")
        ax.text(1, y, value, transform=ax.transAxes, size=11, ha="right", va="top")
