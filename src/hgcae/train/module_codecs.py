"""How the codecs of a comparison are made: read, fitted or trained, each from charges of modules and a number of links."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae.codec import cms, econ_ae, hierarchy, latent
from hgcae.codec.base import ModuleCodec, checked_charges
from hgcae.codec.econt import BestChoiceCodec, RepeaterCodec, SuperCellCodec, ThresholdSumCodec
from hgcae.codec.layers import Layer
from hgcae.codec.mean import MeanCodec
from hgcae.codec.numbers import QuantisedEncoder
from hgcae.codec.pca import BUDGETS, PcaCodec, images
from hgcae.codec.pyramid import PyramidCodec
from hgcae.coding.fixedpoint import FixedPoint
from hgcae.errors import SettingsError, unknown
from hgcae.events import Events
from hgcae.geometry import module
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

CMS_GRAPHS = "cms_autoencoder"
"""Folder of CMS's graphs below the folder of real data."""


@dataclass(frozen=True)
class FitOptions:
    """What making a codec may use besides training charges.

    Args:
        seed: Start of all random numbers.
        steps: Training steps of a learned codec; the default takes half a minute to a minute on two cores.
        data: Folder of real data, for codecs that CMS trained; None where there is none.
    """

    seed: int = 1
    steps: int = 4000
    data: Path | None = None


Factory = Callable[[int, NDArray[np.integer], FitOptions], ModuleCodec]
"""Makes a codec from its number of links, training charges (n, 48), and the rest."""

BATCH = 512
"""Modules in a step."""


@neutral()
def make_codec(name: str, links: int, train: NDArray[np.integer], fit: FitOptions | None = None) -> ModuleCodec:
    """Returns a codec of a comparison, fitted to training charges where it needs them.

    Args:
        name: Key of `FACTORIES`.
        links: ECON-T links.
        train: Charges (n, 48).
        fit: Seed, length of training, folder of real data.

    Raises:
        SettingsError: The name is unknown, the codec is not made for so many links, or there is nothing to fit to.
        DataFormatError: A file that it needs is damaged.
        OSError: A file that it needs cannot be opened.
    """
    if name not in FACTORIES:
        raise SettingsError(unknown("codec", name, FACTORIES))
    return FACTORIES[name](links, train, fit or FitOptions())


def available(data: Path | None) -> list[str]:
    """Returns the names of the codecs that can be made with what a folder of real data holds."""
    graphs = data is not None and (data / CMS_GRAPHS).is_dir()
    return [name for name in FACTORIES if graphs or not name.startswith(cms.CmsCodec.name)]


def _charged(train: NDArray[np.integer], links: int, name: str) -> NDArray[np.int64]:
    """Returns the training modules that have charge; (n, 48)."""
    charges = checked_charges(train, name)
    charges = charges[charges.sum(axis=1) > 0]
    if links not in BUDGETS or not len(charges):
        msg = f"codec {name}: found {links} links and {len(charges)} modules with charge; expected 2 to 5, and at least one"
        raise SettingsError(msg)
    return charges


