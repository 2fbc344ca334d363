"""The integer path gives the codes of the float path, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.coding.fixedpoint import FixedPoint, to_integers
from hgcae.errors import BitExactError
from hgcae.integer.cost import Cost, cost
from hgcae.integer.encoder import IntegerEncoder, PlainTables
from hgcae.integer.kernels import TILE
from hgcae.integer.network import Affine, Layer, Network, QuantisedNetwork, affine, valid_taps
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.presets import l1_preset, original_preset
from model.toys import STACK, autoencoder, conserving_settings, plain_settings

MODELS = {
    "toy conserving": lambda: autoencoder(conserving_settings()),
    "toy conserving without barycentre": lambda: autoencoder(conserving_settings(barycentre=False)),
    "toy plain": lambda: autoencoder(plain_settings()),
    "l1": lambda: autoencoder(l1_preset(STACK)),
    "original": lambda: autoencoder(original_preset(STACK)),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Autoencoder:
    return MODELS[request.param]()


def charges(rng: np.random.Generator, n: int) -> np.ndarray:
    """Charges of ROCs: empty ones, single cells, full ones, up to the saturation of the toys' sums and beyond."""
    charge = np.floor(rng.random((n, 16)) * 10 ** rng.uniform(0.5, 4, (n, 1))) * (rng.random((n, 16)) < rng.random((n, 1)))
    charge[0] = 0
    charge[1] = 10_000
    return charge.astype(np.float32)


def encoded(model: Autoencoder, name: str, x: np.ndarray, workers: int | None = 1) -> np.ndarray:
    """Codes of the integer path, from charges or children's codes."""
    level, lower = model.level(name), model.hierarchy.below(name)
    given = x if lower is None else model.level(lower).format.integers(x)
    return level.format.from_integers(level.integer_encoder().integers(given, workers))


def test_all_levels_equal_the_float_path(model):
    rng = np.random.default_rng(5)
    x = charges(rng, 20_000)
    for name in model.hierarchy.names:
        expected = model.run("encode", name, x)
        found = encoded(model, name, x, workers=2)
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert len(np.unique(expected, axis=0)) > 10, "nearly all codes are alike: nothing was tested"
        above = model.hierarchy.names[model.hierarchy.names.index(name) + 1 :]
        if above:
            children = model.hierarchy.level(above[0]).children
            x = expected[rng.integers(0, len(expected), (10_000, children))]
            # Most children of a unit are empty.
            x[rng.random(x.shape[:2]) < 0.6] = expected[0]


def test_trained_weights_at_the_ends_of_their_range(model):
    """Weights at both ends of the grid saturate hidden layers and codes."""
    rng = np.random.default_rng(6)
    level = model.level("ROC")
    before = [np.array(v.value) for v in level.weights]
    for variable in level.encoder.trainable_variables:
        variable.assign(rng.choice([-200.0, -0.3, 0.0, 0.2, 200.0], variable.shape).astype(np.float32))
    x = charges(rng, 3000)
    try:
        np.testing.assert_array_equal(encoded(model, "ROC", x), model.run("encode", "ROC", x))
    finally:
        for variable, value in zip(level.weights, before, strict=True):
            variable.assign(value)


@pytest.mark.parametrize("n", [0, 1, TILE - 1, TILE, TILE + 1])
def test_any_number_of_units_and_workers(n):
    model = autoencoder(conserving_settings())
    x = charges(np.random.default_rng(7), 2 + n)[2:]
    one, three = (encoded(model, "ROC", x, workers) for workers in (1, 3))
    np.testing.assert_array_equal(one, three)
    assert one.shape == (n, model.level("ROC").latent)


INPUT = FixedPoint(bits=24, integer=16)


def one_layer(layer: Affine, low: int = -(2**23), high: int = 2**23) -> IntegerEncoder:
    return IntegerEncoder(Network(INPUT, (layer,)), PlainTables(np.ones(layer.kernel.shape[1]), low, high))


