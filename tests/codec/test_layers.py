"""Networks in NumPy, against the same computed pixel by pixel and by JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.codec.arrays import to_plain
from hgcae.codec.layers import Layer, convolution_matrix, network, run, taps
from hgcae.errors import SettingsError

IMAGES = st.tuples(st.integers(1, 8), st.integers(1, 8))


@given(IMAGES, st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_convolutions_are_those_of_jax(image, size, stride, seed):
    rng = np.random.default_rng(seed)
    kernel, x = rng.normal(size=(size, size, 2, 3)), rng.normal(size=(2, *image, 2))
    numbers = ("NHWC", "HWIO", "NHWC")
    expected = jax.lax.conv_general_dilated(jnp.asarray(x), jnp.asarray(kernel), (stride, stride), "SAME", dimension_numbers=numbers)
    found = x.reshape(2, -1) @ convolution_matrix(kernel, image, stride)
    np.testing.assert_allclose(found, np.asarray(expected).reshape(2, -1), atol=1e-5)


def test_a_transposed_convolution_spreads_each_pixel():
    kernel = np.arange(1.0, 10).reshape(3, 3, 1, 1)
    layer = Layer(kernel, np.array([0.5]), "linear", kind="transposed", image=(4, 4), stride=2)
    x = np.zeros((1, 4))
    x[0, 0] = 1
    expected = np.full((4, 4), 0.5)
    expected[:3, :3] += kernel[..., 0, 0]
    np.testing.assert_allclose(layer(x).reshape(4, 4), expected)


def test_the_odd_pixel_of_padding_is_at_the_end():
    assert taps((4, 4), (3, 3), 2)[0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert taps((4, 4), (3, 3), 2)[3].tolist() == [10, 11, -1, 14, 15, -1, -1, -1, -1]
    assert taps((4, 4), (3, 3), 1)[0].tolist() == [-1, -1, -1, -1, 0, 1, -1, 4, 5]


def test_activations():
    x = np.array([[-2.0, 0.0, 800.0]])
    found = {name: Layer(np.eye(3), np.zeros(3), name)(x)[0] for name in ("linear", "relu", "sigmoid", "softmax")}
    np.testing.assert_allclose(found["linear"], x[0])
    np.testing.assert_allclose(found["relu"], [0, 0, 800])
    np.testing.assert_allclose(found["sigmoid"], [1 / (1 + np.exp(2)), 0.5, 1])
    np.testing.assert_allclose(found["softmax"], [0, 0, 1])


def test_a_network_survives_its_plain_values():
    rng = np.random.default_rng(1)
    layers = network(
        [
            Layer(rng.normal(size=(5, 12)).astype(np.float32), np.zeros(12)),
            Layer(rng.normal(size=(3, 3, 2, 3)).astype(np.float32), np.ones(2), "sigmoid", kind="transposed", image=(4, 4), stride=2),
        ],
        5,
        32,
        "here",
    )
    again = network([layer.get_config() for layer in layers], 5, 32, "here")
    x = rng.normal(size=(7, 5))
    np.testing.assert_array_equal(run(again, x), run(layers, x))


ONE = Layer(np.ones((1, 1, 1, 1)), np.zeros(1), kind="convolution", image=(1, 1)).get_config()
DENSE = Layer(np.zeros((2, 3)), np.zeros(3)).get_config()


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [DENSE, DENSE],
        [DENSE | {"activation": "tanh"}],
        [DENSE | {"kind": "sparse"}],
        [DENSE | {"kind": "convolution"}],
        [DENSE | {"image": 3}],
        [DENSE | {"stride": 0}],
        [DENSE | {"colour": 0}],
        [DENSE | {"bias": DENSE["kernel"]}],
        [3],
        # A kernel of one weight, whose matrix has so many.
        [ONE | {"image": (2**20, 2**20)}],
        [ONE | {"image": (2**62, 2**62), "stride": 2**61}],
        [Layer(np.zeros((64, 64, 1, 1)), np.zeros(1), kind="convolution", image=(4, 4)).get_config() | {"image": (64, 64)}],
        [Layer(np.zeros((1, 1, 512, 512)), np.zeros(512), kind="transposed", image=(2, 2)).get_config() | {"image": (6, 6)}],
        [DENSE | {"kernel": to_plain(np.zeros((0, 3)))}],
    ],
)
def test_other_layers_are_refused(layers):
    with pytest.raises(SettingsError):
        network(layers, 2, 3, "here")
