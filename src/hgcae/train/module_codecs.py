"""How learned codecs of modules are trained, each from charges of modules and a number of links; `hgcae.codec.registry` calls these."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae.codec import econ_ae, hierarchy, latent
from hgcae.codec.base import FitOptions, ModuleCodec, budget, training_charges
from hgcae.codec.images import shares
from hgcae.codec.layers import Layer
from hgcae.codec.numbers import side_by_side
from hgcae.coding.fixedpoint import FixedPoint
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.integer.network import QuantisedNetwork
from hgcae.model.calibration import Calibration
from hgcae.model.conserving import ConservingLevel
from hgcae.model.layers import quantised_dense
from hgcae.model.presets import ConservingSettings, ModelSettings, l1_preset
from hgcae.model.runtime import neutral
from hgcae.train.losses import LossSettings
from hgcae.train.minimise import draw_weights, minimise
from hgcae.train.module_losses import absolute_difference, sliced_distance, telescope
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.trainer import Trainer, TrainSettings

BATCH = 512
"""Modules in a step."""


LATENT_BITS: Mapping[int, tuple[int, int]] = {2: (24, 2), 3: (40, 2), 4: (37, 3), 5: (48, 3)}
"""Numbers and their bits for each number of links; with the charge 57, 89, 120 and 153 bits."""
LATENT_WEIGHT = FixedPoint(bits=8, integer=0)
LATENT_FEATURE = FixedPoint(bits=8, integer=1)
"""Formats of the encoder's weights and input."""
LATENT_DECODER = (256, 256)
_ABSOLUTE = 0.5
"""Weight of the absolute difference next to the sliced distance."""


@neutral()
def latent_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains `hgcae.codec.latent` on the sliced distance and the absolute difference of shares."""
    budget(links, latent.LatentCodec.name)
    charges = training_charges(train, latent.LatentCodec.name)
    count, bits = LATENT_BITS[links]
    settings = ConservingSettings(
        latent=1 + count,
        barycentre=False,
        bits=bits,
        encoder=(),
        decoder=LATENT_DECODER,
        weight=LATENT_WEIGHT,
        feature=LATENT_FEATURE,
    )
    level = ConservingLevel("MODULE", module.N_CELLS, settings, None, None, maximum=float(charges.sum(axis=1).max()))
    draw_weights(level.encoder.variables, fit.seed)
    draw_weights(level.decoder.variables, fit.seed + 1, last_gain=0.3)
    features, total, share = _seen(level, charges)

    def loss(features: Any, total: Any, share: Any) -> Any:
        decoded = level.decode(jnp.concatenate([total, level.encoder(features, training=True)], axis=1)) / total
        return sliced_distance(share, decoded) + _ABSOLUTE * absolute_difference(share, decoded)

    minimise(loss, level.variables, (features, total, share), steps=fit.steps, batch=BATCH, rate=2e-3, seed=fit.seed)
    encoder = QuantisedNetwork.of_floats(_pairs(level.encoder), settings.weight, settings.feature, settings.activation, settings.number)
    dense = _pairs(level.decoder)
    activations = ["relu"] * (len(dense) - 1) + ["softmax"]
    return latent.LatentCodec(links, encoder, [Layer(*pair, activation) for pair, activation in zip(dense, activations, strict=True)])


def _seen(level: ConservingLevel, charges: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Returns the features (n, 49), charges (n, 1) and shares (n, 48) of modules."""
    features, _ = level.features(jnp.asarray(charges, dtype=jnp.int32))
    return np.asarray(features), charges.sum(axis=1, keepdims=True).astype(np.float32), shares(charges).astype(np.float32)


def _pairs(model: keras.Model) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Returns kernel and bias of each layer of a network."""
    arrays = [np.asarray(v.value) for v in model.trainable_variables]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def econ_encoder(links: int) -> keras.Model:
    """Returns the published encoder with quantisation in training: pixels under the filters (n, 16, 9) to outputs (n, 16)."""
    first: Any = keras.Input(econ_ae.TAPS.shape)
    formats = econ_ae.WEIGHT, econ_ae.FEATURE, econ_ae.ACTIVATION, econ_ae.ACTIVATION
    # The unsigned formats of both outputs are their ReLUs.
    x = quantised_dense(first, (econ_ae.FILTERS,), *formats, "econ_convolution")
    formats = econ_ae.WEIGHT, econ_ae.ACTIVATION, econ_ae.ACTIVATION, econ_ae.number_format(links)
    x = quantised_dense(keras.layers.Flatten()(x), (econ_ae.N_OUTPUTS,), *formats, "econ_encoded")
    return keras.Model(first, x)


ECON_STEPS = 8
"""How many times the steps of the other codecs the published network gets: it learns slowly, and its authors let it pass the sample some
hundred times (train.py of github.com/rohanshenoy/Ecoder: 200 epochs)."""


@neutral()
def econ_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains `hgcae.codec.econ_ae` on the telescope loss of shares."""
    budget(links, econ_ae.EconAutoencoderCodec.name)
    charges = training_charges(train, econ_ae.EconAutoencoderCodec.name)
    encoder = econ_encoder(links)
    decoder = [keras.Variable(np.zeros(shape, dtype=np.float32)) for shape in _ECON_DECODER]
    draw_weights(encoder.variables, fit.seed)
    draw_weights(decoder, fit.seed + 1)
    step = econ_ae.FEATURE.step
    share = shares(charges).astype(np.float32)

    def loss(pixels: Any, share: Any) -> Any:
        decoded = _econ_decode(decoder, encoder(pixels * step, training=True))[:, econ_ae.CELLS_88]
        return telescope(share, decoded / jnp.sum(decoded, axis=1, keepdims=True))

    rows = econ_ae.features(charges).astype(np.uint8), share
    minimise(loss, [*encoder.variables, *decoder], rows, steps=ECON_STEPS * fit.steps, batch=BATCH, rate=2e-3, seed=fit.seed)
    formats = econ_ae.WEIGHT, econ_ae.FEATURE, econ_ae.ACTIVATION, econ_ae.number_format(links)
    quantised = QuantisedNetwork.of_floats(_pairs(encoder), *formats, taps=side_by_side(*econ_ae.TAPS.shape))
    arrays = [np.asarray(v.value) for v in decoder]
    layers = [
        Layer(arrays[0], arrays[1]),
        Layer(arrays[2], arrays[3], kind="transposed", image=econ_ae.IMAGE, stride=econ_ae.STRIDE),
        Layer(arrays[4], arrays[5], "sigmoid", kind="transposed", image=econ_ae.IMAGE),
    ]
    return econ_ae.EconAutoencoderCodec(links, quantised, layers)


