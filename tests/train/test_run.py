from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hgcae import store
from hgcae.errors import DataFormatError, GeometryError, SettingsError
from hgcae.events import Events
from hgcae.geometry import detector as geometry
from hgcae.geometry.detector import Detector, DetectorSettings
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model import files as model_files
from hgcae.simulate import SimulateSettings, simulate
from hgcae.simulate.perturb import perturbed
from hgcae.simulate.repeat import repeated
from hgcae.train.run import RunSettings, Split, prepare, resolved, splits, splits_of_run, training_data
from hgcae.train.schedule import Schedule
from model.toys import MODULE, STACK, conserving_settings, plain_settings, showers
from train.toys import STAGES


def numbered(n: int) -> Events:
    """Events whose charges say which they are."""
    dense = np.zeros((n, *MODULE.shape), dtype=np.int32)
    dense[:, 0, 0, 0] = np.arange(n) + 1
    return Events.from_dense(dense, MODULE)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "modules.parquet"
    store.write(path, [showers(MODULE, 50)], {"seed": 1})
    return path


@pytest.fixture(scope="module")
def stacks(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "stacks.parquet"
    store.write(path, [showers(STACK, 20)], {"seed": 1})
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("files")
    paths = {n: folder / f"{n}.parquet" for n in (2, 3, 10, 101)}
    for n, path in paths.items():
        store.write(path, [numbered(n)])
    return paths


class TestSplits:
    @hypothesis_settings(max_examples=30)
    @given(st.sampled_from([2, 3, 10, 101]), st.floats(0.001, 0.999), st.integers(1, 60))
    def test_every_event_is_in_one_part(self, files, n, share, piece):
        train, test = splits(RunSettings(input=str(files[n]), test_share=share))
        seen = [[int(x) for chunk in part.chunks(piece) for x in chunk.charge] for part in (train, test)]
        assert seen[0] + seen[1] == list(range(1, n + 1))
        assert len(train) == len(seen[0]) >= 1
        assert len(test) == len(seen[1]) >= 1
        assert abs(len(test) - share * n) <= 1 or len(train) == 1
        # A piece never reaches into the other part.
        assert list(train.take(0, 10**6).charge) == seen[0]
        assert len(train.take(len(train), len(train) + 5)) == 0

    @pytest.mark.parametrize(("n", "n_test"), [(2, 1), (3, 1), (10, 5), (101, 16)])
    def test_the_original_takes_the_first_events_of_a_random_order(self, files, n, n_test):
        """That of numpy.random.seed(0), numpy.random.shuffle."""
        train, test = splits(RunSettings(input=str(files[n]), preset="original"))
        order = np.arange(1, n + 1)
        np.random.RandomState(0).shuffle(order)
        assert [*test.take(0, n).charge] + [*train.take(0, n).charge] == order.tolist()
        assert (len(test), len(train)) == (n_test, n - n_test)
        _, fifth = splits(RunSettings(input=str(files[n]), preset="original", test_share=0.2))
        np.testing.assert_array_equal(fifth.take(0, n).charge, order[: max(1, round(0.2 * n))])

    def test_units_of_a_level_become_the_events(self, stacks):
        train, test = splits(RunSettings(input=str(stacks), root="module"))
        assert (len(train), len(test)) == (18, 2)
        units = train.take(0, 18)
        expected, _, _ = showers(STACK, 20)[:18].units("MODULE")
        assert units.hierarchy == MODULE
        np.testing.assert_array_equal(units.to_dense(), expected.to_dense())
        whole = Split(train.reader, 0, 18, "stack").take(0, 18)
        assert whole.hierarchy == STACK
        assert whole.particles

    def test_other_files(self, tmp_path):
        for name in ("events.csv", "events.pickle", "events"):
            with pytest.raises(SettingsError, match="training reads Parquet files of hgcae; write one with hgcae convert"):
                splits(RunSettings(input=str(tmp_path / name)))
        with pytest.raises(FileNotFoundError):
            splits(RunSettings(input=str(tmp_path / "missing.parquet")))
        (tmp_path / "broken.parquet").write_bytes(b"PAR1")
        with pytest.raises(DataFormatError, match=r"broken\.parquet"):
            splits(RunSettings(input=str(tmp_path / "broken.parquet")))

    @pytest.mark.parametrize("n", [0, 1])
    def test_too_few_events(self, tmp_path, n):
        store.write(tmp_path / "few.parquet", [numbered(n)])
        with pytest.raises(SettingsError, match=f"found {n} events, expected at least 2"):
            splits(RunSettings(input=str(tmp_path / "few.parquet")))

    def test_unknown_level(self, path):
        with pytest.raises(GeometryError, match="unknown level 'LAYER', expected one of ROC, MODULE"):
            splits(RunSettings(input=str(path), root="LAYER"))


class TestFinishedRun:
    """The file that a run was trained on, found again: `moved` says where run and file are now."""

    @pytest.fixture
    def place(self, path, tmp_path, monkeypatch) -> Path:
        """A folder in which `run` was trained on `data/a.parquet`."""
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "a.parquet").write_bytes(path.read_bytes())
        (tmp_path / "run").mkdir()
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def found(self, run: Path = Path("run"), **changes):
        settings = RunSettings(input="data/a.parquet", test_share=0.2)
        data = training_data(*splits(RunSettings(input=str(changes.pop("trained_on", "data/a.parquet")), test_share=0.2)))
        return splits_of_run(run, settings.model_copy(update=changes), data)

    def test_where_the_settings_say(self, place):
        train, test = self.found() or (None, None)
        assert train is not None
        assert test is not None
        assert (train.start, train.stop, test.start, test.stop) == (0, 40, 40, 50)

    @pytest.mark.parametrize("other", [False, True])
    def test_next_to_a_moved_run(self, place, path, other):
        """Even where another file has come to lie where the first one was."""
        (place / "data").rename(place / "away")
        (place / "run").rename(place / "away" / "run")
        if other:
            store.write(place / "data" / "a.parquet", [showers(MODULE, 50, seed=2)])
        train, _ = self.found(place / "away" / "run", trained_on=path) or (None, None)
        assert train is not None
        assert train.reader.path == place / "away" / "a.parquet"

    def test_gone(self, place, path):
        (place / "data" / "a.parquet").unlink()
        assert self.found(trained_on=path) is None

    @pytest.mark.parametrize(
        "events", [showers(MODULE, 50, seed=2), showers(MODULE, 50)[:49], showers(MODULE, 50)[::-1]], ids=["others", "fewer", "reversed"]
    )
    def test_another_file_in_its_place(self, place, path, events):
        store.write(place / "data" / "a.parquet", [events])
        with pytest.raises(
            SettingsError, match=r"data/a.parquet: holds events of the fingerprint \w{16}, run was trained on those of \w{16}"
        ):
            self.found(trained_on=path)

    @pytest.mark.parametrize("change", [{"test_share": 0.3}, {"root": "ROC"}])
    def test_settings_that_ask_for_other_events(self, place, change):
        with pytest.raises(SettingsError, match=r"run/run.yaml: asks for training events 0 to .*, its model was trained on events 0 to 39"):
            self.found(**change)

    def test_a_model_that_does_not_say(self, place):
        with pytest.raises(SettingsError, match="does not say"):
            splits_of_run(Path("run"), RunSettings(input="data/a.parquet"), None)


