"""The integer path: what an encoder computes in hardware, compiled for the processor.

Codes are made here wherever many are made; the float path in `hgcae.model.level` exists to be differentiated. Both give the same codes,
bit for bit, because every number of the float path lies on a grid that float32 holds exactly. Units are encoded in tiles, one array
element per unit, so every multiply-add of a weight is a vector instruction. Sums of products are integers too, but held in floats, which
processors multiply fastest: exactly, because their size is known beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.errors import BitExactError
from hgcae.model.layers import FixedPoint
from hgcae.model.sums import LOG_BITS, ROOT_BITS, WEIGHT_ONE

TILE = 256
"""Units that are encoded together: the numbers of a layer of a tile stay in the processor's nearest caches."""
MATRIX_BITS = 8
"""Bits of the maps between frames behind the point."""
_SHARE_BITS = 11
"""Bits that shares are cut to, beside the leading one."""
_POWERS = 2.0 ** (_SHARE_BITS - np.arange(32))
"""What brings a sum with its leading one at some position to that many bits."""


class Affine(NamedTuple):
    """One layer: y = kernel x + bias, then (ReLU and) rounding to the next format, all in integers.

    Args:
        kernel: Weights (n_out, n_in), in steps of their format.
        bias: (n_out,), in steps of the products.
        shift: Bits that rounding (to nearest, ties to even) drops.
        low: Smallest integer of the next format.
        high: Largest integer of the next format.
    """

    kernel: NDArray[np.integer]
    bias: NDArray[np.integer]
    shift: int
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
        """Returns the network as flat arrays for the compiled kernel: sizes, kernels, biases, and scale and limits of each layer.

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
        bias = np.concatenate([np.zeros(0), *(layer.bias for layer in self.layers)]).astype(dtype)
        rounding = np.array([(2.0**-layer.shift, layer.low, layer.high) for layer in self.layers], dtype=dtype).reshape(-1, 3)
        return sizes, kernel, bias, rounding


def integer_range(number: FixedPoint) -> tuple[int, int]:
    """Returns the smallest and largest integer of a format, in its steps."""
    low, high = number.range
    return round(low / number.step), round(high / number.step)


def to_integers(values: NDArray[Any], number: FixedPoint) -> NDArray[np.int64]:
    """Returns values as integers of a format: rounded to nearest, ties to even, saturated."""
    return np.clip(np.rint(np.asarray(values, dtype=np.float64) / number.step), *integer_range(number)).astype(np.int64)


def affine(kernel: NDArray[Any], bias: NDArray[Any], weight: FixedPoint, before: FixedPoint, after: FixedPoint, relu: bool) -> Affine:
    """Returns the integer form of a dense layer.

    Args:
        kernel: Float weights (n_in, n_out), not yet on their grid.
        bias: Float biases (n_out,), not yet on their grid.
        weight: Format of both.
        before: Format of the input.
        after: Format of the output.
        relu: Whether a ReLU lies between sum and rounding; an unsigned output format makes no difference of it.
    """
    low, high = integer_range(after)
    scaled = to_integers(bias, weight) * 2**before.fraction if before.fraction >= 0 else to_integers(bias, weight) // 2**-before.fraction
    return Affine(
        np.ascontiguousarray(to_integers(kernel, weight).T),
        scaled,
        weight.fraction + before.fraction - after.fraction,
        max(low, 0) if relu else low,
        high,
    )


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
    """What a plain encoder needs besides its network: the number of inputs, their scale and their limits."""

    n_inputs: int
    scale: float
    low: int
    high: int


class SharesTables(NamedTuple):
    """What a shares encoder needs besides its network; see `hgcae.model.sums` and `hgcae.model.level`.

    Args:
        n_inputs: Inputs of the network.
        scale: Sixteenths in a charge, for the lowest level.
        below: Sum of each code of the level below, sixteenths; empty at the lowest level.
        thresholds: Smallest sum of each code, sixteenths.
        weight: Weight of each child's sum, 64 = 1: (children,).
        roots: Table of 256 roots, 128 = 1.
        root_features: The same as input of the network.
        shifts: Bits dropped from products of root and number, numbers, and the logarithm.
        limits: Smallest and largest integer of the encoder's input.
        position: One, and the positions of the children, 2^15 = 1: (3, children); (1, children) where no barycentre is sent.
        matrix: Maps between frames (children, 2, 2), 2^8 times the scale of positions over that of numbers; empty where they are not used.
        step: Step of a barycentre, 2^15 = 1.
        step_bits: log2 of twice that.
        top: Number of codes on either side of zero.
        latent: Numbers in the code.
    """

    n_inputs: int
    scale: np.float32
    below: NDArray[np.float64]
    thresholds: NDArray[np.int64]
    weight: NDArray[np.float64]
    roots: NDArray[np.int64]
    root_features: NDArray[np.float32]
    shifts: NDArray[np.int64]
    limits: NDArray[np.int64]
    position: NDArray[np.float64]
    matrix: NDArray[np.int64]
    step: int
    step_bits: int
    top: int
    latent: int


class IntegerEncoder:
    """A whole encoder in integers.

    Args:
        network: The learned part.
        tables: The rest.
    """

    def __init__(self, network: Network, tables: PlainTables | SharesTables) -> None:
        self._tables = tables
        shares = isinstance(tables, SharesTables)
        self._kernel: Any = _encode_shares if shares else _encode_plain
        self._latent = tables.latent if shares else len(network.layers[-1].bias)
        self._width = max(network.width, tables.n_inputs)
        self._compiled = network.compiled(tables.n_inputs)

    def encode(self, x: NDArray[Any]) -> NDArray[np.int32]:
        """Encodes units, in the calling thread.

        Args:
            x: Charges of the children (n, children), or the integers of their codes (n, children, latent).

        Returns:
            Codes as the integers that are sent: (n, latent).
        """
        x = np.ascontiguousarray(x).reshape(len(x), int(np.prod(x.shape[1:])))
        out = np.empty((len(x), self._latent), dtype=np.int32)
        buffers = np.zeros((2, self._width, TILE), dtype=self._compiled[1].dtype)
        self._kernel(x, out, buffers, *self._compiled, self._tables)
        return out


@njit(cache=True, nogil=True, inline="always")
def _rounded(value: Any, shift: int, low: int, high: int) -> Any:
    """Drops bits of an integer, to nearest with ties to even; negative counts add zeros; then saturates."""
    if shift > 0:
        value = (value + ((1 << (shift - 1)) - 1) + ((value >> shift) & 1)) >> shift
    elif shift < 0:
        value = value << -shift
    return min(max(value, low), high)


@njit(cache=True, nogil=True)
def _network(buffers: Any, sizes: Any, kernels: Any, biases: Any, rounding: Any) -> int:
    """Runs the layers on a tile; the input lies in buffer 0; returns the buffer of the output."""
    at, row, here = 0, 0, 0
    for layer in range(len(sizes) - 1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        scale, low, high = rounding[layer]
        y = buffers[1 - here, :n_out]
        np.dot(kernels[at : at + n_in * n_out].reshape(n_out, n_in), buffers[here, :n_in], y)
        for j in range(n_out):
            total, bias = y[j], biases[row + j]
            for t in range(TILE):
                # To nearest with ties to even, as the processor rounds.
                total[t] = min(max(np.rint((total[t] + bias) * scale), low), high)
        at += n_in * n_out
        row += n_out
        here = 1 - here
    return here


@njit(cache=True, nogil=True)
def _encode_plain(x: Any, out: Any, buffers: Any, sizes: Any, kernels: Any, biases: Any, rounding: Any, tables: Any) -> None:
    for start in range(0, len(x), TILE):
        n = min(TILE, len(x) - start)
        for t in range(n):
            for i in range(x.shape[1]):
                buffers[0, i, t] = min(max(np.rint(x[start + t, i] * tables.scale), tables.low), tables.high)
        result = buffers[_network(buffers, sizes, kernels, biases, rounding)]
        for t in range(n):
            for j in range(out.shape[1]):
                out[start + t, j] = np.int32(result[j, t])


@njit(cache=True, nogil=True)
def _encode_shares(x: Any, out: Any, buffers: Any, sizes: Any, kernels: Any, biases: Any, rounding: Any, tables: Any) -> None:
    children = len(tables.weight)
    size = x.shape[1] // children
    learned = sizes[-1] if len(sizes) > 1 else 0
    explicit = out.shape[1] - learned
    # Held in floats, exactly: sums below 2^31 and moments below 2^31.
    share = np.zeros((children, TILE), dtype=np.float64)
    moments = np.zeros((len(tables.position), TILE), dtype=np.float64)
    whole, exponent = np.zeros(TILE, dtype=np.int64), np.zeros(TILE, dtype=np.int64)
    code = np.zeros((3, TILE), dtype=np.int64)
    for start in range(0, len(x), TILE):
        n = min(TILE, len(x) - start)
        tile = x[start : start + n]
        _sums(tile, size, share, tables)
        _shares(share, whole, exponent)
        _features(tile, size, share, whole, exponent, tables, buffers[0])
        _sum_code(whole, tables.thresholds, code[0])
        if explicit > 1:
            np.dot(tables.position, share, moments)
            if len(tables.matrix):
                _add_own(tile, size, share, tables.matrix, moments)
            _barycentre(moments, tables, code)
        result = buffers[_network(buffers, sizes, kernels, biases, rounding)]
        for t in range(n):
            row = out[start + t]
            if code[0, t] == 0:
                row[:] = 0
                continue
            for k in range(explicit):
                row[k] = code[k, t]
            for k in range(learned):
                row[explicit + k] = np.int32(result[k, t])


@njit(cache=True, nogil=True)
def _sums(tile: Any, size: int, child: Any, tables: Any) -> None:
    """Fills the weighted sums of the children."""
    for c in range(len(child)):
        row = child[c]
        if len(tables.below):
            for t in range(len(tile)):
                row[t] = tables.below[np.int64(tile[t, c * size])]
        else:
            for t in range(len(tile)):
                row[t] = np.rint(np.float32(tile[t, c]) * tables.scale)
        weight = tables.weight[c]
        if weight != WEIGHT_ONE:
            for t in range(TILE):
                row[t] = np.floor(row[t] * weight * (1 / WEIGHT_ONE))


@njit(cache=True, nogil=True)
def _shares(share: Any, whole: Any, exponent: Any) -> None:
    """Fills the sum and the position of its leading one, and turns the children's sums into shares, 2^11 to 2^12 in all."""
    total = np.zeros(TILE, dtype=np.float64)
    for row in share:
        for t in range(TILE):
            total[t] += row[t]
    exponent[:] = 0
    for t in range(TILE):
        whole[t] = np.int64(total[t])
    for step in (16, 8, 4, 2, 1):
        for t in range(TILE):
            exponent[t] += step if (whole[t] >> (exponent[t] + step)) > 0 else 0
    for t in range(TILE):
        total[t] = _POWERS[exponent[t]]
    for row in share:
        for t in range(TILE):
            row[t] = np.floor(row[t] * total[t])


