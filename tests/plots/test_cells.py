from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import GeometryError
from hgcae.geometry import hexagons, module
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots.cells import layer_shapes, roc_outline, trigger_cells, unit_shapes


def area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def inside(point: np.ndarray, polygon: np.ndarray) -> bool:
    (x, y), (x1, y1), (x2, y2) = point, polygon.T, np.roll(polygon, -1, axis=0).T
    crosses = ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / np.where(y2 == y1, 1, y2 - y1))
    return bool(crosses.sum() % 2)


def test_trigger_cells_tile_the_wafer():
    wafer = np.sqrt(3) / 2 * module.WAFER_CM**2
    areas = np.array([area(cell) for cell in trigger_cells()])
    assert areas.sum() == pytest.approx(wafer, rel=1e-9)
    # Every cell is four sensor cells of the same size, smaller or larger only at the edge.
    assert np.median(areas) == pytest.approx(4 * np.sqrt(3) / 2 * 1.2012**2, rel=0.01)
    assert (areas > 0.6 * np.median(areas)).all()


def test_every_trigger_cell_holds_its_own_centre_only():
    centres = module.trigger_cell_xy()
    for i, cell in enumerate(trigger_cells()):
        assert [j for j in range(48) if inside(centres[j], cell)] == [i]


def test_no_cell_reaches_beyond_the_wafer():
    points = np.concatenate(trigger_cells())
    normals = hexagons.corners(1.0) @ np.array([[np.cos(np.pi / 6), np.sin(np.pi / 6)], [-np.sin(np.pi / 6), np.cos(np.pi / 6)]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    assert (points @ normals.T).max() == pytest.approx(module.WAFER_CM / 2, abs=1e-9)


def test_the_outline_of_a_roc_holds_its_sixteen_cells():
    assert area(roc_outline()) == pytest.approx(sum(area(cell) for cell in trigger_cells()[:16]), rel=1e-9)


@pytest.mark.parametrize(
    ("levels", "n", "outlines"),
    [({"ROC": (4, 4)}, 16, 1), ({"ROC": (4, 4), "MODULE": 3}, 48, 1), ({"ROC": (4, 4), "MODULE": 3, "TRIPLET": 3}, 144, 3)],
)
def test_shapes_of_units(levels, n, outlines):
    shapes = unit_shapes(Hierarchy.of(**levels))
    assert len(shapes.cells) == n
    assert len(shapes.outlines) == outlines
    low, high = shapes.box
    assert (high > low).all()


def test_shapes_of_a_layer(prototype):
    shapes = layer_shapes(prototype)
    assert len(shapes.cells) == 57 * 48
    np.testing.assert_allclose(shapes.outlines, prototype.outline_cm)


def test_other_roots_have_no_shape():
    with pytest.raises(GeometryError, match="expected a ROC, module, triplet or flower"):
        unit_shapes(Hierarchy.of(LINE=28, IMAGE=28))