def run_settings(path: Path, **changes) -> RunSettings:
    values = {"input": str(path), "model": conserving_settings(MODULE), "schedule": Schedule(stages=STAGES)}
    return RunSettings(**values | changes)


class TestPrepare:
    def test_the_settings_are_in_the_folder(self, path, folder):
        trainer = prepare(run_settings(path, seed=3, test_share=0.2), folder)
        again = RunSettings.from_yaml(folder / "run.yaml")
        assert again == run_settings(path, seed=3, test_share=0.2)
        assert prepare(again, folder).fingerprint == trainer.fingerprint
        assert (len(trainer.train), len(trainer.test)) == (40, 10)
        assert trainer.cell_xy is not None
        assert trainer.model.trained_on == training_data(*splits(again))
        assert trainer.model.settings == conserving_settings(MODULE)

    def test_everything_that_matters_is_in_the_fingerprint(self, path, tmp_path):
        base = prepare(run_settings(path), tmp_path / "0").fingerprint
        changed = [
            {"seed": 2},
            {"test_share": 0.2},
            {"shard_events": 7},
            {"model": plain_settings(MODULE)},
            {"schedule": Schedule(stages=STAGES[:1])},
            {"loss": {"position": 0.5}},
        ]
        found = {prepare(run_settings(path, **change), tmp_path / str(i)).fingerprint for i, change in enumerate(changed, 1)}
        assert len(found | {base}) == len(changed) + 1

    def test_the_data_are_in_the_fingerprint(self, path, tmp_path):
        events = showers(MODULE, 50)
        base = prepare(run_settings(path), tmp_path / "run").fingerprint
        one_count = events.charge.copy()
        one_count[100] += 1
        variants = {
            "a count": replace(events, charge=one_count),
            "an event": events[:49],
            "the order": events[::-1],
            "nothing": events,
        }
        for name, variant in variants.items():
            other = tmp_path / f"{name}.parquet"
            store.write(other, [variant])
            assert (prepare(run_settings(other), tmp_path / name).fingerprint == base) == (name == "nothing")

    def test_presets(self, path, folder):
        trainer = prepare(RunSettings(input=str(path), latent=5, bits=7, epochs=10), folder)
        assert trainer.model.bits_per_unit("ROC") == 35
        assert trainer.settings.schedule.epochs == 10
        seed = prepare(RunSettings(input=str(path), latent=5, preset="original", batch=3, root="ROC"), folder)
        assert seed.model.hierarchy.root == "ROC"
        assert (seed.model.bits_per_unit("ROC"), seed.settings.schedule.stages[0].batch) == (45, 3)

    def test_settings_of_single_levels_over_the_preset(self, path, folder, tmp_path):
        levels = {"MODULE": {"bits": 6}, "ROC": {"weight": {"bits": 7}}}
        changed = RunSettings(input=str(path), levels=levels, epochs=10)
        model = prepare(changed, folder).model
        plain = prepare(RunSettings(input=str(path), epochs=10), tmp_path / "plain").model
        assert model.settings.levels["MODULE"] == plain.settings.levels["MODULE"].model_copy(update={"bits": 6})
        weight = plain.settings.levels["ROC"].weight
        assert model.settings.levels["ROC"].weight == weight.model_copy(update={"bits": 7})
        whole = resolved(changed)
        assert whole.model == model.settings
        assert prepare(whole, tmp_path / "whole").fingerprint == prepare(changed, tmp_path / "again").fingerprint
        assert RunSettings.from_yaml(folder / "run.yaml") == whole

    @pytest.mark.parametrize("short", [{"latent": 4}, {"bits": 8}, {"decoder_precision": "bfloat16"}, {"epochs": 3}, {"batch": 8}])
    def test_short_settings_next_to_the_whole_ones(self, path, folder, short):
        """They would be ignored without a word: a run.yaml holds the whole model and the whole schedule."""
        prepare(RunSettings(input=str(path), epochs=10), folder)
        name, value = next(iter(short.items()))
        with pytest.raises(SettingsError, match=f"{name} = {value} changes nothing next to the whole"):
            RunSettings.from_yaml(folder / "run.yaml", [f"{name}={value}"])

    @pytest.mark.parametrize(
        ("levels", "message"),
        [
            ({"MODUL": {"bits": 3}}, "unknown level 'MODUL'"),
            ({"ROC": {"bit": 3}}, r"unknown key levels\.ROC\.bit, did you mean bits"),
            ({"ROC": {"kind": "plain"}}, r"levels\.ROC"),
        ],
    )
    def test_levels_that_do_not_fit(self, path, folder, levels, message):
        with pytest.raises(SettingsError, match=message):
            prepare(RunSettings(input=str(path), levels=levels, epochs=10), folder)

    def test_levels_come_in_any_order(self, path, folder):
        chosen = prepare(run_settings(path), folder).model.settings
        turned = chosen.model_copy(update={"levels": dict(reversed(chosen.levels.items()))})
        assert tuple(prepare(run_settings(path, model=turned), folder).model.levels) == MODULE.names

    def test_without_positions_there_is_no_barycentre(self, tmp_path, folder):
        odd = Hierarchy.of(CHIP=(2, 3), PANEL=2)
        dense = np.random.default_rng(1).integers(0, 50, (20, *odd.shape))
        store.write(tmp_path / "odd.parquet", [Events.from_dense(dense, odd)])
        trainer = prepare(RunSettings(input=str(tmp_path / "odd.parquet"), epochs=10), folder)
        assert trainer.cell_xy is None
        assert not any(level.barycentre for level in trainer.model.settings.levels.values())  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"model": conserving_settings(STACK)}, "found ROC, MODULE, STACK, expected ROC, MODULE"),
            ({"schedule": None, "epochs": 1}, "epochs"),
            (
                {"schedule": Schedule(stages=STAGES), "root": "ROC", "model": conserving_settings(MODULE.rooted("ROC"))},
                "unknown level MODULE",
            ),
        ],
    )
    def test_settings_that_do_not_fit(self, path, folder, change, message):
        with pytest.raises(SettingsError, match=message):
            prepare(run_settings(path, **change), folder)
        assert not folder.exists()

    def test_a_folder_that_holds_another_run(self, path, folder):
        """It is left as it was, also the settings in it."""
        first = prepare(run_settings(path, schedule=Schedule(stages=STAGES[:1])), folder)
        first.last_epoch = 1
        first.run()
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        with pytest.raises(SettingsError, match="other settings or other data"):
            prepare(run_settings(path, seed=2, schedule=Schedule(stages=STAGES[:1])), folder)
        assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
        (folder / "checkpoint.npz").write_bytes(b"PK")
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz"):
            prepare(run_settings(path, schedule=Schedule(stages=STAGES[:1])), folder)


