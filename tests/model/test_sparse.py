from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.events import Events
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.compiled import stateless
from hgcae.model.sparse import Tree, bucket
from model.toys import MODULE, STACK, showers


def every_unit(model: Autoencoder, x: np.ndarray, level: str) -> np.ndarray:
    """Codes of all units of a level (n_units of all events, latent), each of them encoded."""
    lower = model.hierarchy.below(level)
    children = model.level(level).children
    rows = x.reshape(-1, children) if lower is None else (codes := every_unit(model, x, lower)).reshape(-1, children, codes.shape[-1])
    return model.run("encode", level, rows.astype(np.float32))


FULL = Events.from_dense(np.random.default_rng(0).integers(1, 500, (2, *STACK.shape)), STACK)
EMPTY = Events.from_dense(np.zeros((2, *STACK.shape), dtype=np.int32), STACK)
SINGLE = Events.from_dense(np.eye(STACK.n_cells(), dtype=np.int32)[[0, 77, 239]].reshape(3, *STACK.shape) * 9, STACK)


@pytest.mark.parametrize("level", STACK.names)
@pytest.mark.parametrize("sample", [showers(), FULL, EMPTY, SINGLE, EMPTY[:0]], ids=["showers", "full", "empty", "single", "none"])
def test_codes_equal_those_of_every_unit(model, sample, level):
    found = model.encode(sample.to_dense(), level)
    expected = every_unit(model, sample.to_dense(), level)
    np.testing.assert_array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("root", ["ROC", "MODULE"])
def test_codes_of_bare_units(model, root):
    units = showers().units(root)[0].to_dense()
    np.testing.assert_array_equal(
        model.encode(units, "ROC", root=root).reshape(-1, model.level("ROC").latent), every_unit(model, units, "ROC")
    )
    assert model.encode(units, root, root=root).shape == (len(units), model.level(root).latent)


def test_codes_lists_occupied_units_in_order(model):
    codes = model.encode_events(showers(), "MODULE")
    occupied = showers().unit_sums("MODULE") > 0
    np.testing.assert_array_equal(np.stack([codes.event, codes.unit]), np.nonzero(occupied))
    assert codes.n_events == len(showers())
    dense = codes.dense(STACK).reshape(len(showers()), 5, -1)
    assert (dense[~occupied] == codes.empty).all()


@pytest.mark.parametrize(("base", "top"), [("ROC", "ROC"), ("ROC", "STACK"), ("MODULE", "STACK"), ("STACK", "STACK"), ("ROC", "MODULE")])
def test_any_choice_of_a_tree_encodes_the_same(model, base, top):
    events = showers()
    lower = STACK.below(base)
    tree = Tree.build(events, base, top, None if lower is None else model.encode_events(events, lower))
    expected = model.encode_events(events, top)
    assert len(tree) == len(expected.code)
    np.testing.assert_array_equal(tree.event, expected.event)
    # In any order, some twice, with padding.
    index = np.random.default_rng(1).integers(0, len(tree), 9)
    code, links = tree.take(index, STACK, 16)
    for name, link in zip(tree.names, [None, *links], strict=True):
        code = model.run("encode", name, code if link is None else code[link])
    assert len(code) == 16
    np.testing.assert_array_equal(code[1:10], expected.code[index])
    assert (code[10:] == expected.empty).all()
    assert (code[0] == expected.empty).all()


def gradients(model: Autoencoder, total) -> list[np.ndarray]:
    """Gradient of `total()` after the weights of the two lowest encoders."""
    encoders = [model.level(name).encoder for name in MODULE.names]
    learning = [v for encoder in encoders for v in encoder.trainable_variables]
    others = [v for encoder in encoders for v in encoder.non_trainable_variables]
    constants = [v.value for v in others]
    function = jax.jit(jax.grad(lambda weights: stateless([*learning, *others], total, [*weights, *constants])))
    return [np.asarray(g) for g in function([v.value for v in learning])]


def test_the_gradient_is_that_of_every_unit(model):
    """Through the gather, the row of the empty unit collects what all empty units would."""
    events = showers(MODULE, 8)
    mix = np.random.default_rng(2).normal(size=(8, model.level("MODULE").latent)).astype(np.float32)
    tree = Tree.build(events, "ROC", "MODULE", None)
    x, (link,) = tree.take(np.arange(len(tree)), MODULE, len(tree) + 1)
    full = np.zeros(8, dtype=bool)
    full[tree.event] = True
    row_mix = np.concatenate([mix[~full].sum(axis=0, keepdims=True), mix[full]])
    assert 0 < full.sum() < 8
    assert (link == 0).any()
    roc, module = model.level("ROC"), model.level("MODULE")

    def sparse():
        return (module.encode(roc.encode(x)[link]) * row_mix).sum()

    def dense():
        code = roc.encode(events.to_dense().reshape(-1, 16).astype(np.float32))
        return (module.encode(code.reshape(8, 3, -1)) * mix).sum()

    found, expected = gradients(model, sparse), gradients(model, dense)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
    assert all(theirs.any() for theirs in expected)


class TestBucket:
    @given(st.integers(1, 10**6))
    def test_few_sizes_little_waste(self, n):
        size = bucket(n)
        assert max(n, 64) <= size <= max(64, 9 * n // 8)
        assert size == (size >> size.bit_length() - 4) << size.bit_length() - 4, "not one of eight sizes in each octave"
        assert bucket(size) == size

    @given(st.integers(1, 10**5), st.integers(2, 200))
    def test_other_beginnings(self, n, smallest):
        assert max(n, smallest) <= bucket(n, smallest) <= max(smallest, 9 * n / 8 + 1)
        assert bucket(n, smallest) <= bucket(n + 1, smallest)


def test_roots_of_trees_hold_the_charges(model):
    events = showers(MODULE, 6)
    tree = Tree.build(events, "ROC", "MODULE", None)
    assert tree.roots.charge.sum() == events.charge.sum()
    assert len(tree) == (events.counts > 0).sum()
    assert tree.n_events == 6
