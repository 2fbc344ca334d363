from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import xlogy

from hgcae.examples.mnist.costs import COSTS, MERITS, cross_entropy, squared_error, structural_similarity


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    true = gaussian_filter(rng.random((5, 28, 28)), (0, 2, 2)).astype(np.float32)
    return true, np.clip(true + rng.normal(0, 0.05, true.shape), 0.01, 0.99).astype(np.float32)


def test_squared_error_and_cross_entropy(pair):
    true, decoded = pair
    np.testing.assert_allclose(squared_error(true, decoded), ((true - decoded) ** 2).mean(axis=(1, 2)), rtol=1e-5)
    expected = -(xlogy(true, decoded) + xlogy(1 - true, 1 - decoded)).mean(axis=(1, 2))
    np.testing.assert_allclose(cross_entropy(true, decoded), expected, rtol=1e-5)
    assert np.isfinite(cross_entropy(true, np.rint(true))).all()


def test_structural_similarity_under_a_gaussian_window(pair):
    true, decoded = (image.astype(np.float64) for image in pair)

    def mean(images: np.ndarray) -> np.ndarray:
        return gaussian_filter(images, (0, 1.5, 1.5), radius=(0, 5, 5))[:, 5:-5, 5:-5]

    mx, my = mean(true), mean(decoded)
    vx, vy, cov = mean(true**2) - mx**2, mean(decoded**2) - my**2, mean(true * decoded) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    expected = ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean(axis=(1, 2))
    np.testing.assert_allclose(structural_similarity(*pair), expected, atol=2e-4)


def test_equal_images(pair):
    true, decoded = pair
    np.testing.assert_allclose(MERITS["structural_similarity"](true, true), 1, atol=1e-5)
    np.testing.assert_allclose(COSTS["structural_similarity"](true, true), 0, atol=1e-5)
    assert (structural_similarity(true, decoded) < 0.9999).all()
    assert not np.any(squared_error(true, true))
