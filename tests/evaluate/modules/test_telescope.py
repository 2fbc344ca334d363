"""Telescope loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hgcae.evaluate.modules.telescope import telescope_loss
from hgcae.geometry import supercells


def test_one_cell_by_hand():
    """All charge of cell 8, a corner cell's neighbour, lost: it lies in groups (4 5 8 9) and (8 9 12 13)."""
    true = np.zeros((1, 48))
    true[0, 8] = 1
    expected = 4 / 48 + 2 * (1.5 / 4 + 2.25 / 4) / 36 + 1 / 3
    assert telescope_loss(true, np.zeros((1, 48)))[0] == pytest.approx(expected)


def test_larger_charges_weigh_more():
    true = np.zeros((2, 48))
    true[:, 5] = [1, 2]
    loss = telescope_loss(true, 0 * true)
    assert loss[1] == pytest.approx(8 * loss[0])


@given(arrays.arrays(np.float64, (2, 48), elements=st.floats(0, 1)))
def test_sums_written_out(images):
    y, z = images
    groups = [
        (np.arange(48)[:, None], np.ones(48), 4),
        (supercells.members(), supercells.weights(), 2),
        (np.arange(48).reshape(3, 16), np.ones(3), 1),
    ]
    expected = 0.0
    for cells, weights, scale in groups:
        terms = [w * (y[c].sum() - z[c].sum()) ** 2 * max(y[c].sum(), z[c].sum()) for c, w in zip(cells, weights, strict=True)]
        expected += scale * sum(terms) / len(terms)
    assert telescope_loss(y[None], z[None])[0] == pytest.approx(expected, abs=1e-12)


def test_nothing_lost():
    images = np.random.default_rng(1).random((3, 48))
    assert telescope_loss(images, images).tolist() == [0, 0, 0]
