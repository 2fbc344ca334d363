from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import SettingsError
from hgcae.events import Events
from hgcae.model.sparse import Tree
from hgcae.train.batches import Batch, Batches
from hgcae.train.schedule import Stage
from model.toys import MODULE, STACK, showers


def batches(events: Events, level: str = "ROC", devices: int = 1, **options) -> Batches:
    stage = Stage(loss_level=level, trains=("ROC",), epochs=1, steps=1, **options)
    return Batches(stage, Tree.build(events, "ROC", level, None), MODULE, devices)


def n_roots(batch: Batch) -> int:
    """Occupied units in a batch; what is padded weighs nothing."""
    return int((batch.weight[1:] > 0).sum())


class TestEvents:
    @pytest.mark.parametrize("level", MODULE.names)
    def test_an_epoch_is_every_unit_once(self, level):
        events = showers(MODULE, 12)
        found = list(batches(events, level, batch=3).draw(np.random.default_rng(1), 4))
        assert len(found) == 4
        units = MODULE.n_units(level)
        assert all(batch.weight.sum() == 3 * units for batch in found)
        target = np.concatenate([batch.target[1 : n_roots(batch) + 1] for batch in found])
        occupied = events.units(level)[0].to_dense().reshape(-1, MODULE.n_cells(level))
        np.testing.assert_array_equal(np.sort(target, axis=0), np.sort(occupied, axis=0))
        assert sum(batch.weight[0] for batch in found) == 12 * units - len(occupied)
        # What is padded has no weight, no charge and the row of the empty unit.
        for batch in found:
            assert not batch.weight[n_roots(batch) + 1 :].any()
            assert not batch.target[[0, *range(n_roots(batch) + 1, len(batch.target))]].any()
            assert all(not link[[0, *range(n_roots(batch) + 1, len(link))]].any() for link in batch.links[-1:])

    @pytest.mark.parametrize(
        ("batch", "sizes", "devices"),
        [(4, [4, 4, 4, 4, 4], 1), (5, [5, 5, 2, 5, 5], 1), (50, [12] * 5, 1), (4, [4, 4, 4, 4, 4], 2), (8, [8, 4, 8, 4, 8], 2)],
    )
    def test_events_pass_in_their_order_again_and_again(self, batch, sizes, devices):
        """The last step of a pass takes what is left; no event is taken twice."""
        events = showers(MODULE, 12)
        found = list(batches(events, "MODULE", devices, batch=batch).draw(np.random.default_rng(1), 5))
        assert [step.weight.sum() for step in found] == sizes
        start = 0
        for step, size in zip(found, sizes, strict=True):
            charged = step.target[step.target.any(axis=-1)]
            expected = events[start : start + size].to_dense().reshape(size, -1)
            np.testing.assert_array_equal(charged, expected[expected.any(axis=1)])
            start = (start + size) % 12

    def test_events_without_charge(self):
        """All units of such a step are empty; their decoding counts."""
        (found,) = batches(showers(MODULE, 12)[3::4], batch=3).draw(np.random.default_rng(1), 1)
        assert n_roots(found) == 0
        assert found.weight[0] == 9


class TestCharge:
    def test_half_uniform_half_by_charge(self):
        events = showers(MODULE, 16)
        drawn = batches(events, "ROC", batch=4000, sampling="charge")
        total = events.units("ROC")[0].unit_sums("ROC")[:, 0]
        strong = total**0.75
        expected = 0.5 / len(total) + 0.5 * strong / strong.sum()
        n = 8000
        sums = np.concatenate([batch.target[1:].sum(axis=1) for batch in drawn.draw(np.random.default_rng(3), 2)])
        assert len(np.unique(total)) == len(total)
        found = (sums[:, None] == total).sum(axis=0)
        assert found.sum() == n
        # Counts of a multinomial distribution: five standard deviations.
        assert (np.abs(found - n * expected) < 5 * np.sqrt(n * expected)).all()
        assert expected.max() > 3 * expected.min()

    def test_all_steps_have_one_shape(self):
        found = list(batches(showers(MODULE, 12), "MODULE", batch=7, sampling="charge").draw(np.random.default_rng(1), 5))
        assert {(batch.target.shape, n_roots(batch), batch.weight[0], batch.weight.sum()) for batch in found} == {((8, 48), 7, 0.0, 7.0)}

    def test_events_of_a_step(self):
        events = showers(MODULE, 12)
        assert batches(events, "ROC", batch=4, sampling="charge").events_per_step == 4 * 12 / len(events.units("ROC")[0])
        assert batches(events, "ROC", batch=4).events_per_step == 4

    def test_nothing_to_draw_from(self):
        with pytest.raises(SettingsError, match="no charged unit of ROC"):
            batches(showers(MODULE, 12)[3::4], "ROC", sampling="charge")


class TestSampled:
    """The loss decodes some of the empty units only."""

    EVENTS = showers(STACK, 12)

    def draw(self, share: float, seed: int = 1) -> Batch:
        stage = Stage(loss_level="STACK", trains=("STACK",), epochs=1, batch=6, empty_share=share)
        (batch,) = Batches(stage, Tree.build(self.EVENTS, "ROC", "STACK", None), STACK).draw(np.random.default_rng(seed), 1)
        return batch

    @pytest.mark.parametrize("share", [0.1, 0.4, 0.999])
    def test_weights_add_up_to_all_units(self, share):
        batch = self.draw(share)
        assert batch.weight.sum() == pytest.approx(6 * STACK.n_units("ROC"), rel=1e-6)
        assert batch.weight[batch.target.any(axis=1)].tolist() == [1.0] * int(batch.target.any(axis=1).sum())

    def test_all_charges_are_decoded_where_they_lie(self):
        batch = self.draw(0.2)
        unit = np.arange(len(batch.target))
        row, place = unit, np.zeros_like(unit)
        scale = 1
        for pick, name in zip(batch.picks[::-1], STACK.names[1:], strict=True):
            place = place + scale * pick.slot[row]
            row, scale = pick.parent[row], scale * STACK.level(name).children
        dense = np.zeros((row.max() + 1, STACK.n_units("ROC"), 16), dtype=np.float32)
        real = batch.weight > 0
        dense[row[real], place[real]] += batch.target[real]
        events = self.EVENTS.to_dense().reshape(12, -1)
        chosen = np.sort(dense[1:].reshape(len(dense) - 1, -1).sum(axis=1))
        assert set(chosen) <= set(events.sum(axis=1))
        assert len(set(zip(row[real], place[real], strict=True))) == real.sum(), "a unit was picked twice"

    def test_the_share_of_empty_units(self):
        few, many = (int((self.draw(share).weight > 0).sum()) for share in (0.05, 0.5))
        assert few < many < 6 * STACK.n_units("ROC") + STACK.n_units("ROC")


class TestDevices:
    def test_parts_are_the_whole(self):
        events = showers(MODULE, 12)
        (one,) = batches(events, "MODULE", batch=6).draw(np.random.default_rng(1), 1)
        (two,) = batches(events, "MODULE", batch=6, devices=2).draw(np.random.default_rng(1), 1)
        assert two.base.shape[0] == two.target.shape[0] == 2
        assert two.weight.sum() == one.weight.sum()
        charged = [target[target.any(axis=-1)] for target in (one.target, two.target)]
        np.testing.assert_array_equal(np.sort(charged[0], axis=0), np.sort(charged[1], axis=0))

    def test_unequal_parts(self):
        with pytest.raises(SettingsError, match="found batch = 5, expected a multiple of the 2 devices"):
            batches(showers(MODULE, 12), "MODULE", batch=5, devices=2)
