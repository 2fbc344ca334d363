"""Perturbations: what is dead is dead in every event, the same showers with more noise, other particles with the same impacts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import random_units
from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.simulate import SimulateSettings, simulate
from hgcae.simulate.perturb import PERTURBATIONS, dead_units, miscalibrated, perturbed

STACK = Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=5)
UNITS = random_units(STACK, 30, occupancy=0.8)
SETTINGS = SimulateSettings.load({"gun": {"energy_gev": [20, 60]}, "seed": 5})


@pytest.fixture(scope="module")
def events() -> Events:
    return Events.concatenate(list(simulate(SETTINGS, 6, first=2)))


class TestDead:
    @pytest.mark.parametrize(("level", "n_dead"), [("CELL", 24), ("ROC", 2), ("MODULE", 1)])
    def test_a_tenth(self, level, n_dead):
        found = dead_units(UNITS, level, 0.1, seed=1).validate()
        size = 1 if level == "CELL" else STACK.n_cells(level)
        before, after = (np.bincount(events.cell // size, minlength=STACK.n_cells() // size) for events in (UNITS, found))
        # Every unit is charged in some of the events; those that are not dead have lost nothing.
        assert (before > 0).all()
        assert int((after == 0).sum()) == n_dead
        assert (after[after > 0] == before[after > 0]).all()

    def test_the_seed_draws_the_map(self):
        a, b, c = (dead_units(UNITS, "CELL", 0.1, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(a.cell, b.cell)
        assert not np.array_equal(a.cell, c.cell)

    def test_none_and_all(self):
        assert len(dead_units(UNITS, "MODULE", 0.0, 1).cell) == len(UNITS.cell)
        assert len(dead_units(UNITS, "MODULE", 1.0, 1).cell) == 0
        with pytest.raises(SettingsError, match="share: found 1.5"):
            dead_units(UNITS, "CELL", 1.5, 1)


def test_miscalibration_is_one_factor_for_each_cell():
    large = replace(UNITS, charge=UNITS.charge * 1000.0)
    found = miscalibrated(large, 0.05, seed=1).validate()
    factor = found.charge / large.charge
    for cell in (3, 100):
        assert np.ptp(factor[large.cell == cell]) < 1e-12
    assert factor.std() == pytest.approx(0.05, rel=0.2)
    assert miscalibrated(UNITS, 0.05, seed=1).charge.dtype == UNITS.charge.dtype
    assert len(miscalibrated(UNITS, 0.0, 1).cell) == len(UNITS.cell)


class TestSimulated:
    def test_the_same_showers_with_more_noise(self, events):
        ((kind, pair),) = perturbed(events, SETTINGS, 1, ("noise_2",))
        assert kind.simulates
        np.testing.assert_array_equal(pair.given.particles["energy_gev"], events.particles["energy_gev"])
        np.testing.assert_array_equal(pair.given.particles["shower_max_x0"], events.particles["shower_max_x0"])
        # Twice the noise passes the threshold more often; the shower stays.
        assert len(pair.given.cell) > len(events.cell)
        largest = [np.maximum.reduceat(sample.charge, sample.offsets[:-1]) for sample in (events, pair.given)]
        np.testing.assert_allclose(*largest, rtol=0.05)

    def test_no_noise_at_all(self):
        quiet = {**SETTINGS.model_dump(), "digitise": {"noise_scale": 0.0}}
        off = {**SETTINGS.model_dump(), "digitise": {"noise": False}}
        a, b = (next(iter(simulate(SimulateSettings.load(values), 2))) for values in (quiet, off))
        np.testing.assert_array_equal(a.charge, b.charge)

    @pytest.mark.parametrize(("name", "pdg", "low", "high"), [("photons", 22, 20, 60), ("pions", -211, 20, 60), ("energy_5_20", 11, 5, 20)])
    def test_other_particles_at_the_same_places(self, events, name, pdg, low, high):
        ((_, pair),) = perturbed(events, SETTINGS, 1, (name,))
        assert pair.given is pair.undisturbed
        assert set(pair.given.particles["pdg"]) == {pdg}
        energy = pair.given.particles["energy_gev"]
        assert low <= energy.min() <= energy.max() <= high
        np.testing.assert_allclose(pair.given.particles["impact_x_cm"], events.particles["impact_x_cm"])

    def test_numbers_without_gaps_are_needed(self, events):
        assert list(perturbed(events[[0, 2]], SETTINGS, 1, ("photons",))) == []
        assert list(perturbed(replace(events, columns={}), SETTINGS, 1, ("photons",))) == []


def test_what_can_be_made():
    names = [kind.name for kind, _ in perturbed(UNITS, None, 1)]
    assert names == [kind.name for kind in PERTURBATIONS if not kind.simulates]
    bare = random_units(Hierarchy.of(ROC=(4, 4)), 3)
    assert "dead_modules_1" not in [kind.name for kind, _ in perturbed(bare, None, 1)]
    with pytest.raises(SettingsError, match="fire"):
        list(perturbed(UNITS, None, 1, ("fire",)))
