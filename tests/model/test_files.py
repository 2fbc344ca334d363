from __future__ import annotations

import copy
import json
import pathlib
import shutil
from contextlib import suppress

import numpy as np
import pytest

import hgcae
from contracts.sealed import damaged
from hgcae.errors import DataFormatError, HgcaeError
from hgcae.geometry import detector as detectors
from hgcae.geometry.detector import Detector
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.heads import Heads
from hgcae.model.training_data import TrainingData
from model.toys import MODULE, autoencoder, conserving_settings


@pytest.fixture(scope="module")
def small() -> Autoencoder:
    return autoencoder(conserving_settings(MODULE), MODULE)


@pytest.fixture
def saved(small, tmp_path) -> pathlib.Path:
    files.save(small, tmp_path / "run" / "model")
    return tmp_path / "run" / "model"


def arrays_of(model: Autoencoder) -> dict[str, np.ndarray]:
    return files.weight_arrays(model) | model.heads.arrays()


def assert_equal_arrays(found: Autoencoder, expected: Autoencoder) -> None:
    mine, theirs = arrays_of(found), arrays_of(expected)
    assert set(mine) == set(theirs)
    for name, values in theirs.items():
        np.testing.assert_array_equal(mine[name], values)


def changed(model: Autoencoder) -> Autoencoder:
    """A model with other weights."""
    other = autoencoder(model.settings, model.hierarchy, seed=9)
    assert (arrays_of(other)["ROC/encoder/0"] != arrays_of(model)["ROC/encoder/0"]).any()
    return other


def edit(folder: pathlib.Path, change) -> None:
    """Changes the header, as somebody would who knows its fingerprint."""
    header = json.loads((folder / "model.json").read_text())
    header.pop("fingerprint")
    change(header)
    (folder / "model.json").write_text(json.dumps(header | {"fingerprint": files._identity(header)}))


class TestRoundTrip:
    def test_a_loaded_model_is_the_same(self, model, events, tmp_path):
        model = copy.copy(model)
        model.heads = Heads()
        codes = model.encode_events(events, "STACK")
        model.heads.fit(model, events, {"STACK": codes})
        files.save(model, tmp_path / "run" / "model")
        for loaded in (files.load(tmp_path / "run"), hgcae.load(tmp_path / "run" / "model")):
            assert (loaded.hierarchy, loaded.settings, loaded.calibration) == (model.hierarchy, model.settings, model.calibration)
            assert (loaded.detector, loaded.conserves_charge) == (model.detector, model.conserves_charge)
            assert_equal_arrays(loaded, model)
        again = loaded.encode_events(events, "STACK")
        np.testing.assert_array_equal(again.code, codes.code)
        np.testing.assert_array_equal(loaded.heads.energies(loaded, again), model.heads.energies(model, codes))

    def test_two_files(self, saved):
        assert sorted(path.suffix for path in saved.iterdir()) == [".json", ".npz"]

    def test_saving_twice_writes_the_same(self, small, saved):
        before = {path.name: path.read_bytes() for path in saved.iterdir()}
        files.save(files.load(saved), saved)
        assert {path.name: path.read_bytes() for path in saved.iterdir()} == before

    def test_nothing_fitted_and_no_detector(self, tmp_path, small):
        files.save(small, tmp_path)
        loaded = files.load(tmp_path)
        assert loaded.heads == Heads()


