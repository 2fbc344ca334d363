from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from examples.mnist.toys import digits
from hgcae.examples.mnist.figures import comparison_figure, digits_figure, scan_figure


@pytest.mark.parametrize("n", [4, 20])
def test_input_above_decoded_below(tmp_path, n):
    images = digits().x_test[:n]
    path = digits_figure(images, 255 - images, tmp_path / "digits.png", "epoch 3", "spots")
    picture = np.asarray(Image.open(path).convert("L"), dtype=float)
    bands = np.array_split(picture[picture.shape[0] // 10 :, picture.shape[1] // 10 :], 2 * -(-n // 10))
    # The input is black on white; the other way round, its negative is darker.
    assert bands[0].mean() > bands[1].mean() + 20
    again = digits_figure(images, 255 - images, tmp_path / "again.png", "epoch 3", "spots")
    assert again.read_bytes() == path.read_bytes()


def test_the_scan_with_and_without_an_intrinsic_dimension(tmp_path):
    points = [
        {
            "ndim": n,
            "epochs": 5,
            "n_train": 96,
            "squared_error": {"mean": 0.05 / n, "error": 0.001},
            "pca_squared_error": {"mean": 0.06 / n, "error": 0.001},
        }
        for n in (1, 2, 4)
    ]
    sizes = []
    for intrinsic in ({}, {"TwoNN": {"mean": 2.0, "error": 0.5}}):
        path = scan_figure({"data": "spots", "points": points, "intrinsic": intrinsic}, tmp_path / f"{len(intrinsic)}.png")
        sizes.append(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3))
    # The band of the dimension covers part of the axes.
    assert (sizes[0] != sizes[1]).any(axis=1).mean() > 0.02


def test_a_row_for_each_network(tmp_path):
    images = digits().x_test[:10]
    heights = []
    for n in (1, 3):
        path = comparison_figure(images, [(f"network {i}", images) for i in range(n)], tmp_path / f"{n}.png", "spots")
        heights.append(len(np.asarray(Image.open(path))))
    assert heights[1] > 1.5 * heights[0]
