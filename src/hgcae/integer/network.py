"""Dense networks in integers: their layers from quantised weights, and the flat arrays that the compiled kernels take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.fixedpoint import FixedPoint, integer_range, to_integers
from hgcae.errors import BitExactError


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


def affine(
    kernel: NDArray[Any],
    bias: NDArray[Any],
    weight: FixedPoint,
    before: FixedPoint,
    after: FixedPoint,
    relu: bool,
    power: NDArray[np.integer] | None = None,
) -> Affine:
    """Returns the integer form of a dense layer.

    Args:
        kernel: Float weights (n_in, n_out), not yet on their grid; integers if `power` is given.
        bias: Float biases (n_out,), not yet on their grid.
        weight: Format of both.
        before: Format of the input.
        after: Format of the output.
        relu: Whether a ReLU lies between sum and rounding; an unsigned output format makes no difference of it.
        power: Power of two that the integers of each column count (n_out,); None = the step of `weight`.
    """
    low, high = integer_range(after)
    if power is None:
        kernel, power = to_integers(kernel, weight), np.full(len(bias), -weight.fraction)
    products = before.fraction - power
    # The bias lies on a grid of its own, and what is finer is common to both.
    common = np.maximum(products, weight.fraction)
    return Affine(
        np.ascontiguousarray(kernel.T) << (common - products)[:, None],
        to_integers(bias, weight) << (common - weight.fraction),
        common - after.fraction,
        max(low, 0) if relu else low,
        high,
    )


def network(
    dense: Iterable[tuple[NDArray[Any], NDArray[Any]]],
    weight: FixedPoint,
    feature: FixedPoint,
    activation: FixedPoint,
    number: FixedPoint,
    powers: Sequence[NDArray[np.integer]] | None = None,
) -> Network:
    """Returns the integer form of dense layers with ReLUs between them.

    Args:
        dense: Kernel (n_in, n_out) and bias (n_out,) of each layer, see `affine`.
        weight: Format of both.
        feature: Format of the first layer's input.
        activation: Format between the layers.
        number: Format of the last layer's output.
        powers: Of the columns of each kernel, see `affine`.
    """
    pairs = list(dense)
    formats = [feature, *[activation] * (len(pairs) - 1), number]
    made = [
        affine(*pair, weight, *formats[i : i + 2], relu=i + 1 < len(pairs), power=None if powers is None else powers[i])
        for i, pair in enumerate(pairs)
    ]
    return Network(feature, tuple(made))


def convolution(kernel: NDArray[Any], size: int) -> NDArray[Any]:
    """Returns a 'valid' convolution (k, k, channels, filters) of a (size, size, channels) image as one dense kernel."""
    k, _, channels, filters = kernel.shape
    out = size - k + 1
    dense = np.zeros((size, size, channels, out, out, filters), dtype=kernel.dtype)
    for row in range(out):
        for column in range(out):
            dense[row : row + k, column : column + k, :, row, column] = kernel
    return dense.reshape(size * size * channels, out * out * filters)
