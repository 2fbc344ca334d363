"""Learned codecs of modules, each trained for a moment: what they share, and that integers are what was trained."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from contracts.codec import CodecContract, random_modules
from hgcae.codec import CODECS, FitOptions, UnitCodec, codec_from_config, make_codec
from hgcae.codec.base import BUDGETS
from hgcae.codec.econ_ae import ACTIVATION, FEATURE, IMAGE, N_PIXELS, TAPS, WEIGHT, EconAutoencoderCodec, features, number_format
from hgcae.codec.hierarchy import HierarchyCodec
from hgcae.codec.images import CELLS_88, shares
from hgcae.codec.latent import LatentCodec
from hgcae.coding.fixedpoint import to_integers
from hgcae.errors import SettingsError
from hgcae.evaluate import emd, telescope_loss
from hgcae.geometry import module
from hgcae.integer.cost import Cost, cost
from hgcae.model.conserving import ConservingLevel
from hgcae.model.presets import ConservingSettings
from hgcae.sources.modules import module_sample
from hgcae.train import module_codecs
from hgcae.train.minimise import draw_weights, minimise
from hgcae.train.module_losses import absolute_difference, sliced_distance, slices, telescope

BRIEF = FitOptions(seed=3, steps=30)


@cache
def training_modules() -> np.ndarray:
    """512 modules with charge: whole batches, so that every step is compiled once."""
    charges = random_modules(1000, seed=7)
    return charges[charges.any(axis=1)][:512]


@cache
def trained(name: str, links: int = 3) -> UnitCodec:
    return make_codec(name, links, training_modules(), BRIEF)


class TestEcon(CodecContract):
    def codec(self) -> UnitCodec:
        return trained("econ_ae")


class TestLatent(CodecContract):
    def codec(self) -> UnitCodec:
        return trained("latent")


class TestHierarchy(CodecContract):
    def codec(self) -> UnitCodec:
        return trained("hierarchy")


LEARNED = ("econ_ae", "latent", "hierarchy")


@pytest.mark.parametrize("name", LEARNED)
def test_nothing_to_fit_to(name):
    with pytest.raises(SettingsError, match=f"codec {name}"):
        make_codec(name, 2, np.zeros((3, 48), int), BRIEF)
    with pytest.raises(SettingsError, match="links: found 9"):
        make_codec(name, 9, random_modules(10), BRIEF)


@pytest.mark.parametrize("name", LEARNED)
def test_the_same_seed_makes_the_same_codec(name):
    assert make_codec(name, 3, training_modules(), BRIEF).get_config() == trained(name).get_config()


@pytest.mark.parametrize("links", BUDGETS)
def test_the_bits_are_those_of_the_links(links):
    assert BUDGETS[links] - 1 <= trained("latent", links).max_bits <= BUDGETS[links]
    econ = trained("econ_ae")
    assert isinstance(econ, EconAutoencoderCodec)
    # The network is the same for all links but for the format of its outputs.
    codec = EconAutoencoderCodec(links, replace(econ.encoder, number=number_format(links)), econ.decoder)
    assert BUDGETS[links] - 1 <= codec.max_bits <= BUDGETS[links]


def test_the_hierarchy_fits_the_links():
    for links, (latent, bits) in module_codecs.HIERARCHY_BITS.items():
        assert BUDGETS[links] - 1 <= latent * bits <= BUDGETS[links]


@pytest.mark.parametrize("name", CODECS)
def test_unknown_names_and_missing_files(name):
    if name.startswith("cms"):
        with pytest.raises(SettingsError, match="folder of real data"):
            make_codec(name, 2, random_modules())
    with pytest.raises(SettingsError, match="expected one of mean, pca"):
        make_codec(f"{name}s", 2, random_modules())


def test_size_of_the_published_encoder():
    codec = trained("econ_ae")
    assert isinstance(codec, EconAutoencoderCodec)
    assert cost(codec.encoder) == Cost(2144, 2144 * 6, 16 * 72 + 2048, (16 * 72 + 2048) * 6 * 8)


@pytest.mark.parametrize("links", BUDGETS)
def test_the_latent_encoder_costs_no_more_than_the_published_one(links):
    codec = trained("latent", links)
    assert isinstance(codec, LatentCodec)
    published = trained("econ_ae")
    assert isinstance(published, EconAutoencoderCodec)
    assert cost(codec.encoder).bit_operations <= cost(published.encoder).bit_operations


def econ_in_floats(codec: EconAutoencoderCodec, charges: np.ndarray) -> np.ndarray:
    """The outputs of the network that training differentiates, with the codec's weights."""
    model = module_codecs.econ_encoder(codec.links)
    step = WEIGHT.step
    values = [array * step for layer in codec.encoder.layers for array in layer[:2]]
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    return np.asarray(model(features(charges) * FEATURE.step))


