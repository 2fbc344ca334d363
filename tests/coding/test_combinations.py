"""Combinations have numbers without gaps, and numbers have combinations."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hgcae.coding.combinations import LIMB_BITS, LIMBS, MOST_CHOSEN, rank, table, unrank, width


def number_of(chosen: list[int]) -> np.ndarray:
    out = np.zeros(LIMBS, dtype=np.int64)
    rank(np.array(chosen, dtype=np.int64), len(chosen), table(), out)
    return out


def combination_of(limbs: np.ndarray, things: int, count: int) -> list[int] | None:
    out = np.zeros(MOST_CHOSEN, dtype=np.int64)
    return out[:count].tolist() if unrank(limbs.copy(), things, count, table(), out) else None


def whole(limbs: np.ndarray) -> int:
    return sum(int(limb) << (LIMB_BITS * i) for i, limb in enumerate(limbs))


@pytest.mark.parametrize(("things", "count"), [(9, 0), (9, 1), (8, 3), (6, 6)])
def test_all_numbers_are_used_once(things, count):
    numbers = {whole(number_of(list(chosen))): list(chosen) for chosen in combinations(range(things), count)}
    assert sorted(numbers) == list(range(comb(things, count)))
    for chosen in numbers.values():
        assert combination_of(number_of(chosen), things, count) == chosen
    beyond = np.array([comb(things, count), 0, 0])
    assert combination_of(beyond, things, count) is None


@given(st.data(), st.integers(1, 900), st.integers(1, 60))
def test_large_numbers(data, things, count):
    assume(count <= things and width(things, count) <= LIMBS * LIMB_BITS)
    chosen = sorted(data.draw(st.sets(st.integers(0, things - 1), min_size=count, max_size=count)))
    limbs = number_of(chosen)
    assert whole(limbs) == sum(comb(b, j) for j, b in enumerate(chosen, 1)) < comb(things, count)
    assert whole(limbs).bit_length() <= width(things, count)
    assert combination_of(limbs, things, count) == chosen


def test_the_table_is_pascals():
    limbs = table()
    for n, k in ((0, 0), (48, 24), (100, 60), (500, 20)):
        assert whole(limbs[n, k]) == comb(n, k)
    assert whole(limbs[1000, 50]) == (1 << LIMBS * LIMB_BITS) - 1
