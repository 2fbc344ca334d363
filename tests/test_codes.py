"""The record of codes: words, integers and numbers of the units that are occupied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.codes import CodeFormat, Codes
from hgcae.errors import DataFormatError
from hgcae.geometry.hierarchy import Hierarchy

FORMAT = CodeFormat(np.array([5, 3]), np.array([0, -4], dtype=np.int32), np.array([1, 0.25], dtype=np.float32))
STACK = Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=2)


def codes(event: list[int], unit: list[int], words: list[list[int]], n: int = 3) -> Codes:
    array = np.array(words, dtype=np.int32).reshape(-1, 2)
    return Codes("ROC", n, np.array(event, dtype=np.int64), np.array(unit, dtype=np.int64), array, FORMAT, np.array([0, 4]))


def test_by_hand():
    made = codes([0, 0, 2], [1, 5, 0], [[31, 0], [1, 4], [2, 7]])
    assert FORMAT.bits == 8
    assert made.integers.tolist() == [[31, -4], [1, 0], [2, 3]]
    assert made.code.tolist() == [[31, -1], [1, 0], [2, 0.75]]
    assert made.empty.tolist() == [0, 0]
    dense = made.dense(STACK)
    assert dense.shape == (3, 2, 3, 2)
    assert dense[0, 1, 2].tolist() == [1, 0]
    assert np.count_nonzero(dense) == 5
    integers, event, unit = made.children_of(STACK, "MODULE")
    assert (event.tolist(), unit.tolist()) == ([0, 0, 2], [0, 1, 0])
    assert integers[0].tolist() == [[0, 0], [31, -4], [0, 0]]


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 7)), max_size=9))
def test_every_word_is_a_number(words):
    array = np.array(words, dtype=np.int64).reshape(-1, 2)
    code = FORMAT.from_words(array)
    np.testing.assert_array_equal(FORMAT.words(code), array)
    np.testing.assert_array_equal(FORMAT.from_integers(FORMAT.integers(code)), code)


def test_parts_of_a_sample():
    whole = codes([0, 0, 2], [1, 5, 0], [[31, 0], [1, 4], [2, 7]])
    parts = [codes([0, 0], [1, 5], [[31, 0], [1, 4]], 1), codes([], [], [], 1), codes([0], [0], [[2, 7]], 1)]
    found = Codes.concatenate(parts)
    assert found.n_events == 3
    for name in ("event", "unit", "words"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


@pytest.mark.parametrize("word", [[32, 0], [0, 8], [-1, 0]])
def test_words_must_fit(word):
    with pytest.raises(DataFormatError, match=r"codes of ROC: unit 1, number \d: found -?\d+, expected [53] bits"):
        codes([0, 1], [0, 0], [[0, 0], word])


def test_one_code_for_each_unit():
    with pytest.raises(DataFormatError, match="codes of ROC: words"):
        codes([0, 1], [0, 0], [[0, 0]])
    with pytest.raises(DataFormatError, match="codes of ROC: words"):
        Codes("ROC", 1, np.zeros(1, int), np.zeros(1, int), np.zeros((1, 2)), FORMAT, np.zeros(2, int))  # type: ignore[arg-type]
