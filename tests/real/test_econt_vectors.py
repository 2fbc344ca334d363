"""Reference vectors of the ECON-T: every word of every bunch crossing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hgcae.frontend.econt import EcontConfig, Emulator, read_words, weights_from_hdf5


@pytest.fixture(scope="module")
def vectors(data_dir: Path) -> Path:
    folder = data_dir / "econt_vectors"
    if not folder.is_dir():
        pytest.skip(f"no reference vectors at {folder}")
    return folder


@pytest.mark.parametrize("name", ["AE", "BC_4eTx", "RPT_13eTx", "STC_type0_eTx5", "TS_Thr47_13eTx"])
def test_all_words_are_those_of_the_reference(vectors, name):
    words = read_words(vectors / "testInput.csv", "RX_DATA")
    result = Emulator(EcontConfig.from_yaml(vectors / name / "init.yaml")).run(words)
    expected = read_words(vectors / name / "testOutput.csv", "TX_DATA")
    assert expected.shape == (3564, 13)
    assert (result == expected).all(axis=1).sum() == 3564


def test_the_weights_in_the_registers_are_those_in_the_keras_file(vectors):
    config = EcontConfig.from_yaml(vectors / "AE" / "init.yaml")
    np.testing.assert_array_equal(weights_from_hdf5(vectors / "AE" / "encoder.hdf5"), config.encoder)
    assert EcontConfig.from_yaml(vectors / "AE" / "init.yaml", encoder=vectors / "AE" / "encoder.hdf5") == config


def test_charges_come_back(vectors):
    words = read_words(vectors / "testInput.csv", "RX_DATA")
    for name in ("BC_4eTx", "TS_Thr47_13eTx", "RPT_13eTx"):
        emulator = Emulator(EcontConfig.from_yaml(vectors / name / "init.yaml"))
        charges, decoded = emulator.charges(words), emulator.decode(read_words(vectors / name / "testOutput.csv", "TX_DATA"))
        sent = decoded > 0
        assert (np.abs(decoded - charges)[sent] <= charges[sent] / 16 + 4).all()
        assert sent.sum(axis=1).min() >= 9
