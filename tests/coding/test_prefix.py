"""Prefix codes: no word begins another, the mean length is the shortest, every word is read again."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.coding.bitpack import put
from hgcae.coding.prefix import LONGEST, PrefixCodes, read, word_lengths
from hgcae.errors import SettingsError

COUNTS = st.lists(st.integers(0, 10**6), min_size=2, max_size=60).filter(lambda counts: np.count_nonzero(counts) > 1)


def shortest(counts: list[int]) -> int:
    """Bits of all symbols by the textbook: the two rarest become one, which costs a bit for each of both."""
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    total = 0
    while len(heap) > 1:
        pair = heapq.heappop(heap) + heapq.heappop(heap)
        total += pair
        heapq.heappush(heap, pair)
    return total


@given(COUNTS)
def test_as_short_as_can_be(counts):
    lengths = word_lengths([counts])[0]
    assert ((lengths > 0) == (np.array(counts) > 0)).all()
    if lengths.max() < LONGEST - 2:
        assert int((lengths * counts).sum()) == shortest(counts)


@given(COUNTS, st.integers(6, 10))
def test_no_word_is_longer_than_allowed(counts, longest):
    assert word_lengths([counts], longest).max() <= longest


@given(st.lists(COUNTS, min_size=1, max_size=4), st.randoms())
def test_every_word_is_read_again(tables, random):
    symbols = max(map(len, tables))
    codes = PrefixCodes.of(word_lengths([counts + [0] * (symbols - len(counts)) for counts in tables]))
    row, at, expected = np.zeros(400, dtype=np.uint8), 0, []
    for _ in range(50):
        code = random.randrange(len(tables))
        symbol = random.choice(np.flatnonzero(codes.length[code]).tolist())
        at = put(row, at, int(codes.word[code, symbol]), int(codes.length[code, symbol]))
        expected.append((code, symbol))
    at = 0
    for code, symbol in expected:
        found, at = read(row, at, code, codes.first, codes.place, codes.symbol)
        assert found == symbol


def test_one_symbol_has_a_word_and_none_has_none():
    assert word_lengths([[0, 7, 0], [0, 0, 0]]).tolist() == [[0, 1, 0], [0, 0, 0]]


def test_a_word_that_there_is_not():
    codes = PrefixCodes.of([[1, 2, 0]])
    row = np.array([0b11111111], dtype=np.uint8)
    assert read(row, 0, 0, codes.first, codes.place, codes.symbol) == (-1, 8)


@pytest.mark.parametrize("lengths", [[[1, 1, 1]], [[-1, 2]], [[21]], [1, 2]])
def test_lengths_of_no_code(lengths):
    with pytest.raises(SettingsError, match="prefix code"):
        PrefixCodes.of(lengths)


def test_too_many_symbols():
    with pytest.raises(SettingsError, match="at most 2 bits"):
        word_lengths([[1] * 5], 2)
