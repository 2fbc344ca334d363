"""Tables of trigger cells: detectors, bare units, and layers that differ."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import GeometryError
from hgcae.evaluate.moments import moments
from hgcae.events import Events
from hgcae.geometry.cells import ADC_PER_MIP, CellTable
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy

PATCHES = Hierarchy.of(ROC=(2, 2), STACK=5)


def test_a_detector():
    detector = Detector.load("testbeam")
    table = CellTable.of(detector.hierarchy, detector)
    n = detector.cells_per_layer
    for layer in (0, 7, detector.n_layers - 1):
        cells = slice(layer * n, (layer + 1) * n)
        assert (table.layer[cells] == layer).all()
        np.testing.assert_array_equal(table.weight[cells], detector.layer_mev_per_mip[layer] / ADC_PER_MIP / 1000)
        np.testing.assert_array_equal(np.asarray(table.xy_cm)[cells], detector.layer_cell_xy)
        assert (np.asarray(table.sensor_um)[cells] == detector.settings.layers[layer].sensor_um).all()
    assert (table.n_layers, table.unit) == (detector.n_layers, "GeV")
    np.testing.assert_array_equal(table.missing, ~detector.hierarchy.present("CELL"))


def test_a_bare_unit_is_one_layer_of_counts():
    table = CellTable.of(Hierarchy.of(ROC=(4, 4), MODULE=3))
    assert (table.n_layers, table.unit, table.weight.tolist()) == (1, "ADC", [1.0] * 48)
    assert table.xy_cm is not None
    assert table.xy_cm.shape == (48, 2)


def test_layers_may_differ():
    """Two layers of 8 and 12 cells; energies and barycentres written out."""
    rng = np.random.default_rng(1)
    layer, xy = np.repeat([0, 1], [8, 12]), rng.normal(0, 5, (20, 2))
    weight = np.where(layer == 0, 0.5, 2.0) * rng.uniform(0.9, 1.1, 20)
    table = CellTable(PATCHES, layer, weight, "GeV", xy)
    charge = rng.integers(1, 100, (3, 20))
    found = moments(Events.from_dense(charge.reshape(3, *PATCHES.shape), PATCHES), table)
    energy = charge * weight
    expected = np.stack([energy[:, layer == k].sum(axis=1) for k in (0, 1)], axis=1)
    np.testing.assert_allclose(found.energy, expected)
    centres = np.stack([energy[:, layer == k] @ xy[layer == k] / expected[:, k, None] for k in (0, 1)], axis=1)
    np.testing.assert_allclose(np.asarray(found.centre_cm), centres)


@pytest.mark.parametrize(("layer", "xy"), [(np.zeros(19), None), (np.repeat([1, 0], 10), None), (np.zeros(20), np.zeros((19, 2)))])
def test_tables_that_do_not_fit(layer, xy):
    with pytest.raises(GeometryError, match="expected 20 cells of STACK in order of layers"):
        CellTable(PATCHES, layer, np.ones(20), "ADC", xy)
