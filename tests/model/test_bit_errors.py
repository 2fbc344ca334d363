"""Flipped bits: the words that are sent, every bit of them, and only the bits that were to be flipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgcae.codes import Codes
from hgcae.errors import SettingsError
from hgcae.model.bit_errors import flip_bits
from model.toys import STACK


def popcount(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.bitwise_count((a ^ b).astype(np.uint64)).sum(axis=1)


def test_one_bit_of_each_code(model, events):
    codes = model.encode_events(events, "MODULE")
    flipped = flip_bits(codes, np.random.default_rng(1))
    assert (popcount(codes.words, flipped.words) == 1).all()
    np.testing.assert_array_equal(flipped.unit, codes.unit)
    assert len(model.decode_codes(flipped).validate()) == len(events)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(0, 5), value=st.integers(0, 255))
def test_flipping_back_gives_the_code_again(conserving, seed, number, value):
    form = conserving.level("MODULE").format
    words = np.full((3, len(form.widths)), value)
    words[:, number] = seed % 256
    words &= (1 << form.widths) - 1
    one = np.arange(3)
    codes = Codes("MODULE", 3, one, np.zeros(3, dtype=np.int64), words, form, -form.lowest)
    flipped = flip_bits(codes, np.random.default_rng(seed))
    again = flip_bits(flipped, np.random.default_rng(seed))
    np.testing.assert_array_equal(again.words, words)
    assert (popcount(flipped.words, words) == 1).all()


def test_bits_are_flipped_with_their_probability(conserving, events):
    level, codes = conserving.level("ROC"), conserving.encode_events(events, "ROC")
    flipped = flip_bits(codes, np.random.default_rng(2), hierarchy=STACK, probability=0.05)
    before, after = (level.format.words(c.dense(STACK).reshape(-1, level.latent)) for c in (codes, flipped))
    n_bits = len(events) * STACK.n_units("ROC") * level.bits_per_unit
    n = popcount(before, after).sum()
    assert abs(n - 0.05 * n_bits) < 5 * np.sqrt(0.05 * 0.95 * n_bits)
    # Empty units are hit as well.
    assert len(flipped.unit) > len(codes.unit)
    assert len(conserving.decode_codes(flipped).validate()) == len(events)


@pytest.mark.parametrize(("probability", "all_bits"), [(0.0, 0), (1.0, 1)])
def test_none_and_all(conserving, events, probability, all_bits):
    level, codes = conserving.level("MODULE"), conserving.encode_events(events, "MODULE")
    flipped = flip_bits(codes, np.random.default_rng(3), hierarchy=STACK, probability=probability)
    before, after = (level.format.words(c.dense(STACK).reshape(-1, level.latent)) for c in (codes, flipped))
    assert (popcount(before, after) == all_bits * level.bits_per_unit).all()


def test_mistakes(conserving, events):
    codes = conserving.encode_events(events, "MODULE")
    for probability, hierarchy in ((1.5, STACK), (0.1, None)):
        with pytest.raises(SettingsError, match="bit flips"):
            flip_bits(codes, np.random.default_rng(1), hierarchy=hierarchy, probability=probability)
