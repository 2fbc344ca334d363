"""What the learned codecs share: the charge of a module in a float code of its own, then numbers of equal width that say where it lies."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.codec.base import FieldsCodec, ModuleCodec
from hgcae.codec.images import decoded_sums
from hgcae.coding.fixedpoint import FixedPoint
from hgcae.coding.floatcode import FloatCode
from hgcae.errors import SettingsError
from hgcae.integer.network import QuantisedNetwork, uniform


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


def encoder_config(network: QuantisedNetwork) -> dict[str, Any]:
    """Returns a quantised encoder as plain values; its first layer may run on several groups of inputs (`side_by_side`)."""
    formats = {name: getattr(network, name).model_dump() for name in _FORMATS}
    layers = [{"kernel": to_plain(layer.kernel), "bias": to_plain(layer.bias)} for layer in network.layers]
    return formats | {"places": network.layers[0].places, "layers": layers}


def encoder_from_config(config: QuantisedNetwork | Any, where: str) -> QuantisedNetwork:
    """Makes an encoder from what `encoder_config` returned; one that is made already is returned as it is.

    Raises:
        SettingsError: A value is missing, unknown or wrong.
    """
    if isinstance(config, QuantisedNetwork):
        return config
    if not isinstance(config, Mapping) or set(config) != {*_FORMATS, "places", "layers"} or not config["layers"]:
        msg = f"{where}: expected layers, at least one, places, {', '.join(_FORMATS)}"
        raise SettingsError(msg)
    if not isinstance(config["places"], int) or not 1 <= config["places"] <= _MOST_PLACES:
        msg = f"{where}: places: found {config['places']!r}, expected 1 to {_MOST_PLACES}"
        raise SettingsError(msg)
    formats = {name: FixedPoint.load(config[name], f"{where}: {name}") for name in _FORMATS}
    layers = []
    for i, layer in enumerate(config["layers"]):
        kernel, bias = (from_plain(layer.get(name), f"{where} layer {i}: {name}") for name in ("kernel", "bias"))
        places = side_by_side(config["places"], len(kernel)) if i == 0 and config["places"] != 1 and kernel.ndim else None
        layers.append(uniform(kernel, bias, formats["weight"], places))
    return QuantisedNetwork(tuple(layers), **formats)


def side_by_side(places: int, size: int) -> NDArray[np.int64]:
    """Returns the taps of a layer that runs on each of several groups of inputs: (places, size)."""
    return np.arange(places * size).reshape(places, size)


_MOST_PLACES = 64
"""Pixels of the largest image of a module."""
_FORMATS = ("weight", "feature", "activation", "number")
