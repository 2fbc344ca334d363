"""Figures of the example: digits before and after, the error against the number of dimensions, networks and costs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from hgcae.examples.mnist.settings import PIXELS
from hgcae.plots.style import COLOURS, FAINT, INK, label, save, styled

_ROW = 10
"""Images in a row."""


def digits_figure(true: NDArray[np.uint8], decoded: NDArray[np.uint8], path: Path, title: str, sample: str) -> Path:
    """Draws images (n, 28, 28), ten in a row, and below each row what was decoded of it."""
    bands = -(-len(true) // _ROW)
    with styled():
        figure = Figure(figsize=(_ROW * 0.9 + 0.9, bands * 2 * 0.9 + 0.6))
        axes = figure.subplots(2 * bands, 1, squeeze=False)[:, 0]
        figure.subplots_adjust(left=0.075, right=0.985, bottom=0.02, top=1 - 0.45 / (bands * 1.8 + 0.6), hspace=0.06)
        for band in range(bands):
            rows = slice(band * _ROW, (band + 1) * _ROW)
            _strip(axes[2 * band], true[rows], "input")
            _strip(axes[2 * band + 1], decoded[rows], "decoded")
        label(axes[0], title, sample)
        return save(figure, path)


def _strip(ax: Axes, images: NDArray[np.uint8], name: str) -> None:
    """Draws images in a row, black on white, with hairlines between them."""
    blank = np.zeros((_ROW - len(images), PIXELS, PIXELS), dtype=images.dtype)
    ax.imshow(np.concatenate([*images, *blank], axis=1), cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    for i in range(1, _ROW):
        ax.axvline(i * PIXELS - 0.5, color=FAINT, lw=0.5)
    _bare(ax, name)


def _bare(ax: Axes, name: str) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.tick_params(which="both", length=0)
    ax.set_ylabel(name, fontsize=10.5, loc="center")


def scan_figure(scan: Mapping[str, Any], path: Path) -> Path:
    """Draws the error of the test images against the number of dimensions, next to PCA and the intrinsic dimension of the images.

    Args:
        scan: As from `hgcae.examples.mnist.tasks.Scan`.
        path: PNG or PDF.
    """
    points = scan["points"]
    ndims = [point["ndim"] for point in points]
    with styled():
        figure = Figure(figsize=(8.6, 5.8))
        ax = figure.subplots()
        figure.subplots_adjust(left=0.105, right=0.975, bottom=0.115, top=0.925)
        for i, (name, found) in enumerate(scan["intrinsic"].items()):
            low, high = found["mean"] - found["error"], found["mean"] + found["error"]
            text = f"intrinsic dimension, {name}: {found['mean']:.1f} $\\pm$ {found['error']:.1f}"
            ax.axvspan(low, high, color=COLOURS[4 + i % 2], alpha=0.45, lw=0, label=text)
        for i, (key, name) in enumerate((("pca_squared_error", "PCA"), ("squared_error", "autoencoder"))):
            mean, error = np.array([(point[key]["mean"], point[key]["error"]) for point in points]).T
            ax.errorbar(ndims, mean, error, marker="so"[i], color=(INK, COLOURS[0])[i], label=name, capsize=2, elinewidth=1)
        ax.set(xscale="log", yscale="log", xlabel="dimensions of the code", ylabel="mean squared error per pixel of test images")
        ax.xaxis.set_major_locator(FixedLocator(ndims))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.legend(loc="lower left")
        label(ax, f"{points[0]['n_train']:,} images to train on, {points[0]['epochs']} epochs", scan["data"])
        return save(figure, path)


def comparison_figure(true: NDArray[np.uint8], decoded: Sequence[tuple[str, NDArray[np.uint8]]], path: Path, sample: str) -> Path:
    """Draws ten images, and a row of what each of several autoencoders decoded of them, under its name."""
    with styled():
        rows = [("input", true), *decoded]
        height = len(rows) * 0.82 + 0.5
        figure = Figure(figsize=(_ROW * 0.82 + 2.6, height))
        axes = figure.subplots(len(rows), 1)
        figure.subplots_adjust(left=0.235, right=0.99, bottom=0.01, top=1 - 0.4 / height, hspace=0.06)
        for ax, (name, images) in zip(axes, rows, strict=True):
            _strip(ax, images[:_ROW], "")
            ax.text(-0.015, 0.5, name, transform=ax.transAxes, ha="right", va="center", size=9.5)
        label(axes[0], "", sample)
        return save(figure, path)
