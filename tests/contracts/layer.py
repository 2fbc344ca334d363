"""What every quantised network must do, and its arithmetic once more in integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae.coding.fixedpoint import FixedPoint
from hgcae.model.compiled import stateless
from hgcae.model.original import WeightScale, scaled_arrays

EXACT = 2**24
"""Integers up to here are exact in float32, and so are their sums as long as no partial sum is larger."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Formats:
    """Formats of one quantised layer: what it makes of its input, of its weights and (the last one) of its output.

    Kernels may have steps of their own, a power of two for each filter.
    """

    input: FixedPoint
    weight: FixedPoint
    output: FixedPoint | None = None
    scale: WeightScale = "fixed"


def to_integers(values: Any, form: FixedPoint) -> Integers:
    """Values as multiples of the format's step: rounded half to even, saturated."""
    low, high = (round(edge / form.step) for edge in form.range)
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) / form.step), low, high).astype(np.int64)


def requantised(values: Integers, fraction: int, form: FixedPoint) -> Integers:
    """Integers with `fraction` bits behind the point in another format, in integer arithmetic."""
    shift = fraction - form.fraction
    if shift > 0:
        quotient, rest = values >> shift, values & ((1 << shift) - 1)
        half = 1 << (shift - 1)
        values = quotient + ((rest > half) | ((rest == half) & (quotient & 1 == 1)))
    else:
        values = values << -shift
    low, high = (round(edge / form.step) for edge in form.range)
    return np.clip(values, low, high)


@dataclass(frozen=True)
class Products:
    """One quantised layer as a product of integers: rows (..., n) times matrix (n, m), plus bias; each column on a grid of its own."""

    rows: Integers
    matrix: Integers
    bias: Integers
    fraction: Integers
    largest_row: Integers | int
    """Magnitude that the input's format allows."""

    @property
    def result(self) -> Integers:
        return self.rows @ self.matrix + self.bias

    @property
    def largest_sum(self) -> int:
        """Largest partial sum that these rows can lead to, in units of their common divisor: float32 is exact below `EXACT`."""
        unit = np.gcd.reduce(np.append(self.rows.ravel(), self.bias)) or 1
        return int((np.abs(self.rows) @ np.abs(self.matrix) + np.abs(self.bias)).max()) // int(unit)

    @property
    def largest_sum_of_any_input(self) -> int:
        return int((self.largest_row * np.abs(self.matrix).sum(axis=0) + np.abs(self.bias)).max())

    @property
    def largest_sum_of_any_weights(self) -> int:
        """Whatever the weights are: as many inputs as there are, all numbers as large as their formats allow."""
        return int(self.largest_row * self.matrix.shape[0] * self._largest_weight + np.abs(self.bias).max(initial=0))

    _largest_weight: int = 0


def products(network: keras.Model, formats: Sequence[Formats], x: NDArray[np.floating]) -> tuple[list[Products], Integers]:
    """Evaluates a stack of quantised dense layers and 2 x 2 convolutions in 64-bit integers.

    Returns:
        The products of its layers, and its output as integers of the last format.
    """
    quantised = [layer for layer in network.layers if layer.trainable_variables]
    found, values = [], to_integers(x, formats[0].input)
    for i, (layer, form) in enumerate(zip(quantised, formats, strict=True)):
        kernel, bias = (np.asarray(v.value) for v in layer.trainable_variables)
        kernel, power = scaled_arrays(kernel.reshape(-1, kernel.shape[-1]), form.weight, form.scale)
        fraction = form.input.fraction - power
        if "_conv" in layer.name:
            # A dense layer over the 2 x 2 windows of an image.
            values = np.lib.stride_tricks.sliding_window_view(values, (2, 2), axis=(1, 2))
            values = np.moveaxis(values, 3, 5).reshape(*values.shape[:3], -1)
        elif values.ndim > 2:
            values = values.reshape(len(values), -1)
        largest = [round(abs(edge) / f.step) for f in (form.input, form.weight) for edge in f.range]
        bias = to_integers(bias, form.weight) << (fraction - form.weight.fraction)
        product = Products(values, kernel, bias, fraction, max(largest[:2]), max(largest[2:]))
        found.append(product)
        after = form.output or formats[i + 1].input
        result = product.result << (fraction.max() - fraction)
        values = requantised(result if form.output else np.maximum(result, 0), int(fraction.max()), after)
    return found, values


