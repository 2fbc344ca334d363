"""Principal axes of sparse rows."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from hgcae.coding import principal
from hgcae.coding.principal import components, principal_axes


def test_axes_by_iteration_are_those_of_the_covariance(monkeypatch):
    rng = np.random.default_rng(8)
    dense = rng.integers(0, 50, (60, 16)) * (rng.random((60, 16)) < 0.6)
    rows, weight = csr_matrix(dense.astype(float)), rng.uniform(1, 9, 60)
    mean = weight @ dense / weight.sum()
    full = principal_axes(rows, weight, mean, 5)
    monkeypatch.setattr(principal, "_COVARIANCE_CELLS", 1)
    np.testing.assert_allclose(principal_axes(rows, weight, mean, 5), full, atol=1e-8)
    np.testing.assert_allclose(components(rows, mean, full), (dense - mean) @ full.T)
    np.testing.assert_allclose(components(dense.astype(float), mean, full), (dense - mean) @ full.T)
