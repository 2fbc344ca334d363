"""True deposits are what particles leave in the silicon, whatever the electronics make of it."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.events import DEPOSIT_COLUMNS, Events
from hgcae.simulate import SimulateSettings, simulate
from hgcae.simulate.deposits import MIP_MEV_PER_CM

UNTOUCHED = {"noise": False, "threshold_mip": 0.0, "saturation": False, "adc": False}
MIP_MEV = MIP_MEV_PER_CM * 0.03


def made(detector: str, n: int = 3, **more) -> Events:
    gun = {"energy_gev": [20, 60], "count": [0, 2]}
    return Events.concatenate(list(simulate(SimulateSettings.load({"detector": detector, "gun": gun, "seed": 6, **more}), n, chunk=2)))


@pytest.mark.parametrize("detector", ["prototype", "testbeam"])
def test_they_are_the_charges_of_perfect_electronics(detector):
    events = made(detector, digitise=UNTOUCHED)
    hierarchy = events.hierarchy
    modules = events.unit_sums("MODULE") / 10 * MIP_MEV
    n_layers = hierarchy.levels[-1].children
    layers = modules.reshape(len(events), n_layers, -1).sum(axis=2)
    assert events.columns["module_energy_mev"].shape == (3, *hierarchy.unit_shape("MODULE"))
    assert layers.max() > 1
    np.testing.assert_allclose(events.columns["layer_energy_mev"], layers, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(events.columns["module_energy_mev"].reshape(modules.shape), modules, rtol=1e-5, atol=1e-6)


def test_noise_and_threshold_do_not_change_them():
    """The first event: the random numbers of noise come behind those of its shower."""
    perfect, real = made("testbeam", 1, digitise=UNTOUCHED), made("testbeam", 1)
    assert perfect.charge.sum() != real.charge.sum()
    for name in DEPOSIT_COLUMNS:
        np.testing.assert_array_equal(perfect.columns[name], real.columns[name])


def test_events_do_not_depend_on_them():
    without, given = made("testbeam", deposits=False), made("testbeam")
    assert set(given.columns) - set(without.columns) == set(DEPOSIT_COLUMNS)
    np.testing.assert_array_equal(without.charge, given.charge)
