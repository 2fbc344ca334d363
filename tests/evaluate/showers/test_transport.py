"""The energy mover's distance of whole showers, against distances worked out by hand and a linear programme."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.showers.test_shapes import PROTOTYPE, cells_at
from evaluate.toys import scaled, toy_showers
from hgcae.errors import DataFormatError
from hgcae.evaluate.modules.emd import _solver
from hgcae.evaluate.showers.transport import transport

XY = PROTOTYPE.layer_cell_xy
Z_MM = 10 * PROTOTYPE.layer_z_cm


def distance_mm(i: int, j: int) -> float:
    return 10 * float(np.linalg.norm(XY[i] - XY[j]))


def test_a_cell_that_moved_across():
    true, moved = cells_at([XY[3]], [5], [10]), cells_at([XY[40]], [5], [10])
    found = transport(true, moved, PROTOTYPE)
    assert found.across == pytest.approx([distance_mm(3, 40)])
    assert found.depth == pytest.approx([0])
    assert found.total == pytest.approx([distance_mm(3, 40)])


def test_energy_that_moved_in_depth():
    """A quarter of the energy of layer 5 goes to layer 9; what stays has not moved across."""
    true, moved = cells_at([XY[3]] * 2, [5, 9], [8, 8]), cells_at([XY[3]] * 2, [5, 9], [4, 12])
    found = transport(true, moved, PROTOTYPE)
    assert found.depth == pytest.approx([0.25 * (Z_MM[9] - Z_MM[5])])
    assert found.across == pytest.approx([0])


def test_layers_count_by_the_energy_that_stays():
    """3 of 4 GeV in a layer whose cell moved, 1 of 4 in one whose cell stayed."""
    true = cells_at([XY[3], XY[3]], [5, 9], [3, 1])
    moved = cells_at([XY[4], XY[3]], [5, 9], [3, 1])
    assert transport(true, moved, PROTOTYPE).across == pytest.approx([0.75 * distance_mm(3, 4)])


def test_one_plane_is_exact_transport():
    rng = np.random.default_rng(3)
    places = rng.choice(PROTOTYPE.cells_per_layer, (2, 20), replace=False)
    energies = rng.random((2, 20)) + 0.1
    true, other = (cells_at(XY[place], [5] * 20, energy) for place, energy in zip(places, energies, strict=True))
    cost = 10 * np.linalg.norm(XY[places[0]][:, None] - XY[places[1]], axis=-1)
    shares = [energy / energy.sum() for energy in energies]
    assert transport(true, other, PROTOTYPE).total == pytest.approx([float(_solver()(*shares, cost))])


@given(st.integers(0, 100))
@settings(max_examples=8)
def test_it_is_symmetric_and_knows_no_scale(seed):
    a, b = toy_showers(PROTOTYPE, 2, seed=seed), toy_showers(PROTOTYPE, 2, seed=seed + 1)
    there, back, larger = (transport(*pair, PROTOTYPE) for pair in ((a, b), (b, a), (scaled(a, 3.0), b)))
    np.testing.assert_allclose(there.total, back.total, rtol=1e-6)
    np.testing.assert_allclose(there.total, larger.total, rtol=1e-6)
    assert (there.total > 0).all()
    np.testing.assert_allclose(transport(a, a, PROTOTYPE).total, 0, atol=1e-9)


def test_nothing_decoded_and_nothing_there():
    one = cells_at([XY[3]], [5], [1])
    none = replace(one, offsets=np.array([0, 0]), cell=one.cell[:0], charge=one.charge[:0])
    lost = transport(one, none, PROTOTYPE)
    assert lost.depth == pytest.approx([Z_MM[-1] - Z_MM[0]])
    assert lost.across == pytest.approx([20 * PROTOTYPE.radius_cm])
    assert np.isnan(transport(none, one, PROTOTYPE).total).all()


def test_other_events():
    events = toy_showers(PROTOTYPE, 3)
    with pytest.raises(DataFormatError):
        transport(events, events[:2], PROTOTYPE)
