"""Small networks in NumPy, for decoders and for encoders that are not quantised: dense layers, and convolutions written as dense ones.

A convolution of an image is a linear map of its pixels. Images of a module have at most 64 pixels, so its matrix is small, and the matrix
of a transposed convolution is that of the convolution, transposed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.errors import SettingsError

KINDS = ("dense", "convolution", "transposed")
ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax")

MOST_ENTRIES = 1 << 22
"""Largest matrix of a layer: 32 MB, far more than a module needs."""


def taps(image: tuple[int, int], kernel: tuple[int, int], stride: int) -> NDArray[np.int64]:
    """Returns which pixel lies under each weight of a kernel at each of its places: (places, kernel pixels), -1 beyond the edge.

    The image is padded so that there is one place for every `stride` pixels, and the odd pixel of padding is at the lower right:
    TensorFlow's padding `SAME`.
    """
    axes = []
    for size, k in zip(image, kernel, strict=True):
        places = -(-size // stride)
        before = max((places - 1) * stride + k - size, 0) // 2
        at = np.arange(places)[:, None] * stride - before + np.arange(k)
        axes.append(np.where((at >= 0) & (at < size), at, -1))
    row, column = axes[0][:, None, :, None], axes[1][None, :, None, :]
    pixel = np.where((row >= 0) & (column >= 0), row * image[1] + column, -1)
    return pixel.reshape(axes[0].shape[0] * axes[1].shape[0], kernel[0] * kernel[1])


def convolution_matrix(kernel: NDArray[Any], image: tuple[int, int], stride: int = 1) -> NDArray[np.float64]:
    """Returns a convolution with padding `SAME` as a matrix: images (n, h w c) @ matrix (h w c, places filters).

    Args:
        kernel: Weights (k, k, c, filters).
        image: Height and width of what is convolved.
        stride: Pixels between places.
    """
    k1, k2, channels, filters = kernel.shape
    pixel = taps(image, (k1, k2), stride)
    # One more pixel takes what lies beyond the edge, and is dropped.
    matrix = np.zeros((image[0] * image[1] + 1, channels, len(pixel), filters))
    matrix[pixel, :, np.arange(len(pixel))[:, None]] = kernel.reshape(-1, channels, filters)
    return matrix[:-1].reshape(image[0] * image[1] * channels, len(pixel) * filters)


@dataclass(frozen=True)
class Layer:
    """One layer: y = activation(x matrix + bias).

    Args:
        kernel: Weights; dense (n_in, n_out), convolution (k, k, channels in, filters), transposed (k, k, channels out, channels in).
        bias: (n_out,) or (filters or channels out,).
        activation: One of `ACTIVATIONS`.
        kind: One of `KINDS`; convolutions have the padding `SAME`.
        image: Height and width of the larger image of a convolution: what is convolved, or what a transposed one makes.
        stride: Pixels of the larger image for one of the smaller.

    Raises:
        SettingsError: Shapes or names that do not fit.
    """

    kernel: NDArray[Any]
    bias: NDArray[Any]
    activation: str = "relu"
    kind: str = "dense"
    image: tuple[int, int] = (0, 0)
    stride: int = 1

    def __post_init__(self) -> None:
        channels = self.kernel.shape[-2 if self.kind == "transposed" else -1] if self.kernel.ndim > 1 else 0
        fits = self.kernel.ndim == (2 if self.kind == "dense" else 4) and self.bias.shape == (channels,)
        if self.kind not in KINDS or self.activation not in ACTIVATIONS or not fits or min(self.image) < 0 or self.stride < 1:
            found = f"{self.kind} {self.kernel.shape}, bias {self.bias.shape}, {self.activation}, image {self.image}, stride {self.stride}"
            msg = f"layer: found {found}, expected {' or '.join(KINDS)} with one bias per output and {' or '.join(ACTIVATIONS)}"
            raise SettingsError(msg)
        entries = self.kernel.size
        if self.kind != "dense":
            pixels, places = math.prod(self.image), math.prod(-(-n // self.stride) for n in self.image)
            entries = max(pixels * places * math.prod(self.kernel.shape[2:]), places * math.prod(self.kernel.shape[:2]))
        if not 0 < entries <= MOST_ENTRIES:
            msg = f"layer: found a matrix of {entries} entries, expected at most {MOST_ENTRIES}, and one at least"
            raise SettingsError(msg)

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """The layer as a matrix: (n_in, n_out)."""
        if self.kind == "dense":
            return np.asarray(self.kernel, dtype=np.float64)
        matrix = convolution_matrix(np.asarray(self.kernel, dtype=np.float64), self.image, self.stride)
        return matrix.T if self.kind == "transposed" else matrix

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Maps (n, n_in) to (n, n_out)."""
        y = x @ self.matrix
        y += np.tile(self.bias, y.shape[1] // len(self.bias))
        if self.activation == "relu":
            return np.maximum(y, 0.0, out=y)
        if self.activation == "sigmoid":
            return 0.5 * (1.0 + np.tanh(0.5 * y))  # without overflow at either end
        if self.activation == "softmax":
            y = np.exp(y - y.max(axis=1, keepdims=True))
            return y / y.sum(axis=1, keepdims=True)
        return y

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        arrays = {"kernel": to_plain(self.kernel), "bias": to_plain(self.bias)}
        return arrays | {"activation": self.activation, "kind": self.kind, "image": list(self.image), "stride": self.stride}


def network(layers: Sequence[Layer] | Sequence[Mapping[str, Any]], n_in: int, n_out: int, where: str) -> tuple[Layer, ...]:
    """Returns layers, given as such or as plain values, of which each takes what the one before gives.

    Raises:
        SettingsError: They do not fit one another, or the numbers of inputs and outputs; or values are missing, unknown or wrong.
    """
    made = tuple(layer if isinstance(layer, Layer) else _from_plain(layer, f"{where} layer {i}") for i, layer in enumerate(layers))
    sizes = [n_in]
    for layer in made:
        if layer.matrix.shape[0] != sizes[-1]:
            break
        sizes.append(layer.matrix.shape[1])
    if not made or len(sizes) <= len(made) or sizes[-1] != n_out:
        found = ", ".join(str(layer.matrix.shape) for layer in made)
        msg = f"{where}: found layers {found or 'none'}, expected some that lead from {n_in} to {n_out} numbers"
        raise SettingsError(msg)
    return made


def run(layers: Sequence[Layer], x: NDArray[Any]) -> NDArray[np.float64]:
    """Returns what a network makes of its input: (n, n_in) to (n, n_out)."""
    y = np.asarray(x, dtype=np.float64)
    for layer in layers:
        y = layer(y)
    return y


def _from_plain(value: Mapping[str, Any], where: str) -> Layer:
    try:
        rest: dict[str, Any] = dict(value)
        arrays = {name: from_plain(rest.pop(name, None), f"{where}: {name}") for name in ("kernel", "bias")}
        rest["image"] = tuple(rest.get("image", (0, 0)))
        return Layer(**arrays, **rest)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"{where}: {error}"
        raise SettingsError(msg) from None
