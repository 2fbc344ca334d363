"""A whole encoder once more in 64-bit integers: what hardware would have to compute."""

from __future__ import annotations

from functools import partial

import jax
import numpy as np
import pytest

from contracts.layer import EXACT, Formats, products, requantised
from hgcae.coding.sums import UNITS, WEIGHT_ONE
from hgcae.model.compiled import stateless
from hgcae.model.conserving import ConservingLevel
from model.toys import STACK

ROOTS = np.array([round(np.sqrt(n / 128) * 128) for n in range(256)])
"""Square root of n / 128 in units of 1/128."""


def shifted(values, left):
    """Values times 2^left, rounded down."""
    return np.where(left >= 0, values << np.maximum(left, 0), values >> np.maximum(-left, 0))


def integer_code(level: ConservingLevel, x) -> np.ndarray:
    """The integers that are sent for units given as charges, or as the integers of their children: (n, latent)."""
    s, below = level.settings, level.below
    x = np.asarray(x)
    child = np.rint(x * (UNITS / level.lsb)).astype(np.int64) if below is None else below.sums.table.astype(np.int64)[x[..., 0]]
    if level.child_weight is not None:
        child = child * level.child_weight // WEIGHT_ONE
    total = child.sum(axis=1)
    exponent = np.array([max(int(t), 1).bit_length() - 1 for t in total])
    root = ROOTS[np.clip(shifted(child, 7 - exponent[:, None]), 0, 255)]
    mantissa = shifted(total, 6 - exponent) - 64
    log = np.where(total > 0, 64 * exponent + mantissa - 1024, -1024)
    parts = [requantised(root, 7, s.feature)]
    if below is not None:
        numbers, fraction = x[..., 1:].astype(np.int64), np.tile(below.format.widths[1:] - 1, level.children)
        for part, bits in ((numbers * root[..., None], fraction + 7), (numbers, fraction)):
            columns = part.reshape(len(x), -1).T
            parts.append(np.stack([requantised(column, int(f), s.feature) for column, f in zip(columns, bits, strict=True)], axis=1))
    parts.append(requantised(log[:, None], 10, s.feature))
    features = np.concatenate(parts, axis=1)
    hidden = [Formats(form, s.weight) for form in (s.feature, *[s.activation] * (len(s.encoder) - 1))]
    layers, learned = products(level.encoder, [*hidden, Formats(s.activation, s.weight, s.number)], features * s.feature.step)
    assert max(layer.largest_sum for layer in layers) < EXACT
    numbers = [learned] if level.frame is None else [integer_barycentre(level, child, x), learned]
    code = np.concatenate([np.searchsorted(level.sums.thresholds, total, side="right")[:, None], *numbers], axis=1)
    return np.where(total[:, None] > 0, code, 0)


def integer_barycentre(level: ConservingLevel, child, x):
    frame, below = level.frame, level.below
    assert frame is not None
    children = len(frame.centre)
    place = [*frame.centre.T, *([(2 * np.arange(children) + 1) / children - 1] if level.settings.depth else [])]
    position = np.rint(np.stack(place, axis=1) * 2**15).astype(np.int64)
    if below is not None:
        assert frame.matrix is not None
        matrix = np.rint(frame.matrix * 2**23 * 2.0 ** (1 - int(below.format.widths[1]))).astype(np.int64)
        own = (x[:, :, None, 1:3] * matrix).sum(axis=-1) // 2**8
        position = np.tile(position, (len(x), 1, 1))
        position[..., :2] += own
    exponent = np.array([max(int(t), 1).bit_length() - 1 for t in child.sum(axis=1)])
    share = shifted(child, 11 - exponent[:, None])
    whole = np.maximum(share.sum(axis=1), 1)[:, None]
    mean = (2 * (share[..., None] * position).sum(axis=1) + whole) // (2 * whole)
    top = 2 ** (level.format.widths[1 : 1 + position.shape[-1]] - 1)
    step = 2**15 // top
    return np.clip((2 * mean + step) // (2 * step), -top, top - 1)


def some_charges(rng: np.random.Generator, n: int) -> np.ndarray:
    """ROCs with a few cells of all sizes, some with one, some with none, some full."""
    charge = np.exp(rng.uniform(0, 8, (n, 16))).astype(np.int64)
    return (charge * (rng.random((n, 16)) < rng.choice([0, 0.06, 0.3, 1], (n, 1)))).astype(np.float32)


def some_codes(rng: np.random.Generator, level: ConservingLevel, n: int, children: int) -> np.ndarray:
    """Integers of children: any that can be sent, in children of which some are empty."""
    top = 2 ** (level.format.widths[1:] - 1)
    numbers = rng.integers(-top, top, (n, children, level.latent - 1))
    total = rng.integers(0, 2 ** level.format.widths[0], (n, children, 1)) * (rng.random((n, children, 1)) < 0.6)
    return np.concatenate([total, numbers * (total > 0)], axis=2)


@pytest.mark.parametrize("name", STACK.names)
def test_every_bit_of_the_code_can_be_had_with_integers(conserving, name):
    level, rng = conserving.levels[name], np.random.default_rng(5)
    if level.below is None:
        integers = x = some_charges(rng, 700)
    else:
        integers = some_codes(rng, level.below, 700, level.children)
        x = level.below.format.from_integers(integers)
    found = conserving.run("encode", name, x)
    np.testing.assert_array_equal(level.format.integers(found), integer_code(level, integers))
    assert (np.ptp(found, axis=0) > 0).all()


@pytest.mark.parametrize("name", STACK.names)
def test_integers_of_codes(model, name):
    """Every integer that fits into the bits of a number comes back."""
    level = model.levels[name]
    assert level.format.widths.sum() == level.bits_per_unit
    top = 2 ** (level.format.widths - 1)
    integers = np.random.default_rng(1).integers(-top, top, (100, level.latent))
    if model.conserves_charge:
        integers[:, 0] += top[0]
    code = level.format.from_integers(integers)
    assert code.dtype == np.float32
    np.testing.assert_array_equal(level.format.integers(code), integers)
    assert level.format.integers(code).dtype == np.int32


def test_training_encodes_the_same(model):
    """Quantisers do the same in training, where gradients pass them."""
    x, level = some_charges(np.random.default_rng(2), 64), model.levels["ROC"]
    train = partial(stateless, level.variables, partial(level.encode, training=True))
    np.testing.assert_array_equal(jax.jit(train)([v.value for v in level.variables], x), model.run("encode", "ROC", x))


def test_states_and_codes_are_inverse(conserving):
    for name, level in conserving.levels.items():
        code = level.format.from_integers(some_codes(np.random.default_rng(3), level, 64, 1)[:, 0])
        again = conserving.run("code", name, conserving.run("state", name, code))
        np.testing.assert_allclose(again, code, rtol=1e-5, atol=1e-5)
