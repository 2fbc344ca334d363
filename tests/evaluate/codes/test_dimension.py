"""Intrinsic dimensions of samples whose dimension is known."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from evaluate.toys import scaled
from hgcae.errors import DataFormatError, MissingToolError
from hgcae.evaluate.codes import dimension
from hgcae.evaluate.codes.dimension import code_points, control, intrinsic_dimension, isometric, shower_points

FAST = ("twonn", "gride_4", "mle")


@pytest.fixture
def fast(monkeypatch):
    """The estimators that take no time."""
    pytest.importorskip("skdim", reason="scikit-dimension (hgcae[scan]) is not installed")
    chosen = {name: function for name, function in dimension.estimators().items() if name in FAST}
    monkeypatch.setattr(dimension, "estimators", lambda: chosen)


@pytest.mark.parametrize(("known", "ambient"), [(1, 3), (2, 8), (3, 600)])
def test_known_manifolds(fast, known, ambient):
    found = intrinsic_dimension(control(400, known, ambient), replicas=3)
    assert set(found) == set(FAST)
    for name, estimate in found.items():
        assert estimate["value"] == pytest.approx(known, rel=0.15), name
        assert 0 < estimate["error"] < 0.3 * known, name


def test_a_larger_dimension_is_seen_as_larger(fast):
    two, seven = (intrinsic_dimension(control(400, d, 50), replicas=2) for d in (2, 7))
    assert all(seven[name]["value"] > 2 * two[name]["value"] for name in FAST)


def test_the_principal_components_of_a_neighbourhood(monkeypatch):
    pytest.importorskip("skdim", reason="scikit-dimension (hgcae[scan]) is not installed")
    plane = np.random.default_rng(1).random((120, 2)) @ np.random.default_rng(2).random((2, 6))
    monkeypatch.setattr(dimension, "estimators", {"lpca": dimension.estimators()["lpca"], "mom": dimension.estimators()["mom"]}.copy)
    found = intrinsic_dimension(plane, replicas=2)
    assert found["lpca"]["value"] == 2
    assert found["mom"]["value"] == pytest.approx(2, rel=0.25)


def test_moments_give_nothing_where_all_neighbours_are_equally_far(monkeypatch):
    pytest.importorskip("skdim", reason="scikit-dimension (hgcae[scan]) is not installed")
    mom = dimension.estimators()["mom"]
    monkeypatch.setattr(dimension, "estimators", {"mom": mom}.copy)
    corners = np.eye(200) * (1 + 1e-9 * np.random.default_rng(1).random((200, 1)))
    assert mom(corners) > 200
    assert intrinsic_dimension(corners, replicas=2) == {"mom": {"value": None, "error": None}}


def test_repeated_points_count_once(fast):
    points = control(300, 2, 5)
    assert intrinsic_dimension(np.concatenate([points, points]), replicas=2) == intrinsic_dimension(points, replicas=2)


@pytest.mark.parametrize("points", [np.zeros((200, 3)), np.full((200, 3), np.nan), np.random.default_rng(1).random((50, 3))])
def test_too_few_points(fast, points):
    with pytest.raises(DataFormatError, match="intrinsic dimension"):
        intrinsic_dimension(points)


def test_the_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skdim.id", None)
    with pytest.raises(MissingToolError, match=r"hgcae\[scan\]"):
        dimension.require()


def test_distances_of_showers(showers):
    """The points are as far apart as the roots of the cells' shares."""
    some = showers[:20]
    points = shower_points(some)
    dense = some.to_dense().reshape(20, -1).astype(float)
    roots = np.sqrt(dense / dense.sum(axis=1, keepdims=True))
    expected = np.linalg.norm(roots[:, None] - roots, axis=2)
    assert np.linalg.norm(points[:, None] - points, axis=2) == pytest.approx(expected, abs=1e-6)
    # The size of a shower does not count, only its form.
    assert np.linalg.norm(shower_points(scaled(some, 3.0)), axis=1) == pytest.approx(np.ones(20))


def test_isometric_points_have_the_rank_of_what_they_stand_for():
    x = np.random.default_rng(3).random((30, 4))
    y = isometric(x @ x.T)
    assert y.shape == (30, 4)
    assert y @ y.T == pytest.approx(x @ x.T)


def test_codes_are_spread_over_their_steps():
    code = np.repeat(np.arange(8.0)[:, None], 3, axis=1) * [1.0, 0.25, 0.0]
    points = code_points(code, np.array([1.0, 0.25, 0.0]))
    assert points.shape == (8, 2)
    assert points.std(axis=0) == pytest.approx([1, 1])
    assert len(np.unique(points)) == 16
