"""The example on MNIST itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from hgcae.examples.mnist import data, training
from hgcae.examples.mnist.settings import ExampleSettings


def test_three_epochs_are_better_than_pca(data_dir: Path, tmp_path):
    path = data_dir / "mnist" / "mnist.npz"
    if not path.exists():
        pytest.skip(f"no MNIST at {path}")
    digits = data.read(path)
    assert (len(digits.x_train), len(digits.x_test)) == (60000, 10000)
    result = training.train(ExampleSettings(ndim=28, epochs=3), digits, tmp_path)
    found, pca = result["squared_error"], result["pca_squared_error"]
    # 72 % of the variance of a pixel, 0.0672, are in 28 components.
    assert pca["mean"] == pytest.approx(0.28 * 0.0672, rel=0.02)
    assert found["mean"] + 5 * (found["error"] + pca["error"]) < 0.9 * pca["mean"]
