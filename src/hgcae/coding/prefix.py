"""Prefix codes: short words for frequent symbols, of which none begins another, so that nothing has to say where a word ends.

Words are canonical: all shorter ones come before all longer ones as numbers, and of equal length that of the smaller symbol first. So the
lengths are the code.
Sources: D. Huffman, Proc. IRE 40 (1952) 1098; canonical codes: E. Schwartz, B. Kallick, Commun. ACM 7 (1964) 166.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from hgcae.coding.bitpack import get
from hgcae.errors import SettingsError

LONGEST = 20
"""Most bits of a word."""


class PrefixCodes(NamedTuple):
    """Several codes of the same symbols, ready to be written and read.

    Args:
        length: Bits of each word; 0 = the symbol has none: (codes, symbols) int64.
        word: The words: (codes, symbols) int64.
        first: Smallest word of each length: (codes, LONGEST + 1) int64.
        place: Where the symbols of each length begin in `symbol`, and their end: (codes, LONGEST + 2) int64.
        symbol: Symbols in the order of their words: (codes, symbols) int64.
    """

    length: NDArray[np.int64]
    word: NDArray[np.int64]
    first: NDArray[np.int64]
    place: NDArray[np.int64]
    symbol: NDArray[np.int64]

    @classmethod
    def of(cls, lengths: ArrayLike) -> PrefixCodes:
        """Returns the canonical codes of word lengths (codes, symbols), 0 for symbols without a word.

        Raises:
            SettingsError: No prefix code has these lengths.

        Examples:
            >>> PrefixCodes.of([[2, 1, 0, 2]]).word.tolist()
            [[2, 0, 0, 3]]
        """
        length = np.asarray(lengths, dtype=np.int64)
        if length.ndim != 2 or (length < 0).any() or (length > LONGEST).any():
            msg = f"prefix code: found lengths of shape {length.shape}, expected (codes, symbols), each 0 to {LONGEST}"
            raise SettingsError(msg)
        spent = np.where(length > 0, 1 << (LONGEST - length), 0).sum(axis=1)
        if (spent > 1 << LONGEST).any():
            msg = f"prefix code {int(np.argmax(spent > 1 << LONGEST))}: found more words than there are of these lengths"
            raise SettingsError(msg)
        codes, symbols = length.shape
        key = np.where(length > 0, length, LONGEST + 1)
        symbol = np.argsort(key, axis=1, kind="stable")
        count = np.stack([(key == bits).sum(axis=1) for bits in range(LONGEST + 1)], axis=1)
        place = np.concatenate([np.zeros((codes, 1), dtype=np.int64), np.cumsum(count, axis=1)], axis=1)
        first = np.zeros((codes, LONGEST + 1), dtype=np.int64)
        for bits in range(1, LONGEST + 1):
            first[:, bits] = (first[:, bits - 1] + count[:, bits - 1]) << 1
        rank = np.empty_like(symbol)
        np.put_along_axis(rank, symbol, np.broadcast_to(np.arange(symbols), symbol.shape), axis=1)
        row = np.arange(codes)[:, None]
        word = np.where(length > 0, first[row, length] + rank - place[row, length], 0)
        return cls(length, word, first, place, symbol)


def word_lengths(counts: ArrayLike, longest: int = LONGEST) -> NDArray[np.int64]:
    """Returns the word lengths of codes for how often symbols occur; symbols that never do get no word.

    Rare symbols count as more frequent than they are until no word is longer than it may be.

    Args:
        counts: Non-negative: (codes, symbols).
        longest: Most bits of a word, for which all symbols must have room.

    Raises:
        SettingsError: Too many symbols for words so short.

    Examples:
        >>> word_lengths([[8, 4, 2, 2, 0]]).tolist()
        [[1, 2, 3, 3, 0]]
    """
    values = np.asarray(counts, dtype=np.float64)
    if longest > LONGEST or (values > 0).sum(axis=1).max(initial=0) > 1 << longest:
        msg = f"prefix code: found words of at most {longest} bits for {values.shape[1]} symbols, expected up to {LONGEST} and room for all"
        raise SettingsError(msg)
    lengths = np.zeros(values.shape, dtype=np.int64)
    _lengths(values, longest, lengths)
    return lengths


@njit(cache=True)
def _lengths(counts: Any, longest: int, lengths: Any) -> None:
    for code in range(len(counts)):
        used = np.flatnonzero(counts[code] > 0)
        if len(used) == 1:
            lengths[code, used[0]] = 1
        if len(used) < 2:
            continue
        order = used[np.argsort(counts[code][used], kind="mergesort")]
        least = 0.0
        while True:
            found = _huffman(np.maximum(counts[code][order], least))
            if found.max() <= longest:
                break
            least = max(2 * least, counts[code].sum() / 2.0 ** (longest + 2))
        for i in range(len(order)):
            lengths[code, order[i]] = found[i]


@njit(cache=True)
def _huffman(weights: Any) -> Any:
    """Returns the word lengths of rising weights (n,), n > 1, by the method of two queues."""
    n = len(weights)
    weight = np.empty(2 * n - 1)
    weight[:n] = weights
    parent = np.zeros(2 * n - 1, dtype=np.int64)
    leaf, inner = 0, n
    for node in range(n, 2 * n - 1):
        total = 0.0
        for _ in range(2):
            if leaf < n and (inner >= node or weight[leaf] <= weight[inner]):
                chosen = leaf
                leaf += 1
            else:
                chosen = inner
                inner += 1
            parent[chosen] = node
            total += weight[chosen]
        weight[node] = total
    depth = np.zeros(2 * n - 1, dtype=np.int64)
    for node in range(2 * n - 3, -1, -1):
        depth[node] = depth[parent[node]] + 1
    return depth[:n]


@njit(cache=True, nogil=True)
def read(row: NDArray[np.uint8], at: int, code: int, first: Any, place: Any, symbol: Any) -> tuple[int, int]:
    """Returns the symbol of the word at bit `at` of a row, -1 if there is none, and where the word ends. Compiled.

    Examples:
        >>> codes = PrefixCodes.of([[2, 1, 0, 2]])
        >>> read(np.array([0b11000000], dtype=np.uint8), 0, 0, codes.first, codes.place, codes.symbol)
        (3, 2)
    """
    word = 0
    for bits in range(1, LONGEST + 1):
        if at >= 8 * len(row):
            break
        word = (word << 1) | get(row, at, 1)
        at += 1
        index = word - first[code, bits]
        if 0 <= index < place[code, bits + 1] - place[code, bits]:
            return symbol[code, place[code, bits] + index], at
    return -1, at
