"""The shipped detectors and those of a user's YAML: counts, places, order, refusals."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import yaml
from scipy.sparse.csgraph import connected_components

from hgcae import GeometryError, SettingsError
from hgcae.geometry import detector as geometry
from hgcae.geometry import hexagons, module
from hgcae.geometry.detector import (
    THICKNESS_CORRECTION,
    Detector,
    DetectorSettings,
    detector_from_dict,
    detector_of,
    detector_to_dict,
    shipped_detectors,
)
from hgcae.geometry.hierarchy import PROTOTYPE

SHIPPED = {"prototype": 82_080, "testbeam": 28 * 48}


def values(**changes) -> dict:
    """The settings of the test beam as plain values, with changes."""
    return Detector.load("testbeam").settings.model_dump(mode="json") | changes


@pytest.fixture(scope="module")
def prototype() -> Detector:
    return Detector.load("prototype")


def test_the_shipped_detectors_are_those_tested_here():
    assert shipped_detectors() == tuple(sorted(SHIPPED))


def test_the_prototype_has_the_levels_of_the_seed(prototype):
    assert prototype.hierarchy.to_dict() == PROTOTYPE.to_dict()


@pytest.mark.parametrize("name", SHIPPED)
class TestShipped:
    def test_counts(self, name):
        detector = Detector.load(name)
        assert detector.name == name
        assert detector.hierarchy.n_cells() == SHIPPED[name] == detector.n_layers * detector.cells_per_layer
        assert detector.layer_cell_xy.shape == (detector.cells_per_layer, 2)

    def test_every_trigger_cell_is_located_at_its_centre(self, name):
        detector = Detector.load(name)
        np.testing.assert_array_equal(detector.locate(detector.layer_cell_xy), np.arange(detector.cells_per_layer))

    def test_points_are_located_on_the_modules_and_nowhere_else(self, name):
        detector = Detector.load(name)
        rng = np.random.default_rng(4)
        points = np.array(detector.settings.centre_cm) + rng.uniform(-1.3, 1.3, (20_000, 2)) * detector.radius_cm
        found = detector.locate(points)
        axial = hexagons.containing(points - np.array(detector.lattice_origin_cm), module.PITCH_CM)
        modules = {tuple(hexagon): index for index, hexagon in enumerate(detector.module_axial.tolist())}
        expected = np.array([modules.get(tuple(hexagon), -1) for hexagon in axial.tolist()])
        np.testing.assert_array_equal(np.where(found < 0, -1, found // module.N_CELLS), expected)
        # At most the pitch away from the centre of the cell: the cells at the sensor's edge reach furthest.
        hit = found >= 0
        apart = np.linalg.norm(points[hit] - detector.layer_cell_xy[found[hit]], axis=1)
        assert apart.max() < 2.4023

    def test_the_modules_are_distinct_and_connected(self, name):
        axial = Detector.load(name).module_axial
        apart = hexagons.distance(axial[:, None], axial)
        assert (apart[~np.eye(len(axial), dtype=bool)] > 0).all()
        assert connected_components(apart == 1)[0] == 1

    def test_the_modules_surround_the_stated_centre(self, name):
        detector = Detector.load(name)
        first = detector.module_xy[: 3 if detector.settings.arrangement == "flower" else 1]
        np.testing.assert_allclose(first.mean(axis=0), detector.settings.centre_cm, atol=1e-9)
        reach = np.linalg.norm(detector.outline_cm - np.array(detector.settings.centre_cm), axis=-1)
        assert detector.radius_cm == reach.max()

    def test_layers_are_deep_in_order(self, name):
        detector = Detector.load(name)
        assert (np.diff(detector.layer_z_cm) > 0).all()
        assert detector.total_x0 == pytest.approx(sum(layer.x0 for layer in detector.settings.layers))
        assert detector.layer_x0.shape == detector.layer_lambda.shape == (detector.n_layers,)

    def test_a_mip_stands_for_the_weight_over_the_thickness_correction(self, name):
        detector = Detector.load(name)
        for value, layer in zip(detector.layer_mev_per_mip, detector.settings.layers, strict=True):
            assert value * THICKNESS_CORRECTION[layer.plane][layer.sensor_um] == pytest.approx(layer.dedx_mev)


class TestFlower:
    def test_three_modules_of_a_triplet_meet_in_one_corner(self, prototype):
        for triplet in prototype.module_axial.reshape(-1, 3, 2):
            corners = [hexagons.centre(axial, 1.0) + hexagons.corners(1.0) for axial in triplet]
            shared = [(a, b, c) for a, b, c in itertools.product(*corners) if np.allclose(a, b, atol=1e-9) and np.allclose(a, c, atol=1e-9)]
            assert len(shared) == 1
            # Counter-clockwise about that corner: positive area.
            (ax, ay), (bx, by), (cx, cy) = hexagons.centre(triplet, 1.0)
            assert (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) > 0

    def test_it_is_one_triplet_ringed_by_six_ringed_by_twelve(self, prototype):
        triplets = prototype.module_xy.reshape(19, 3, 2).mean(axis=1)
        apart = np.linalg.norm(triplets - triplets[0], axis=1) / (np.sqrt(3) * module.PITCH_CM)
        np.testing.assert_allclose(np.sort(apart), [0] + [1] * 6 + [np.sqrt(3)] * 6 + [2] * 6, atol=1e-9)
        assert (np.diff(np.round(apart)) >= 0).all()

    def test_the_flat_index_is_the_c_order_of_the_levels(self, prototype):
        layer, triplet, which, roc, row, column = index = (17, 11, 2, 1, 3, 0)
        flat = int(np.ravel_multi_index(index, prototype.hierarchy.shape))
        in_layer = flat - layer * prototype.cells_per_layer
        module_index, cell = divmod(in_layer, module.N_CELLS)
        assert module_index == 3 * triplet + which
        assert cell == module.calq(np.array([roc, row, column]))


class TestPublishedFigures:
    def test_the_prototype_carries_the_weights_of_cmssw(self, data_dir, prototype):
        weights = json.loads((data_dir / "geometry" / "HGCalRecHit_layer_weights.json").read_text())["weightsPerLayer_V16"]
        assert [layer.dedx_mev for layer in prototype.settings.layers] == weights[1:31]

    def test_the_testbeam_has_the_depths_of_its_stack(self, data_dir):
        stack = np.loadtxt(data_dir / "geometry" / "testbeam_oct2018_lengths.txt")[:28]
        detector = Detector.load("testbeam")
        np.testing.assert_allclose(detector.layer_z_cm, stack[:, 1] / 10, atol=1e-6)
        np.testing.assert_allclose(np.cumsum(detector.layer_x0), stack[:, 2], atol=1e-4)
        np.testing.assert_allclose(np.cumsum(detector.layer_lambda), stack[:, 3], atol=1e-4)


class TestOwnDetector:
    def test_a_yaml_file_round_trip(self, tmp_path):
        path = tmp_path / "mine.yaml"
        path.write_text(DetectorSettings.load(values(name="mine")).to_yaml())
        detector = Detector.load(path)
        assert detector.name == "mine"
        assert detector.settings == Detector.load("testbeam").settings.model_copy(update={"name": "mine"})

    @pytest.mark.parametrize(
        ("change", "unlike"),
        [({}, False), ({"centre_cm": [0.0, 0.1]}, True), ({"moliere_radius_cm": 2.81}, True), ({"missing": {"ROC": [3]}}, True)],
    )
    def test_the_fingerprint_tells_any_changed_figure(self, change, unlike):
        other = Detector(DetectorSettings.load(values(**change))).fingerprint()
        assert (other != Detector.load("testbeam").fingerprint()) is unlike

    def test_the_fingerprint_tells_a_changed_layer(self):
        plain = values()
        plain["layers"][5]["x0"] += 1e-5
        assert Detector(DetectorSettings.load(plain)).fingerprint() != Detector.load("testbeam").fingerprint()

    def test_missing_units_are_missing_in_the_hierarchy(self):
        detector = Detector(DetectorSettings.load(values(missing={"ROC": [0, 83], "MODULE": [7]})))
        absent = set(np.flatnonzero(~detector.hierarchy.present("CELL")).tolist())
        assert absent == set(range(16)) | set(range(83 * 16, 84 * 16)) | set(range(7 * 48, 8 * 48))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"arrangement": "square"}, "arrangement.*'square'"),
            ({"moliere_radius_cm": 0}, "moliere_radius_cm"),
            ({"centre_cm": [0.0, float("nan")]}, r"centre_cm\.1"),
            ({"layers": []}, "layers"),
            ({"layers": values()["layers"][::-1]}, "in order of z_cm"),
            ({"layers": [{"z_cm": 1.0, "x0": 1.0, "lambda_n": 0.1, "dedx_mev": 1.0, "sensor_um": 250}]}, r"layers\.0\.sensor_um"),
            ({"layers": [{"z_cm": 1.0, "x0": 1.0, "lambda_n": 0.1, "dedx_mev": 1.0, "plane": "CE-X"}]}, r"layers\.0\.plane"),
            ({"layers": [{"z_cm": 1.0, "x0": float("inf"), "lambda_n": 0.1, "dedx_mev": 1.0}]}, r"layers\.0\.x0"),
            ({"colour": "blue"}, "colour"),
        ],
    )
    def test_bad_settings_are_refused_by_name(self, tmp_path, change, message):
        path = tmp_path / "bad.yaml"
        path.write_text(yaml.safe_dump(values(**change)))
        with pytest.raises(SettingsError, match=message) as error:
            Detector.load(path)
        assert str(path) in str(error.value)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"levels": [["ROC", [4, 4]], ["MODULE", [3]], ["STAGE2", [27]]]}, "1296 trigger cells, 28 layers of 1 modules hold 1344"),
            ({"arrangement": "flower"}, "28 layers of 57 modules"),
            ({"missing": {"ROC": [84]}}, "missing units of ROC"),
            ({"missing": {"WAFER": [0]}}, "unknown level 'WAFER'"),
        ],
    )
    def test_levels_that_do_not_fit_are_refused(self, change, message):
        with pytest.raises(GeometryError, match=message):
            Detector(DetectorSettings.load(values(**change)))

    @pytest.mark.parametrize("name", ["mine", "prototype"])
    def test_a_file_that_describes_it_makes_it_known(self, monkeypatch, name):
        """In another process too, and whatever comes with the package under the same name."""
        own = Detector(DetectorSettings.load(values(name=name, centre_cm=[0.0, 1.0])))
        described = json.loads(json.dumps(detector_to_dict(own.identity)))
        monkeypatch.setattr(geometry, "_KNOWN", {})
        assert detector_from_dict(described) == own.identity
        found = detector_of(own.identity, "file")
        assert found is not None
        assert found is not own
        assert found.settings == own.settings

    def test_what_nothing_describes_is_not_known(self, monkeypatch):
        monkeypatch.setattr(geometry, "_KNOWN", {})
        assert detector_of(None, "file") is None
        assert detector_of(("mine", "0123"), "file") is None
        assert detector_of(detector_from_dict({"name": "mine", "fingerprint": "0123"}), "file") is None
        assert detector_to_dict(("mine", "0123")) == {"name": "mine", "fingerprint": "0123"}
        assert detector_to_dict(None) is None

    def test_one_that_comes_with_the_package_is_known_by_its_figures(self, monkeypatch):
        monkeypatch.setattr(geometry, "_KNOWN", {})
        prototype = Detector.load("prototype")
        found = detector_of((prototype.name, prototype.fingerprint()), "file")
        assert found is not None
        assert found.settings == prototype.settings
        with pytest.raises(SettingsError, match=r"events\.parquet: detector prototype has the fingerprint 0123"):
            detector_of(("prototype", "0123"), "events.parquet")

    def test_another_description_than_the_fingerprint_says_is_refused(self, monkeypatch):
        monkeypatch.setattr(geometry, "_KNOWN", {})
        described = {"name": "mine", "fingerprint": "0" * 16, "settings": values(name="mine")}
        with pytest.raises(GeometryError, match="detector mine: its settings have the fingerprint"):
            detector_from_dict(described)

    def test_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(SettingsError, match="unknown detector 'protoype', expected one of prototype, testbeam"):
            Detector.load("protoype")

    def test_an_absent_file_is_named(self, tmp_path):
        with pytest.raises(SettingsError, match=r"gone\.yaml: cannot be read"):
            Detector.load(tmp_path / "gone.yaml")