class TestOwnDetector:
    """A detector of two modules behind each other that only a YAML file describes, which is gone by the time of the training."""

    @pytest.fixture(scope="class")
    @classmethod
    def own(cls, tmp_path_factory) -> Path:
        folder = tmp_path_factory.mktemp("own")
        plain = Detector.load("testbeam").settings.model_dump(mode="json")
        levels = [["ROC", [4, 4]], ["MODULE", [3]], ["STAGE2", [2]]]
        layers = [plain["layers"][0], plain["layers"][1] | {"dedx_mev": 30.0}]
        mine = DetectorSettings.load(plain | {"name": "mine", "levels": levels, "layers": layers, "missing": {}})
        (folder / "mine.yaml").write_text(mine.to_yaml())
        settings = SimulateSettings.load({"detector": str(folder / "mine.yaml"), "gun": {"energy_gev": [5, 50]}})
        store.write(folder / "events.parquet", simulate(settings, 30), {"settings": settings.model_dump(mode="json")})
        (folder / "mine.yaml").unlink()
        return folder

    @pytest.fixture
    def elsewhere(self, monkeypatch) -> None:
        """Another process."""
        monkeypatch.setattr(geometry, "_KNOWN", {})

    def test_training_knows_positions_and_weights(self, own, elsewhere, folder):
        trainer = prepare(RunSettings(input=str(own / "events.parquet"), epochs=10), folder)
        assert trainer.detector is not None
        assert trainer.detector.name == "mine"
        assert trainer.cell_xy is not None
        np.testing.assert_array_equal(trainer.cell_xy, np.tile(trainer.detector.layer_cell_xy, (2, 1)))
        weight = trainer.detector.layer_mev_per_mip
        assert trainer.model.calibration.root_weight == pytest.approx(tuple(weight / np.median(weight)))
        assert set(trainer.model.frames) == {"ROC", "MODULE", "STAGE2"}

    def test_the_model_describes_it(self, own, elsewhere, folder, monkeypatch):
        model_files.save(prepare(RunSettings(input=str(own / "events.parquet"), epochs=10), folder).model, folder / "model")
        monkeypatch.setattr(geometry, "_KNOWN", {})
        named = model_files.load(folder).detector
        detector = geometry.detector_of(named, folder)
        assert detector is not None
        assert detector.identity == named == store.Reader(own / "events.parquet").detector

    def test_it_is_simulated_again_without_its_yaml(self, own, elsewhere):
        reader = store.Reader(own / "events.parquet")
        events = reader.take(0, 5)
        settings = SimulateSettings.load(reader.provenance["settings"])
        pairs = {kind.name: pair for kind, pair in perturbed(events, settings, 1, ("noise_2", "pions"))}
        assert all(pair.given.detector == events.detector for pair in pairs.values())
        assert len(next(iter(repeated(events, 2, seed=3)))) > 0
        with pytest.raises(SettingsError, match="mine.yaml"):
            next(iter(simulate(settings, 1)))


class TestSettings:
    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"input": "x", "epochs": "long"},
            {"input": "x", "epochs": 0},
            {"input": "x", "latent": 0},
            {"input": "x", "bits": 1},
            {"input": "x", "preset": "l2"},
            {"input": "x", "test_share": 0},
            {"input": "x", "test_share": 1},
            {"input": "x", "colour": 1},
            {"input": "x", "loss": {"position_cm": 0}},
        ],
    )
    def test_mistakes(self, values):
        with pytest.raises(SettingsError, match=f"run.yaml: (unknown key )?{[*values, 'input'][1 if len(values) > 1 else 0]}"):
            RunSettings.load(values, source="run.yaml")
