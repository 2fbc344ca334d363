from __future__ import annotations

import numpy as np
import pytest

from evaluate.toys import from_entries, random_units
from hgcae.coding import principal
from hgcae.errors import DataFormatError
from hgcae.evaluate import LargestCells, PrincipalComponents, fit_baselines
from hgcae.evaluate.core import baselines as module
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy

MODULE = Hierarchy.of(ROC=(4, 4), MODULE=3)


def direct_pca_error(train: np.ndarray, test: np.ndarray, k: int) -> float:
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:k]
    return float((((test - mean) - (test - mean) @ axes.T @ axes) ** 2).mean())


def flat(units):
    return units.to_dense().reshape(len(units), -1).astype(float)


@pytest.mark.parametrize("solver", ["covariance", "iteration"])
@pytest.mark.parametrize("k", [1, 8])
def test_pca_is_the_singular_value_decomposition(solver, k, monkeypatch):
    if solver == "iteration":
        monkeypatch.setattr(principal, "_COVARIANCE_CELLS", 10)
    train, test = random_units(MODULE, 400), random_units(MODULE, 150, seed=2)
    pca = PrincipalComponents.fit(train, k)
    assert pca.size == {"components": k}
    assert pca.errors(test).summary()["mse"] == pytest.approx(direct_pca_error(flat(train), flat(test), k), rel=1e-9)


def test_pca_of_a_whole_event_is_found_without_making_it_dense():
    rng = np.random.default_rng(4)
    n, per_event = 60, 40
    event, cell = np.repeat(np.arange(n), per_event), rng.integers(0, 3000, n * per_event)
    train = from_entries(PROTOTYPE, n, event, cell, rng.integers(1, 50, n * per_event).astype(float))
    metrics = PrincipalComponents.fit(train, 5).errors(train).summary()
    dense = flat(train)[:, :3000]
    assert metrics["mse"] == pytest.approx(direct_pca_error(dense, dense, 5) * 3000 / 82_080, rel=1e-9)


def test_all_components_decode_exactly():
    units = random_units(MODULE, 300)
    assert PrincipalComponents.fit(units, 48).errors(units).summary()["mse"] == pytest.approx(0, abs=1e-18)


def test_mean_and_zero_by_hand():
    train, test = random_units(MODULE, 100), random_units(MODULE, 80, seed=2)
    mean = PrincipalComponents.fit(train, 0)
    assert mean.name == "mean"
    assert mean.errors(test).summary()["mse"] == pytest.approx(((flat(test) - flat(train).mean(axis=0)) ** 2).mean())
    assert LargestCells(0).errors(test).summary()["mse"] == pytest.approx((flat(test) ** 2).mean())
    assert LargestCells(0).errors(test).summary()["l1"]["CELL"] == 1.0


def test_more_components_than_units_allow_are_not_asked_for():
    assert PrincipalComponents.fit(random_units(MODULE, 300)[1:4], 8).size["components"] <= 3


def test_no_training_unit_is_an_error():
    with pytest.raises(DataFormatError, match="no occupied unit"):
        PrincipalComponents.fit(random_units(MODULE, 3)[:0], 2)


def test_largest_cells_keeps_the_largest():
    units = random_units(MODULE, 60)
    kept = LargestCells(5).decode(units).validate()
    dense, decoded = flat(units), flat(kept)
    expected = np.sort(dense, axis=1)[:, -5:].sum(axis=1)
    np.testing.assert_array_equal(decoded.sum(axis=1), expected)
    assert (kept.counts == np.minimum(units.counts, 5)).all()


def test_pieces_give_the_same_as_the_whole(monkeypatch):
    units = random_units(MODULE, 100)
    pca = PrincipalComponents.fit(units, 4)
    whole = pca.errors(units)
    monkeypatch.setattr(module, "MAX_ENTRIES", 48 * 7)
    np.testing.assert_allclose(pca.errors(units).squared, whole.squared)
    np.testing.assert_allclose(pca.errors(units).sums["ROC"], whole.sums["ROC"])


def test_all_baselines_of_a_level(showers):
    fitted = {baseline.name: baseline for baseline in fit_baselines(showers, "ROC", 8, max_units=2000)}
    assert list(fitted) == ["zero", "mean", "pca"]
    units = showers[:50].units("ROC")[0]
    errors = {name: baseline.errors(units).summary()["mse"] for name, baseline in fitted.items()}
    assert errors["zero"] > errors["pca"] > 0
    assert errors["mean"] > errors["pca"]
    assert len(fit_baselines(showers, "ROC", 8, max_units=100)) == 3
