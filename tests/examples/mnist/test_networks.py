from __future__ import annotations

import numpy as np
import pytest

from hgcae.examples.mnist.networks import NUMBER, Patches, Spread, build
from hgcae.examples.mnist.settings import ExampleSettings


@pytest.mark.parametrize("shape", [(2, 4, 6, 1), (1, 14, 14, 5)])
def test_spread_undoes_patches(shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    patches = np.asarray(Patches(2)(x))
    np.testing.assert_array_equal(patches[0, 0, 0], x[0, :2, :2].reshape(-1))
    np.testing.assert_array_equal(Spread(2)(patches), x)
    assert Patches.from_config(Patches(2).get_config()).size == Spread.from_config(Spread(2).get_config()).size == 2


@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
@pytest.mark.parametrize("quantised", [False, True])
def test_networks(architecture, quantised):
    settings = ExampleSettings(ndim=3, architecture=architecture, quantised=quantised)
    network = build(settings)
    images = np.random.default_rng(1).random((4, 28, 28), dtype=np.float32)
    code = np.asarray(network.encoder(images[..., None]))
    assert code.shape == (4, 3)
    if quantised:
        np.testing.assert_array_equal(code, np.rint(code / NUMBER.step) * NUMBER.step)
    decoded = np.asarray(network(images))
    assert decoded.shape == images.shape
    assert ((decoded >= 0) & (decoded <= 1)).all()
    # The same seed draws the same weights, another one others.
    np.testing.assert_array_equal(build(settings)(images), decoded)
    assert not np.array_equal(build(settings.model_copy(update={"seed": 2}))(images), decoded)


def test_a_convolution_sees_the_same_everywhere():
    """Moving the image by one patch of the last convolution moves what the first dense layer reads by one place."""
    network = build(ExampleSettings(ndim=2, architecture="convolutional"))
    import keras

    flatten = next(layer for layer in network.encoder.layers if isinstance(layer, keras.layers.Flatten))
    features = keras.Model(network.encoder.input, flatten.input)
    image = np.zeros((1, 28, 28, 1), dtype=np.float32)
    image[0, 10:14, 9:12, 0] = 1
    moved = np.roll(image, (4, 8), axis=(1, 2))
    before, after = (np.asarray(features(x)) for x in (image, moved))
    np.testing.assert_allclose(after, np.roll(before, (1, 2), axis=(1, 2)), atol=1e-6)
    assert np.ptp(before) > 0