@cache
def _compiled(network: keras.Model) -> Any:
    return jax.jit(lambda values, x: stateless(network.variables, network, values, x))


def evaluate(network: keras.Model, x: NDArray[np.float32], like: keras.Model | None = None) -> NDArray[np.float32]:
    """The network's output in float32, compiled as the package does it; with the variables of another network of this build."""
    return np.asarray(_compiled(network)([v.value for v in (like or network).variables], x))


class LayerContract:
    """Inherited by the test of each quantised network, which says how it is built and what it is fed with."""

    exact_for_any_input = True
    """Whether the sizes of these weights alone keep float32 exact, or only together with the inputs of the test."""
    exact_for_any_weights = False
    """Whether the formats and the number of inputs do."""

    @classmethod
    def build(cls) -> tuple[keras.Model, list[Formats]]:
        """The network with its weights, and the formats of its layers."""
        raise NotImplementedError

    @classmethod
    def inputs(cls, rng: np.random.Generator, n: int) -> NDArray[np.float32]:
        """Inputs (n, ...), as different as they may come: off the grid, zero, out of range."""
        raise NotImplementedError

    @classmethod
    @cache
    def network(cls) -> tuple[keras.Model, list[Formats]]:
        return cls.build()

    def test_output_is_on_its_grid_and_saturates(self):
        network, formats = self.network()
        out = evaluate(network, self.inputs(np.random.default_rng(1), 256))
        last = formats[-1].output
        assert last is not None
        np.testing.assert_array_equal(out, to_integers(out, last) * last.step)
        kernel = [v for v in network.trainable_variables if len(v.shape) > 1][-1]
        before = np.asarray(kernel.value)
        # Weights of alternating sign and the largest size reach both ends.
        kernel.assign(np.where(np.arange(before.shape[-1]) % 2, *formats[-1].weight.range) * np.ones_like(before))
        out = evaluate(network, self.inputs(np.random.default_rng(1), 256))
        kernel.assign(before)
        assert (out.min(), out.max()) == last.range

    def test_integers_give_the_same_bit_for_bit(self):
        network, formats = self.network()
        x = self.inputs(np.random.default_rng(2), 256)
        layers, integers = products(network, formats, x)
        assert max(layer.largest_sum for layer in layers) < EXACT
        last = formats[-1].output
        assert last is not None
        np.testing.assert_array_equal(evaluate(network, x), integers * last.step)
        assert len(np.unique(integers)) > 5

    def test_float32_is_exact(self):
        network, formats = self.network()
        layers, _ = products(network, formats, self.inputs(np.random.default_rng(3), 4))
        assert (max(layer.largest_sum_of_any_input for layer in layers) < EXACT) == self.exact_for_any_input
        assert (max(layer.largest_sum_of_any_weights for layer in layers) < EXACT) == self.exact_for_any_weights

    def test_gradient_reaches_every_weight(self):
        network, _ = self.network()
        x = self.inputs(np.random.default_rng(4), 256)
        learning, fixed = network.trainable_variables, network.non_trainable_variables

        @jax.jit
        def gradient(weights, constants):
            def total(weights):
                return (stateless([*learning, *fixed], network, [*weights, *constants], x) * mix).sum()

            return jax.grad(total)(weights)

        mix = np.random.default_rng(5).normal(size=(256, network.output_shape[-1])).astype(np.float32)
        for variable, values in zip(learning, gradient([v.value for v in learning], [v.value for v in fixed]), strict=True):
            assert np.isfinite(values).all(), variable.path
            assert np.mean(np.asarray(values) != 0) > 0.5, variable.path

    def test_saving_keeps_the_outputs(self):
        """What learns is all there is to save: a new network with these arrays is the same."""
        network, _ = self.network()
        again, _ = self.build()
        stored = {str(i): np.array(v.value) for i, v in enumerate(network.trainable_variables)}
        for i, variable in enumerate(again.trainable_variables):
            variable.assign(np.zeros(variable.shape))
            variable.assign(stored[str(i)])
        x = self.inputs(np.random.default_rng(6), 256)
        np.testing.assert_array_equal(evaluate(network, x, like=again), evaluate(network, x))
