"""Quantities of showers, on showers whose metrics can be worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.toys import from_entries, scaled, toy_showers
from hgcae.errors import GeometryError
from hgcae.evaluate import shapes
from hgcae.evaluate.quantities import QUANTITIES
from hgcae.evaluate.shapes import fit_axis, shower_maximum, shower_shapes, shower_start
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.detector import Detector
from hgcae.truth import leading_particle

PROTOTYPE = Detector.load("prototype")


def cells_at(xy_cm, layer, gev) -> Events:
    """One event of the prototype with energies at points of layers."""
    layer, gev = np.asarray(layer), np.asarray(gev, dtype=float)
    cell = layer * PROTOTYPE.cells_per_layer + PROTOTYPE.locate(np.asarray(xy_cm))
    charge = gev * 1000 * ADC_PER_MIP / PROTOTYPE.layer_mev_per_mip[layer]
    return from_entries(PROTOTYPE.hierarchy, 1, np.zeros(len(cell), dtype=int), cell, charge)


def of(events: Events, name: str) -> float:
    return float(shower_shapes(events, PROTOTYPE).values[name][0])


class TestAPointShower:
    """The same cell of three layers: 2, 5 and 3 GeV; the axis is parallel to the beam."""

    POINT = PROTOTYPE.layer_cell_xy[20]
    EVENT = cells_at([POINT] * 3, [8, 9, 10], [2, 5, 3])

    def test_every_quantity_is_measured(self):
        assert set(shower_shapes(self.EVENT, PROTOTYPE).values) == set(QUANTITIES)

    def test_energy_and_place(self):
        assert of(self.EVENT, "energy_gev") == pytest.approx(10)
        for name in ("barycentre", "impact"):
            assert (of(self.EVENT, f"{name}_x_cm"), of(self.EVENT, f"{name}_y_cm")) == pytest.approx(tuple(self.POINT))
        z = np.average(PROTOTYPE.layer_z_cm[8:11], weights=[2, 5, 3])
        r = np.hypot(*self.POINT)
        assert of(self.EVENT, "pt_gev") == pytest.approx(10 * r / math.hypot(r, z))

    def test_depth(self):
        depth = np.cumsum(PROTOTYPE.layer_x0)[8:11] - PROTOTYPE.layer_x0[8:11] / 2
        mean = np.average(depth, weights=[2, 5, 3])
        assert of(self.EVENT, "mean_depth_x0") == pytest.approx(mean)
        assert of(self.EVENT, "depth_rms_x0") == pytest.approx(math.sqrt(np.average((depth - mean) ** 2, weights=[2, 5, 3])))
        assert of(self.EVENT, "shower_start_x0") == pytest.approx(depth[0])
        assert of(self.EVENT, "peak_fraction") == pytest.approx(0.5)
        assert of(self.EVENT, "rear_fraction") == of(self.EVENT, "front_fraction") == 0

    def test_it_has_no_width(self):
        for name in ("r50_mm", "r90_mm", "radius_rms_mm", "sigma_eta", "sigma_phi"):
            assert of(self.EVENT, name) == pytest.approx(0, abs=1e-6)


def test_two_points_across():
    """3 GeV on one side and 1 GeV on the other of each layer: the axis is at the log-weighted mean, the radii are those of the cells."""
    a, b = PROTOTYPE.layer_cell_xy[20], PROTOTYPE.layer_cell_xy[21]
    event = cells_at([a, b] * 3, np.repeat([8, 9, 10], 2), [3, 1] * 3)
    weight = 4.7 + np.log([0.75, 0.25])
    axis = (weight[0] * a + weight[1] * b) / weight.sum()
    radius = [10 * np.linalg.norm(p - axis) for p in (a, b)]
    assert of(event, "r50_mm") == pytest.approx(radius[0])
    assert of(event, "r90_mm") == pytest.approx(radius[1])
    assert of(event, "radius_rms_mm") == pytest.approx(math.sqrt(0.75 * radius[0] ** 2 + 0.25 * radius[1] ** 2))
    eta = np.arcsinh(PROTOTYPE.layer_z_cm[9] / np.hypot(*np.stack([a, b]).T))
    mean = np.average(eta, weights=weight)
    assert of(event, "sigma_eta") == pytest.approx(math.sqrt(np.average((eta - mean) ** 2, weights=weight)), rel=1e-2)


def test_an_inclined_line_is_found():
    z = np.array([0.0, 1.0, 2.0, 5.0])
    centre = np.stack([3 + 0.2 * z, -1 - 0.1 * z], axis=-1)[None]
    # A layer with less than a hundredth of the energy does not bend it.
    centre[0, 3] += 50
    axis = fit_axis(np.array([[0.4, 0.3, 0.295, 0.005]]), centre, z + 300)
    np.testing.assert_allclose(axis.impact_cm, [[3, -1]], atol=1e-12)
    np.testing.assert_allclose(axis.slope, [[0.2, -0.1]], atol=1e-12)
    assert axis.cosine[0] == pytest.approx(1 / math.sqrt(1.05))


def test_the_fit_is_weighted_with_energy():
    """By hand: points (0, 0), (1, 1), (2, 0) with weights 1, 2, 1 have the line x = 0.5."""
    centre = np.array([[[0.0, 0], [1, 0], [0, 0]]])
    axis = fit_axis(np.array([[0.25, 0.5, 0.25]]), centre, np.array([0.0, 1, 2]))
    np.testing.assert_allclose([axis.impact_cm[0, 0], axis.slope[0, 0]], [0.5, 0], atol=1e-12)


@given(st.floats(2, 9), st.floats(0.3, 0.8))
@settings(max_examples=25)
def test_the_maximum_of_an_exact_gamma_profile(a, b):
    edges = np.linspace(0, 28, 113)
    middle = (edges[1:] + edges[:-1]) / 2
    density = middle ** (a - 1) * np.exp(-b * middle)
    fraction = np.add.reduceat(density, np.arange(0, 112, 4))
    fraction /= fraction.sum()
    fine = np.arange(0.5, 28.5, 1)
    found = shower_maximum(fraction[None], fine[None], np.ones((1, 28)))
    assert found[0] == pytest.approx((a - 1) / b, abs=0.25)


def test_no_maximum():
    depth, thickness = np.linspace(1, 6, 6)[None], np.ones((1, 6))
    rising = np.array([[1, 2, 4, 8, 16, 32]]) / 63
    falling = rising[:, ::-1]
    one = np.array([[0, 0, 1.0, 0, 0, 0]])
    for fraction in (rising, falling, one, np.full((1, 6), np.nan)):
        assert np.isnan(shower_maximum(fraction, depth, thickness)).all()


def test_the_start_needs_three_layers():
    depth = np.arange(6.0)[None]
    assert np.isnan(shower_start(np.array([[9, 9, 0, 9, 9, 0.0]]), depth))
    assert shower_start(np.array([[9, 9, 0, 9, 9, 9.0]]), depth) == [3]
    assert shower_start(np.array([[9, 9, 9, 0, 0, 0.0]]), depth) == [0]


def test_what_is_not_known():
    """An empty event, and one with a single layer: no direction."""
    empty = Events.concatenate([cells_at([[95, 0]], [5], [1]), cells_at([[95, 0]], [5], [1])[:0]])
    nothing = replace(empty, offsets=np.array([0, 0]), cell=empty.cell[:0], charge=empty.charge[:0])
    values = shower_shapes(nothing, PROTOTYPE).values
    assert values["energy_gev"] == [0]
    assert all(np.isnan(value).all() for name, value in values.items() if name != "energy_gev")
    one = shower_shapes(empty, PROTOTYPE)
    assert np.isnan(one.values["eta"]).all()
    assert np.isnan(one.values["r50_mm"]).all()
    assert one.values["mean_depth_x0"] > 0


def test_pieces_change_nothing(monkeypatch):
    events = toy_showers(PROTOTYPE, 40)
    whole = shower_shapes(events, PROTOTYPE)
    monkeypatch.setattr(shapes, "piece_size", lambda n, entries: 7)
    parts = shower_shapes(events, PROTOTYPE)
    for name, values in whole.values.items():
        np.testing.assert_allclose(parts.values[name], values, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(parts.ring_fraction, whole.ring_fraction, rtol=1e-9)


@given(st.floats(0.01, 100))
@settings(max_examples=10)
def test_shapes_do_not_depend_on_the_scale_of_charges(factor):
    events = toy_showers(PROTOTYPE, 10)
    before, after = (shower_shapes(sample, PROTOTYPE).values for sample in (events, scaled(events, factor)))
    np.testing.assert_allclose(after["energy_gev"], factor * before["energy_gev"])
    # Where a shower starts is a matter of charge.
    for name in set(before) - {"energy_gev", "pt_gev", "shower_start_x0"}:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_against_the_truth(showers, prototype):
    """The toys' axis is known exactly; their width is an exponential of 12 mm in radius, so half of them lie within 20 mm."""
    values, truth = shower_shapes(showers, prototype).values, leading_particle(showers)
    np.testing.assert_allclose(np.median(values["impact_x_cm"] - truth["impact_x_cm"]), 0, atol=0.15)
    np.testing.assert_allclose(np.median(values["impact_y_cm"] - truth["impact_y_cm"]), 0, atol=0.15)
    assert np.std(values["impact_x_cm"] - truth["impact_x_cm"]) < 1.5
    assert 6 < np.median(values["r50_mm"]) < 20


def test_profiles_add_up(showers, prototype):
    found = shower_shapes(showers, prototype)
    np.testing.assert_allclose(found.layer_fraction.sum(axis=1), 1)
    assert (found.ring_fraction.sum(axis=1) <= 1 + 1e-9).all()


def test_events_of_another_detector(testbeam, showers):
    with pytest.raises(GeometryError):
        shower_shapes(showers, testbeam)