@given(st.integers(-(2**20), 2**20), st.integers(-3, 12))
def test_rounding_is_to_nearest_with_ties_to_even(value, shift):
    found = one_layer(Affine(np.array([[1]]), np.array([0]), np.array([shift]), -(2**30), 2**30)).integers(np.array([[value]]))
    assert found[0, 0] == (round(value / 2**shift) if shift >= 0 else value << -shift)


def test_sums_beyond_24_bits_take_float64():
    big = Affine(np.full((1, 4), 2**20), np.array([2**33 + 2**20]), np.array([20]), -(2**30), 2**30)
    assert one_layer(big).integers(np.array([[2**15 + 1, 2**16, 2**15, 2**16]]))[0, 0] == 2**13 + 1 + 2 * 2**15 + 1 + 2 * 2**16


def test_sums_beyond_53_bits_are_refused():
    with pytest.raises(BitExactError, match=r"expected less than 2\^53"):
        one_layer(Affine(np.array([[2**50]]), np.array([0]), np.array([0]), 0, 1))


@given(st.integers(0, 2**32), st.integers(-3, 6), st.integers(-3, 6))
def test_a_dense_layer_between_any_formats(seed, before_fraction, after_fraction):
    """Also where steps are larger than one: the bias lies on a finer grid than the products."""
    rng = np.random.default_rng(seed)
    weight, before, after = (FixedPoint(bits=12, integer=11 - f) for f in (4, before_fraction, after_fraction))
    kernel, bias = rng.normal(0, 4, (3, 2)), rng.normal(0, 20, 2)
    x = rng.integers(-200, 200, (50, 3))
    learned = QuantisedNetwork.of_floats([(kernel, bias)], weight, before, before, after)
    found = one_layer(affine(learned.layers[0], weight, before, after, relu=False)).integers(x)
    w, b = (to_integers(a, weight) * weight.step for a in (kernel, bias))
    np.testing.assert_array_equal(found, to_integers(x * before.step @ w + b, after))


def test_a_convolution_is_a_dense_kernel():
    rng = np.random.default_rng(8)
    image, kernel = rng.integers(-9, 9, (5, 4, 4, 3)), rng.integers(-9, 9, (2, 2, 3, 7))
    windows = np.lib.stride_tricks.sliding_window_view(image, (2, 2), axis=(1, 2))
    expected = np.einsum("nrcixy,xyif->nrcf", windows, kernel)
    layer = Layer(kernel.reshape(12, 7), np.zeros(7, int), np.zeros(7, int), valid_taps(4, 2, 3))
    np.testing.assert_array_equal(image.reshape(5, -1) @ layer.dense().kernel, expected.reshape(5, -1))
    assert (layer.n_in, layer.places) == (48, 9)


def test_cost_by_hand():
    """Each weight of a convolution multiplies once for each of its places; inputs of later layers have the bits between layers."""
    weight, feature, activation = (FixedPoint(bits=bits, integer=0) for bits in (6, 8, 5))
    first = Layer(np.ones((12, 7), int), np.zeros(7, int), np.zeros(7, int), valid_taps(4, 2, 3))
    second = Layer(np.ones((63, 2), int), np.zeros(2, int), np.zeros(2, int))
    found = cost(QuantisedNetwork((first, second), weight, feature, activation, activation))
    assert found == Cost(219, 219 * 6, 9 * 84 + 126, 9 * 84 * 6 * 8 + 126 * 6 * 5)


def test_levels_cost_what_their_layers_do(model):
    for name in model.hierarchy.names:
        network = model.level(name).quantised_network()
        made = model.level(name).integer_encoder().network
        assert [layer.kernel.shape[0] for layer in made.layers] == [len(layer.bias) * layer.places for layer in network.layers]
        assert cost(network).multiply_adds == sum(layer.kernel.size * layer.places for layer in network.layers)
        assert cost(network).parameters == sum(v.value.size for v in model.level(name).encoder.trainable_variables)