def latent_in_floats(codec: LatentCodec, charges: np.ndarray) -> np.ndarray:
    encoder = codec.encoder
    settings = ConservingSettings(
        latent=1 + codec.count,
        barycentre=False,
        bits=codec.bits,
        encoder=tuple(len(layer.bias) for layer in encoder.layers[:-1]),
        weight=encoder.weight,
        feature=encoder.feature,
    )
    level = ConservingLevel("MODULE", module.N_CELLS, settings, None, None, maximum=1e6)
    values = [array * encoder.weight.step for layer in encoder.layers for array in layer[:2]]
    for variable, value in zip(level.encoder.trainable_variables, values, strict=True):
        variable.assign(value)
    return np.asarray(level.encoder(level.features(jnp.asarray(charges, dtype=jnp.int32))[0]))


def assert_integers_are_the_trained_network(charges: np.ndarray) -> None:
    """Bit for bit, on modules with charge."""
    econ, latent = trained("econ_ae"), trained("latent")
    assert isinstance(econ, EconAutoencoderCodec)
    assert isinstance(latent, LatentCodec)
    np.testing.assert_array_equal(econ.numbers(charges) * econ.encoder.number.step, econ_in_floats(econ, charges))
    numbers = (latent.numbers(charges) - (1 << (latent.bits - 1))) * latent.encoder.number.step
    np.testing.assert_array_equal(numbers, latent_in_floats(latent, charges))


def test_integers_are_the_trained_network():
    charges = random_modules(5000, seed=11)
    assert_integers_are_the_trained_network(charges[charges.sum(axis=1) > 0])


@pytest.mark.slow
def test_integers_are_the_trained_network_on_all_test_modules(data_dir):
    assert_integers_are_the_trained_network(module_sample("events", data_dir).test)


def test_weights_of_the_codec_are_those_that_were_trained():
    codec = trained("latent")
    assert isinstance(codec, LatentCodec)
    for layer in codec.encoder.layers:
        for array in layer[:2]:
            np.testing.assert_array_equal(to_integers(array * codec.encoder.weight.step, codec.encoder.weight), array)


def test_the_published_image():
    charges = np.arange(1, 49)[None]
    image = np.zeros(N_PIXELS, dtype=int)
    image[CELLS_88] = charges[0] * 128 // 1024
    given = features(charges)[0]
    assert given.shape == (16, 9)
    np.testing.assert_array_equal(given[0], image.reshape(IMAGE)[:3, :3].ravel())
    assert (given[-1][TAPS[-1] < 0] == 0).all()
    assert {WEIGHT.bits, FEATURE.bits, ACTIVATION.bits, number_format(3).bits} == {6, 8, 5}


def test_neighbours_in_the_published_image_are_neighbours_in_the_module():
    image = np.full(N_PIXELS, -1)
    image[CELLS_88] = np.arange(48)
    image = image.reshape(IMAGE)
    assert (image[4:, 4:] == -1).all(), "the third ROC lies there once more, but masked"
    assert [image[0, 0], image[0, 7], image[7, 0], image[3, 4], image[4, 3]] == [28, 12, 44, 3, 35]
    distances = np.hypot(*(module.trigger_cell_xy()[:, None] - module.trigger_cell_xy()).transpose(2, 0, 1))
    for one, other in ((image[1:], image[:-1]), (image[:, 1:], image[:, :-1])):
        both = (one >= 0) & (other >= 0)
        assert distances[one[both], other[both]].max() < 1.3 * distances[distances > 0].min()


@pytest.mark.parametrize("name", ["econ_ae", "latent"])
def test_the_charge_is_kept(name):
    charges = random_modules(2000, seed=9)
    charges = charges[(charges.sum(axis=1) > 0) & (charges.max(axis=1) < 3000)]
    codec = trained(name)
    ratio = codec.decode(codec.encode(charges)).sum(axis=1) / charges.sum(axis=1)
    assert abs(ratio.mean() - 1) < 0.002
    assert np.abs(ratio - 1).max() < {"latent": 1 / 64, "econ_ae": 1 / 32}[name]


