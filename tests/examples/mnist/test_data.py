from __future__ import annotations

import numpy as np
import pytest

from examples.mnist.toys import digits
from hgcae.errors import DataFormatError, MissingToolError
from hgcae.examples.mnist import data


def test_a_sample_comes_back_from_its_file(npz):
    found, expected = data.load(str(npz)), digits()
    assert found.name == "spots"
    assert found.fingerprint() == expected.fingerprint()
    np.testing.assert_array_equal(found.x_test, expected.x_test)
    np.testing.assert_array_equal(found.y_train, expected.y_train)


def test_a_file_as_keras_writes_it(tmp_path):
    toys = digits()
    arrays = {key: getattr(toys, key) for key in ("x_train", "y_train", "x_test", "y_test")}
    np.savez(tmp_path / "mnist.npz", **arrays)
    assert data.load(str(tmp_path / "mnist.npz")).name == "images of mnist.npz"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_train": None}, "arrays: found .*, expected x_train, y_train"),
        ({"x_train": np.zeros((96, 28, 28))}, "x_train: found float64"),
        ({"x_test": np.zeros((30, 8, 8), np.uint8)}, r"x_test: found uint8 \(30, 8, 8\)"),
        ({"y_test": np.zeros(29, np.uint8)}, r"y_test: found uint8 \(29,\), expected \(30,\)"),
        ({"y_test": np.full(30, 10, np.uint8)}, "expected .* digits 0 to 9"),
    ],
)
def test_wrong_files_are_refused(tmp_path, change, message):
    toys = digits()
    arrays = {key: getattr(toys, key) for key in ("x_train", "y_train", "x_test", "y_test")} | change
    np.savez(tmp_path / "bad.npz", **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(DataFormatError, match=message):
        data.read(tmp_path / "bad.npz")


def test_no_file_and_no_npz(tmp_path):
    with pytest.raises(DataFormatError, match="No such file"):
        data.read(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("digits")
    with pytest.raises(DataFormatError, match="expected (npz|a whole archive)"):
        data.read(tmp_path / "text.npz")


def test_scikit_learns_digits():
    found = data.load("digits")
    assert (found.x_train.shape, found.x_test.shape) == ((1500, 28, 28), (297, 28, 28))
    assert found.x_train.dtype == np.uint8
    assert set(found.y_test) == set(range(10))
    assert found.fingerprint() == data.load("digits").fingerprint()
    # Every image still looks like the one it was made of: means of blocks against the 8 x 8 pixels.
    from sklearn.datasets import load_digits

    pixels, _ = load_digits(return_X_y=True)
    stored = np.asarray(pixels).reshape(-1, 8, 8)
    order = np.random.default_rng(0).permutation(len(stored))
    small = stored[order][:297].reshape(297, 4, 2, 4, 2).mean(axis=(2, 4)) / 16
    large = found.x_test.reshape(297, 4, 7, 4, 7).mean(axis=(2, 4)) / 255
    assert np.abs(small - large).max() < 0.12


def test_offline_the_digits_inside_scikit_learn_are_taken(monkeypatch):
    import keras

    def no_network() -> None:
        msg = "URL fetch failure"
        raise Exception(msg)

    monkeypatch.setattr(keras.datasets.mnist, "load_data", no_network)
    assert data.load("auto").name == "scikit-learn digits"
    with pytest.raises(MissingToolError, match="cannot get MNIST: URL fetch failure"):
        data.load("keras")


def test_mnist_by_keras_loader(monkeypatch):
    import keras

    toys = digits()
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: ((toys.x_train, toys.y_train), (toys.x_test, toys.y_test)))
    found = data.load("auto")
    assert found.name == "MNIST"
    np.testing.assert_array_equal(found.x_train, toys.x_train)


def test_pictures_show_two_of_each_digit():
    toys = digits()
    shown = toys.shown()
    np.testing.assert_array_equal(toys.y_test[shown], [*range(10), *range(10)])
    assert len(set(shown)) == 20
