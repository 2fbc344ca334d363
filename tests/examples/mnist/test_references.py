from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from examples.mnist.toys import digits
from hgcae.examples.mnist.references import intrinsic_dimensions, pca_errors


def test_pca_is_scikit_learns():
    toys = digits()
    found = pca_errors(toys.x_train, toys.x_test, (1, 5))
    train, test = (part.reshape(len(part), -1) / 255 for part in (toys.x_train, toys.x_test))
    for n, errors in found.items():
        pca = PCA(n).fit(train)
        expected = ((pca.inverse_transform(pca.transform(test)) - test) ** 2).mean(axis=1)
        np.testing.assert_allclose(errors, expected, rtol=1e-6, atol=1e-12)


def test_all_components_lose_nothing():
    toys = digits()
    assert pca_errors(toys.x_train, toys.x_train, (784,))[784].max() < 1e-12


def test_the_dimension_of_a_plane():
    pytest.importorskip("skdim", reason="needs the extra scan")
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 784))
    images = np.clip(np.rint(128 + 15 * plane), 0, 255).astype(np.uint8).reshape(-1, 28, 28)
    found = intrinsic_dimensions(images, 1)
    assert set(found) == {"TwoNN", "MLE"}
    for estimate in found.values():
        assert estimate["mean"] == pytest.approx(3, abs=0.5)
        assert 0 < estimate["error"] < 0.3
