"""Codes of cells beside a trained level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hgcae.codec.events import sent
from hgcae.events import Events
from hgcae.simulate import SimulateSettings, simulate
from hgcae.workflow.baselines import RIVALS, rivals

SHOWERS = Events.concatenate(list(simulate(SimulateSettings(seed=5), 60)))


def test_each_is_measured_on_what_it_sends():
    train, test = SHOWERS[:40], SHOWERS[40:]
    found = {baseline.name: baseline for baseline in rivals(train, test, "MODULE", 72)}
    assert tuple(found) == RIVALS
    units = test.units("MODULE")[0]
    true = units.to_dense().reshape(len(units), -1)
    for name, baseline in found.items():
        decoded = sent(test, baseline.codec, "MODULE")[0].units("MODULE")[0].to_dense().reshape(len(units), -1)
        errors = baseline.errors(units)
        np.testing.assert_allclose(errors.absolute, np.abs(decoded - true).sum(axis=1), rtol=1e-9, atol=1e-6)
        assert baseline.size == {"max_bits": 72}
        assert errors.summary()["l1"]["CELL"] < {"quanta": 0.2, "ranked": 0.1}[name]


def test_none_where_there_can_be_none():
    half = replace(SHOWERS, charge=SHOWERS.charge / 2)
    assert not list(rivals(half, half, "MODULE", 72))
    assert not list(rivals(SHOWERS, SHOWERS, "STAGE2", 12))
