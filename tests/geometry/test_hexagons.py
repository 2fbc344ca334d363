"""The hexagonal lattice: centres, containment, distance, rotation, rings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.geometry import hexagons

AXIAL = st.tuples(st.integers(-200, 200), st.integers(-200, 200))
PITCH = st.floats(0.1, 50.0)


@given(AXIAL, PITCH)
def test_a_hexagon_contains_its_centre(axial, pitch):
    assert tuple(hexagons.containing(hexagons.centre(axial, pitch), pitch)) == axial


@given(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), PITCH)
def test_no_other_centre_is_nearer_than_that_of_the_containing_hexagon(xy, pitch):
    inside = hexagons.containing(xy, pitch)
    to_own = np.linalg.norm(hexagons.centre(inside, pitch) - xy)
    to_others = np.linalg.norm(hexagons.centre(hexagons.neighbours(inside), pitch) - xy, axis=-1)
    assert to_own <= to_others.min() + 1e-9 * pitch
    assert to_own <= pitch / np.sqrt(3) * (1 + 1e-9)


@given(AXIAL, AXIAL, AXIAL)
def test_distance_is_a_metric(a, b, c):
    assert hexagons.distance(a, b) == hexagons.distance(b, a)
    assert (hexagons.distance(a, b) == 0) == (a == b)
    assert hexagons.distance(a, c) <= hexagons.distance(a, b) + hexagons.distance(b, c)


@given(AXIAL)
def test_the_neighbours_are_the_six_hexagons_one_step_and_one_pitch_away(axial):
    around = hexagons.neighbours(axial)
    assert len({tuple(hexagon) for hexagon in around}) == 6
    assert (hexagons.distance(around, axial) == 1).all()
    offset = hexagons.centre(around, 2.5) - hexagons.centre(axial, 2.5)
    np.testing.assert_allclose(np.linalg.norm(offset, axis=-1), 2.5, rtol=1e-9)
    # Counter-clockwise from +x, 60 degrees apart.
    np.testing.assert_allclose(np.arctan2(offset[:, 1], offset[:, 0]) % (2 * np.pi), np.deg2rad(60) * np.arange(6), atol=1e-9)


@given(AXIAL, AXIAL, st.integers(-12, 12))
def test_rotation_keeps_distances_and_six_sixths_are_none(a, b, sixths):
    assert hexagons.distance(hexagons.rotate(a, sixths), hexagons.rotate(b, sixths)) == hexagons.distance(a, b)
    np.testing.assert_array_equal(hexagons.rotate(hexagons.rotate(a, sixths), 6 - sixths), a)


@given(AXIAL, st.integers(0, 5))
def test_rotation_turns_the_centre_counter_clockwise(axial, sixths):
    angle = np.deg2rad(60 * sixths)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(hexagons.centre(hexagons.rotate(axial, sixths), 1.0), turn @ hexagons.centre(axial, 1.0), atol=1e-9)


@pytest.mark.parametrize("radius", range(6))
def test_a_spiral_goes_ring_by_ring_without_gaps(radius):
    spiral = hexagons.spiral(radius)
    assert len({tuple(hexagon) for hexagon in spiral}) == len(spiral) == 1 + 3 * radius * (radius + 1)
    rings = hexagons.distance(spiral, (0, 0))
    np.testing.assert_array_equal(rings, np.repeat(np.arange(radius + 1), [1, *(6 * k for k in range(1, radius + 1))]))
    for (ring, a), (next_ring, b) in itertools.pairwise(zip(rings, spiral, strict=True)):
        if ring == next_ring:
            assert hexagons.distance(a, b) == 1


def test_the_corners_lie_between_neighbours():
    corners = hexagons.corners(2.0)
    neighbours = hexagons.centre(hexagons.DIRECTIONS, 2.0)
    # A corner is the centroid of the origin and of two neighbours in sequence.
    np.testing.assert_allclose(corners, (neighbours + np.roll(neighbours, -1, axis=0)) / 3, atol=1e-12)
    # Shoelace: a hexagon of width w has the area w^2 sqrt(3)/2.
    x, y = corners.T
    assert 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) == pytest.approx(2.0**2 * np.sqrt(3) / 2)


def test_functions_take_arrays_of_any_shape():
    axial = np.random.default_rng(1).integers(-9, 9, (4, 5, 2))
    assert hexagons.centre(axial, 1.0).shape == (4, 5, 2)
    assert hexagons.containing(hexagons.centre(axial, 1.0), 1.0).shape == (4, 5, 2)
    assert hexagons.neighbours(axial).shape == (4, 5, 6, 2)
    assert hexagons.distance(axial, (0, 0)).shape == (4, 5)
    assert hexagons.rotate(axial, 2).shape == (4, 5, 2)
