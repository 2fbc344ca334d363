"""The geometry of the full simulation: the detector's depths in slabs that do not overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hgcae.errors import GeometryError
from hgcae.geometry.detector import Detector
from hgcae.simulate.slabs import depth_table, slabs


def changed(detector: Detector, **values) -> Detector:
    layers = detector.settings.layers
    return Detector(detector.settings.model_copy(update={"layers": (layers[0], layers[1].model_copy(update=values), *layers[2:])}))


@pytest.mark.parametrize("name", ["prototype", "testbeam"])
class TestShipped:
    def test_depths_are_those_of_the_detector(self, name):
        detector = Detector.load(name)
        plates = slabs(detector)
        assert sum(plate.x0 for plate in plates) == pytest.approx(detector.total_x0)
        pairs = [absorber.x0 + silicon.x0 for absorber, silicon in zip(plates[::2], plates[1::2], strict=True)]
        np.testing.assert_allclose(pairs, [layer.x0 for layer in detector.settings.layers])

    def test_slabs_follow_each_other_without_overlap(self, name):
        for before, after in pairwise(slabs(Detector.load(name))):
            assert after.front_cm >= before.back_cm - 1e-9

    def test_silicon_is_where_the_layers_are(self, name):
        detector = Detector.load(name)
        silicon = [plate for plate in slabs(detector) if plate.layer is not None]
        assert [plate.layer for plate in silicon] == list(range(detector.n_layers))
        np.testing.assert_allclose([plate.z_cm for plate in silicon], detector.layer_z_cm)
        assert [plate.thickness_cm for plate in silicon] == pytest.approx([0.03] * len(silicon))

    def test_the_depth_table_rises_to_the_whole_depth(self, name):
        detector = Detector.load(name)
        z, depth = depth_table(slabs(detector))
        assert (np.diff(z) >= -1e-9).all()
        assert (np.diff(depth) >= 0).all()
        assert depth[0] == 0
        assert depth[-1] == pytest.approx(detector.total_x0)


def test_planes_have_their_absorbers():
    plates = slabs(Detector.load("prototype"))
    assert {plate.material for plate in plates[:52:2]} == {"G4_Pb"}
    assert {plate.material for plate in plates[52::2]} == {"G4_Fe"}
    assert len({plate.name for plate in plates}) == 60


def test_material_that_does_not_fit_is_refused():
    with pytest.raises(GeometryError, match="absorber_1"):
        slabs(changed(Detector.load("testbeam"), x0=3.0))


def test_less_material_than_the_silicon_is_refused():
    with pytest.raises(GeometryError, match="layer 1"):
        slabs(changed(Detector.load("testbeam"), x0=0.001))
