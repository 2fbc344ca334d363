"""Samples of modules."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.modules import SAMPLES, ModuleSample, module_sample
from sources import toys


@pytest.fixture
def folder(tmp_path):
    for name in SAMPLES.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
    toys.archive(tmp_path / SAMPLES["events"], np.random.default_rng(4))
    dense = np.arange(100)[:, None] * np.ones((1, 48), int)
    modules = Events.from_dense(dense.reshape(-1, *module.SHAPE), PROTOTYPE.rooted("MODULE"))
    CalqCsv().write(tmp_path / SAMPLES["ttbar"], [modules])
    return tmp_path


def test_halves_share_no_module_and_lose_none(folder):
    sample = module_sample("ttbar", folder)
    assert sample.train.dtype == sample.test.dtype == np.int64
    assert sorted([*sample.train[:, 0], *sample.test[:, 0]]) == list(range(1, 100))
    assert 18 <= len(sample.test) <= 20
    np.testing.assert_array_equal(module_sample("ttbar", folder).test, sample.test)
    assert not np.array_equal(module_sample("ttbar", folder, seed=2).test, sample.test)


def test_unknown_samples_are_named(folder):
    with pytest.raises(SettingsError, match="unknown sample 'pion', expected one of events, electron, ttbar"):
        module_sample("pion", folder)


def test_early_events_are_for_training(folder):
    sample = module_sample("events", folder)
    assert sample.test.shape == (0, 48)
    assert len(sample.train) > 0


@pytest.fixture(scope="module", params=SAMPLES)
def real(request, data_dir) -> ModuleSample:
    return module_sample(request.param, data_dir)


def test_real_modules_hold_charge(real):
    sizes = {"events": (313_632, 62_615), "electron": (13_906, 3_476), "ttbar": (30_706, 7_676)}
    assert (len(real.train), len(real.test)) == sizes[real.name]
    assert real.train.min() == 0
    assert (real.train.sum(axis=1) > 0).all()


def test_real_cells_are_correlated_with_their_neighbours(real):
    """The order of the cells is right: the best correlated partner of nearly every cell touches it."""
    charge = np.log1p(np.concatenate([real.train, real.test]))
    correlation = np.corrcoef(charge.T)
    np.fill_diagonal(correlation, -1)
    xy = module.trigger_cell_xy()
    distance = np.linalg.norm(xy - xy[np.argmax(correlation, axis=1)], axis=1)
    assert np.count_nonzero(distance < 1.25 * np.linalg.norm(xy[1] - xy[0])) >= 46


def test_real_halves_are_alike(real):
    """Mean occupancies agree within four standard errors; modules of one event fluctuate together, so events count as one each."""
    train, test = ((half > 0).sum(axis=1) for half in (real.train, real.test))
    n = 10 if real.name == "events" else len(test)
    spread = 2.0 if real.name == "events" else train.std()
    assert abs(train.mean() - test.mean()) < 4 * spread * np.sqrt(1 / n + 1 / len(train))