@njit(cache=True, nogil=True)
def _features(tile: Any, size: int, share: Any, whole: Any, exponent: Any, tables: Any, features: Any) -> None:
    """Fills the input of the network, see `SharesLevel.features`."""
    children, numbers = len(share), size - 1
    low, high = tables.limits
    shifts = tables.shifts
    for c in range(children):
        row, feature = share[c], features[c]
        for t in range(TILE):
            feature[t] = tables.root_features[min(np.int64(row[t]) >> (_SHARE_BITS - ROOT_BITS), 255)]
        for k in range(numbers):
            at = children + c * numbers + k
            for t in range(len(tile)):
                root = tables.roots[min(np.int64(row[t]) >> (_SHARE_BITS - ROOT_BITS), 255)]
                number = np.int64(tile[t, c * size + 1 + k])
                features[at, t] = _rounded(number * root, shifts[0], low, high)
                features[at + children * numbers, t] = _rounded(number, shifts[1], low, high)
    for t in range(TILE):
        log = ((exponent[t] - 1) << LOG_BITS) + ((whole[t] << LOG_BITS) >> exponent[t]) - (16 << LOG_BITS)
        features[children * (1 + 2 * numbers), t] = _rounded(log if whole[t] > 0 else -(16 << LOG_BITS), shifts[2], low, high)


