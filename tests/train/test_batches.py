from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.model.sparse import Tree
from hgcae.train.batches import Batches
from hgcae.train.schedule import Stage
from model.toys import MODULE, showers


def batches(events: Events, level: str = "ROC", **options) -> Batches:
    stage = Stage(loss_level=level, trains=("ROC",), epochs=1, **options)
    return Batches(stage, Tree.build(events, "ROC", level, None), MODULE)


class TestEvents:
    @pytest.mark.parametrize("level", MODULE.names)
    def test_an_epoch_is_every_unit_once(self, level):
        events = showers(MODULE, 12)
        found = list(batches(events, level, batch=3).epoch(np.random.default_rng(1)))
        assert len(found) == 4
        units = MODULE.n_units(level)
        assert all(batch.weight.sum() == 3 * units for batch in found)
        target = np.concatenate([batch.target[1 : batch.n_roots + 1] for batch in found])
        occupied = events.units(level)[0].to_dense().reshape(-1, MODULE.n_cells(level))
        np.testing.assert_array_equal(np.sort(target, axis=0), np.sort(occupied, axis=0))
        assert sum(batch.weight[0] for batch in found) == 12 * units - len(occupied)
        # What is padded has no weight, no charge and the row of the empty unit.
        for batch in found:
            assert not batch.weight[batch.n_roots + 1 :].any()
            assert not batch.target[[0, *range(batch.n_roots + 1, len(batch.target))]].any()
            assert all(not link[[0, *range(batch.n_roots + 1, len(link))]].any() for link in batch.links[-1:])

    def test_what_does_not_fill_a_step_begins_again(self):
        events = showers(MODULE, 12)
        found = list(batches(events, "MODULE", batch=5).epoch(np.random.default_rng(1)))
        assert len(found) == 2
        assert len(list(batches(events, "MODULE", batch=50).epoch(np.random.default_rng(1)))) == 1
        assert len(list(batches(events, "MODULE", batch=5, steps=7).epoch(np.random.default_rng(1)))) == 7

    def test_the_order_is_random(self):
        one, same, other = (next(batches(showers(MODULE, 12), batch=4).epoch(np.random.default_rng(seed))) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one.target, same.target)
        assert one.target.shape != other.target.shape or (one.target != other.target).any()

    def test_events_without_charge(self):
        """All units of such a step are empty; their decoding counts."""
        (found,) = batches(showers(MODULE, 12)[3::4], batch=3).epoch(np.random.default_rng(1))
        assert found.n_roots == 0
        assert found.weight[0] == 9


class TestCharge:
    def test_half_uniform_half_by_charge(self):
        events = showers(MODULE, 16)
        drawn = batches(events, "ROC", batch=4000, sampling="charge", steps=2)
        total = events.units("ROC")[0].unit_sums("ROC")[:, 0]
        strong = total**0.75
        expected = 0.5 / len(total) + 0.5 * strong / strong.sum()
        n = 8000
        sums = np.concatenate([batch.target[1:].sum(axis=1) for batch in drawn.epoch(np.random.default_rng(3))])
        assert len(np.unique(total)) == len(total)
        found = (sums[:, None] == total).sum(axis=0)
        assert found.sum() == n
        # Counts of a multinomial distribution: five standard deviations.
        assert (np.abs(found - n * expected) < 5 * np.sqrt(n * expected)).all()
        assert expected.max() > 3 * expected.min()

    def test_all_steps_have_one_shape(self):
        found = list(batches(showers(MODULE, 12), "MODULE", batch=7, sampling="charge", steps=5).epoch(np.random.default_rng(1)))
        assert {(batch.target.shape, batch.n_roots, batch.weight[0], batch.weight.sum()) for batch in found} == {((8, 48), 7, 0.0, 7.0)}

    def test_an_epoch_is_as_long_as_there_are_units(self):
        events = showers(MODULE, 12)
        found = batches(events, "ROC", batch=4, sampling="charge")
        assert found.steps == round(len(events.units("ROC")[0]) / 4)

    def test_nothing_to_draw_from(self):
        with pytest.raises(SettingsError, match="no charged unit of ROC"):
            batches(showers(MODULE, 12)[3::4], "ROC", sampling="charge")
