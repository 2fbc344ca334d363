from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from evaluate.toys import random_units, scaled
from hgcae.errors import DataFormatError
from hgcae.evaluate import Bootstrap, EvaluateSettings, LargestCells, evaluate_level, head_summary, leading_particle
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots import cost_figure, energy_figure, heads_figure, levels_figure, occupancy_figure
from hgcae.plots.style import styled
from hgcae.store import write_results

QUICK = EvaluateSettings(bootstrap_replicas=5, max_units=50, energy_edges_gev=(1, 100, 200, 300, 400, 500))


def history(*stages):
    rows, step = [], 0
    for number, (level, epochs) in enumerate(stages):
        for epoch in range(epochs):
            step += 10
            loss = np.exp(-epoch / 5) + 0.1
            rows.append(
                {
                    "stage": number + 1,
                    "loss_level": level,
                    "epoch": len(rows) + 1,
                    "step": step,
                    "loss_train": loss,
                    "loss_test": 1.1 * loss,
                    "learning_rate": 1e-3,
                    "seconds": 1.0,
                    "events_per_s": 100.0,
                }
            )
    return rows


@pytest.fixture(scope="module")
def results(showers, prototype, tmp_path_factory):
    levels = {}
    for level in ("ROC", "STAGE2"):
        baselines = (*QUICK.baselines(showers, level, 4), LargestCells(4, "quanta"))
        decoded = scaled(showers, 1.01)
        levels[level] = evaluate_level(
            showers, decoded, level, settings=QUICK, detector=prototype, baselines=baselines, bits_per_event=72 if level == "ROC" else None
        )
    content = {"settings": QUICK.model_dump(mode="json"), "levels": levels, "heads": {}}
    return write_results(tmp_path_factory.mktemp("results") / "r.json", "evaluation", content)


def test_cost_figure(tmp_path, picture):
    path = cost_figure(history(("STAGE2", 1), ("ROC", 12), ("MODULE", 15)), tmp_path / "cost.png")
    first = picture(path, (1200, 768))
    cost_figure(history(("STAGE2", 1), ("ROC", 12), ("MODULE", 15)), path)
    assert picture(path) == first
    picture(cost_figure(history(("ROC", 1)), tmp_path / "one.png"))


def test_a_cost_figure_needs_an_epoch(tmp_path):
    with pytest.raises(DataFormatError, match="at least one epoch"):
        cost_figure([], tmp_path / "cost.png")


def test_energy_and_level_figures(results, tmp_path, picture):
    picture(energy_figure(results, tmp_path / "energy.png"), (1560, 912))
    picture(levels_figure(results, tmp_path / "levels.png"), (1440, 1032))
    assert levels_figure(results, tmp_path / "levels.pdf").stat().st_size > 5000


def test_bare_roots_fill_the_figures_as_far_as_they_can(tmp_path, picture):
    units = random_units(Hierarchy.of(LINE=5, IMAGE=7), 40)
    results = evaluate_level(units, scaled(units, 0.9), "LINE", settings=QUICK)
    results = {"levels": {"LINE": results}, "settings": QUICK.model_dump()}
    picture(levels_figure(results, tmp_path / "levels.png"))
    picture(energy_figure(results, tmp_path / "energy.png"))


def test_figures_need_levels(tmp_path):
    with pytest.raises(DataFormatError, match="at least one level"):
        levels_figure({"levels": {}}, tmp_path / "a.png")


def test_heads_figure(showers, tmp_path, picture):
    truth = leading_particle(showers)
    estimate = {name: truth[name] * 1.01 for name in ("energy_gev", "eta", "phi", "impact_x_cm")}
    settings = {"edges_gev": (1, 250, 500), "above_gev": 20, "bootstrap": Bootstrap(5)}
    summary = head_summary(estimate, truth, **settings)
    picture(heads_figure({"STAGE2": summary, "STAGE1": {"energy_gev": summary["energy_gev"]}}, tmp_path / "heads.png"))
    # Directions stand next to those from the interaction point; a line through the layers, far wider, would hide both.
    plain, wide = {"STAGE2": {"eta": summary["eta"]}}, head_summary({"eta": truth["eta"] + 1}, truth, **settings)
    vertex = {"uncompressed, vertex": {"eta": summary["eta"]}}
    with_line = picture(heads_figure(plain | vertex | {"uncompressed": wide}, tmp_path / "line.png"))
    assert with_line == picture(heads_figure(plain | vertex | {"uncompressed": {}}, tmp_path / "vertex.png"))
    assert with_line != picture(heads_figure(plain | {"uncompressed": wide}, tmp_path / "wide.png"))
    with pytest.raises(DataFormatError, match="at least one quantity"):
        heads_figure({}, tmp_path / "heads.png")


def test_occupancy_figure(showers, prototype, tmp_path, picture):
    samples = {"input": showers, "decoded": scaled(showers, 1.1), "none": showers[:0]}
    picture(occupancy_figure(samples, prototype, tmp_path / "occupancy.png"), (1440, 576))


def test_the_style_is_not_left_behind():
    before = dict(mpl.rcParams)
    with styled():
        assert mpl.rcParams["font.size"] == 12
    assert dict(mpl.rcParams) == before
