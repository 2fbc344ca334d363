"""A learned codec of front-end size: more numbers of fewer bits than the published autoencoder, from roots of shares.

The encoder sees, for each trigger cell, the square root of its share of the module's charge, and the logarithm of that charge
(`hgcae.coding.sums`): 49 numbers of 8 bits. One quantised dense layer makes the numbers that are sent. The decoder, in float, returns
shares of the charge, which is sent apart in a format of its own. How it is trained: `hgcae.train.module_codecs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.layers import Layer, network, run
from hgcae.codec.numbers import NumbersCodec, encoder_config, encoder_from_config
from hgcae.coding import sums
from hgcae.coding.fixedpoint import integer_range
from hgcae.coding.floatcode import FloatCode
from hgcae.errors import SettingsError
from hgcae.geometry import module
from hgcae.integer.encoder import ConservingTables, IntegerEncoder
from hgcae.integer.network import QuantisedNetwork

TOTAL = FloatCode(4, 5)
"""Format of the charge: 9 bits, steps of 1/64 to 1/32, up to 2^20."""


class LatentCodec(NumbersCodec):
    """Sends the charge in 9 bits and learned numbers.

    Args:
        links: ECON-T links.
        encoder: Quantised layers, here one, from 49 features to signed numbers in [-1, 1), or plain values of them.
        decoder: Float layers from the logarithm of the charge and the numbers to 48 shares, or plain values of them.

    Raises:
        SettingsError: Layers do not fit, or outputs have another format.
    """

    name = "latent"

    def __init__(
        self, links: int, encoder: QuantisedNetwork | Mapping[str, Any], decoder: Sequence[Layer] | Sequence[Mapping[str, Any]]
    ) -> None:
        where = f"codec {self.name}"
        made = encoder_from_config(encoder, f"{where}: encoder")
        super().__init__(links, made.n_out, made.number.bits, TOTAL)
        self.encoder, self.decoder = made, network(decoder, 1 + made.n_out, module.N_CELLS, f"{where}: decoder")
        if made.n_in != N_FEATURES or not made.number.signed or made.number.integer != 0:
            msg = f"{where}: encoder: found {made.n_in} inputs and outputs {made.number}, expected {N_FEATURES} and signed, integer = 0"
            raise SettingsError(msg)

    @cached_property
    def _integer_encoder(self) -> IntegerEncoder:
        feature = self.encoder.feature
        tables = ConservingTables(
            n_inputs=N_FEATURES,
            scale=np.float32(sums.UNITS),
            below=np.zeros(0),
            thresholds=np.array([1.0]),  # of the sum only whether there is any
            weight=np.full(module.N_CELLS, float(sums.WEIGHT_ONE)),
            scales=2.0 ** (feature.fraction - np.array([sums.ROOT_BITS, sums.LOG_FRACTION], dtype=np.float32)),
            numbers=np.zeros((2, 0), dtype=np.float32),  # cells have none
            limits=np.array(integer_range(feature), dtype=np.float32),
            position=np.ones((1, module.N_CELLS)),
            matrix=np.zeros((0, 2, 2)),
            step=np.zeros(0),
            top=np.zeros(0),
        )
        return IntegerEncoder(self.encoder.network(), tables)

    def numbers(self, charges: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns the learned numbers, the smallest of their format as 0: (n, count)."""
        return self._integer_encoder.integers(charges)[:, 1:] + (1 << (self.bits - 1))

    def images(self, numbers: NDArray[np.int64], total: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns shares of the charge: (n, 48)."""
        code = (numbers - (1 << (self.bits - 1))) * self.encoder.number.step
        return run(self.decoder, np.column_stack([np.log2(total + 1) / 8 - 1, code]))

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values; arrays as in `hgcae.codec.arrays`."""
        decoder = [layer.get_config() for layer in self.decoder]
        return {"name": self.name, "links": self.links, "encoder": encoder_config(self.encoder), "decoder": decoder}


N_FEATURES = module.N_CELLS + 1
"""Roots of shares, and the logarithm of the charge."""