def change(config: dict, path: tuple, value: object) -> dict:
    """A configuration with one value changed."""
    if not path:
        return value  # type: ignore[return-value]
    first, *rest = path
    if isinstance(config, list):
        return [change(entry, tuple(rest), value) if i == first else entry for i, entry in enumerate(config)]  # type: ignore[return-value]
    return config | {first: change(config.get(first, {}), tuple(rest), value)}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("latent", ("encoder",), 3),
        ("latent", ("encoder", "number"), {"bits": 2, "integer": 1}),
        ("latent", ("encoder", "weight"), {"bits": 2, "integer": 0}),
        ("latent", ("encoder", "layers"), []),
        ("latent", ("encoder", "places"), 2),
        ("latent", ("decoder",), []),
        ("latent", ("decoder", 0, "activation"), "none"),
        ("econ_ae", ("links",), 4),
        ("econ_ae", ("links",), 6),
        ("econ_ae", ("encoder", "places"), 4),
        ("econ_ae", ("decoder",), []),
        ("hierarchy", ("model",), 3),
        ("hierarchy", ("model", "weights"), {}),
        ("hierarchy", ("model", "settings"), {}),
        ("hierarchy", ("model", "calibration"), {"maximum": {}}),
    ],
)
def test_wrong_values_are_refused(name, path, value):
    with pytest.raises(SettingsError):
        codec_from_config(change(trained(name).get_config(), path, value))


def test_the_hierarchy_is_encoded_in_integers():
    codec = trained("hierarchy")
    assert isinstance(codec, HierarchyCodec)
    charges = random_modules(300, seed=4)
    charges = charges[(charges.sum(axis=1) > 0) & (charges.max(axis=1) < 3000)]
    model = codec.model
    code = model.encode(charges.reshape(-1, 3, 4, 4), "MODULE")
    below = model.encode(charges.reshape(-1, 3, 4, 4), "ROC").reshape(len(charges), 3, -1)
    np.testing.assert_array_equal(code.reshape(len(charges), -1), model.run("encode", "MODULE", below))


def test_losses():
    rng = np.random.default_rng(1)
    true, decoded = (shares(random_modules(200, seed=seed)) for seed in (1, 2))
    np.testing.assert_allclose(telescope(true, decoded), telescope_loss(true, decoded), rtol=1e-4)
    np.testing.assert_allclose(absolute_difference(true, decoded), np.abs(true - decoded).sum(axis=1), rtol=1e-4, atol=1e-6)
    some = (true.sum(axis=1) > 0) & (decoded.sum(axis=1) > 0)
    found, exact = np.asarray(sliced_distance(true, decoded))[some], emd(true, decoded)[some]
    # Never more than the distance in the plane; of one cell to another, 2 / pi of it.
    assert (found <= exact + 1e-4).all()
    assert np.corrcoef(found, exact)[0, 1] > 0.95
    a, b = np.eye(48)[rng.permutation(48)], np.eye(48)[rng.permutation(48)]
    apart = emd(a, b) > 0
    np.testing.assert_allclose(np.asarray(sliced_distance(a, b))[apart], emd(a, b)[apart] * 2 / np.pi, rtol=0.02)
    assert slices().dtype == np.float32


def test_training_lowers_the_loss_and_leaves_constants_alone():
    import keras

    x = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    weight, constant = keras.Variable(np.zeros((3, 1))), keras.Variable(np.ones(1), trainable=False)
    y = x @ [[1.0], [-2.0], [0.5]] + 1

    def loss(x, y):
        return jnp.square(x @ weight.value + constant.value - y)[:, 0]

    minimise(loss, [weight, constant], (x, y.astype(np.float32)), steps=600, batch=64, rate=0.05, seed=1)
    np.testing.assert_allclose(np.asarray(weight.value).ravel(), [1, -2, 0.5], atol=0.02)
    assert float(constant.value[0]) == 1
    with pytest.raises(SettingsError, match="no module with charge"):
        minimise(loss, [weight], (x[:0], y[:0]), steps=1, batch=2, rate=0.1, seed=1)
    draw_weights([weight], 1, last_gain=0.0)
    assert not np.asarray(weight.value).any()


@pytest.mark.slow
def test_half_a_minute_beats_cms(data_dir: Path):
    """On modules of crowded events, with all bits counted."""
    sample = module_sample("events", data_dir)
    fit = FitOptions(steps=1500, data=data_dir)
    test = sample.test[::40]
    distance = {}
    for name in ("cms_pu", "latent"):
        codec = make_codec(name, 3, sample.train[::4], fit)
        distance[name] = float(np.median(emd(test, codec.decode(codec.encode(test)))))
    assert distance["latent"] < 0.6 * distance["cms_pu"]