@njit(cache=True, nogil=True)
def _sum_code(whole: Any, thresholds: Any, code: Any) -> None:
    """Finds the last threshold that each sum reaches: a binary search, all units of the tile in step."""
    code[:] = 0
    step = (len(thresholds) + 1) >> 1
    while step:
        for t in range(TILE):
            code[t] += step if thresholds[code[t] + step - 1] <= whole[t] else 0
        step >>= 1


@njit(cache=True, nogil=True)
def _add_own(tile: Any, size: int, share: Any, matrix: Any, moments: Any) -> None:
    """Adds to the moments how far the barycentres of the children lie from their centres."""
    for c in range(len(share)):
        for k in range(2):
            to_x, to_y = matrix[c, k]
            for t in range(len(tile)):
                own = to_x * np.int64(tile[t, c * size + 1]) + to_y * np.int64(tile[t, c * size + 2])
                moments[k + 1, t] += share[c, t] * (own >> MATRIX_BITS)


@njit(cache=True, nogil=True)
def _barycentre(moments: Any, tables: Any, code: Any) -> None:
    """Fills rows 1 and 2 of the code with the barycentre, see `hgcae.model.sums.barycentre`."""
    for k in range(1, 3):
        for t in range(TILE):
            w = max(moments[0, t], 1.0)
            # Exact in 64-bit floats: the quotient is below 2^17, and an integer or at least 2^-14 below the next.
            mean = np.int64(np.floor((2.0 * moments[k, t] + w) / (2.0 * w)))
            code[k, t] = min(max((2 * mean + tables.step) >> tables.step_bits, -tables.top), tables.top - 1)