class TestFingerprint:
    def test_it_is_that_of_the_file(self, small, saved):
        assert files.model_fingerprint(small) == json.loads((saved / "model.json").read_text())["fingerprint"]
        assert files.model_fingerprint(files.load(saved)) == files.model_fingerprint(small)

    def test_weights_heads_and_data_count(self, small):
        others = [changed(small), copy.copy(small), copy.copy(small)]
        others[1].heads = Heads(energy={"ROC": {"scale": np.ones(1)}})
        others[2].trained_on = TrainingData("0", [0, 3], [3, 4], None)
        assert len({files.model_fingerprint(model) for model in (small, *others)}) == 4

    def test_what_it_was_trained_on_comes_back(self, small, tmp_path):
        model = copy.copy(small)
        model.trained_on = TrainingData("0123", [0, 90], [90, 100], "MODULE")
        files.save(model, tmp_path)
        assert files.load(tmp_path).trained_on == model.trained_on

    def test_a_detector_that_becomes_known_changes_nothing(self, small, monkeypatch, tmp_path):
        own = Detector(Detector.load("testbeam").settings.model_copy(update={"name": "mine"}))
        model = copy.copy(small)
        model.detector = ("mine", own.fingerprint())
        before = files.model_fingerprint(model)
        monkeypatch.setattr(detectors, "_KNOWN", {own.fingerprint(): own})
        assert files.model_fingerprint(model) == before
        files.save(model, tmp_path)
        monkeypatch.setattr(detectors, "_KNOWN", {})
        assert files.load(tmp_path).detector == model.detector
        found = detectors.detector_of(model.detector, tmp_path)
        assert found is not None
        assert found.settings == own.settings

    def test_no_damage_of_its_description_is_used(self, small, tmp_path):
        model = copy.copy(small)
        model.detector = Detector.load("testbeam").identity
        files.save(model, tmp_path)
        content = (tmp_path / "model.json").read_text()
        for text in ("2.8", "testbeam", "300", "CE-E"):
            assert text in content
            (tmp_path / "model.json").write_text(content.replace(text, text.swapcase() if text.isalpha() else text[:-1] + "5"))
            with pytest.raises(HgcaeError, match="fingerprint"):
                files.load(tmp_path)


