"""The strongest cells by enumeration, their charge in quanta: the shortest code of a number of cells that needs no training.

A payload says the charge sum, how many cells n are sent and whether charge is left over, which cells, as the number of a combination, and
how K quanta of the charge are split between them and what is left over, as the number of another. K is what the bits allow. The encoder
tries every n and takes the one with the smallest sum of absolute differences. This is the rival of every learned code: it takes a search
and numbers of any length, so it is no candidate for hardware.
Source: T. Cover, IEEE Trans. Inf. Theory 19 (1973) 73; `hgcae.coding.combinations` numbers combinations alike.
"""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.base import FitOptions, Payload, UnitCodec, budget, checked_charges, checked_data, training_charges
from hgcae.codec.pyramid_kernels import share_out
from hgcae.coding.combinations import width
from hgcae.coding.ranks import ranks
from hgcae.coding.sums import LARGEST_SUM, SumCode
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events

SUM_BITS = 9
MOST_QUANTA = 4096
MOST_SENT = 64
"""Most cells that are sent."""


class QuantaCodec(UnitCodec):
    """Sends the strongest cells of a unit of any level, and their charge in quanta; other cells are lost.

    Args:
        cells: Trigger cells of a unit.
        bits: Most bits of a payload.
        maximum: Largest charge sum that does not saturate, ADC counts.

    Raises:
        SettingsError: No cell fits into the bits.
    """

    name = "quanta"

    def __init__(self, cells: int, bits: int, maximum: float) -> None:
        self.cells, self.bits, self.maximum = int(cells), int(bits), float(maximum)
        self._sum = SumCode(self.maximum, SUM_BITS)
        modes: list[tuple[int, int]] = []
        # The bits of a mode depend on how many there are, and the modes on the bits that are left.
        for self._mode_bits in range(8):
            left = self.bits - SUM_BITS - self._mode_bits
            modes = [(n, rest) for n in range(1, min(self.cells, MOST_SENT) + 1) for rest in (0, 1) if quanta(self.cells, left, n, rest)]
            if len(modes) <= 1 << self._mode_bits:
                break
        # Any unit has a strongest cell, with others or without.
        if not {(1, 0), (1, min(self.cells - 1, 1))} <= set(modes) or not 0 < self.maximum <= LARGEST_SUM:
            least = SUM_BITS + 1 + (self.cells - 1).bit_length()
            msg = f"code {self.name}: found {bits} bits for a unit of {cells} cells, expected at least {least}, and a largest sum"
            raise SettingsError(msg)
        self._modes = modes
        self._index = {mode: index for index, mode in enumerate(modes)}
        left = self.bits - SUM_BITS - self._mode_bits
        self._quanta = np.zeros((min(self.cells, MOST_SENT) + 1, 2), dtype=np.int64)
        for n, rest in modes:
            self._quanta[n, rest] = quanta(self.cells, left, n, rest)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:  # noqa: ARG003 - nothing is random
        """Returns the code of modules at a number of ECON-T links; of training charges (n, 48) the largest sum counts."""
        charges = training_charges(train, cls.name)
        return cls(charges.shape[1], budget(links, cls.name), float(min(charges.sum(axis=1).max(), LARGEST_SUM)))

    @classmethod
    def of_units(cls, train: Events, bits: int, seed: int = 1) -> Self:  # noqa: ARG003 - nothing is random
        """Returns the code of units of any level; of training units, each an event, the largest sum counts.

        Raises:
            SettingsError: No cell fits into the bits.
            DataFormatError: No charge.
        """
        if not len(train.cell):
            raise DataFormatError(cls.name, "training units", "no charge", "at least one occupied unit")
        return cls(train.hierarchy.n_cells(), bits, float(min(np.bincount(train.event, train.charge).max(), LARGEST_SUM)))

    @property
    @override
    def max_bits(self) -> int:
        return self.bits

    @override
    def encode(self, charges: NDArray[np.integer]) -> Payload:
        dense = checked_charges(charges, self.cells, self.name)
        row, cell = np.nonzero(dense)
        offsets, charge = np.searchsorted(row, np.arange(len(dense) + 1)), dense[row, cell]
        # Where quanta times charge would leave 64 bits, only shares matter.
        total = dense.sum(axis=1)
        charge = charge >> np.maximum(np.frexp(total.astype(np.float64))[1] - 50, 0)[row]
        place = ranks(charge, offsets)
        sent = place < MOST_SENT
        cells, value = (np.zeros((len(dense), MOST_SENT), dtype=np.int64) for _ in range(2))
        cells[row[sent], place[sent]], value[row[sent], place[sent]] = cell[sent], charge[sent]
        sums = np.bincount(row, charge, len(dense)).astype(np.int64)
        number, count = np.zeros(len(dense), dtype=np.int64), np.zeros((len(dense), MOST_SENT + 1), dtype=np.int64)
        _choose(value, np.diff(offsets), sums, number, count, self._quanta)
        code = self._sum.encode(total)
        words = [
            self._word(int(code[i]), cells[i, : number[i]], count[i], int(number[i] < offsets[i + 1] - offsets[i]))
            for i in range(len(dense))
        ]
        bits = np.array([length for _, length in words], dtype=np.int64)
        n_bytes = -(-self.bits // 8)
        data = b"".join((word << (8 * n_bytes - length)).to_bytes(n_bytes, "big") for word, length in words)
        return Payload(np.frombuffer(data, dtype=np.uint8).reshape(len(dense), n_bytes).copy(), bits)

    def _word(self, code: int, cells: NDArray[np.int64], count: NDArray[np.int64], rest: int) -> tuple[int, int]:
        """Returns the bits of a payload as a number, and how many they are."""
        n = len(cells)
        if code == 0 or n == 0:
            return 0, SUM_BITS
        word, length = (code << self._mode_bits) | self._index[n, rest], SUM_BITS + self._mode_bits
        order = np.argsort(cells)
        chosen, counts = cells[order].tolist(), [*count[:n][order].tolist(), *count[n : n + rest].tolist()]
        k = int(self._quanta[n, rest])
        bars, place = [], -1
        for j in range(len(counts) - 1):
            place += 1 + counts[j] - (1 if j < n else 0)
            bars.append(place)
        for things, combination in ((self.cells, chosen), (k - n + len(counts) - 1, bars)):
            size = width(things, len(combination))
            word, length = (word << size) | _rank(combination), length + size
        return word, length

    @override
    def decode(self, payload: Payload) -> NDArray[np.float64]:
        data, bits = checked_data(payload, self.name)
        dense = np.zeros((len(data), self.cells))
        for i, (row, length) in enumerate(zip(data, bits.tolist(), strict=True)):
            word = int.from_bytes(row.tobytes(), "big") >> (8 * len(row) - length)
            found = self._unit(word, length)
            if found is None:
                raise DataFormatError(self.name, f"payload {i}", "bits that no unit has", "a payload of this codec")
            cells, charges = found
            dense[i, cells] = charges
        return dense

    def _unit(self, word: int, left: int) -> tuple[list[int], list[float]] | None:
        """Returns cells and charges of a payload; None if it is none."""

        def take(bits: int) -> int:
            nonlocal left
            left -= bits
            return word >> left & ((1 << bits) - 1) if left >= 0 else 0

        code = take(SUM_BITS)
        if left <= 0 or code == 0:
            return ([], []) if left == 0 and code == 0 else None
        mode = take(self._mode_bits)
        if mode >= len(self._modes):
            return None
        n, rest = self._modes[mode]
        k, parts = int(self._quanta[n, rest]), n + rest
        cells = _unrank(take(width(self.cells, n)), self.cells, n)
        bars = _unrank(take(width(k - n + parts - 1, parts - 1)), k - n + parts - 1, parts - 1)
        if left or cells is None or bars is None:
            return None
        ends = [*bars, k - n + parts - 1]
        counts = [end - start for start, end in zip([-1, *ends], ends, strict=False)]
        charge = float(self._sum.decode(np.array(code))) / k
        return cells, [charge * count for count in counts[:n]]

    @override
    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "cells": self.cells, "bits": self.bits, "maximum": self.maximum}


