from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import emptied, from_entries, scaled, toy_showers
from hgcae.errors import DataFormatError
from hgcae.evaluate.moments import moments
from hgcae.evaluate.position import axis_distance, barycentre_shift, layer_barycentre_rms_mm, layer_profile_error
from hgcae.evaluate.statistics import Bootstrap
from hgcae.geometry import module
from hgcae.geometry.cells import CellTable
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_xy_cm
from hgcae.truth import axis_xy_cm, border_distance_cm, contained, leading_particle

EDGES = (1, 100, 500)
MODULE = Hierarchy.of(ROC=(4, 4), MODULE=3)


def module_events(*cells_and_charges):
    event = np.repeat(np.arange(len(cells_and_charges)), [len(x) for x in cells_and_charges])
    cell, charge = np.array([pair for x in cells_and_charges for pair in x]).T
    return from_entries(MODULE, len(cells_and_charges), event, cell.astype(int), charge)


def test_barycentre_of_two_cells():
    xy = module.trigger_cell_xy()
    found = moments(module_events([(3, 10.0), (20, 30.0)]), CellTable.of(MODULE)).barycentre_cm
    assert found is not None
    np.testing.assert_allclose(found[0], (xy[3] + 3 * xy[20]) / 4)


def test_log_weights_drop_small_cells_and_flatten_large_ones():
    result = moments(module_events([(3, 100.0), (20, 50.0), (40, 0.5)]), CellTable.of(MODULE)).log_centre_cm
    xy = module.trigger_cell_xy()
    w = 4.7 + np.log(np.array([100, 50]) / 150.5)
    assert result is not None
    np.testing.assert_allclose(result[0, 0], (w[0] * xy[3] + w[1] * xy[20]) / w.sum())


def test_scaling_moves_nothing(showers, prototype):
    frame = CellTable.of(showers.hierarchy, prototype)
    before, after = moments(showers, frame), moments(scaled(showers, 0.5), frame)
    shift = barycentre_shift(before, after, showers.true_energy_gev, EDGES, 20, Bootstrap(5))
    assert shift is not None
    assert shift["per_axis"]["all"]["rms"] == pytest.approx(0, abs=1e-9)
    assert shift["per_axis"]["all"]["n"] == 600
    rms, covered = layer_barycentre_rms_mm(before, after)
    np.testing.assert_allclose(rms, 0, atol=1e-9)
    np.testing.assert_allclose(covered, 1)
    np.testing.assert_allclose(layer_profile_error(before, after), 0.5)


def test_a_known_displacement_is_found_per_axis():
    # Moving all charge from cell 0 to cell 1 moves the barycentre by the distance of their centres.
    step = 10 * (module.trigger_cell_xy()[1] - module.trigger_cell_xy()[0])
    n = 12
    before = moments(module_events(*[[(0, 5.0)]] * n), CellTable.of(MODULE))
    after = moments(module_events(*[[(1, 5.0)]] * n), CellTable.of(MODULE))
    shift = barycentre_shift(before, after, None, EDGES, 20, Bootstrap(5))
    assert shift is not None
    assert shift["x"]["all"]["mean"] == pytest.approx(step[0])
    assert shift["y"]["all"]["mean"] == pytest.approx(step[1])
    assert shift["per_axis"]["all"]["rms"] == pytest.approx(np.sqrt((step**2).sum() / 2))
    np.testing.assert_allclose(layer_barycentre_rms_mm(before, after)[0], np.sqrt((step**2).sum() / 2))


def test_layer_errors_weigh_with_energy_and_skip_lost_layers(testbeam):
    size, n = testbeam.cells_per_layer, 1
    xy = testbeam.layer_cell_xy
    weight = testbeam.layer_mev_per_mip

    def event(entries):
        layer, cell, charge = np.array(entries).T
        return from_entries(testbeam.hierarchy, n, np.zeros(len(layer), int), (layer * size + cell).astype(int), charge)

    true = event([(0, 5, 10.0), (1, 5, 30.0), (2, 5, 60.0)])
    decoded = event([(0, 6, 10.0), (1, 5, 40.0)])
    frame = CellTable.of(testbeam.hierarchy, testbeam)
    before, after = moments(true, frame), moments(decoded, frame)
    energy = weight[:3] * [10, 30, 60]
    rms, covered = layer_barycentre_rms_mm(before, after)
    distance2 = 100 * ((xy[6] - xy[5]) ** 2).sum()
    assert rms[0] == pytest.approx(np.sqrt(energy[0] * distance2 / 2 / (energy[0] + energy[1])))
    assert covered[0] == pytest.approx(energy[:2].sum() / energy.sum())
    assert layer_profile_error(before, after)[0] == pytest.approx((10 * weight[1] + energy[2]) / energy.sum())


def test_empty_events_are_undefined_and_counted(showers, prototype):
    frame = CellTable.of(showers.hierarchy, prototype)
    lost = emptied(showers, 4)
    shift = barycentre_shift(moments(showers, frame), moments(lost, frame), showers.true_energy_gev, EDGES, 20, Bootstrap(5))
    assert shift is not None
    assert shift["x"]["all"]["undefined"] == 1
    assert layer_profile_error(moments(showers, frame), moments(lost, frame))[4] == pytest.approx(1)
    assert np.isnan(layer_profile_error(moments(lost, frame), moments(showers, frame))[4])


