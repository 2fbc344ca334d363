from __future__ import annotations

import json

import numpy as np
import pytest

from contracts.sealed import damaged
from hgcae.errors import DataFormatError, SettingsError
from hgcae.store.arrays import write_arrays
from hgcae.train.checkpoint import KIND, VERSION, Checkpoint, read_history

WEIGHTS = {"ROC/encoder/0": np.arange(12, dtype=np.float32).reshape(3, 4), "ROC/encoder/1": np.ones(4, np.float32)}
HISTORY = [{"epoch": i, "loss_test": 1 / i} for i in range(1, 8)]


@pytest.fixture
def folder(tmp_path):
    Checkpoint("abc", 7, 120, WEIGHTS, [np.array(5, np.int32), *(np.full(3, i, np.float32) for i in range(11))], HISTORY).save(tmp_path)
    return tmp_path


def test_all_of_it_comes_back(folder):
    found = Checkpoint.load(folder, "abc")
    assert found is not None
    assert (found.fingerprint, found.epoch, found.step) == ("abc", 7, 120)
    assert set(found.weights) == set(WEIGHTS)
    for name, values in WEIGHTS.items():
        np.testing.assert_array_equal(found.weights[name], values)
        assert found.weights[name].dtype == np.float32
    assert [values.flat[0] for values in found.optimiser] == [5, *range(11)]
    assert found.history == read_history(folder) == HISTORY


def test_of_another_run(folder):
    with pytest.raises(SettingsError, match="other settings or other data"):
        Checkpoint.load(folder, "abd")


def test_no_damage_is_used(folder):
    path = folder / "checkpoint.npz"
    for content in damaged(path.read_bytes(), every=41):
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz.*expected a checkpoint of hgcae"):
            Checkpoint.load(folder, "abc")


def test_a_lost_checkpoint_is_no_new_run(folder, tmp_path):
    (folder / "checkpoint.npz").unlink()
    for read in (read_history, Checkpoint.read):
        with pytest.raises(DataFormatError, match=r"checkpoint\.npz: file: found none next to history\.jsonl"):
            read(folder)
    assert Checkpoint.read(tmp_path / "new") is None
    assert read_history(tmp_path / "new") == []


@pytest.mark.parametrize("content", ["", "{}\n", '{"epoch": 1}\n{"epo', "\xff\n"])
def test_the_history_of_the_checkpoint_is_the_one_that_counts(folder, content):
    (folder / "history.jsonl").write_text(content, encoding="latin-1")
    found = Checkpoint.read(folder)
    assert found is not None
    assert read_history(folder) == HISTORY
    found.write_history(folder)
    assert [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()] == HISTORY


@pytest.mark.parametrize(
    ("kind", "version", "header", "message"),
    [
        (KIND, VERSION, {}, "header: found"),
        (KIND, VERSION, {"colour": "blue"}, "header: found"),
        (KIND, VERSION + 1, {}, f"format: found {KIND}, version {VERSION + 1}"),
        ("codes", VERSION, {}, "format: found codes"),
    ],
)
def test_files_of_others(folder, kind, version, header, message):
    write_arrays(folder / "checkpoint.npz", kind, version, header, {})
    with pytest.raises(DataFormatError, match=message):
        Checkpoint.load(folder, "abc")
