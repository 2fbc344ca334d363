"""Codecs of every kind that can be had without a training: fitted to random modules, or with weights drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from codec import graphs
from contracts.codec import random_modules
from hgcae.codec import FitOptions, UnitCodec, econ_ae, make_codec
from hgcae.codec.latent import LatentCodec
from hgcae.codec.layers import Layer
from hgcae.codec.numbers import side_by_side
from hgcae.codec.registry import CMS_GRAPHS
from hgcae.coding.fixedpoint import FixedPoint
from hgcae.integer.network import QuantisedNetwork, uniform

SIMPLE = ("mean", "pca", "pyramid", "best_choice", "threshold_sum", "super_trigger_cell", "repeater")


def codecs(links: int = 3, simple: Sequence[str] = SIMPLE) -> dict[str, UnitCodec]:
    """Returns codecs by name; all but `hierarchy`, which needs Keras."""
    rng = np.random.default_rng(1)
    train = random_modules(200)
    made = {name: make_codec(name, links, train) for name in simple}
    with TemporaryDirectory() as folder:
        graphs.write_codec(Path(folder) / CMS_GRAPHS)
        made["cms_pu"] = make_codec("cms_pu", links, train, FitOptions(data=Path(folder)))

    def encoder(shapes: Sequence[tuple[int, int]], number: FixedPoint, places: int) -> QuantisedNetwork:
        def weights(shape: tuple[int, ...]) -> NDArray[np.int8]:
            return rng.integers(-9, 9, shape).astype(np.int8)

        layers = [uniform(weights(shape), weights(shape[1:]), econ_ae.WEIGHT) for shape in shapes]
        if places > 1:
            layers[0] = layers[0]._replace(taps=side_by_side(places, shapes[0][0]))
        return QuantisedNetwork(tuple(layers), econ_ae.WEIGHT, econ_ae.FEATURE, econ_ae.ACTIVATION, number)

    def decoder(n_in: int, n_out: int) -> list[Layer]:
        return [Layer(rng.normal(size=(n_in, n_out)), np.ones(n_out))]

    made["econ_ae"] = econ_ae.EconAutoencoderCodec(links, encoder([(9, 8), (128, 16)], econ_ae.number_format(links), 16), decoder(16, 64))
    made["latent"] = LatentCodec(links, encoder([(49, 8), (8, 5)], FixedPoint(bits=8, integer=0), 1), decoder(6, 48))
    return made
