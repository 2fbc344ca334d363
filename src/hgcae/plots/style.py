"""One look for every picture, and one way to save it. No picture ever opens a window: figures are made without pyplot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mplhep
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hgcae.errors import SettingsError
from hgcae.outputs import atomic_path

COLOURS = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")
"""Colours that people with colour blindness tell apart; the CMS palette (M. A. Petroff, arXiv:2107.02270)."""

INK = "#1a1a1a"
FAINT = "#8c8c8c"

DPI = 120

_STYLE: dict[Any, Any] = {
    **mplhep.style.CMS,
    "font.size": 12,
    "axes.linewidth": 1.0,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "legend.fontsize": 10,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "xtick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.major.size": 6,
    "ytick.minor.size": 3,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
    "pdf.fonttype": 42,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draws in the style of this package, and leaves the caller's settings as they were."""
    with mpl.rc_context(_STYLE):
        yield


def label(ax: Axes, right: str = "", left: str = "simulation") -> None:
    """Writes the package's name above the upper left corner of a panel, and a text above the upper right one."""
    name = ax.annotate("hgcae", (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", weight="bold", size=13, va="bottom")
    ax.annotate(left, (1, 0), (5, 0), xycoords=name, textcoords="offset points", style="italic", size=11, va="bottom")
    if right:
        caption(ax, right)


def caption(ax: Axes, text: str) -> None:
    """Writes a text above the upper right corner of a panel."""
    ax.annotate(text, (1, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", size=10.5, ha="right", va="bottom")


def save(figure: Figure, path: str | Path) -> Path:
    """Writes a figure as PNG or PDF, by the suffix; atomically, at its own size, and with the same bytes for the same content.

    Raises:
        SettingsError: Another suffix.
    """
    path = Path(path)
    stamps = {".png": {"Software": None}, ".pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
    if path.suffix not in stamps:
        msg = f"{path}: pictures are written as .png or .pdf"
        raise SettingsError(msg)
    with styled(), atomic_path(path) as temporary:
        figure.savefig(temporary, metadata=stamps[path.suffix])
    return path
