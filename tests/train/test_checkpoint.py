from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import DataFormatError, SettingsError
from hgcae.model import files
from hgcae.train.checkpoint import Checkpoint

WEIGHTS = {"ROC/encoder/0": np.arange(12, dtype=np.float32).reshape(3, 4), "ROC/encoder/1": np.ones(4, np.float32)}


@pytest.fixture
def path(tmp_path):
    Checkpoint("abc", 7, 120, WEIGHTS, [np.array(5, np.int32), *(np.full(3, i, np.float32) for i in range(11))]).save(
        tmp_path / "checkpoint.npz"
    )
    return tmp_path / "checkpoint.npz"


def test_all_of_it_comes_back(path):
    found = Checkpoint.load(path, "abc")
    assert (found.fingerprint, found.epoch, found.step) == ("abc", 7, 120)
    assert set(found.weights) == set(WEIGHTS)
    for name, values in WEIGHTS.items():
        np.testing.assert_array_equal(found.weights[name], values)
        assert found.weights[name].dtype == np.float32
    assert [values.flat[0] for values in found.optimiser] == [5, *range(11)]


def test_of_another_run(path):
    with pytest.raises(SettingsError, match="other settings or other data"):
        Checkpoint.load(path, "abd")


def test_damage_is_noticed(path):
    """Any flipped bit of the contents gives an error, one in the names of the container an error or no harm."""
    content = path.read_bytes()
    rng = np.random.default_rng(1)
    noticed = 0
    for position in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = Checkpoint.load(path, "abc")
        except (DataFormatError, SettingsError):
            noticed += 1
        else:
            assert (found.epoch, found.step) == (7, 120)
            for name in set(WEIGHTS) & set(found.weights):
                np.testing.assert_array_equal(found.weights[name], WEIGHTS[name])
    assert noticed > 0.5 * len(content) / 3


@pytest.mark.parametrize("end", [0, 10, 500, -1])
def test_a_file_that_ends_early(path, end):
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(DataFormatError, match="a checkpoint of hgcae"):
        Checkpoint.load(path, "abc")


@pytest.mark.parametrize(
    "arrays",
    [{}, {"header": np.zeros(3, np.uint8)}, {"header": np.frombuffer(b"3", np.uint8)}, {"header": np.frombuffer(b'["abc"]', np.uint8)}],
)
def test_files_of_others(path, arrays):
    path.write_bytes(files.pack(arrays))
    with pytest.raises(DataFormatError, match="a checkpoint of hgcae"):
        Checkpoint.load(path, "abc")
