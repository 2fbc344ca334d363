from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.toys import from_entries, random_units, scaled
from hgcae.errors import DataFormatError, GeometryError
from hgcae.evaluate import samples
from hgcae.evaluate.distances import choose_units, compare, compare_dense, ghost_fraction, same_units
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy

MODULE = Hierarchy.of(ROC=(4, 4), MODULE=3)
TRIPLET = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3)


def test_two_cells_by_hand():
    dense = np.zeros((1, 3, 4, 4))
    dense[0, 0, 0, 0], dense[0, 0, 0, 1] = 10.0, 30.0
    other = np.zeros_like(dense)
    other[0, 0, 0, 0], other[0, 1, 2, 2] = 14.0, 6.0
    metrics = compare(Events.from_dense(dense, MODULE), Events.from_dense(other, MODULE)).summary()
    assert metrics["mse"] == pytest.approx((4**2 + 30**2 + 6**2) / 48)
    assert metrics["mae"] == pytest.approx(40 / 48)
    assert metrics["mae_occupied"] == pytest.approx(34 / 2)
    assert metrics["l1"] == pytest.approx({"CELL": 1.0, "ROC": (26 + 6) / 40, "MODULE": 20 / 40})


def test_a_perfect_decoder_has_no_error():
    units = random_units(TRIPLET, 50)
    metrics = compare(units, units).summary()
    assert metrics["mse"] == metrics["mae"] == metrics["mae_occupied"] == 0
    assert set(metrics["l1"].values()) == {0.0}


@given(seed=st.integers(0, 50), n=st.integers(1, 6))
def test_sparse_and_dense_comparison_agree_with_numpy(seed, n):
    true, decoded = random_units(TRIPLET, n, seed), scaled(random_units(TRIPLET, n, seed + 1000), 0.7)
    difference = decoded.to_dense() - true.to_dense()
    for errors in (compare(true, decoded), compare_dense(true, decoded.to_dense().reshape(n, -1))):
        flat = difference.reshape(n, -1)
        np.testing.assert_allclose(errors.squared, (flat**2).sum(1))
        np.testing.assert_allclose(errors.absolute, np.abs(flat).sum(1))
        np.testing.assert_allclose(errors.absolute_occupied, (np.abs(flat) * (true.to_dense().reshape(n, -1) > 0)).sum(1))
        np.testing.assert_allclose(errors.sums["ROC"], np.abs(difference.sum((-1, -2))).sum((1, 2)), atol=1e-9)
        np.testing.assert_allclose(errors.sums["TRIPLET"], np.abs(flat.sum(1)), atol=1e-9)


def test_pieces_give_the_same_as_the_whole(monkeypatch):
    true, decoded = random_units(TRIPLET, 40), random_units(TRIPLET, 40, seed=9)
    whole = compare(true, decoded)
    monkeypatch.setattr(samples, "MAX_ENTRIES", 500)
    np.testing.assert_array_equal(compare(true, decoded).squared, whole.squared)


def test_missing_cells_do_not_count():
    hierarchy = replace(MODULE, missing={"ROC": (2,)})
    true = from_entries(hierarchy, 1, np.zeros(1, int), np.zeros(1, int), np.ones(1))
    assert compare(true, scaled(true, 3.0)).summary()["mse"] == pytest.approx(4 / 32)


def test_unequal_samples_are_refused():
    units = random_units(MODULE, 4)
    with pytest.raises(DataFormatError, match="found 3, expected 4"):
        compare(units, units[:3])
    with pytest.raises(GeometryError, match="decoded events have the root TRIPLET"):
        compare(units, random_units(TRIPLET, 4))


def test_empty_samples_have_no_figures():
    nothing = random_units(MODULE, 3)[:0]
    assert compare(nothing, nothing).summary()["mse"] is None


@pytest.mark.parametrize("level", ["ROC", "MODULE", "TRIPLET"])
def test_all_occupied_units_are_found_in_both_samples(level):
    true, decoded = random_units(TRIPLET, 30, occupancy=0.03), random_units(TRIPLET, 30, seed=7, occupancy=0.03)
    units, key = choose_units(true, level, 10_000, seed=1)
    expected, event, index = true.units(level)
    np.testing.assert_array_equal(units.to_dense(), expected.to_dense())
    n_units, size = TRIPLET.n_units(level), TRIPLET.n_cells(level)
    np.testing.assert_array_equal(key, event * n_units + index)
    dense = decoded.to_dense().reshape(-1, n_units, size)[event, index]
    np.testing.assert_array_equal(same_units(decoded, level, key).validate().to_dense().reshape(-1, size), dense)


def test_a_choice_of_units_is_random_reproducible_and_ordered():
    true = random_units(TRIPLET, 200)
    units, key = choose_units(true, "ROC", 50, seed=3)
    assert len(units) == len(key) == 50
    assert (np.diff(key) > 0).all()
    assert (units.counts > 0).all()
    np.testing.assert_array_equal(key, choose_units(true, "ROC", 50, seed=3)[1])
    assert not np.array_equal(key, choose_units(true, "ROC", 50, seed=4)[1])
    np.testing.assert_array_equal(same_units(true, "ROC", key).to_dense(), units.to_dense())


def test_ghost_charge_is_charge_in_empty_units():
    true = from_entries(MODULE, 1, np.zeros(1, int), np.array([3]), np.array([10.0]))
    decoded = from_entries(MODULE, 1, np.zeros(3, int), np.array([0, 16, 40]), np.array([8.0, 1.0, 2.0]))
    assert ghost_fraction(true, decoded, "ROC") == pytest.approx(0.3)
    assert ghost_fraction(true, decoded, "MODULE") == 0.0
    assert ghost_fraction(true[:0], decoded[:0], "ROC") is None