@lru_cache(maxsize=100_000)
def _comb(n: int, k: int) -> int:
    return comb(n, k)


def quanta(cells: int, bits: int, n: int, rest: int) -> int:
    """Returns into how many quanta the charge of n cells, and of others if there is a rest, is split; 0 = the bits are too few.

    Every cell that is sent has one at least.
    """
    left, parts = bits - width(cells, n), n + rest
    if left < 0 or (rest and n == cells):
        return 0

    def fits(k: int) -> bool:
        return width(k - n + parts - 1, parts - 1) <= left

    low, high = n, MOST_QUANTA
    if not fits(low):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _rank(combination: list[int]) -> int:
    """Returns the number of an ascending combination."""
    return sum(_comb(place, j + 1) for j, place in enumerate(combination))


def _unrank(number: int, things: int, count: int) -> list[int] | None:
    """Returns the ascending combination of a number; None if there is none."""
    found: list[int] = []
    if number >= comb(things, count):
        return None
    high = things
    for j in range(count, 0, -1):
        low = j - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _comb(middle, j) <= number else (low, middle)
        found.append(low)
        number -= _comb(low, j)
        high = low
    return found[::-1]


@njit(cache=True, nogil=True)
def _choose(value: Any, charged: Any, total: Any, number: Any, count: Any, quanta: Any) -> None:
    """Fills how many cells are sent of units, by falling charge (n, ranks), and the quanta of each and of what is left over."""
    parts = np.zeros(value.shape[1] + 1, dtype=np.int64)
    split = np.zeros(value.shape[1] + 1, dtype=np.int64)
    for i in range(len(total)):
        sent, best = 0, -1.0
        for n in range(1, min(charged[i], quanta.shape[0] - 1) + 1):
            sent += value[i, n - 1]
            rest = 1 if n < charged[i] else 0
            k = quanta[n, rest]
            if k == 0:
                continue
            parts[:n], parts[n] = value[i, :n], total[i] - sent
            share_out(parts[: n + rest], total[i], n, k, split)
            error = float(total[i] - sent)
            for j in range(n):
                error += abs(value[i, j] - split[j] * total[i] / k)
            if best < 0 or error < best:
                best, number[i] = error, n
                count[i, : n + rest] = split[: n + rest]
