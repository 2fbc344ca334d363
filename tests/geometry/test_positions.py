"""Positions of trigger cells in roots of any level."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae import Hierarchy
from hgcae.geometry import module
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.geometry.positions import root_xy_cm, unit_module_xy_cm, unit_xy_cm


@pytest.mark.parametrize("n_modules", [1, 3, 57])
def test_modules_lie_about_their_mean_one_pitch_apart(n_modules):
    centres = unit_module_xy_cm(n_modules)
    assert centres is not None
    assert centres.shape == (n_modules, 2)
    np.testing.assert_allclose(centres.mean(axis=0), 0, atol=1e-9)
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) + 99 * np.eye(n_modules)
    if n_modules > 1:
        np.testing.assert_allclose(apart.min(axis=1), module.PITCH_CM, rtol=1e-9)


@pytest.mark.parametrize("level", ["ROC", "MODULE", "TRIPLET", "STAGE1"])
def test_a_bare_unit_has_the_shape_of_the_first_in_the_detector(level):
    detector = Detector.load("prototype")
    xy = unit_xy_cm(PROTOTYPE.rooted(level))
    assert xy is not None
    placed = detector.layer_cell_xy[: len(xy)]
    assert xy.shape == (PROTOTYPE.n_cells(level), 2)
    np.testing.assert_allclose(xy - xy[0], placed - placed[0], atol=1e-9)


def test_a_whole_detector_repeats_its_layer():
    detector = Detector.load("testbeam")
    xy = root_xy_cm(detector.hierarchy, detector)
    assert xy is not None
    np.testing.assert_array_equal(xy.reshape(28, 48, 2), np.broadcast_to(detector.layer_cell_xy, (28, 48, 2)))


def test_a_root_below_the_detector_is_a_bare_unit():
    detector = Detector.load("testbeam")
    bare = detector.hierarchy.rooted("MODULE")
    np.testing.assert_array_equal(root_xy_cm(bare, detector), unit_xy_cm(bare))


@pytest.mark.parametrize(
    "hierarchy", [Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=2), Hierarchy.of(ROC=16), Hierarchy.of(ROC=(4, 4), MODULE=4)]
)
def test_an_unknown_arrangement_has_no_positions(hierarchy):
    assert unit_xy_cm(hierarchy) is None
    assert root_xy_cm(hierarchy, None) is None
