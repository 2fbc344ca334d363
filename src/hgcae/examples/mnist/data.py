"""Images of handwritten digits: MNIST where it can be had, else the digits that scikit-learn brings along."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, MissingToolError
from hgcae.examples.mnist.settings import PIXELS
from hgcae.reading.files import open_regular
from hgcae.reading.npz import read_npz
from hgcae.settings import fingerprint
from hgcae.store.arrays import read_arrays, write_arrays

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")
_FORMAT = ("images of digits", 1)
_TIMEOUT_S = 10.0
"""A network that lets nothing through must not hold up the example."""
_N_TEST = 297
"""Test images of scikit-learn's 1,797."""


@dataclass(frozen=True)
class Digits:
    """A sample of digits.

    Args:
        name: What it is.
        x_train: Training images, 0 (paper) to 255 (ink): (n, 28, 28) of uint8.
        y_train: Their digits 0 to 9: (n,) of uint8.
        x_test: Test images.
        y_test: Their digits.
    """

    name: str
    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]

    def fingerprint(self) -> str:
        """Identifies the sample by its size and the sums of its images."""
        sums = [part.sum(axis=(1, 2), dtype=np.int64).tolist() for part in (self.x_train, self.x_test)]
        return fingerprint([self.name, sums])

    def shown(self) -> NDArray[np.int64]:
        """Rows of the test images that pictures show: the first two of each digit, or as many as there are; (20,)."""
        order = np.argsort(self.y_test, kind="stable")
        first = np.searchsorted(self.y_test[order], np.arange(10))
        number = np.bincount(self.y_test, minlength=10)
        return np.concatenate([order[first[number > k] + k] for k in range(2)])

    def save(self, path: Path) -> None:
        """Writes the sample as npz with a checksum."""
        arrays = {key: getattr(self, key) for key in _ARRAYS}
        write_arrays(path, *_FORMAT, {}, {"name": np.array(self.name), **arrays}, compress=True)

    @classmethod
    def saved(cls, path: Path) -> Digits:
        """Reads what `save` wrote.

        Raises:
            DataFormatError: It is damaged, or something else.
            OSError: There is no such file.
        """
        return _checked(read_arrays(path, *_FORMAT)[1], path)


def load(source: str) -> Digits:
    """Returns a sample of digits.

    Args:
        source: `keras`: MNIST by Keras' own loader, which downloads it once; `digits`: scikit-learn's 1,797 images of 8 x 8 pixels (UCI,
            Optical Recognition of Handwritten Digits), scaled to 28 x 28; `auto`: the first where it can be had, else the second; or the
            path of an npz file with `x_train`, `y_train`, `x_test`, `y_test`.

    Raises:
        MissingToolError: Keras cannot get MNIST.
        DataFormatError: The file is not as it should be.
    """
    if source == "digits":
        return scikit_learn_digits()
    if source == "keras":
        return keras_mnist()
    if source == "auto":
        try:
            return keras_mnist()
        except MissingToolError:
            return scikit_learn_digits()
    return read(Path(source))


def read(path: Path) -> Digits:
    """Reads an npz file like that of Keras.

    Raises:
        DataFormatError: It is missing, damaged or holds something else.
    """
    try:
        with open_regular(path, is_zip=True) as stream:
            return _checked(read_npz(stream, path, (*_ARRAYS, "name")), path)
    except OSError as error:
        raise DataFormatError(path, "file", error.strerror or "an error", f"npz with {', '.join(_ARRAYS)}") from None


def _checked(arrays: Mapping[str, NDArray[Any]], path: Path) -> Digits:
    missing = [key for key in _ARRAYS if key not in arrays]
    if missing:
        raise DataFormatError(path, "arrays", ", ".join(arrays) or "none", ", ".join(_ARRAYS))
    for part in ("train", "test"):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if images.dtype != np.uint8 or images.shape[1:] != (PIXELS, PIXELS) or not len(images):
            raise DataFormatError(path, f"x_{part}", f"{images.dtype} {images.shape}", f"uint8 (n, {PIXELS}, {PIXELS}) with n > 0")
        if labels.shape != images.shape[:1] or labels.dtype.kind not in "ui" or not np.isin(labels, np.arange(10)).all():
            raise DataFormatError(path, f"y_{part}", f"{labels.dtype} {labels.shape}", f"({len(images)},) digits 0 to 9")
    name = str(arrays["name"]) if "name" in arrays else f"images of {path.name}"
    return Digits(name, arrays["x_train"], arrays["y_train"].astype(np.uint8), arrays["x_test"], arrays["y_test"].astype(np.uint8))


def keras_mnist() -> Digits:
    """Returns MNIST from Keras' cache, or from where Keras gets it.

    Raises:
        MissingToolError: Neither is possible.
    """
    import keras

    try:
        with _patience(_TIMEOUT_S):
            (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    except Exception as error:  # noqa: BLE001 - Keras raises a bare Exception where the network fails
        msg = f"Keras cannot get MNIST: {' '.join(str(error).split())}"
        raise MissingToolError(msg) from None
    return Digits("MNIST", x_train, y_train, x_test, y_test)


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def scikit_learn_digits() -> Digits:
    """Returns scikit-learn's digits, scaled to 28 x 28 by cubic splines; 1,500 to train on and 297 to test."""
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels).reshape(-1, 8, 8)
    scale = PIXELS / images.shape[1]
    images = np.asarray(zoom(images, (1, scale, scale), order=3, mode="nearest", grid_mode=True))
    images = np.clip(np.rint(images * (255 / 16)), 0, 255).astype(np.uint8)
    # Neighbours in the file are of one writer.
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], np.asarray(labels)[order].astype(np.uint8)
    return Digits("scikit-learn digits", images[_N_TEST:], labels[_N_TEST:], images[:_N_TEST], labels[:_N_TEST])
