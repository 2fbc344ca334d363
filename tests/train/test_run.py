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
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.train.run import RunSettings, Split, detector_of, prepare, splits
from hgcae.train.schedule import Schedule
from model.toys import MODULE, STACK, plain_settings, shares_settings, showers
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


class TestDetector:
    def test_shipped(self):
        detector = Detector.load("prototype")
        found = detector_of((detector.name, detector.fingerprint()), "x")
        assert found is not None
        assert found.fingerprint() == detector.fingerprint()
        assert detector_of(None, "x") is None
        assert detector_of(("of my own", "0123"), "x") is None

    def test_of_another_version(self):
        with pytest.raises(SettingsError, match="prototype has the fingerprint 0123"):
            detector_of(("prototype", "0123"), "events.parquet")


def run_settings(path: Path, **changes) -> RunSettings:
    values = {"input": str(path), "model": shares_settings(MODULE), "schedule": Schedule(stages=STAGES)}
    return RunSettings(**values | changes)


class TestPrepare:
    def test_the_settings_are_in_the_folder(self, path, folder):
        trainer = prepare(run_settings(path, seed=3, test_share=0.2), folder)
        again = RunSettings.from_yaml(folder / "run.yaml")
        assert again == run_settings(path, seed=3, test_share=0.2)
        assert prepare(again, folder).fingerprint == trainer.fingerprint
        assert (len(trainer.train), len(trainer.test)) == (40, 10)
        assert trainer.cell_xy is not None
        assert trainer.model.settings == shares_settings(MODULE)

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
            ({"model": shares_settings(STACK)}, "found ROC, MODULE, STACK, expected ROC, MODULE"),
            ({"schedule": None, "epochs": 1}, "epochs"),
            ({"schedule": Schedule(stages=STAGES), "root": "ROC", "model": shares_settings(MODULE.rooted("ROC"))}, "unknown level MODULE"),
        ],
    )
    def test_settings_that_do_not_fit(self, path, folder, change, message):
        with pytest.raises(SettingsError, match=message):
            prepare(run_settings(path, **change), folder)
        assert not folder.exists()

    def test_a_folder_that_holds_another_run(self, path, folder):
        """It is left as it was, also the settings in it."""
        first = prepare(run_settings(path, schedule=Schedule(stages=STAGES[:1])), folder)
        first.on_epoch = lambda *_: interrupt()
        with pytest.raises(KeyboardInterrupt):
            first.run()
        before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        with pytest.raises(SettingsError, match="other settings or other data"):
            prepare(run_settings(path, seed=2, schedule=Schedule(stages=STAGES[:1])), folder)
        assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
        (folder / "checkpoint.npz").write_bytes(b"PK")
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz"):
            prepare(run_settings(path, schedule=Schedule(stages=STAGES[:1])), folder)


def interrupt() -> None:
    raise KeyboardInterrupt


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
        with pytest.raises(SettingsError, match=f"run.yaml: {[*values, 'input'][1 if len(values) > 1 else 0]}"):
            RunSettings.load(values, source="run.yaml")