class TestDamage:
    def test_no_damage_of_the_weights_is_used(self, saved):
        path = next(saved.glob("*.npz"))
        for content in damaged(path.read_bytes(), every=101):
            path.write_bytes(content)
            with pytest.raises(DataFormatError, match="SHA-256"):
                files.load_weights(saved)

    def test_any_flipped_byte_of_the_header_is_noticed(self, saved):
        path = saved / "model.json"
        content = path.read_bytes()
        rng = np.random.default_rng(0)
        for position in (0, len(content) - 1, *rng.integers(0, len(content), 200)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            if flipped.lower() == content.lower() and json_or_none(flipped) == json.loads(content):
                continue  # 1e-5 and 1E-5
            with pytest.raises(DataFormatError, match=r"model\.json"):
                files.load(saved)

    @pytest.mark.parametrize("end", [0, 100, -1])
    def test_a_file_that_ends_early(self, saved, end):
        for path in list(saved.iterdir()):
            content = path.read_bytes()
            path.write_bytes(content[:end])
            with pytest.raises(DataFormatError):
                files.load(saved)
            path.write_bytes(content)

    def test_missing_files(self, saved, tmp_path):
        for folder in (tmp_path, tmp_path / "nowhere", saved / "model.json"):
            shutil.rmtree(saved) if folder == tmp_path else None
            with pytest.raises(DataFormatError, match="model.json: file: found (No such file|Not a dir)"):
                hgcae.load(folder)

    def test_missing_weights(self, saved):
        next(saved.glob("*.npz")).unlink()
        with pytest.raises(DataFormatError, match="the weights named in model.json"):
            files.load(saved)

    @pytest.mark.parametrize("content", ["", "{}", "[]", "3", "null", '{"format": "other"}', '{"a": ', "\0\0", '"hgcae-model"'])
    def test_foreign_files(self, saved, content):
        (saved / "model.json").write_text(content)
        with pytest.raises(DataFormatError, match=r"model\.json"):
            files.load(saved)

    def test_not_text(self, saved):
        (saved / "model.json").write_bytes(b"\xff\xfe{")
        with pytest.raises(DataFormatError, match="no JSON"):
            files.load(saved)

    @pytest.mark.parametrize("version", [0, 1, 2, 3, "3", None])
    def test_another_version(self, saved, version):
        edit(saved, lambda header: header.update(version=version))
        with pytest.raises(DataFormatError, match="version: found .*, expected 4: train the model again"):
            files.load(saved)

    @pytest.mark.parametrize("key", ["weights", "sha256", "hierarchy", "settings", "calibration", "frames"])
    def test_headers_of_no_model(self, saved, key):
        """Whatever stands in the place of a part, with a fingerprint that fits: an error, or a model, but no surprise."""
        content = (saved / "model.json").read_text()
        for value in (
            None,
            3,
            "x",
            [],
            [1],
            [[1, 2, 3]],
            {},
            {"levels": 3},
            {"ROC": {}},
            {"ROC": {"radius_cm": 1, "centre": [[1], 2]}},
            ...,
        ):
            edit(saved, lambda header, v=value: header.pop(key) if v is ... else header.update({key: v}))
            with suppress(HgcaeError):
                files.load(saved)
                assert key == "frames"
            (saved / "model.json").write_text(content)

    def test_weights_of_another_architecture(self, saved, small):
        edit(saved, lambda header: header["settings"]["levels"]["ROC"].update(encoder=[9]))
        with pytest.raises(DataFormatError, match=r"ROC/encoder/0: found shape \(17, 8\), expected shape \(17, 9\)"):
            files.load(saved)
        edit(saved, lambda header: header["settings"]["levels"]["ROC"].update(encoder=[8, 8]))
        with pytest.raises(DataFormatError, match="arrays: found a difference in ROC/encoder/4"):
            files.load(saved)
        arrays = files.weight_arrays(small)
        del arrays["MODULE/decoder/0"]
        with pytest.raises(DataFormatError, match="MODULE/decoder/0"):
            files.set_weight_arrays(small, arrays)


def json_or_none(content: bytes | bytearray) -> object:
    try:
        return json.loads(content)
    except ValueError:
        return None


class Stop(BaseException):
    """Like a kill: nobody catches it."""


class TestReplacing:
    def test_there_is_a_whole_model_at_any_time(self, small, saved, monkeypatch):
        """Saving is stopped before and after each change of a file name; the folder holds the old model or the new one."""
        new = changed(small)
        outcomes = []
        for stop_at in range(20):
            shutil.rmtree(saved)
            files.save(small, saved)
            with monkeypatch.context() as patch:
                if not interrupted(patch, lambda: files.save(new, saved), stop_at):
                    break
            loaded = files.load(saved)
            is_new = (arrays_of(loaded)["ROC/encoder/0"] == arrays_of(new)["ROC/encoder/0"]).all()
            assert_equal_arrays(loaded, new if is_new else small)
            outcomes.append(bool(is_new))
        assert outcomes == sorted(outcomes)
        assert set(outcomes) == {False, True}

    def test_an_interrupted_save_leaves_nothing_behind_in_the_end(self, small, saved, monkeypatch):
        new = changed(small)
        with monkeypatch.context() as patch:
            assert interrupted(patch, lambda: files.save(new, saved), 2)
        files.save(new, saved)
        assert len(list(saved.iterdir())) == 2
        assert_equal_arrays(files.load(saved), new)

    def test_a_reader_that_comes_in_between_gets_the_new_model(self, small, saved, monkeypatch):
        new, read = changed(small), files._read_weights

        def read_late(*args):
            monkeypatch.setattr(files, "_read_weights", read)
            files.save(new, saved)
            return read(*args)

        monkeypatch.setattr(files, "_read_weights", read_late)
        assert_equal_arrays(files.load(saved), new)


def interrupted(patch: pytest.MonkeyPatch, action, stop_at: int) -> bool:
    """Stops an action before (even) or after (odd) one of its renames and removals; whether there were so many."""
    count = -1

    def watched(original):
        def call(self, *args, **options):
            nonlocal count
            if self.name.startswith("."):  # a temporary file that is removed
                return original(self, *args, **options) if not args else around(original, self, *args)
            return around(original, self, *args, **options)

        return call

    def around(original, self, *args, **options):
        nonlocal count
        count += 1
        if count == stop_at:
            raise Stop
        result = original(self, *args, **options)
        count += 1
        if count == stop_at:
            raise Stop
        return result

    for name in ("replace", "unlink"):
        patch.setattr(pathlib.Path, name, watched(getattr(pathlib.Path, name)))
    try:
        action()
    except Stop:
        return True
    return False
