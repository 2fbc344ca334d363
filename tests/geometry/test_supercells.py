"""Overlapping groups of 2 x 2 trigger cells."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.geometry import module, supercells


def test_published_groups_and_weights():
    """A group of each kind, as fastml-science lists it: corner, edge, centre of a ROC, at the module's centre, across borders."""
    weight = {tuple(cells): float(w) for cells, w in zip(supercells.members().tolist(), supercells.weights(), strict=True)}
    assert len(weight) == 36
    published = {
        (8, 9, 12, 13): 2.25 / 4,
        (0, 1, 4, 5): 1.5 / 4,
        (5, 6, 9, 10): 1 / 4,
        (2, 3, 6, 7): 1 / 4 + 1 / 12,
        (0, 1, 27, 31): 1.5 / 4,
        (1, 2, 23, 27): 1 / 4,
        (3, 7, 34, 35): 1 / 4 + 1 / 6,
        (16, 17, 43, 47): 1.5 / 4,
        (18, 19, 35, 39): 1 / 4 + 1 / 6,
    }
    assert {cells: weight[cells] for cells in published} == pytest.approx(published)


def test_groups_are_close_together():
    xy = module.trigger_cell_xy()[supercells.members()]
    spread = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1).max(axis=(1, 2))
    assert spread.max() < 2 * np.linalg.norm(xy[0, 1] - xy[0, 0]) + 1
    assert (spread > 2).all()


def test_every_cell_counts_alike_but_those_at_the_centre():
    """Weight over its groups adds up to the same for all cells of a kind; a quarter each but for the source's three."""
    matrix = supercells.sums_matrix()
    held = matrix.sum(axis=1)
    assert np.unique(held, return_counts=True)[1].tolist() == [3, 18, 3, 24]
    assert matrix.sum(axis=0).tolist() == [4] * 36
    assert np.flatnonzero(held == 3).tolist() == [3, 19, 35]


def test_rocs():
    charges = np.arange(48.0)
    np.testing.assert_array_equal(charges @ supercells.roc_matrix(), charges.reshape(3, 16).sum(axis=1))