def _of_cms(allocation: str) -> Factory:
    def make(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
        if fit.data is None:
            msg = f"codec cms_{allocation}: the folder of real data is not known"
            raise SettingsError(msg)
        # Only one of six ranges is chosen, which takes no large sample.
        return cms.CmsCodec.fit(links, allocation, fit.data / CMS_GRAPHS, train[:: max(1, len(train) // 5000)])

    return make


LATENT_BITS: Mapping[int, tuple[int, int]] = {2: (24, 2), 3: (40, 2), 4: (37, 3), 5: (48, 3)}
"""Numbers and their bits for each number of links; with the charge 57, 89, 120 and 153 bits."""
LATENT_WEIGHT = FixedPoint(bits=8, integer=0)
LATENT_FEATURE = FixedPoint(bits=8, integer=1)
"""Formats of the encoder's weights and input."""
LATENT_DECODER = (256, 256)
_ABSOLUTE = 0.5
"""Weight of the absolute difference beside the sliced distance."""


def latent_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains `hgcae.codec.latent` on the sliced distance and the absolute difference of shares."""
    charges = _charged(train, links, latent.LatentCodec.name)
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
    encoder = QuantisedEncoder.of_floats(_pairs(level.encoder), settings.weight, settings.feature, settings.activation, settings.number)
    dense = _pairs(level.decoder)
    activations = ["relu"] * (len(dense) - 1) + ["softmax"]
    return latent.LatentCodec(links, encoder, [Layer(*pair, activation) for pair, activation in zip(dense, activations, strict=True)])


def _seen(level: ConservingLevel, charges: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Returns the features (n, 49), charges (n, 1) and shares (n, 48) of modules."""
    features, _ = level.features(jnp.asarray(charges, dtype=jnp.int32))
    return np.asarray(features), charges.sum(axis=1, keepdims=True).astype(np.float32), images(charges).astype(np.float32)


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


def econ_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains `hgcae.codec.econ_ae` on the telescope loss of shares."""
    charges = _charged(train, links, econ_ae.EconAutoencoderCodec.name)
    encoder = econ_encoder(links)
    decoder = [keras.Variable(np.zeros(shape, dtype=np.float32)) for shape in _ECON_DECODER]
    draw_weights(encoder.variables, fit.seed)
    draw_weights(decoder, fit.seed + 1)
    step = econ_ae.FEATURE.step
    share = images(charges).astype(np.float32)

    def loss(pixels: Any, share: Any) -> Any:
        decoded = _econ_decode(decoder, encoder(pixels * step, training=True))[:, econ_ae.CELLS_88]
        return telescope(share, decoded / jnp.sum(decoded, axis=1, keepdims=True))

    rows = econ_ae.features(charges).astype(np.uint8), share
    minimise(loss, [*encoder.variables, *decoder], rows, steps=ECON_STEPS * fit.steps, batch=BATCH, rate=2e-3, seed=fit.seed)
    formats = econ_ae.WEIGHT, econ_ae.FEATURE, econ_ae.ACTIVATION, econ_ae.number_format(links)
    quantised = QuantisedEncoder.of_floats(_pairs(encoder), *formats, places=len(econ_ae.TAPS))
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


def hierarchy_codec(links: int, train: NDArray[np.integer], fit: FitOptions) -> ModuleCodec:
    """Trains the package's own autoencoder, preset `l1`: ROCs alone, then ROCs and modules together."""
    charges = _charged(train, links, hierarchy.HierarchyCodec.name)
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


FACTORIES: Mapping[str, Factory] = {
    MeanCodec.name: lambda links, train, _fit: MeanCodec.fit(links, train),
    PcaCodec.name: lambda links, train, _fit: PcaCodec.fit(links, train),
    PyramidCodec.name: lambda links, train, fit: PyramidCodec.fit(links, train, fit.seed),
    "best_choice": lambda links, _train, _fit: BestChoiceCodec(links),
    "best_choice_low": lambda links, _train, _fit: BestChoiceCodec(links, edge="low"),
    "best_choice_spread": lambda links, _train, _fit: BestChoiceCodec(links, spread=True),
    "best_choice_spread_low": lambda links, _train, _fit: BestChoiceCodec(links, edge="low", spread=True),
    "threshold_sum": lambda links, train, _fit: ThresholdSumCodec.fit(links, train),
    "threshold_sum_spread": lambda links, train, _fit: ThresholdSumCodec.fit(links, train, spread=True),
    "super_trigger_cell": lambda links, _train, _fit: SuperCellCodec(links),
    "repeater": lambda links, _train, _fit: RepeaterCodec(links),
    "cms_pu": _of_cms("pu"),
    "cms_signal": _of_cms("signal"),
    econ_ae.EconAutoencoderCodec.name: econ_codec,
    latent.LatentCodec.name: latent_codec,
    hierarchy.HierarchyCodec.name: hierarchy_codec,
}
"""How the codecs of a comparison are made, by the name that it gives them."""
