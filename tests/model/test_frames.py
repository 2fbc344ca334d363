from __future__ import annotations

import json

import numpy as np
import pytest

from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_xy_cm
from hgcae.model.frames import ChildFrame, frames
from model.toys import MODULE

FLOWER = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3)


def cells(found: dict[str, ChildFrame], names: tuple[str, ...]) -> np.ndarray:
    """Positions of the cells of a unit of the last level, in units of its radius."""
    *lower, name = names
    if not lower:
        return found[name].centre
    matrix = found[name].matrix
    assert matrix is not None
    own = cells(found, tuple(lower))
    return (found[name].centre[:, None] + np.einsum("ckl,nl->cnk", matrix, own)).reshape(-1, 2)


@pytest.mark.parametrize("hierarchy", [MODULE, FLOWER, MODULE.rooted("ROC")], ids=lambda h: h.root)
def test_cells_are_found_through_all_frames(hierarchy):
    """ROCs are turned against each other, but the same in every module: fixed maps give every position."""
    xy = unit_xy_cm(hierarchy)
    assert xy is not None
    found = frames(hierarchy, xy)
    np.testing.assert_allclose(cells(found, hierarchy.names) * found[hierarchy.root].radius_cm, xy - xy.mean(axis=0), atol=0.01)


def test_the_whole_prototype():
    detector = Detector.load("prototype")
    xy = np.tile(detector.layer_cell_xy, (detector.n_layers, 1))
    found = frames(detector.hierarchy, xy)
    layer = cells(found, detector.hierarchy.names[:-1]) * found["STAGE1"].radius_cm
    np.testing.assert_allclose(layer, detector.layer_cell_xy - detector.layer_cell_xy.mean(axis=0), atol=0.05)
    assert np.abs(found["STAGE2"].centre).max() < 1e-9
    assert [name for name, frame in found.items() if frame.stacked] == ["STAGE2"]
    np.testing.assert_allclose(found["STAGE2"].depth * detector.n_layers / 2, np.arange(detector.n_layers) - (detector.n_layers - 1) / 2)


def test_positions_inside_a_unit_stay_below_one():
    found = frames(FLOWER, unit_xy_cm(FLOWER))
    for i in range(1, 4):
        assert np.linalg.norm(cells(found, FLOWER.names[:i]), axis=1).max() == pytest.approx(1 / 1.02, rel=0.01)


def test_unknown_positions():
    assert frames(FLOWER, None) == {}


def test_frames_survive_json():
    for frame in frames(FLOWER, unit_xy_cm(FLOWER)).values():
        again = ChildFrame.from_dict(json.loads(json.dumps(frame.to_dict())))
        assert again.radius_cm == frame.radius_cm
        np.testing.assert_array_equal(again.centre, frame.centre)
        if frame.matrix is not None:
            np.testing.assert_array_equal(again.matrix, frame.matrix)
