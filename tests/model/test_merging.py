"""Levels that look at neighbours, and levels that share their networks."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.errors import DataFormatError, GeometryError, SettingsError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.neighbours import unit_neighbours
from hgcae.geometry.positions import unit_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings

FLOWER = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3, STAGE1=19)
TRIPLET = FLOWER.rooted("TRIPLET")
LATTICE = unit_neighbours(Detector.load("prototype"), "MODULE")
CALIBRATION = Calibration({"ROC": 3000.0, "MODULE": 6000.0, "TRIPLET": 9000.0}, 5.0)
LEVEL = ConservingSettings(latent=6, bits=8, encoder=(8,), decoder=(8,))


def model(hierarchy: Hierarchy = TRIPLET, lattices: bool = True, **triplet: object) -> Autoencoder:
    """ROC, MODULE and TRIPLET, with biases that are not zero."""
    levels = {"ROC": LEVEL, "MODULE": LEVEL, "TRIPLET": LEVEL.model_copy(update=triplet)}
    settings = ModelSettings(preset="toy", levels={**levels})
    made = Autoencoder(
        hierarchy, settings, CALIBRATION, frames(hierarchy, unit_xy_cm(hierarchy)), 3, lattices={"MODULE": LATTICE} if lattices else None
    )
    rng = np.random.default_rng(3)
    arrays = files.weight_arrays(made)
    files.set_weight_arrays(made, {k: v if v.ndim > 1 else rng.normal(0, 0.2, v.shape).astype(v.dtype) for k, v in arrays.items()})
    return made


@pytest.fixture(scope="module")
def with_neighbours() -> Autoencoder:
    return model(neighbours=4)


@pytest.fixture(scope="module")
def shared() -> Autoencoder:
    return model(like="MODULE")


@pytest.fixture(scope="module")
def layers() -> Events:
    """Layers with a few charged modules that touch each other, and an empty one."""
    rng = np.random.default_rng(1)
    charge = np.zeros((6, 57, 48), dtype=int)
    for event in range(5):
        for unit in LATTICE[rng.integers(19)][:4]:
            charge[event, unit] = rng.poisson(rng.uniform(5, 200), 48) * (rng.random(48) < 0.4)
    return Events.from_dense(charge.reshape(6, *FLOWER.shape), FLOWER)


def neighbour_sums(layers: Events, unit: int, event: int, codes: np.ndarray) -> list[np.ndarray]:
    return [codes[event, near] if near >= 0 else np.zeros(codes.shape[2]) for near in LATTICE[unit]]


def test_children_come_with_the_codes_of_their_neighbours(with_neighbours, layers):
    below = with_neighbours.encode_events(layers, "MODULE")
    x, event, unit = below.children_of(FLOWER, "TRIPLET", LATTICE)
    plain, *_ = below.children_of(FLOWER, "TRIPLET")
    np.testing.assert_array_equal(x[:, :, 0], plain)
    dense = below.dense(FLOWER).reshape(6, 57, -1)
    for row in range(len(x)):
        for child in range(3):
            expected = neighbour_sums(layers, 3 * unit[row] + child, event[row], dense)
            np.testing.assert_array_equal(x[row, child, 1:], expected)


def test_codes_equal_a_convolution_written_out(with_neighbours, layers):
    """The message of a module: rounded weights for each direction, added up, cut at zero and rounded."""
    level = with_neighbours.level("TRIPLET")
    below = with_neighbours.encode_events(layers, "MODULE")
    x, *_ = below.children_of(FLOWER, "TRIPLET", LATTICE)
    weight = level.encoder.get_layer("TRIPLET_encoder_around_dense0")
    kernel, bias = (np.clip(np.rint(np.asarray(v.value, dtype=np.float64) * 64), -128, 127) / 64 for v in weight.trainable_variables)
    six = x[:, :, 1:].astype(np.float64)
    six[..., 0] /= 128
    by_direction = sum(six[:, :, d] @ kernel[6 * d : 6 * (d + 1)] for d in range(6))
    messages = np.clip(np.rint(np.maximum(by_direction + bias, 0) * 256) / 256, 0, 2 - 1 / 256)
    assert np.unique(messages).size > 10
    features, _ = level.features(x[:, :, 0])
    dense = [layer for layer in level.encoder.layers if layer.name.startswith("TRIPLET_encoder_dense")]
    y = np.concatenate([np.asarray(features), messages.reshape(len(x), -1)], axis=1).astype(np.float32)
    for layer in dense:
        y = layer(y)
    np.testing.assert_array_equal(with_neighbours.encode_units("TRIPLET", x)[:, 3:], np.asarray(y))


def test_integer_codes_with_neighbours_equal_the_float_path(with_neighbours):
    rng = np.random.default_rng(2)
    level = with_neighbours.level("MODULE")
    integers = np.concatenate([rng.integers(0, 256, (3000, 3, 7, 1)), rng.integers(-128, 128, (3000, 3, 7, 5))], axis=3)
    x = level.from_integers(integers)
    x[rng.random(x.shape[:3]) < 0.5] = 0
    expected = with_neighbours.run("encode", "TRIPLET", x)
    np.testing.assert_array_equal(with_neighbours.encode_units("TRIPLET", x, workers=2), expected)
    without = x.copy()
    without[:, :, 1:] = 0
    assert (with_neighbours.encode_units("TRIPLET", without) != expected).any(), "neighbours change nothing: nothing was tested"


def test_dense_and_sparse_encoding_agree(with_neighbours, layers):
    below = with_neighbours.encode_events(layers, "MODULE").dense(FLOWER)
    expected = with_neighbours.encode_events(layers, "TRIPLET").dense(FLOWER)
    whole = model(FLOWER.rooted("TRIPLET"), neighbours=4)
    files.set_weight_arrays(whole, files.weight_arrays(with_neighbours))
    for row in range(len(layers)):
        rows = below[row].reshape(57, -1)
        six = np.stack([[rows[near] if near >= 0 else 0 * rows[0] for near in LATTICE[unit]] for unit in range(57)])
        x = np.concatenate([rows[:, None], six], axis=1).reshape(19, 3, 7, -1)
        np.testing.assert_array_equal(whole.encode_units("TRIPLET", x), expected[row])


def test_a_model_of_lower_levels_takes_whole_layers(with_neighbours, layers):
    decoded = with_neighbours.reconstruct(layers, "TRIPLET")
    assert decoded.hierarchy == FLOWER
    total, truth = decoded.unit_sums("TRIPLET"), layers.unit_sums("TRIPLET")
    np.testing.assert_allclose(total, truth, rtol=0.03, atol=2)


def test_neighbours_need_whole_layers(with_neighbours, layers):
    with pytest.raises(GeometryError, match="whole layers of 57"):
        with_neighbours.encode_events(layers.units("TRIPLET")[0], "TRIPLET")


@pytest.mark.parametrize(
    ("triplet", "words"),
    [
        ({"like": "STAGE1"}, "expected a level below TRIPLET"),
        ({"like": "ROC"}, "must be alike"),
        ({"like": "MODULE", "bits": 9}, "must be alike"),
    ],
)
def test_levels_that_are_not_alike_share_nothing(triplet, words):
    with pytest.raises(SettingsError, match=words):
        model(**triplet)


def test_unknown_neighbours_are_refused():
    with pytest.raises(SettingsError, match="not known"):
        model(lattices=False, neighbours=4)
    roc = ModelSettings(preset="toy", levels={"ROC": LEVEL.model_copy(update={"neighbours": 2})})
    with pytest.raises(SettingsError, match="trigger cells"):
        Autoencoder(FLOWER.rooted("ROC"), roc, CALIBRATION, {})
    with pytest.raises(SettingsError, match="learned numbers"):
        ConservingSettings.load({"latent": 3, "neighbours": 2})


def test_shared_networks_are_one(shared):
    assert shared.level("TRIPLET").encoder is shared.level("MODULE").encoder
    assert shared.level("TRIPLET").decoder is shared.level("MODULE").decoder
    assert {key.split("/")[0] for key in files.weight_arrays(shared)} == {"ROC", "MODULE"}


@pytest.mark.parametrize("name", ["with_neighbours", "shared"])
def test_saved_models_give_the_same_codes_and_charges(name, layers, tmp_path, request):
    made = request.getfixturevalue(name)
    made.save(tmp_path)
    loaded = Autoencoder.load(tmp_path)
    before, after = (each.encode_events(layers, "TRIPLET") for each in (made, loaded))
    np.testing.assert_array_equal(before.code, after.code)
    np.testing.assert_array_equal(made.decode_codes(before, FLOWER).charge, loaded.decode_codes(after, FLOWER).charge)
    assert (loaded.level("TRIPLET").encoder is loaded.level("MODULE").encoder) == (name == "shared")


def test_weights_of_a_shared_level_are_left_over(shared, with_neighbours):
    with pytest.raises(DataFormatError, match="TRIPLET"):
        files.set_weight_arrays(shared, files.weight_arrays(with_neighbours))