_ECON_DECODER = [(16, 128), (128,), (3, 3, 8, 8), (8,), (3, 3, 1, 8), (1,)]
"""Kernels and biases of the decoder: a dense layer and two transposed convolutions."""


def _econ_decode(variables: list[Any], x: Any) -> Any:
    """Returns the decoded pixels (n, 64) of outputs (n, 16), differentiably; `hgcae.codec.layers` computes the same from the weights."""
    dense, bias, first, first_bias, last, last_bias = (v.value for v in variables)
    x = jnp.maximum(x @ dense + bias, 0)
    x = jnp.maximum(_transposed(x, first, first_bias, econ_ae.STRIDE), 0)
    return keras.ops.sigmoid(_transposed(x, last, last_bias, 1))


def _transposed(x: Any, kernel: Any, bias: Any, stride: int) -> Any:
    """Returns a transposed convolution to the image of the published autoencoder, as one product."""
    pixel, size = econ_ae.taps(econ_ae.IMAGE, econ_ae.KERNEL, stride), int(np.prod(econ_ae.IMAGE))
    filters, channels = kernel.shape[2:]
    matrix = jnp.zeros((size + 1, filters, len(pixel), channels))
    matrix = matrix.at[pixel, :, np.arange(len(pixel))[:, None]].set(kernel.reshape(-1, filters, channels))
    return x @ matrix[:-1].reshape(-1, len(pixel) * channels).T + jnp.tile(bias, size)


HIERARCHY_BITS: Mapping[int, tuple[int, int]] = {2: (8, 7), 3: (11, 8), 4: (15, 8), 5: (17, 9)}
"""Numbers of a module's code and their bits for each number of links; 56, 88, 120 and 153 bits."""
HIERARCHY_ROC = {"latent": 12, "bits": 9, "encoder": (32, 24)}
"""What differs from the preset at the ROCs, whose codes are not sent."""
_HIERARCHY_BATCH = 256


@dataclass(frozen=True)
class _Held:
    """A sample in memory."""

    events: Events

    def __len__(self) -> int:
        return len(self.events)

    def take(self, start: int, stop: int) -> Events:
        return self.events[start:stop]


@neutral()
def hierarchy_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains the package's own autoencoder, preset `l1`: ROCs alone, then ROCs and modules together."""
    budget(links, hierarchy.HierarchyCodec.name)
    charges = training_charges(train, hierarchy.HierarchyCodec.name)
    events = Events.from_dense(charges.reshape(-1, *module.SHAPE).astype(np.float32), hierarchy.HIERARCHY)
    latent_, bits = HIERARCHY_BITS[links]
    preset = l1_preset(hierarchy.HIERARCHY, latent=latent_, bits=bits)
    levels = preset.model_dump()["levels"]
    levels["ROC"] |= HIERARCHY_ROC
    settings = ModelSettings.load({"preset": "l1", "levels": levels}, "codec hierarchy")
    model = hierarchy.untrained(settings, Calibration.measure([events]), fit.seed)
    common: dict[str, Any] = {"epochs": 1, "decay": True, "batch": _HIERARCHY_BATCH}
    first = max(1, fit.steps // 4)
    stages = (
        Stage(loss_level="ROC", trains=("ROC",), learning_rate=6e-3, sampling="charge", steps=first, **common),
        Stage(loss_level="MODULE", trains=("ROC", "MODULE"), learning_rate=4e-3, steps=max(1, fit.steps - first), **common),
    )
    options = TrainSettings(schedule=Schedule(stages=stages), loss=LossSettings(absolute=0.3, position=1.0), seed=fit.seed)
    with tempfile.TemporaryDirectory() as folder:
        held = _Held(events)
        Trainer(model, options, held, events[: min(len(events), 1000)], module.trigger_cell_xy(), Path(folder)).run()
    return hierarchy.HierarchyCodec(links, model)
