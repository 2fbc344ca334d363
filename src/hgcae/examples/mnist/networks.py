"""The autoencoders: 28 x 28 x 1 to a few numbers, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from hgcae.coding.fixedpoint import FixedPoint
from hgcae.examples.mnist.settings import PIXELS, ExampleSettings
from hgcae.model.layers import Windows, float_dense, quantised_convolutions, quantised_dense
from hgcae.model.runtime import neutral
from hgcae.train.minimise import draw_weights

DENSE = (256, 128)
"""Widths of the hidden layers of the dense encoder; its decoder has them the other way round."""
FILTERS = (16, 32)
"""Filters of the convolutions, each of which halves height and width."""
CONVOLUTIONAL_DENSE = 128
"""Width of the dense layer after them."""

PIXEL = FixedPoint(bits=8, integer=0, signed=False)
WEIGHT = FixedPoint(bits=9, integer=0)
ACTIVATION = FixedPoint(bits=8, integer=3, signed=False)
NUMBER = FixedPoint(bits=8, integer=3)
"""Formats of quantised encoders: input, weights, hidden activations, numbers of the code."""


@dataclass(frozen=True)
class Network:
    """An encoder (n, 28, 28, 1) to (n, ndim) and a decoder (n, ndim) to (n, 28, 28, 1), pixels from 0 to 1."""

    encoder: keras.Model
    decoder: keras.Model

    @property
    def variables(self) -> list[Any]:
        """All Keras variables, the encoder's first."""
        return [*self.encoder.variables, *self.decoder.variables]

    def __call__(self, images: Any, training: bool = False) -> Any:
        """Encodes and decodes images (n, 28, 28) of pixels from 0 to 1."""
        code = self.encoder(images[..., None], training=training)
        decoded: Any = self.decoder(code)
        return decoded[..., 0]


@neutral()
def build(settings: ExampleSettings) -> Network:
    """Returns the network of some settings, its weights drawn from their seed."""
    image, code = keras.Input((PIXELS, PIXELS, 1)), keras.Input((settings.ndim,))
    encode, decode = {"dense": (_dense_encoder, _dense_decoder), "convolutional": (_conv_encoder, _conv_decoder)}[settings.architecture]
    encoder = keras.Model(image, encode(image, settings.ndim, settings.quantised), name="encoder")
    decoder = keras.Model(code, decode(code), name="decoder")
    draw_weights(encoder.variables, settings.seed)
    draw_weights(decoder.variables, settings.seed + 1)
    return Network(encoder, decoder)


def _dense_encoder(x: Any, ndim: int, quantised: bool) -> Any:
    return _dense(keras.layers.Flatten()(x), (*DENSE, ndim), PIXEL, quantised)


def _dense_decoder(x: Any) -> Any:
    x = float_dense(x, (*reversed(DENSE), PIXELS**2), "decoder", "sigmoid")
    return keras.layers.Reshape((PIXELS, PIXELS, 1))(x)


def _dense(x: Any, widths: tuple[int, ...], first: FixedPoint, quantised: bool) -> Any:
    if quantised:
        return quantised_dense(x, widths, WEIGHT, first, ACTIVATION, NUMBER, "encoder")
    return float_dense(x, widths, "encoder")


def _conv_encoder(x: Any, ndim: int, quantised: bool) -> Any:
    """Convolutions of 4 x 4 pixels and stride 2: windows of 2 x 2 patches, each patch 2 x 2 pixels."""
    for i, filters in enumerate(FILTERS):
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(Patches(2)(x))
        if quantised:
            x = quantised_convolutions(x, (filters,), WEIGHT, ACTIVATION if i else PIXEL, ACTIVATION, f"encoder{i}")
        else:
            x = keras.layers.Dense(filters, activation="relu", kernel_initializer="zeros")(Windows()(x))
    return _dense(keras.layers.Flatten()(x), (CONVOLUTIONAL_DENSE, ndim), ACTIVATION, quantised)


def _conv_decoder(x: Any) -> Any:
    """Convolutions of 2 x 2 whose outputs are the 2 x 2 pixels at each place (W. Shi et al., arXiv:1609.05158): cheap on CPUs, too."""
    side = PIXELS // 2 ** len(FILTERS)
    x = float_dense(x, (CONVOLUTIONAL_DENSE, side * side * FILTERS[-1]), "decoder", "relu")
    x = keras.layers.Reshape((side, side, FILTERS[-1]))(x)
    for filters in (*reversed(FILTERS[:-1]), 1):
        x = Windows()(keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = keras.layers.Dense(4 * filters, activation="sigmoid" if filters == 1 else "relu", kernel_initializer="zeros")(x)
        x = Spread(2)(x)
    return x


@keras.saving.register_keras_serializable(package="hgcae")
class Patches(keras.layers.Layer):
    """Puts the pixels of each patch side by side: (n, h, w, c) to (n, h / size, w / size, size * size * c)."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: Any) -> Any:
        """Reorders pixels."""
        _, h, w, c = x.shape
        s = self.size
        x = ops.transpose(ops.reshape(x, (-1, h // s, s, w // s, s, c)), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, h // s, w // s, s * s * c))

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="hgcae")
class Spread(keras.layers.Layer):
    """Undoes `Patches`: (n, h, w, size * size * c) to (n, h * size, w * size, c)."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, x: Any) -> Any:
        """Reorders pixels."""
        _, h, w, c = x.shape
        s = self.size
        x = ops.transpose(ops.reshape(x, (-1, h, w, s, s, c // (s * s))), (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, h * s, w * s, c // (s * s)))

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        return {**super().get_config(), "size": self.size}
