from __future__ import annotations

import jax
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.layer import Formats, LayerContract, evaluate, to_integers
from hgcae.errors import SettingsError
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.compiled import stateless
from hgcae.model.layers import EachChild, FixedPoint, TransposedConvolution, quantised_convolutions, quantised_dense
from hgcae.model.presets import ConservingSettings, PlainSettings, l1_preset, original_preset
from model.toys import STACK, autoencoder

FORMATS = st.builds(FixedPoint, bits=st.integers(2, 24), integer=st.integers(-8, 16), signed=st.booleans())


class TestFixedPoint:
    def test_quantized_bits_of_qkeras(self):
        form = FixedPoint(bits=9, integer=6)
        assert (form.fraction, form.step, form.range) == (2, 0.25, (-64.0, 63.75))

    def test_quantized_relu_of_qkeras(self):
        form = FixedPoint(bits=9, integer=6, signed=False)
        assert (form.fraction, form.step, form.range) == (3, 0.125, (0.0, 63.875))

    @given(FORMATS)
    def test_bits_count_the_values(self, form):
        low, high = form.range
        assert (high - low) / form.step + 1 == 2**form.bits
        assert form.signed == (low < 0)

    @pytest.mark.parametrize("values", [{"bits": 0}, {"bits": 25}, {"integer": 17}, {"width": 3}])
    def test_impossible_formats_are_refused(self, values):
        with pytest.raises(SettingsError):
            FixedPoint.load({"bits": 9, "integer": 6, **values})

    @pytest.mark.parametrize(
        "form", [FixedPoint(bits=9, integer=6), FixedPoint(bits=9, integer=6, signed=False), FixedPoint(bits=4, integer=-2)]
    )
    def test_the_quantiser_rounds_half_to_even_and_saturates(self, form):
        first = keras.Input((1,))
        wide = FixedPoint(bits=24, integer=10)
        network = keras.Model(first, quantised_dense(first, (1,), wide, wide, wide, form, "identity"))
        network.trainable_variables[0].assign([[1.0]])
        low, high = form.range
        x = np.concatenate([np.arange(-20, 21) / 4 * form.step, [low - 1, low, high, high + 1, 500]])[:, None].astype(np.float32)
        np.testing.assert_array_equal(evaluate(network, x), to_integers(x, form) * form.step)


def drawn(network: keras.Model) -> keras.Model:
    rng = np.random.default_rng(7)
    for variable in network.trainable_variables:
        fan_in = np.prod(variable.shape[:-1])
        variable.assign(rng.normal(0, 1 / np.sqrt(fan_in), variable.shape))
    return network


class TestDenseStack(LayerContract):
    form = FixedPoint(bits=9, integer=2)
    hidden = FixedPoint(bits=7, integer=2, signed=False)
    output = FixedPoint(bits=6, integer=1)
    exact_for_any_weights = True

    @classmethod
    def build(cls):
        first = keras.Input((12,))
        network = keras.Model(first, quantised_dense(first, (10, 7, 5), cls.form, cls.form, cls.hidden, cls.output, "stack"))
        formats = [Formats(cls.form, cls.form), Formats(cls.hidden, cls.form), Formats(cls.hidden, cls.form, cls.output)]
        return drawn(network), formats

    @classmethod
    def inputs(cls, rng, n):
        return rng.uniform(-5, 5, (n, 12)).astype(np.float32)


class TestConvolutionStack(LayerContract):
    form = FixedPoint(bits=9, integer=2)
    hidden = FixedPoint(bits=8, integer=3, signed=False)
    exact_for_any_weights = True

    @classmethod
    def build(cls):
        first = keras.Input((4, 3, 2))
        x = quantised_convolutions(first, (6, 5), cls.form, cls.form, cls.hidden, "stack")
        x = quantised_dense(keras.layers.Flatten()(x), (4,), cls.form, cls.hidden, cls.hidden, cls.form, "stack")
        formats = [Formats(cls.form, cls.form), Formats(cls.hidden, cls.form), Formats(cls.hidden, cls.form, cls.form)]
        return drawn(keras.Model(first, x)), formats

    @classmethod
    def inputs(cls, rng, n):
        return (rng.uniform(-5, 5, (n, 4, 3, 2)) * (rng.random((n, 4, 3, 2)) < 0.7)).astype(np.float32)


def formats_of(level: ConservingSettings | PlainSettings) -> list[Formats]:
    """Formats of the layers of an encoder, first to last."""
    hidden = len(level.encoder) + (len(level.convolutions) if isinstance(level, PlainSettings) else 0)
    before = [level.feature] + [level.activation] * hidden
    scale = level.weight_scale if isinstance(level, PlainSettings) else "fixed"
    return [Formats(form, level.weight, level.number if i == hidden else None, scale) for i, form in enumerate(before)]


