"""Neighbours of modules and triplets in a layer, against distances."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import GeometryError
from hgcae.geometry.detector import Detector
from hgcae.geometry.module import PITCH_CM
from hgcae.geometry.neighbours import unit_neighbours

DETECTOR = Detector.load("prototype")


@pytest.mark.parametrize(("level", "size"), [("MODULE", 1), ("TRIPLET", 3)])
def test_neighbours_are_the_units_at_the_distance_of_one_pitch(level, size):
    centre = DETECTOR.module_xy.reshape(-1, size, 2).mean(axis=1)
    pitch = PITCH_CM * np.sqrt(size)
    found = unit_neighbours(DETECTOR, level)
    assert found.shape == (57 // size, 6)
    for unit, row in enumerate(found):
        distance = np.linalg.norm(centre - centre[unit], axis=1)
        assert set(row[row >= 0]) == set(np.flatnonzero(np.isclose(distance, pitch)))


@pytest.mark.parametrize("level", ["MODULE", "TRIPLET"])
def test_opposite_directions_lead_back(level):
    found = unit_neighbours(DETECTOR, level)
    for unit, direction in zip(*np.nonzero(found >= 0), strict=True):
        assert found[found[unit, direction], (direction + 3) % 6] == unit


def test_the_first_direction_is_along_x():
    found = unit_neighbours(DETECTOR, "MODULE")
    shift = DETECTOR.module_xy[found[0, 0]] - DETECTOR.module_xy[0]
    np.testing.assert_allclose(shift, [PITCH_CM, 0], atol=1e-9)


@pytest.mark.parametrize(("detector", "level"), [("prototype", "ROC"), ("prototype", "STAGE1"), ("testbeam", "ROC")])
def test_units_that_are_no_hexagons_are_refused(detector, level):
    with pytest.raises(GeometryError, match="hexagonal lattice"):
        unit_neighbours(Detector.load(detector), level)
