"""The published autoencoder of the ECON-T with its 2,144 parameters, trained on one's own sample.

The 48 cells lie in an 8 x 8 image, one quarter of which stays empty; 8 filters of 3 x 3 pixels at every other place, ReLU, then a dense
layer of 16 with ReLU. Inputs are the charges over the power of two below their sum, 8 bits; weights have 6 bits. The 16 outputs are sent
with 3, 5, 7 or 9 bits for 2 to 5 links, behind the charge in the format 5E4M. The decoder is a dense layer and two transposed convolutions
in float.
Sources: G. Di Guglielmo et al., arXiv:2105.01683; github.com/oliviaweng/Ecoder (networks, normalisation and formats);
github.com/dnoonan08/ECONT_Emulator@c71cfa2a (bits of the outputs).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.images import CELLS_88, power_of_two
from hgcae.codec.layers import Layer, network, run, taps
from hgcae.codec.numbers import NumbersCodec, encoder_config, encoder_from_config
from hgcae.coding.fixedpoint import FixedPoint, integer_range
from hgcae.coding.floatcode import FLOAT_5E4M
from hgcae.errors import SettingsError
from hgcae.integer.encoder import IntegerEncoder, PlainTables
from hgcae.integer.network import QuantisedNetwork

OUTPUT_BITS: Mapping[int, int] = {2: 3, 3: 5, 4: 7, 5: 9}
"""Bits of each output by the number of links."""
N_OUTPUTS = 16
FILTERS = 8
KERNEL = (3, 3)
STRIDE = 2
IMAGE = (8, 8)
N_PIXELS = math.prod(IMAGE)
TAPS = taps(IMAGE, KERNEL, STRIDE)
"""Pixel of the image under each weight of a filter at each of its places: (16, 9), -1 beyond the edge."""
WEIGHT = FixedPoint(bits=6, integer=1)
FEATURE = FixedPoint(bits=8, integer=1, signed=False)
ACTIVATION = FixedPoint(bits=8, integer=1, signed=False)


def features(charges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the pixels under each filter place, in steps of 1/128 of the power of two below the module's charge: (n, 16, 9)."""
    shift = power_of_two(charges.sum(axis=1))[:, None]
    pixels = np.zeros((len(charges), N_PIXELS + 1), dtype=np.int64)  # the last one is what lies beyond the edge
    pixels[:, CELLS_88] = (charges << FEATURE.fraction) >> shift
    return pixels[:, TAPS]


class EconAutoencoderCodec(NumbersCodec):
    """Sends the charge in 9 bits and 16 learned numbers.

    Args:
        links: ECON-T links, 2 to 5.
        encoder: The convolution as a layer of 9 inputs and 8 outputs and the dense layer of 128 and 16, or plain values of them.
        decoder: Float layers from 16 numbers to the 8 x 8 image, or plain values of them.

    Raises:
        SettingsError: Layers or formats do not fit, or there are other links.
    """

    name = "econ_ae"

    def __init__(
        self, links: int, encoder: QuantisedNetwork | Mapping[str, Any], decoder: Sequence[Layer] | Sequence[Mapping[str, Any]]
    ) -> None:
        where = f"codec {self.name}"
        if links not in OUTPUT_BITS:
            msg = f"{where}: links: found {links}, expected one of {', '.join(map(str, OUTPUT_BITS))}"
            raise SettingsError(msg)
        super().__init__(links, N_OUTPUTS, OUTPUT_BITS[links], FLOAT_5E4M)
        self.encoder = encoder_from_config(encoder, f"{where}: encoder")
        self.decoder = network(decoder, N_OUTPUTS, N_PIXELS, f"{where}: decoder")
        shapes = [layer.kernel.shape for layer in self.encoder.layers]
        expected = [(TAPS.shape[1], FILTERS), (len(TAPS) * FILTERS, N_OUTPUTS)]
        if shapes != expected or self.encoder.number != number_format(links):
            msg = f"{where}: encoder: found {shapes}, outputs {self.encoder.number}; expected {expected}, {number_format(links)}"
            raise SettingsError(msg)

    @cached_property
    def _integer_encoder(self) -> IntegerEncoder:
        low, high = integer_range(self.encoder.feature)
        tables = PlainTables(np.ones(TAPS.size), low, high)
        return IntegerEncoder(self.encoder.network(), tables)

    def numbers(self, charges: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns the outputs of the encoder: (n, 16)."""
        return self._integer_encoder.integers(features(charges).astype(np.float64))

    def images(self, numbers: NDArray[np.int64], total: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ARG002 - the same for all
        """Returns the decoded pixels of the cells: (n, 48)."""
        return run(self.decoder, numbers * self.encoder.number.step)[:, CELLS_88]

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values; arrays as in `hgcae.codec.arrays`."""
        decoder = [layer.get_config() for layer in self.decoder]
        return {"name": self.name, "links": self.links, "encoder": encoder_config(self.encoder), "decoder": decoder}


def number_format(links: int) -> FixedPoint:
    """Returns the format of the outputs for a number of links: from 0 to 2."""
    return FixedPoint(bits=OUTPUT_BITS[links], integer=1, signed=False)
