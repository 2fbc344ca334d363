"""The first figure of the README: distortion against rate of all module codecs, drawn from the values of the page on codecs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hgcae.plots.style import COLOURS, INK, label, save, styled

FAMILIES = {
    "CMS, ECON-T": (COLOURS[4], ("best_choice", "best_choice_low", "threshold_sum", "super_trigger_cell")),
    "CMS, trained networks": (COLOURS[5], ("cms_pu", "cms_signal", "econ_ae")),
    "CMS's bits, decoded here": (COLOURS[0], ("best_choice_spread", "best_choice_spread_low", "threshold_sum_spread")),
    "hgcae": (COLOURS[2], ("pyramid", "latent", "hierarchy", "pca")),
}
"""Colour and codecs of each family; codecs of one point (the charge alone, all cells) are left out."""
MARKERS = "os^Dv"


def draw(values: Mapping[str, Any], path: Path, sample: str = "events") -> Path:
    """Draws the mean energy mover's distance against the mean payload.

    Args:
        values: What docs/results/codecs.json holds.
        path: PNG or PDF.
        sample: Name of the sample.
    """
    table = values["samples"][sample]["codecs"]
    column = {name: table["head"].index(name) for name in ("payload [bits]", "EMD, mean [cells]")}
    points: dict[str, list[tuple[float, float]]] = {}
    for row in table["rows"]:
        x, y = (float(row[at].split(" ± ")[0]) for at in column.values())
        points.setdefault(row[0].split()[0], []).append((x, y))
    with styled():
        figure = Figure(figsize=(8.6, 5.2))
        ax = figure.subplots()
        figure.subplots_adjust(left=0.09, right=0.66, bottom=0.12, top=0.93)
        for family, (colour, codecs) in FAMILIES.items():
            ax.plot([], [], color="none", label=f"$\\bf{{{family.replace(' ', chr(92) + ' ')}}}$")
            for codec, marker in zip(codecs, itertools.cycle(MARKERS), strict=False):
                curve = sorted(points.get(codec, []))
                ax.plot(*zip(*curve, strict=True), color=colour, marker=marker, label=codec)
        ax.set(xscale="log", yscale="log", xlabel="mean payload [bits per module]", ylabel="energy mover's distance, mean [sensor cells]")
        ax.set_xticks([48, 64, 96, 128, 160], ["48", "64", "96", "128", "160"])
        ax.minorticks_off()
        ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.02), labelcolor=INK, handlelength=2.2, frameon=False)
        label(ax, f"{values['samples'][sample]['n_test']:,} modules of crowded CMS events")
        return save(figure, path)
