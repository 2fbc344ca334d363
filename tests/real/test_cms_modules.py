"""Modules of simulated CMS events: a minute of training has to beat what anybody could do in an afternoon."""

from __future__ import annotations

from pathlib import Path

import pytest

from hgcae import store
from hgcae.cli.evaluate import evaluate_run
from hgcae.cli.train import train_run
from hgcae.evaluate import EvaluateSettings
from hgcae.sources import read_events
from hgcae.train.run import RunSettings, schedule_of, splits
from hgcae.train.schedule import Schedule
from hgcae.workflow.loaded import LoadedRun
from model.toys import MODULE

STEPS = 300
"""Steps at each level, less than half an epoch of the preset."""


@pytest.fixture(scope="module")
def levels(data_dir: Path, tmp_path_factory) -> dict:
    """Results by level, on modules that training never saw."""
    folder = tmp_path_factory.mktemp("ttbar")
    store.write(folder / "ttbar.parquet", read_events(data_dir / "cms_modules" / "ttbar_0PU.csv"))
    settings = RunSettings(input=str(folder / "ttbar.parquet"), root="module", epochs=2)
    brief = tuple(stage.model_copy(update={"epochs": 1, "steps": STEPS}) for stage in schedule_of(settings, MODULE).stages[:2])
    trainer = train_run(settings.model_copy(update={"schedule": Schedule(stages=brief)}), folder / "run", pictures=False)
    assert len(trainer.test) == 3838
    loaded = LoadedRun(settings, trainer.model, *splits(settings), len(trainer.test))
    return evaluate_run(loaded, EvaluateSettings(bootstrap_replicas=20), folder)["levels"]


@pytest.mark.parametrize("level", ["ROC", "MODULE"])
def test_codes_beat_as_many_principal_components(levels, level):
    """Eight numbers of 9 bits against eight real numbers, in squared error: there, principal components are the best linear code."""
    units = levels[level]["units"]
    assert levels[level]["bits_per_unit"] == 72
    assert units["pca"]["components"] == 8
    assert units["decoded"]["mse"] < 0.7 * units["pca"]["mse"]
    # The charge in the wrong place, as a share of all.
    assert units["decoded"]["l1"]["CELL"] < 0.7 * units["pca"]["l1"]["CELL"]


@pytest.mark.parametrize("level", ["ROC", "MODULE"])
def test_the_charge_is_kept(levels, level):
    """On average and in every module, whatever was learned; the rest is the grid of the sums."""
    found = levels[level]["energy"]["decoded_over_uncompressed"]["all"]
    assert found["mean"] == pytest.approx(1, abs=0.01)
    assert found["sigma_eff"] < 0.03
