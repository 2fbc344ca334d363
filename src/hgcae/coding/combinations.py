"""The number of a combination, and the combination of a number: the shortest code of which cells are sent and how charge is split.

The combinations of k out of n things b_1 < ... < b_k are numbered by sum_j C(b_j, j), the combinatorial number system. A split of K
quanta into m parts is such a combination, too: the places of m - 1 bars among K + m - 1 stars and bars. Numbers are held in three limbs
of 48 bits, least significant first, as adders of hardware would: no limb or carry leaves 64 bits.
Sources: D. Knuth, The Art of Computer Programming 4A, section 7.2.1.3; T. Fischer, IEEE Trans. Inf. Theory 32 (1986) 568 (pyramid codes).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

LIMBS = 3
LIMB_BITS = 48
"""A number has at most 3 x 48 = 144 bits."""
MOST_THINGS = 1088
"""Largest n of a combination."""
MOST_CHOSEN = 60
"""Largest k of a combination."""


@lru_cache(maxsize=1)
def table() -> NDArray[np.int64]:
    """Returns the limbs of C(n, k): (MOST_THINGS + 1, MOST_CHOSEN + 1, 3); what is larger than three limbs is as large as they can be.

    Examples:
        >>> table()[5, 2].tolist()
        [10, 0, 0]
    """
    top, mask = (1 << LIMBS * LIMB_BITS) - 1, (1 << LIMB_BITS) - 1
    row, rows = [1] + [0] * MOST_CHOSEN, []
    for _ in range(MOST_THINGS + 1):
        rows.append([[min(value, top) >> (LIMB_BITS * i) & mask for i in range(LIMBS)] for value in row])
        row = [1] + [a + b for a, b in pairwise(row)]
    return np.array(rows, dtype=np.int64)


def width(things: int, chosen: int) -> int:
    """Returns how many bits number all combinations of `chosen` out of `things`.

    Examples:
        >>> width(48, 4)
        18
    """
    return (comb(things, chosen) - 1).bit_length()


@njit(cache=True, nogil=True)
def rank(chosen: Any, count: int, binomials: Any, out: Any) -> None:
    """Fills `out` (3 limbs) with the number of the combination `chosen[:count]`, which ascends.

    Examples:
        >>> out = np.zeros(LIMBS, dtype=np.int64)
        >>> rank(np.array([0, 2, 4]), 3, table(), out)
        >>> out.tolist()
        [5, 0, 0]
    """
    out[:] = 0
    for j in range(count):
        carry = 0
        for i in range(LIMBS):
            total = out[i] + binomials[chosen[j], j + 1, i] + carry
            out[i] = total & ((1 << LIMB_BITS) - 1)
            carry = total >> LIMB_BITS


@njit(cache=True, nogil=True)
def unrank(number: Any, things: int, count: int, binomials: Any, out: Any) -> bool:
    """Fills `out[:count]` with the combination of a number (3 limbs, used up); returns whether there is one of `things`.

    Examples:
        >>> out = np.zeros(3, dtype=np.int64)
        >>> bool(unrank(np.array([5, 0, 0]), 48, 3, table(), out)), out.tolist()
        (True, [0, 2, 4])
    """
    high = things
    for j in range(count, 0, -1):
        # The largest b with C(b, j) <= number, by bisection.
        low = j - 1
        if low >= high:
            return False
        while high - low > 1:
            middle = (low + high) // 2
            if _at_least(number, binomials[middle, j]):
                low = middle
            else:
                high = middle
        out[j - 1] = high = low
        borrow = 0
        for i in range(LIMBS):
            total = number[i] - binomials[low, j, i] - borrow
            borrow = 1 if total < 0 else 0
            number[i] = total + (borrow << LIMB_BITS)
    return number[0] == 0 and number[1] == 0 and number[2] == 0


@njit(cache=True, nogil=True)
def _at_least(a: Any, b: Any) -> bool:
    for i in range(LIMBS - 1, -1, -1):
        if a[i] != b[i]:
            return a[i] > b[i]
    return True