class EncoderContract(LayerContract):
    """The encoders of the presets, as they are before training."""

    preset = staticmethod(l1_preset)
    level: str

    @classmethod
    def model(cls) -> Autoencoder:
        return autoencoder(cls.preset(STACK))

    @classmethod
    def build(cls):
        level = cls.model().levels[cls.level]
        return level.encoder, formats_of(level.settings)  # type: ignore[attr-defined]

    @classmethod
    def inputs(cls, rng, n):
        form, size = cls.network()[1][0].input, cls.network()[0].input_shape[1:]
        low, high = form.range
        return rng.uniform(1.1 * low, 1.1 * high, (n, *size)).astype(np.float32)


class TestFrontEndEncoder(EncoderContract):
    """What fits into a front-end chip is exact in float32 whatever is learned."""

    level = "MODULE"
    exact_for_any_weights = True


class TestUpperEncoder(EncoderContract):
    """Wide layers of 10 bits could leave 24 bits if all weights were as large as they can be; weights like these do not."""

    level = "STACK"


class TestOriginalLowestEncoder(EncoderContract):
    """Kernels with steps of their own have nearly nine bits each; with 256 inputs of nine bits that is what float32 holds, or just not."""

    preset = staticmethod(original_preset)
    level = "ROC"

    @classmethod
    def inputs(cls, rng, n):
        code = rng.integers(0, 128, (n, 4, 4, 1)) * (rng.random((n, 4, 4, 1)) < 0.3)
        return code.astype(np.float32)


class TestOriginalUpperEncoder(EncoderContract):
    preset = staticmethod(original_preset)
    level = "MODULE"

    @classmethod
    def inputs(cls, rng, n):
        return (rng.integers(-256, 256, (n, *cls.network()[0].input_shape[1:])) / 4).astype(np.float32)


class TestOriginalEncoderOfFixedSteps(TestOriginalUpperEncoder):
    @staticmethod
    def preset(hierarchy):
        settings = original_preset(hierarchy)
        levels = {name: level.model_copy(update={"weight_scale": "fixed"}) for name, level in settings.levels.items()}
        return settings.model_copy(update={"levels": levels})


class TestTransposedConvolution:
    def test_equals_that_of_keras(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2, 1, 2, 2)).astype(np.float32)
        mix = rng.normal(size=(2, 3, 4, 3)).astype(np.float32)
        weights = [rng.normal(size=(3, 3, 3, 2)), rng.normal(size=3)]
        values, gradients = [], []
        for layer in (TransposedConvolution(3, 3, activation="relu"), keras.layers.Conv2DTranspose(3, 3, activation="relu")):
            layer.build(x.shape)
            for variable, value in zip(layer.trainable_variables, weights, strict=True):
                variable.assign(value)
            value, gradient = value_and_gradient(layer, x, mix)
            values.append(value)
            gradients.append(gradient)
        np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-5)
        assert 0.2 < np.mean(values[0] > 0) < 0.8
        for mine, theirs in zip(*gradients, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)

    def test_says_its_shape(self):
        layer = TransposedConvolution(6, 3)
        assert layer.compute_output_shape((None, 2, 3, 5)) == (None, 4, 5, 6)
        assert layer(np.zeros((2, 2, 3, 5), np.float32)).shape == (2, 4, 5, 6)

    def test_is_rebuilt_from_its_configuration(self):
        layer = keras.layers.deserialize(keras.layers.serialize(TransposedConvolution(6, 3, activation="relu", name="up")))
        assert isinstance(layer, TransposedConvolution)
        assert (layer.filters, layer.kernel_size, layer.activation, layer.name) == (6, 3, keras.activations.relu, "up")


def value_and_gradient(layer, x, mix):
    """The layer's output, and the gradients of its product with `mix` after input, kernel and bias."""

    def product(x, *weights):
        out = stateless(layer.trainable_variables, layer, weights, x)
        return (out * mix).sum(), out

    compiled = jax.jit(jax.grad(product, argnums=(0, 1, 2), has_aux=True))
    gradient, out = compiled(x, *(v.value for v in layer.trainable_variables))
    return np.asarray(out), [np.asarray(g) for g in gradient]


class TestEachChild:
    def test_repeats_and_names(self):
        layer = EachChild(3, 2)
        x = np.arange(8, dtype=np.float32).reshape(2, 4)
        layer.build(x.shape)
        layer.embedding.assign([[1, 2], [3, 4], [5, 6]])
        out = np.asarray(layer(x))
        assert out.shape == layer.compute_output_shape((2, 4)) == (2, 3, 6)
        np.testing.assert_array_equal(out[..., :4], np.repeat(x[:, None], 3, axis=1))
        np.testing.assert_array_equal(out[1, :, 4:], [[1, 2], [3, 4], [5, 6]])

    def test_is_rebuilt_from_its_configuration(self):
        layer = keras.layers.deserialize(keras.layers.serialize(EachChild(3, 2)))
        assert isinstance(layer, EachChild)
        assert (layer.children, layer.size) == (3, 2)
