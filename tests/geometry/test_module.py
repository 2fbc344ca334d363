"""The module's 48 trigger cells: numbering, positions, the raster; against the published tables where they are at hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label

from hgcae.geometry import hexagons, module

TRIGGER_CELL_PITCH_CM = 2.402366
"""Distance of neighbouring trigger cells: two sensor cells of the low-density module."""


def columns(path: Path, *names: str) -> np.ndarray:
    """Columns of a csv file as numbers: (rows, names)."""
    with path.open(encoding="utf-8") as stream:
        return np.array([[float(row[name]) for name in names] for row in csv.DictReader(stream)])


def in_wafer(points: np.ndarray) -> np.ndarray:
    """Which points (..., 2) lie on the silicon."""
    return (hexagons.containing(points, module.WAFER_CM) == 0).all(axis=-1)


@pytest.fixture(scope="module")
def raster_xy() -> np.ndarray:
    """Centre of every pixel of the raster, cm: (n, n, 2)."""
    raster = module.cell_map()
    axis = raster.origin_cm + (np.arange(len(raster.cell)) + 0.5) * raster.pixel_cm
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)


class TestPublishedTables:
    def test_uv(self, data_dir):
        table = columns(data_dir / "geometry" / "tcRemap.csv", "tc_cell_train", "tc_cellu", "tc_cellv")
        np.testing.assert_array_equal(module.UV, table[np.argsort(table[:, 0]), 1:])

    def test_positions(self, data_dir):
        table = columns(data_dir / "geometry" / "tc_uv_to_xy.csv", "tc_cellu", "tc_cellv", "tc_x", "tc_y")
        xy_of_uv = {(u, v): (x, y) for u, v, x, y in table}
        expected = np.array([xy_of_uv[u, v] for u, v in module.UV.tolist()])
        np.testing.assert_allclose(module.trigger_cell_xy(), expected, rtol=0, atol=1e-4)

    def test_premux_order(self, data_dir):
        table = columns(data_dir / "geometry" / "LDM_TC_Mapping.csv", "TC_Number", "TC_U", "TC_V", "ECON_TC_Number_PreMux").astype(int)
        table = table[np.argsort(table[:, 0])]
        np.testing.assert_array_equal(module.UV, table[:, 1:3])
        np.testing.assert_array_equal(module.PREMUX_OF_CALQ, table[:, 3])


def test_every_order_names_each_cell_once():
    assert len({tuple(uv) for uv in module.UV.tolist()}) == module.N_CELLS
    np.testing.assert_array_equal(np.sort(module.PREMUX_OF_CALQ), np.arange(module.N_CELLS))
    charge = np.random.default_rng(2).integers(0, 1000, module.N_CELLS)
    delivered = charge[module.CALQ_OF_PREMUX]
    np.testing.assert_array_equal(delivered[module.PREMUX_OF_CALQ], charge)


def test_calq_is_the_c_order_of_roc_row_and_column():
    numbers = np.arange(module.N_CELLS)
    split = module.roc_row_column(numbers)
    np.testing.assert_array_equal(module.calq(split), numbers)
    np.testing.assert_array_equal(split.T.reshape(3, *module.SHAPE), np.indices(module.SHAPE))


@pytest.mark.parametrize("axis", [1, 2], ids=["rows", "columns"])
def test_rows_and_columns_of_a_roc_are_neighbours(axis):
    xy = module.trigger_cell_xy().reshape(*module.SHAPE, 2)
    steps = np.linalg.norm(np.diff(xy, axis=axis), axis=-1)
    np.testing.assert_allclose(steps, TRIGGER_CELL_PITCH_CM, atol=1e-4)


def test_no_two_trigger_cells_overlap():
    xy = module.trigger_cell_xy()
    apart = np.linalg.norm(xy[:, None] - xy, axis=-1)[~np.eye(module.N_CELLS, dtype=bool)]
    # Across the border of two ROCs the centres come as near as the second neighbours of the sensor cells.
    assert apart.min() >= TRIGGER_CELL_PITCH_CM * np.sqrt(3) / 2


def test_a_third_of_a_turn_takes_each_roc_to_another():
    xy = module.trigger_cell_xy()
    turn = np.array([[-0.5, -np.sqrt(0.75)], [np.sqrt(0.75), -0.5]])
    apart = np.linalg.norm((xy @ turn.T)[:, None] - xy, axis=-1)
    # The published positions are centred on the module to 1 mm only, hence symmetric to less than a tenth of the pitch.
    assert apart.min(axis=1).max() < 0.1 * TRIGGER_CELL_PITCH_CM
    target = module.roc_row_column(apart.argmin(axis=1))
    np.testing.assert_array_equal(target[:, 0], np.repeat([2, 0, 1], 16))
    np.testing.assert_array_equal(target[:, 1:], module.roc_row_column(np.arange(48))[:, 1:])


def test_the_sensor_cells_surround_their_trigger_cell_on_half_its_pitch():
    sensor = module.sensor_cell_xy()
    np.testing.assert_allclose(sensor.mean(axis=1), module.trigger_cell_xy(), atol=1e-9)
    flat = sensor.reshape(-1, 2)
    assert in_wafer(flat).all()
    apart = np.linalg.norm(flat[:, None] - flat, axis=-1) + 9 * np.eye(len(flat))
    # The published positions put the ROCs up to 1 mm off a common lattice.
    assert apart.min(axis=1) == pytest.approx(TRIGGER_CELL_PITCH_CM / 2, abs=0.1)


class TestCellMap:
    def test_each_cell_takes_its_share_of_the_silicon(self, raster_xy):
        raster = module.cell_map()
        area = np.bincount(raster.cell[in_wafer(raster_xy)], minlength=module.N_CELLS) * raster.pixel_cm**2
        assert area.sum() == pytest.approx(module.WAFER_CM**2 * np.sqrt(3) / 2, rel=1e-3)
        # Four hexagons on half the pitch; only the sensor's edge cuts some and leaves others more.
        inner = module.roc_row_column(np.arange(module.N_CELLS))[:, 1:]
        inside = ((inner > 0) & (inner < 3)).all(axis=1)
        whole = TRIGGER_CELL_PITCH_CM**2 * np.sqrt(3) / 2
        np.testing.assert_allclose(area[inside], whole, rtol=0.015)
        np.testing.assert_allclose(area, whole, rtol=0.12)

    def test_the_region_of_each_roc_is_one_piece(self, raster_xy):
        roc = np.where(in_wafer(raster_xy), module.cell_map().cell // 16, -1)
        pieces = [label(roc == number, output=np.empty_like(roc)) for number in range(3)]
        assert pieces == [1, 1, 1]

    def test_a_pixel_belongs_to_the_nearest_sensor_cell(self, raster_xy):
        rng = np.random.default_rng(3)
        raster = module.cell_map()
        i, j = rng.integers(0, len(raster.cell), (2, 500))
        sensor = module.sensor_cell_xy()
        apart = np.linalg.norm(raster_xy[i, j][:, None, None] - sensor, axis=-1).min(axis=-1)
        np.testing.assert_array_equal(raster.cell[i, j], apart.argmin(axis=1))

    def test_it_covers_the_whole_module(self):
        raster = module.cell_map()
        reach = np.abs(hexagons.corners(module.WAFER_CM)).max()
        assert raster.origin_cm < -reach
        assert raster.origin_cm + len(raster.cell) * raster.pixel_cm > reach
