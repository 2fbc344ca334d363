"""Quantised networks in integers: what was learned, with its formats, and what hardware and the compiled kernels compute from it.

    QuantisedNetwork (weights and formats)  --network()-->  Network (kernel, bias, shift, limits)  --compiled()-->  flat arrays

Encoders of levels, codecs of modules and their costs (`hgcae.integer.cost`) come from the first, hardware descriptions from the second.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.fixedpoint import FixedPoint, integer_range, to_integers
from hgcae.errors import BitExactError, SettingsError


class Affine(NamedTuple):
    """One layer: y = kernel x + bias, then (ReLU and) rounding to the next format, all in integers.

    Args:
        kernel: Weights (n_out, n_in), in steps of their format.
        bias: (n_out,), in steps of the products.
        shift: Bits that rounding (to nearest, ties to even) drops: (n_out,).
        low: Smallest integer of the next format.
        high: Largest integer of the next format.
    """

    kernel: NDArray[np.integer]
    bias: NDArray[np.integer]
    shift: NDArray[np.integer]
    low: int
    high: int


@dataclass(frozen=True)
class Network:
    """Integer form of the learned part of an encoder.

    Args:
        first: Format of the input.
        layers: The layers in order; empty where nothing is learned.
    """

    first: FixedPoint
    layers: tuple[Affine, ...]

    @property
    def width(self) -> int:
        """Largest number of values in any layer, the input included."""
        return max((size for layer in self.layers for size in layer.kernel.shape), default=0)

    def compiled(self, n_inputs: int) -> tuple[NDArray[Any], ...]:
        """Returns the network as flat arrays for the compiled kernel: sizes, kernels, biases and scales, and limits.

        Numbers are float32 where no sum of products can leave its 24 bits, float64 otherwise.

        Raises:
            BitExactError: Not even the 53 bits of float64 are enough.
        """
        low, high = integer_range(self.first)
        largest = 0
        for layer in self.layers:
            reach = np.abs(layer.kernel.astype(np.float64)).sum(axis=1) * max(-low, high) + np.abs(layer.bias)
            largest = max(largest, float(reach.max(initial=0)))
            low, high = layer.low, layer.high
        if largest >= 2.0**53:
            msg = f"integer path: sums reach {largest:.3g}, expected less than 2^53"
            raise BitExactError(msg)
        dtype = np.float32 if largest < 2.0**24 else np.float64
        sizes = np.array([n_inputs, *(len(layer.bias) for layer in self.layers)], dtype=np.int64)
        kernel = np.concatenate([np.zeros(0), *(layer.kernel.ravel() for layer in self.layers)]).astype(dtype)
        bias = np.concatenate([np.zeros(0), *(layer.bias for layer in self.layers)])
        scale = np.exp2(-np.concatenate([np.zeros(0), *(layer.shift for layer in self.layers)]))
        limits = np.array([(layer.low, layer.high) for layer in self.layers], dtype=dtype).reshape(-1, 2)
        return sizes, kernel, np.stack([bias, scale]).astype(dtype), limits


class Layer(NamedTuple):
    """Learned weights of one layer, dense or a convolution.

    Args:
        kernel: Integers (inputs, outputs), or of a convolution (taps, filters).
        bias: Integers in steps of the weights' format: (outputs,) or (filters,).
        power: Power of two that an integer of each column of the kernel counts: (outputs,) or (filters,).
        taps: Input under each tap of the filters at each of their places: (places, taps); None for a dense layer.
    """

    kernel: NDArray[np.integer]
    bias: NDArray[np.integer]
    power: NDArray[np.integer]
    taps: NDArray[np.integer] | None = None

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return len(self.kernel) if self.taps is None else int(self.taps.max()) + 1

    @property
    def places(self) -> int:
        """How often each weight is used."""
        return 1 if self.taps is None else len(self.taps)

    def dense(self) -> Layer:
        """Returns the layer as a dense one; the outputs of all filters at a place lie side by side."""
        if self.taps is None:
            return self
        kernel = np.zeros((self.n_in, self.places, self.kernel.shape[1]), dtype=self.kernel.dtype)
        kernel[self.taps, np.arange(self.places)[:, None]] = self.kernel
        return Layer(kernel.reshape(self.n_in, -1), np.tile(self.bias, self.places), np.tile(self.power, self.places))


@dataclass(frozen=True, eq=False)
class QuantisedNetwork:
    """Layers with ReLUs between them, with integers for weights.

    Args:
        layers: In order; none where nothing is learned.
        weight: Format of kernels, whose columns may count other powers of two, and biases.
        feature: Format of the input.
        activation: Format between the layers.
        number: Format of the output.

    Raises:
        SettingsError: A weight is not in its format, or layers do not fit one another.
    """

    layers: tuple[Layer, ...]
    weight: FixedPoint
    feature: FixedPoint
    activation: FixedPoint
    number: FixedPoint

    def __post_init__(self) -> None:
        low, high = integer_range(self.weight)
        size = self.n_in
        for i, layer in enumerate(self.layers):
            whole = all(a.dtype.kind == "i" and low <= a.min(initial=0) and a.max(initial=0) <= high for a in (layer.kernel, layer.bias))
            if layer.kernel.ndim != 2 or layer.kernel.shape[1:] != layer.bias.shape or layer.n_in != size or not whole:
                found = f"{layer.kernel.dtype} {layer.kernel.shape} and bias {layer.bias.shape}"
                msg = f"encoder layer {i}: found {found}, expected whole numbers from {low} to {high} and {size} inputs"
                raise SettingsError(msg)
            size = len(layer.bias) * layer.places

    @classmethod
    def of_floats(
        cls,
        layers: Iterable[tuple[NDArray[Any], NDArray[Any]]],
        weight: FixedPoint,
        feature: FixedPoint,
        activation: FixedPoint,
        number: FixedPoint,
        taps: NDArray[np.integer] | None = None,
    ) -> Self:
        """Rounds trained float weights to their format, as the training did.

        Args:
            layers: Kernel and bias of each, see `Layer`.
            weight: Format of both.
            feature: Format of the input.
            activation: Format between the layers.
            number: Format of the output.
            taps: Of the first layer, see `Layer`.
        """
        made = [uniform(to_integers(kernel, weight), to_integers(bias, weight), weight) for kernel, bias in layers]
        if made and taps is not None:
            made[0] = made[0]._replace(taps=taps)
        return cls(tuple(made), weight, feature, activation, number)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.layers[0].n_in if self.layers and self.layers[0].kernel.ndim else 0

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.layers[-1].bias) * self.layers[-1].places if self.layers else 0

    def network(self) -> Network:
        """Returns the layers in the form that the integer path runs."""
        formats = [self.feature, *[self.activation] * (len(self.layers) - 1), self.number]
        made = [
            affine(layer.dense(), self.weight, *formats[i : i + 2], relu=i + 1 < len(self.layers)) for i, layer in enumerate(self.layers)
        ]
        return Network(self.feature, tuple(made))


def uniform(kernel: NDArray[np.integer], bias: NDArray[np.integer], weight: FixedPoint, taps: NDArray[np.integer] | None = None) -> Layer:
    """Returns a layer whose integers all count the step of their format."""
    return Layer(kernel, bias, np.full(len(bias), -weight.fraction), taps)


def affine(layer: Layer, weight: FixedPoint, before: FixedPoint, after: FixedPoint, relu: bool) -> Affine:
    """Returns the integer form of a dense layer.

    Args:
        layer: Its weights.
        weight: Format of the bias.
        before: Format of the input.
        after: Format of the output.
        relu: Whether a ReLU lies between sum and rounding; an unsigned output format makes no difference of it.
    """
    low, high = integer_range(after)
    products = before.fraction - layer.power
    # The bias lies on a grid of its own, and what is finer is common to both.
    common = np.maximum(products, weight.fraction)
    return Affine(
        np.ascontiguousarray(layer.kernel.T) << (common - products)[:, None],
        layer.bias << (common - weight.fraction),
        common - after.fraction,
        max(low, 0) if relu else low,
        high,
    )


def valid_taps(size: int, k: int, channels: int) -> NDArray[np.int64]:
    """Returns the taps of a 'valid' convolution (k, k, channels) of a (size, size, channels) image: ((size - k + 1)^2, k k channels)."""
    image = np.arange(size * size * channels).reshape(size, size, channels)
    windows = np.lib.stride_tricks.sliding_window_view(image, (k, k), axis=(0, 1))
    return windows.transpose(0, 1, 3, 4, 2).reshape((size - k + 1) ** 2, k * k * channels)
