"""The integer path: what an encoder computes in hardware, compiled for the processor.

Codes are made here wherever many are made; the float path in `hgcae.model.level` exists to be differentiated. Both give the same codes,
bit for bit, because every number of the float path lies on a grid that float32 holds exactly. Units are encoded in tiles, one array
element per unit, so every multiply-add of a weight is a vector instruction. Sums of products are integers too, but held in floats, which
processors multiply fastest: exactly, because their size is known beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import BitExactError
from hgcae.model.kernels import TILE, encode_plain, encode_shares
from hgcae.model.layers import FixedPoint


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


def integer_range(number: FixedPoint) -> tuple[int, int]:
    """Returns the smallest and largest integer of a format, in its steps."""
    low, high = number.range
    return round(low / number.step), round(high / number.step)


def to_integers(values: NDArray[Any], number: FixedPoint) -> NDArray[np.int64]:
    """Returns values as integers of a format: rounded to nearest, ties to even, saturated."""
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) / number.step), *integer_range(number)).astype(np.int64)


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


class PlainTables(NamedTuple):
    """What a plain encoder needs besides its network: what a step of each input is in steps of the network's, and their limits."""

    scale: NDArray[np.float64]
    low: int
    high: int

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.scale)


class SharesTables(NamedTuple):
    """What a shares encoder needs besides its network; see `hgcae.model.sums` and `hgcae.model.level`.

    Args:
        n_inputs: Inputs of the network.
        messages: Inputs that neighbours add to each child, behind the numbers of its code.
        scale: Sixteenths in a charge, for the lowest level.
        below: Sum of each code of the level below, sixteenths; empty at the lowest level.
        thresholds: Smallest sum of each code, sixteenths.
        weight: Weight of each child's sum, 64 = 1: (children,).
        scales: Steps of the network's input in a step of roots and of the logarithm.
        numbers: Steps of the network's input in a step of the products of roots with each number of a child, and of the number: (2, k).
        limits: Smallest and largest integer of the encoder's input.
        position: One, and the d coordinates of the children, 2^15 = 1: (1 + d, children); d = 0 where no barycentre is sent.
        matrix: Maps between frames (children, d, 2), 2^8 times the scale of positions over that of numbers; empty where they are not used.
        step: Steps of the barycentre's coordinates, 2^15 = 1: (d,).
        top: Numbers of codes on either side of zero: (d,).
    """

    n_inputs: int
    messages: int
    scale: np.float32
    below: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    weight: NDArray[np.float64]
    scales: NDArray[np.float32]
    numbers: NDArray[np.float32]
    limits: NDArray[np.float32]
    position: NDArray[np.float64]
    matrix: NDArray[np.float64]
    step: NDArray[np.float64]
    top: NDArray[np.float64]


class IntegerEncoder:
    """A whole encoder in integers.

    Args:
        network: The learned part.
        tables: The rest.
        steps: What one step of each number of the code stands for: (latent,).
        around: What makes the messages of the neighbours; None where they are not looked at.
    """

    def __init__(
        self, network: Network, tables: PlainTables | SharesTables, steps: NDArray[np.floating], around: IntegerEncoder | None = None
    ) -> None:
        self.network, self._tables, self._around = network, tables, around
        shares = isinstance(tables, SharesTables)
        self._kernel: Any = encode_shares if shares else encode_plain
        self._steps = steps.astype(np.float32)
        self._width = max(network.width, tables.n_inputs)
        self._compiled = network.compiled(tables.n_inputs)

    def encode(self, x: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Encodes units, in the calling thread.

        Args:
            x: Charges of the children (n, children), or the integers of their codes (n, children, latent); with neighbours those of the
                child and of its six neighbours (n, children, 7, latent).
            out: Filled with the codes, numbers on their grid: (n, latent).
        """
        self._run(x, out, self._steps)

    def integers(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Returns the codes as the integers that are sent: (n, latent)."""
        out = np.empty((len(x), len(self._steps)), dtype=np.int32)
        self._run(x, out, np.ones(len(self._steps), dtype=np.int32))
        return out

    def _run(self, x: NDArray[Any], out: NDArray[Any], steps: NDArray[Any]) -> None:
        if self._around is not None:
            messages = self._around.integers(x[:, :, 1:].reshape(-1, 6 * x.shape[3]))
            x = np.concatenate([x[:, :, 0], messages.reshape(*x.shape[:2], -1)], axis=2)
        x = np.ascontiguousarray(x).reshape(len(x), int(np.prod(x.shape[1:])))
        buffers = np.zeros((2, self._width, TILE), dtype=self._compiled[1].dtype)
        self._kernel(x, out, steps, buffers, *self._compiled, self._tables)
