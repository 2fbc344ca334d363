from __future__ import annotations

import numpy as np
import pytest

from examples.mnist.toys import digits
from hgcae.errors import DataFormatError, SettingsError
from hgcae.examples.mnist import training
from hgcae.examples.mnist.settings import ExampleSettings
from hgcae.train.checkpoint import read_history

SETTINGS = ExampleSettings(ndim=4, epochs=4, every=3, learning_rate=5e-3)


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, training.train(SETTINGS.model_copy(update={"epochs": 40}), digits(), folder)


def test_it_learns(trained):
    folder, result = trained
    rows = read_history(folder)
    assert [row["epoch"] for row in rows] == list(range(1, 41))
    assert [row["step"] for row in rows] == [6 * epoch for epoch in range(1, 41)]
    assert rows[-1]["loss_train"] < 0.2 * rows[0]["loss_train"]
    assert result["squared_error"]["mean"] == pytest.approx(rows[-1]["loss_test"], rel=1e-5)
    toys = digits()
    mean = (toys.x_train / 255).mean(axis=0)
    assert result["squared_error"]["mean"] < 0.5 * ((toys.x_test / 255 - mean) ** 2).mean()
    quotient = result["squared_error"]["mean"] / result["pca_squared_error"]["mean"]
    assert result["squared_error_over_pca"] == pytest.approx(quotient, rel=1e-5)
    assert (result["data"], result["n_train"], result["n_test"]) == ("spots", 96, 30)
    assert 0.5 < result["structural_similarity"]["mean"] < 1
    assert result["settings"]["ndim"] == 4


def test_the_network_comes_back(trained):
    folder, result = trained
    toys = digits()
    network = training.load(folder, SETTINGS.model_copy(update={"epochs": 40}), toys)
    decoded = np.asarray(network(toys.x_test.astype(np.float32) / 255))
    assert ((decoded - toys.x_test / 255) ** 2).mean() == pytest.approx(result["squared_error"]["mean"], rel=1e-4)
    np.testing.assert_allclose(training.read_decoded(folder, 40), 255 * decoded[toys.shown()], atol=1)


def test_a_stopped_training_goes_on_as_if_it_had_not(tmp_path):
    toys = digits()
    whole = training.train(SETTINGS, toys, tmp_path / "whole")

    def stop(row: dict) -> None:
        if row["epoch"] == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        training.train(SETTINGS, toys, tmp_path / "parts", stop)
    assert len(read_history(tmp_path / "parts")) == 2
    parts = training.train(SETTINGS, toys, tmp_path / "parts")
    assert parts | {"train_seconds": 0} == whole | {"train_seconds": 0}
    losses = [[row["loss_train"] for row in read_history(tmp_path / name)] for name in ("whole", "parts")]
    assert losses[0] == losses[1]
    assert sorted(path.name for path in (tmp_path / "parts").glob("decoded_*")) == [f"decoded_0000{i}.npz" for i in (0, 3, 4)]


@pytest.mark.parametrize("change", [{"architecture": "convolutional"}, {"quantised": True}, {"cost": "cross_entropy"}])
def test_other_networks_and_costs_learn(change, tmp_path):
    training.train(SETTINGS.model_copy(update={"epochs": 15, **change}), digits(), tmp_path)
    rows = read_history(tmp_path)
    # The entropy of grey pixels stays.
    assert rows[-1]["loss_test"] < 0.8 * rows[0]["loss_test"]


def test_structural_similarity_grows(tmp_path):
    settings = SETTINGS.model_copy(update={"epochs": 15, "cost": "structural_similarity"})
    result = training.train(settings, digits(), tmp_path)
    assert result["structural_similarity"]["mean"] > 0.6


def test_another_training_is_refused(tmp_path):
    toys = digits()
    training.train(SETTINGS.model_copy(update={"epochs": 1}), toys, tmp_path)
    with pytest.raises(SettingsError, match="other settings or other data"):
        training.train(SETTINGS, toys, tmp_path)
    with pytest.raises(SettingsError, match="other settings or other data"):
        training.train(SETTINGS.model_copy(update={"epochs": 1}), digits(seed=2), tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(b"damaged")
    with pytest.raises(DataFormatError, match="expected a checkpoint"):
        training.train(SETTINGS.model_copy(update={"epochs": 1}), toys, tmp_path)


def test_names_and_pictures():
    assert ExampleSettings(ndim=28).name == "28"
    assert ExampleSettings(ndim=28, epochs=10).name.startswith("28-")
    assert ExampleSettings(ndim=28).pictures == tuple(range(0, 51, 5))
    assert SETTINGS.pictures == (0, 3, 4)
