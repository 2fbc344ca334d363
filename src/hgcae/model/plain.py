"""The original level: raw numbers in, raw numbers out."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
from typing_extensions import override

from hgcae.codes import CodeFormat
from hgcae.coding.fixedpoint import integer_range, to_integers
from hgcae.integer.encoder import IntegerEncoder, PlainTables
from hgcae.integer.network import Layer, QuantisedNetwork, valid_taps
from hgcae.model import layers, original
from hgcae.model.level import LevelModel
from hgcae.model.presets import PlainSettings


class PlainLevel(LevelModel):
    """The original level: raw numbers of the children in, raw numbers (or, at the lowest level, charges after a ReLU) out."""

    def __init__(self, name: str, shape: tuple[int, ...], settings: PlainSettings, below: PlainLevel | None) -> None:
        self.name, self.settings, self.below = name, settings, below
        self.children = int(np.prod(shape))
        lowest = np.full(settings.latent, integer_range(settings.number)[0], dtype=np.int32)
        steps = np.full(settings.latent, settings.number.step, dtype=np.float32)
        self.format = CodeFormat(np.array(settings.widths), lowest, steps)
        self._input_shape = (*shape, 1) if below is None else (self.children, below.latent)
        self.encoder = self._build_encoder()
        with layers.precision(settings.precision):
            self.decoder = self._build_decoder()

    def _build_encoder(self) -> keras.Model:
        s, prefix = self.settings, f"{self.name}_encoder"
        first, formats = keras.Input(self._input_shape), (s.feature, s.activation, s.number)
        x = original.encoder(first, s.convolutions, (*s.encoder, s.latent), s.weight, s.weight_scale, formats, prefix)
        return keras.Model(first, x, name=prefix)

    def _build_decoder(self) -> keras.Model:
        s, prefix = self.settings, f"{self.name}_decoder"
        first = x = keras.Input((s.latent,))
        if self.below is not None:
            x = layers.float_dense(x, (*s.decoder, int(np.prod(self._input_shape))), prefix, activation=None)
            return keras.Model(first, keras.layers.Reshape(self._input_shape)(x), name=prefix)
        x = layers.float_dense(x, s.decoder, prefix, last_activation="relu")
        x = keras.layers.Reshape((1, 1, s.decoder[-1]))(x)
        for i in range(2):
            x = layers.TransposedConvolution(64, 3, activation="relu", name=f"{prefix}_transposed{i}")(x)
        x = layers.Convolution(64, activation="relu", kernel_initializer="zeros", name=f"{prefix}_conv")(x)
        # A convolution of 1 x 1 is a dense layer over pixels.
        x = layers.float_dense(x, (1,), f"{prefix}_pixels", last_activation="relu")
        return keras.Model(first, keras.layers.Flatten()(x), name=prefix)

    @override
    def encode(self, x: Any, training: bool = False) -> Any:
        return self.encoder(jnp.reshape(x, (-1, *self._input_shape)), training=training)

    @override
    def state(self, code: Any) -> Any:
        return code

    @override
    def code(self, state: Any) -> Any:
        return state

    @override
    def decode(self, state: Any, present: Any = None) -> Any:
        out: Any = keras.ops.cast(self.decoder(state), "float32")
        if present is None:
            return out
        return jnp.where(jnp.reshape(present, present.shape + (1,) * (out.ndim - 2)), out, 0.0)

    @override
    def quantised_network(self) -> QuantisedNetwork:
        s = self.settings
        arrays = [np.asarray(v.value) for v in self.encoder.trainable_variables]
        made = []
        for i, (kernel, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
            steps, power = original.scaled_arrays(kernel, s.weight, s.weight_scale)
            taps = valid_taps(self._input_shape[0] - i, 2, len(steps) // 4) if i < len(s.convolutions) else None
            made.append(Layer(steps, to_integers(bias, s.weight), power, taps))
        return QuantisedNetwork(tuple(made), s.weight, s.feature, s.activation, s.number)

    @override
    def integer_encoder(self) -> IntegerEncoder:
        s = self.settings
        given = 1.0 if self.below is None else self.below.settings.number.step
        scale = np.full(int(np.prod(self._input_shape)), given / s.feature.step)
        tables = PlainTables(scale, *integer_range(s.feature))
        return IntegerEncoder(self.quantised_network().network(), tables)
