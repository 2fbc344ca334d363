"""Shares that are tilted until their mean is what was sent."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy.optimize import minimize

from hgcae.model.barycentre import settled, tilted
from hgcae.model.frames import ChildFrame

RNG = np.random.default_rng(7)
PLACES = {"line": (2 * np.arange(30)[:, None] + 1) / 30 - 1, "plane": RNG.uniform(-0.7, 0.7, (16, 2))}


def shares(logits) -> np.ndarray:
    return np.asarray(jax.nn.softmax(logits, axis=-1))


@pytest.mark.parametrize("name", PLACES)
def test_the_mean_is_met(name):
    """Targets are means of other shares of the same width, so they can be met."""
    place = PLACES[name]
    logits, other = (RNG.normal(0, 1, (500, len(place))).astype(np.float32) for _ in range(2))
    target = shares(other) @ place
    np.testing.assert_allclose(shares(tilted(logits, place, target)) @ place, target, atol=1e-4)


@pytest.mark.parametrize("name", PLACES)
def test_what_has_the_mean_already_stays(name):
    place = PLACES[name]
    logits = RNG.normal(0, 1, (50, len(place))).astype(np.float32)
    np.testing.assert_allclose(shares(tilted(logits, place, shares(logits) @ place)), shares(logits), atol=1e-6)


def test_nothing_else_with_that_mean_is_closer():
    """In relative entropy, which a general optimiser minimises from elsewhere."""
    place, logits = PLACES["plane"], RNG.normal(0, 1, (1, 16)).astype(np.float32)
    target = shares(RNG.normal(0, 1, (1, 16))) @ place
    given, found = shares(logits)[0], shares(tilted(logits, place, target))[0]

    def entropy(p: np.ndarray) -> float:
        return float((p * np.log(np.maximum(p, 1e-12) / given)).sum())

    bounds = [(1e-9, 1)] * 16
    constraints = ({"type": "eq", "fun": lambda p: p.sum() - 1}, {"type": "eq", "fun": lambda p: p @ place - target[0]})
    best = minimize(entropy, np.full(16, 1 / 16), bounds=bounds, constraints=constraints)
    assert best.success
    np.testing.assert_allclose(found, best.x, atol=2e-3)
    assert entropy(found) <= best.fun + 1e-6


def test_a_mean_out_of_reach_does_no_harm():
    """Of a damaged code, or of charge in one child alone: shares are finite and as near as they get."""
    place = PLACES["plane"]
    logits = np.where(np.arange(16) == 3, 0.0, [[-1.0], [-50.0], [-1e9]]).astype(np.float32)
    found = shares(tilted(logits, place, np.full((3, 2), 5.0)))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert found[2, 3] == 1


def test_gradients_pass():
    place, logits = PLACES["plane"], RNG.normal(0, 1, (4, 16)).astype(np.float32)
    target = shares(RNG.normal(0, 1, (4, 16))) @ place

    def loss(x):
        return (jax.nn.softmax(tilted(x, place, target)) ** 2).sum()

    gradient = np.asarray(jax.grad(loss)(logits))
    direction = RNG.normal(0, 1, logits.shape).astype(np.float32)
    step = 1e-2
    difference = (loss(logits + step * direction) - loss(logits - step * direction)) / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(difference), rel=0.02, abs=1e-4)


def test_what_is_missing_is_shared_between_shares_and_places():
    """To first order places move by s^2 (C + s^2)^-1 of it, where C is the covariance of the children and s^2 the variance of places."""
    centre = np.array([[0.5, 0.0], [-0.25, 0.4], [-0.25, -0.4]])
    frame = ChildFrame(1.0, centre, np.tile(0.5 * np.eye(2), (3, 1, 1)))
    logits, place = RNG.normal(0, 0.3, (20, 3)).astype(np.float32), np.zeros((20, 3, 2), dtype=np.float32)
    share = shares(logits)
    mean = share @ centre
    missing = 1e-3 * RNG.normal(0, 1, (20, 2))
    offset = centre - mean[:, None]
    covariance = np.einsum("nc,nci,ncj->nij", share, offset, offset)
    found, moved = settled(frame, logits, place, mean + missing)
    shift = 0.5 * np.asarray(moved)
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1], shift.shape), atol=1e-7)
    expected = np.linalg.solve(covariance + 0.01 * np.eye(2), 0.01 * missing[..., None])[..., 0]
    np.testing.assert_allclose(shift[:, 0], expected, atol=2e-5)
    np.testing.assert_allclose(shares(found) @ centre + shift[:, 0], mean + missing, atol=1e-6)
