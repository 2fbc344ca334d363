"""What the learned codecs share: the charge of a module in a float code of its own, then numbers of equal width that say where it lies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.codec.base import FieldsCodec, ModuleCodec
from hgcae.codec.images import decoded_sums
from hgcae.coding.fixedpoint import FixedPoint, integer_range, to_integers
from hgcae.coding.floatcode import FloatCode
from hgcae.errors import SettingsError
from hgcae.integer.network import Network, network


class NumbersCodec(FieldsCodec, ModuleCodec):
    """Sends the charge, then `count` numbers of `bits` bits.

    Args:
        links: ECON-T links.
        count: How many numbers.
        bits: Bits of each, 1 to 16.
        total: Format of the charge.
    """

    def __init__(self, links: int, count: int, bits: int, total: FloatCode) -> None:
        super().__init__(links)
        if count < 1 or not 1 <= bits <= 16:
            msg = f"codec {self.name}: found {count} numbers of {bits} bits, expected at least one of 1 to 16"
            raise SettingsError(msg)
        self.count, self.bits, self.total = count, bits, total

    @property
    @override
    def widths(self) -> NDArray[np.int64]:
        return np.array([self.total.bits, *[self.bits] * self.count])

    @abstractmethod
    def numbers(self, charges: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns what is sent of the image, whole numbers from 0 to 2^bits - 1: (n, 48) to (n, count)."""

    @abstractmethod
    def images(self, numbers: NDArray[np.int64], total: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns images, at least 0, of which only ratios matter: numbers (n, count) and charges (n,) to (n, 48)."""

    @override
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        """All numbers of an empty module are 0."""
        total = charges.sum(axis=1)
        return np.column_stack([self.total.encode(total), np.where(total[:, None] > 0, self.numbers(charges), 0)])

    @override
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        total = decoded_sums(self.total, fields[:, 0])
        image = self.images(fields[:, 1:], total)
        whole = image.sum(axis=1)
        return image * np.divide(total, whole, out=np.zeros(len(image)), where=whole > 0)[:, None]


class QuantisedEncoder:
    """Dense layers with ReLUs between them, with integers for weights.

    Args:
        layers: Kernel (n_in, n_out) and bias (n_out,) of each layer, in steps of `weight`.
        weight: Format of both.
        feature: Format of the input.
        activation: Format between the layers.
        number: Format of the output.
        places: How often the first layer runs, on as many groups of inputs: a convolution.

    Raises:
        SettingsError: A weight is not in its format, or layers do not fit one another.
    """

    def __init__(
        self,
        layers: Sequence[tuple[NDArray[np.integer], NDArray[np.integer]]],
        weight: FixedPoint,
        feature: FixedPoint,
        activation: FixedPoint,
        number: FixedPoint,
        places: int = 1,
    ) -> None:
        self.places = places
        self.layers, self.weight, self.feature, self.activation, self.number = list(layers), weight, feature, activation, number
        low, high = integer_range(weight)
        size = self.layers[0][0].shape[0] if self.layers and self.layers[0][0].ndim == 2 else 0
        for i, (kernel, bias) in enumerate(self.layers):
            whole = all(a.dtype.kind == "i" and low <= a.min(initial=0) and a.max(initial=0) <= high for a in (kernel, bias))
            if kernel.ndim != 2 or kernel.shape != (size, len(bias)) or not whole:
                found = f"{kernel.dtype} {kernel.shape} and bias {bias.shape}"
                msg = f"encoder layer {i}: found {found}, expected whole numbers from {low} to {high} and {size} inputs"
                raise SettingsError(msg)
            size = len(bias) * (places if i == 0 else 1)
        if not size:
            msg = "encoder: found no layer, expected at least one"
            raise SettingsError(msg)

    @classmethod
    def of_floats(
        cls,
        layers: Sequence[tuple[NDArray[Any], NDArray[Any]]],
        weight: FixedPoint,
        feature: FixedPoint,
        activation: FixedPoint,
        number: FixedPoint,
        places: int = 1,
    ) -> Self:
        """Rounds trained float weights to their format, as the training did."""
        rounded = [(to_integers(kernel, weight), to_integers(bias, weight)) for kernel, bias in layers]
        return cls(rounded, weight, feature, activation, number, places)

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return self.places * self.layers[0][0].shape[0]

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.layers[-1][1])

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(kernel.size + bias.size for kernel, bias in self.layers)

    @property
    def bit_operations(self) -> int:
        """Effective bit operations: multiply-adds x bits of a weight x bits of an input, summed over the layers."""
        times = [self.places, *[1] * (len(self.layers) - 1)]
        inputs = [self.feature.bits, *[self.activation.bits] * (len(self.layers) - 1)]
        return sum(n * kernel.size * self.weight.bits * bits for n, (kernel, _), bits in zip(times, self.layers, inputs, strict=True))

    def network(self) -> Network:
        """Returns the layers in the form that the integer path runs."""
        step = self.weight.step
        dense = [(kernel * step, bias * step) for kernel, bias in self.layers]
        # The same filters at every place, whose outputs lie side by side.
        dense[0] = (np.kron(np.eye(self.places), dense[0][0]), np.tile(dense[0][1], self.places))
        return network(dense, self.weight, self.feature, self.activation, self.number)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        formats = {name: getattr(self, name).model_dump() for name in _FORMATS}
        return formats | {
            "places": self.places,
            "layers": [{"kernel": to_plain(kernel), "bias": to_plain(bias)} for kernel, bias in self.layers],
        }

    @classmethod
    def from_config(cls, config: Any, where: str) -> Self:
        """Makes an encoder from what `get_config` returned.

        Raises:
            SettingsError: A value is missing, unknown or wrong.
        """
        if not isinstance(config, Mapping) or set(config) != {*_FORMATS, "places", "layers"}:
            msg = f"{where}: expected layers, places, {', '.join(_FORMATS)}"
            raise SettingsError(msg)
        formats = {name: FixedPoint.load(config[name], f"{where}: {name}") for name in _FORMATS}
        layers = [
            (from_plain(layer.get("kernel"), f"{where} layer {i}: kernel"), from_plain(layer.get("bias"), f"{where} layer {i}: bias"))
            for i, layer in enumerate(config["layers"])
        ]
        return cls(layers, **formats, places=config["places"])


_FORMATS = ("weight", "feature", "activation", "number")
