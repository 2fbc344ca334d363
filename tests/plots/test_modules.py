"""Figures of module codecs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.codec import random_modules
from hgcae.errors import DataFormatError
from hgcae.evaluate import Bootstrap, ModuleResult, evaluate_modules
from hgcae.plots import emd_occupancy_figure, rate_distortion_figure
from hgcae.plots.modules import PANELS


def result(codec: str, links: int, n: int = 200) -> ModuleResult:
    true = random_modules(n)
    decoded = true * (1 - 0.1 / links) + 0.02 * true.mean(axis=1, keepdims=True)
    return evaluate_modules("toy", codec, links, true, decoded, np.full(n, 32 * links), Bootstrap(5))


@pytest.fixture(scope="module")
def results() -> list[ModuleResult]:
    return [result(codec, links) for codec in ("one", "other") for links in (3, 2)]


def test_rate_distortion_figure(results, tmp_path, picture):
    path = rate_distortion_figure(results, tmp_path / "r.png")
    first = picture(path, (1560, 961))
    rate_distortion_figure(results, path)
    assert picture(path) == first
    # Curves run from low to high rates, however the results are ordered.
    assert picture(rate_distortion_figure(results[::-1][2:] + results[2:][::-1], path)) == first


def test_one_more_metric_is_one_more_panel(results, tmp_path, picture, monkeypatch):
    monkeypatch.setitem(PANELS, "charge_bias", ("bias of all charge [%]", 100.0))
    picture(rate_distortion_figure(results, tmp_path / "r.png"), (1560, 1369))


def test_emd_occupancy_figure(results, tmp_path, picture):
    picture(emd_occupancy_figure(results, tmp_path / "e.png"), (1032, 601))
    picture(emd_occupancy_figure(results[:1], tmp_path / "one.png"))


@pytest.mark.parametrize("draw", [rate_distortion_figure, emd_occupancy_figure])
def test_what_was_not_measured_is_left_out(draw, tmp_path, picture):
    picture(draw([result("few", 2, n=9)], tmp_path / "f.png"))


@pytest.mark.parametrize("draw", [rate_distortion_figure, emd_occupancy_figure])
def test_figures_show_one_sample(draw, results, tmp_path):
    with pytest.raises(DataFormatError, match="found none, expected exactly one"):
        draw([], tmp_path / "f.png")
    with pytest.raises(DataFormatError, match="found other, toy"):
        draw([results[0], replace(results[1], sample="other")], tmp_path / "f.png")
    assert not list(tmp_path.iterdir())
