"""Energy mover's distance, against POT's plain answer and the laws of a distance."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hgcae.errors import DataFormatError
from hgcae.evaluate.modules.emd import _solver, cell_distances, emd

LARGEST = cell_distances().max()


def test_neighbours_are_two_sensor_cells_apart():
    distance = cell_distances()
    nearest = np.sort(distance, axis=1)[:, 1:]
    np.testing.assert_allclose(distance[0, [1, 4, 5]], [2, 2, 2 * np.sqrt(3)], rtol=1e-4)
    # Across the border of two ROCs, cells stand a little closer or further.
    assert nearest[:, 0].min() > 1.75
    assert nearest[:, 0].max() < 2.01
    assert pytest.approx(13.68, abs=0.01) == LARGEST


def test_known_distances():
    one = np.eye(48)
    assert emd(one[:1], one[1:2]) == pytest.approx(cell_distances()[0, 1])
    assert emd(5 * one[:1], one[:1] + 3 * one[1:2]) == pytest.approx(0.75 * cell_distances()[0, 1])
    np.testing.assert_allclose(emd(one, np.roll(one, 1, axis=0)), [cell_distances()[i, i - 1] for i in range(48)])


def test_empty_modules():
    full, empty = np.ones((1, 48)), np.zeros((1, 48))
    assert np.isnan(emd(empty, full)).all()
    assert np.isnan(emd(empty, empty)).all()
    assert emd(full, empty).tolist() == [LARGEST]
    assert emd(full, -full).tolist() == [LARGEST]
    assert emd(full[:0], full[:0]).shape == (0,)


def test_negative_charges_count_as_none():
    true = np.eye(48)[:1]
    assert emd(true, true - 0.5 * np.eye(48)[3:4]) == 0


@pytest.mark.parametrize(
    ("true", "decoded", "message"),
    [
        (np.ones((2, 48)), np.ones((3, 48)), r"shape: found \(3, 48\), expected \(2, 48\)"),
        (np.ones((2, 16)), np.ones((2, 16)), r"true charges: shape: found \(2, 16\)"),
        (np.ones((2, 48)), np.array([[1.0] * 48, [np.nan] * 48]), "decoded charges: module 1: found a charge that is not finite"),
    ],
)
def test_bad_images_are_refused(true, decoded, message):
    with pytest.raises(DataFormatError, match=message):
        emd(true, decoded)


def plain(true, decoded) -> float:
    """POT on all 48 cells."""
    return float(_solver()(true / true.sum(), decoded / decoded.sum(), cell_distances()))


def test_random_images_against_the_plain_solution():
    rng = np.random.default_rng(1)
    true = rng.integers(1, 100, (150, 48)) * (rng.random((150, 48)) < rng.random((150, 1)))
    true[:, 7] += 1
    decoded = np.where(rng.random((150, 48)) < 0.5, true, rng.gamma(0.3, 20, (150, 48)))
    np.testing.assert_allclose(emd(true, decoded), [plain(*pair) for pair in zip(true, decoded, strict=True)], rtol=1e-9)


images = arrays.arrays(np.int64, (3, 48), elements=st.integers(0, 20), fill=st.just(0)).filter(lambda x: bool((x.sum(axis=1) > 0).all()))


@given(images)
def test_it_is_a_distance(modules):
    a, b, c = (row[None] for row in modules)
    ab, ba, bc, ac = (float(emd(*pair)[0]) for pair in ((a, b), (b, a), (b, c), (a, c)))
    assert ab == pytest.approx(ba, abs=1e-12)
    assert ac <= ab + bc + 1e-9
    assert 0 <= ab <= LARGEST + 1e-9
    same = np.array_equal(a * b.sum(), b * a.sum())
    assert (ab == 0) == same
    assert emd(a, 7 * a)[0] == pytest.approx(0, abs=1e-12)


@given(images)
def test_it_is_never_below_the_shift_of_the_barycentre(modules):
    """The mean displacement cannot be longer than the mean of the displacements' lengths."""
    from hgcae.geometry import module

    a, b = modules[:2]
    xy = module.trigger_cell_xy() / (np.linalg.norm(np.diff(module.trigger_cell_xy()[:2], axis=0)) / 2)
    shift = np.linalg.norm(a @ xy / a.sum() - b @ xy / b.sum())
    assert emd(a[None], b[None])[0] >= shift - 1e-9


def test_the_solver_brings_no_machine_learning():
    code = (
        "import sys, os, numpy as np; from hgcae.evaluate.modules.emd import emd; rng = np.random.default_rng(1);"
        "emd(rng.random((2, 48)), rng.random((2, 48)));"
        "print({'ot', 'jax', 'keras', 'torch', 'tensorflow'} & set(sys.modules), [k for k in os.environ if k.startswith('POT_')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "{'ot'} []"