def test_unknown_geometry_has_no_position():
    pixels = Hierarchy.of(CELLROW=7, IMAGE=5)
    events = from_entries(pixels, 2, np.array([0, 1]), np.array([3, 30]), np.array([1.0, 2.0]))
    sample = moments(events, CellTable.of(pixels))
    assert sample.barycentre_cm is None
    assert barycentre_shift(sample, sample, None, EDGES, 20, Bootstrap(5)) is None
    assert np.isnan(layer_barycentre_rms_mm(sample, sample)[0]).all()


@pytest.mark.parametrize(
    ("levels", "n"), [({"ROC": (4, 4)}, 16), ({"ROC": (4, 4), "MODULE": 3}, 48), ({"ROC": (4, 4), "MODULE": 3, "TRIPLET": 3}, 144)]
)
def test_bare_units_are_centred_and_keep_the_cell_pitch(levels, n):
    xy = unit_xy_cm(Hierarchy.of(**levels))
    assert xy is not None
    assert xy.shape == (n, 2)
    assert np.abs(xy.mean(axis=0)).max() < 0.2
    nearest = np.sort(np.linalg.norm(xy[:, None] - xy, axis=2), axis=1)[:, 1]
    assert nearest.min() > 1.5
    assert nearest.max() < 2.5


def test_a_flower_is_the_prototype_layer_about_its_centre(prototype):
    levels = dict(zip(prototype.hierarchy.names[:4], [level.shape for level in prototype.hierarchy.levels[:4]], strict=True))
    xy = unit_xy_cm(Hierarchy.of(**levels))
    assert xy is not None
    np.testing.assert_allclose(xy - xy[0], prototype.layer_cell_xy - prototype.layer_cell_xy[0], atol=1e-9)


def test_the_true_axis_is_met(prototype):
    events = toy_showers(prototype, 400, spots=800)
    frame = CellTable.of(events.hierarchy, prototype)
    axis = axis_xy_cm(events, prototype.layer_z_cm, float(prototype.layer_z_cm[0]))
    samples = {"uncompressed": moments(events, frame)}
    metrics = axis_distance(samples, axis, events.particles["energy_gev"], EDGES, 20, Bootstrap(50))["uncompressed"]
    for name in ("x", "y"):
        above = metrics[name]["above"]
        assert abs(above["mean"]) < 4 * above["mean_error"] + 0.3
        assert above["rms"] < 3.0  # 800 points of an exponential core of 12 mm


def test_axis_needs_impact_and_momentum(showers):
    bare = replace(showers, particles={"energy_gev": showers.particles["energy_gev"]})
    with pytest.raises(DataFormatError, match="no impact_x_cm"):
        axis_xy_cm(bare, np.zeros(1), 0.0)


def test_distance_to_the_border_of_one_module(testbeam):
    apothem = module.PITCH_CM / 2
    points = np.array([(0.0, 0.0), (apothem - 1, 0.0), (apothem + 2, 0.0), (0.0, 2 * apothem / np.sqrt(3) + 3)])
    np.testing.assert_allclose(border_distance_cm(points, testbeam), [apothem, 1, -2, -3], atol=1e-9)


def test_distance_to_the_border_ignores_seams_between_modules(prototype):
    inner = prototype.module_xy[:21].mean(axis=0)
    assert border_distance_cm(inner, prototype) > module.PITCH_CM
    corners = prototype.outline_cm.reshape(-1, 2)
    assert np.abs(border_distance_cm(corners, prototype)).min() < module.GAP_CM


def test_containment_follows_the_axis_to_the_back(testbeam):
    depth = testbeam.layer_z_cm[-1] - testbeam.layer_z_cm[0]
    particles = {
        "energy_gev": np.full(4, 10.0),
        "impact_x_cm": np.array([0.0, 0.0, 6.0, 0.0]),
        "impact_y_cm": np.zeros(4),
        "px_gev": np.array([0.0, 10 * 6.0 / depth, 0.0, 0.0]),
        "py_gev": np.zeros(4),
        "pz_gev": np.array([10.0, 10.0, 10.0, -10.0]),
    }
    events = from_entries(testbeam.hierarchy, 4, np.arange(4), np.zeros(4, int), np.ones(4))
    events = replace(events, particles=particles, particle_offsets=np.arange(5))
    np.testing.assert_array_equal(contained(events, testbeam, 3.0), [True, False, False, False])
    np.testing.assert_array_equal(contained(events, testbeam, 1.0), [True, True, True, False])
    np.testing.assert_array_equal(contained(events, testbeam), [True, False, False, False])


def test_leading_particle_and_summed_energy():
    events = replace(
        module_events([(0, 1.0)], [(0, 1.0)], [(0, 1.0)]),
        particles={"energy_gev": np.array([3.0, 9.0, 4.0]), "px_gev": np.array([0.0, 3.0, 1.0]), "py_gev": np.array([0.0, 4.0, 0.0])},
        particle_offsets=np.array([0, 2, 2, 3]),
    )
    truth = leading_particle(events)
    np.testing.assert_array_equal(truth["energy_gev"], [9.0, np.nan, 4.0])
    np.testing.assert_array_equal(truth["pt_gev"], [5.0, np.nan, 1.0])
    np.testing.assert_array_equal(events.true_energy_gev, [12.0, 0.0, 4.0])
    assert leading_particle(replace(events, particle_offsets=None, particles={})) == {}
    assert replace(events, particle_offsets=None, particles={}).true_energy_gev is None
