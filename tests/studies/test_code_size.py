"""The parts of a scan: its plan, the codes that points share, and the one level that a point trains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hgcae.errors import SettingsError
from hgcae.geometry.detector import Detector
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings
from hgcae.simulate import GunSettings
from hgcae.studies.code_size import plan as plans
from hgcae.studies.code_size.data import LevelData, stage_of
from hgcae.studies.code_size.frozen import FrozenModel, known_codes
from hgcae.studies.code_size.plan import Grid, LowerGrid, ScanSettings, make_sample, plan
from model.toys import autoencoder, plain_settings, sum_errors

GUN = GunSettings(energy_gev=(30, 300), radius_cm=0.5)
SETTINGS = ScanSettings(samples={"electron": GUN}, n_train=30, n_test=12, epochs=0.02, root=Grid(latent=(2, 5), seeds=2))


@pytest.fixture(scope="module")
def base() -> FrozenModel:
    detector = Detector.load("testbeam")
    hierarchy = detector.hierarchy
    levels = {
        name: ConservingSettings(latent=4 + i, bits=7 + i, encoder=(8,), decoder=(8,), depth=name == hierarchy.root)
        for i, name in enumerate(hierarchy.names)
    }
    measured = Calibration({"ROC": 1e5, "MODULE": 1e5, "STAGE2": 1e6}, 5.0, 1.0, tuple(detector.layer_mev_per_mip))
    positions = frames(hierarchy, root_xy_cm(hierarchy, detector))
    named = (detector.name, detector.fingerprint())
    model = Autoencoder(hierarchy, ModelSettings(preset="l1", levels={**levels}), measured, positions, 1, named)
    return FrozenModel(model, "0123456789abcdef", detector)


@pytest.fixture(scope="module")
def folder(base, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scan")
    make_sample(SETTINGS, "electron", base.detector, path)
    return path


@pytest.fixture(scope="module")
def data(base, folder) -> LevelData:
    return LevelData.load(base, "electron", "STAGE2", folder)


class TestPlan:
    def test_sizes(self):
        sizes = Grid().sizes()
        assert len(sizes) == len(set(sizes)) == 22
        assert {(1, 9, False), (2, 9, False), (3, 9, True), (3, 9, False), (16, 9, True), (8, 3, True)} <= set(sizes)

    def test_other_samples_may_be_scanned_more_sparsely(self, base):
        few = Grid(latent=(2, 8), bits=(), corners=(), learned=(), seeds=1)
        settings = SETTINGS.model_copy(update={"samples": {"electron": GUN, "other": GUN}, "others_root": few, "levels": ("STAGE2",)})
        points = plan(settings, base, "evaluation")
        assert [p for p in points if p.sample == "electron"] == plan(
            settings.model_copy(update={"samples": {"electron": GUN}}), base, "evaluation"
        )
        assert [(p.latent, p.bits, p.seed) for p in points if p.sample == "other"] == [(2, 9, 1), (8, 9, 1)]

    def test_so_may_their_lower_levels(self, base):
        few = LowerGrid(latent=(4,), bits=(), seeds=1)
        settings = SETTINGS.model_copy(
            update={"samples": {"electron": GUN, "other": GUN}, "others_lower": few, "levels": ("ROC", "MODULE")}
        )
        points = plan(settings, base, "evaluation")
        assert [(p.level, p.latent, p.seed) for p in points if p.sample == "other"] == [("ROC", 4, 1), ("MODULE", 4, 1)]
        electrons = [p for p in points if p.sample == "electron"]
        assert len(electrons) == 2 * len(LowerGrid().sizes()) * LowerGrid().seeds

    def test_the_default(self, base):
        points = plan(ScanSettings(), base, "evaluation")
        assert len({point.fingerprint() for point in points}) == len(points)
        of_root = [point for point in points if point.level == "STAGE2"]
        assert len(of_root) == 4 * 22 * 3
        assert len(points) - len(of_root) == 4 * 2 * 9 * 3
        # First seeds first, so that an unfinished scan says something.
        assert [point.seed for point in of_root[:44]] == [1] * 22 + [2] * 22

    def test_only_what_decides_the_result_is_in_a_name(self, base):
        one, other = (plan(s, base, "evaluation") for s in (SETTINGS, SETTINGS.model_copy(update={"copies": 3, "intrinsic_points": 500})))
        assert one == other
        changed = [{"n_test": 13}, {"epochs": 1.0}, {"seed": 21}, {"samples": {"electron": GUN.model_copy(update={"radius_cm": 1.0})}}]
        names = {point.fingerprint() for point in one}
        for update in changed:
            assert not names & {point.fingerprint() for point in plan(SETTINGS.model_copy(update=update), base, "evaluation")}, update
        assert not names & {point.fingerprint() for point in plan(SETTINGS, base, "another")}
        assert not names & {point.fingerprint() for point in plan(SETTINGS, replace(base, checksum="f"), "evaluation")}


class TestCodes:
    def test_they_are_those_of_the_model(self, base, folder, data):
        assert data.below[1] is not None
        expected = base.model.encode_events(data.test, "MODULE")
        np.testing.assert_array_equal(data.below[1].code, expected.code)
        np.testing.assert_array_equal(data.below[1].unit, expected.unit)
        assert {path.name for path in (folder / "codes").iterdir()} == {
            f"electron-{part}-{level}.npz" for part in ("train", "test") for level in ("ROC", "MODULE")
        }

    def test_they_are_made_once_and_again_where_damaged_or_of_another_model(self, base, data, tmp_path, monkeypatch):
        path = tmp_path / "electron-test-ROC.npz"
        first = known_codes(base, data.test, "ROC", path)
        made = path.stat().st_mtime_ns
        known_codes(base, data.test, "ROC", path)
        assert path.stat().st_mtime_ns == made
        path.write_bytes(path.read_bytes()[:-100])
        np.testing.assert_array_equal(known_codes(base, data.test, "ROC", path).code, first.code)
        again = path.read_bytes()
        known_codes(replace(base, checksum="f"), data.test, "ROC", path)
        assert path.read_bytes() != again


class TestTraining:
    def test_the_length(self, base):
        whole, part = (stage_of(base.model.hierarchy, "STAGE2", epochs) for epochs in (3, 0.02))
        assert (whole.epochs, whole.steps) == (1, 3 * 650)
        assert part.steps == 13
        assert whole.compare == "children"

    def test_one_level_learns_and_all_below_stay(self, base, data):
        before = files.weight_arrays(base.model)
        point = plan(SETTINGS, base, "evaluation")[1]
        assert (point.latent, point.bits) == (5, 9)
        seen: list[float] = []
        model, loss = data.train_level(point, seen.append)
        assert np.isfinite(loss)
        assert seen == pytest.approx(np.arange(1, 14) / 13)
        assert model.levels["MODULE"] is base.model.levels["MODULE"]
        after = files.weight_arrays(base.model)
        assert all(np.array_equal(before[key], after[key]) for key in before)
        _, test = data.encode(model)
        assert test.code.shape == (12, 5)
        grid = test.code[:, 1:] * 2**8
        assert (grid == np.round(grid)).all()
        decoded = model.decode_codes(test)
        assert len(decoded) == 12
        weight = np.repeat(base.detector.layer_mev_per_mip, base.detector.cells_per_layer)
        sums = [events.unit_sums("STAGE2", weight).ravel() for events in (data.test, decoded)]
        assert (np.abs(sums[1] / sums[0] - 1) < 5 * sum_errors(model, data.test, "STAGE2", weight)).all()

    def test_seeds_differ_and_repeat(self, base, data):
        points = [p for p in plan(SETTINGS, base, "evaluation") if p.latent == 5 and p.bits == 9 and p.barycentre]
        assert [p.seed for p in points] == [1, 2]
        losses = [data.train_level(point)[1] for point in (points[0], points[0], points[1])]
        assert losses[0] == losses[1] != losses[2]

    @pytest.mark.parametrize(("latent", "coordinates"), [(1, 0), (2, 0), (3, 2), (4, 3)])
    def test_as_much_of_the_barycentre_as_there_is_room_for(self, base, data, latent, coordinates):
        point = plan(SETTINGS.model_copy(update={"root": Grid(latent=(latent, 8), learned=())}), base, "evaluation")[0]
        assert (point.latent, point.barycentre, point.depth) == (latent, latent >= 3, latent >= 4)
        model, _ = data.train_level(point)
        assert data.encode(model)[1].code.shape == (12, latent)
        assert len(model.settings.levels["STAGE2"].coordinates) == coordinates

    def test_codes_without_a_barycentre(self, base, data):
        point = next(p for p in plan(SETTINGS, base, "evaluation") if p.latent == 4 and not p.barycentre)
        model, _ = data.train_level(point)
        assert model.settings.levels["STAGE2"].coordinates == ()


class TestBase:
    def test_a_saved_run(self, base, tmp_path):
        files.save(base.model, tmp_path / "model")
        found = FrozenModel.load(tmp_path)
        assert found.detector.name == "testbeam"
        assert found.checksum == FrozenModel.load(tmp_path).checksum

    def test_units_of_no_detector(self, tmp_path):
        files.save(autoencoder(plain_settings()), tmp_path / "model")
        with pytest.raises(SettingsError, match="detector"):
            FrozenModel.load(tmp_path)


def test_a_name_that_is_no_file():
    with pytest.raises(SettingsError, match="no name for a file"):
        ScanSettings.load({"samples": {"../x": {}}})


def test_the_samples_are_made_once(base, folder, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(plans, "simulate", never)
    make_sample(SETTINGS, "electron", base.detector, folder)
