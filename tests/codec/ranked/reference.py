"""A slow decoder of ranked cells, written from docs/ranked.md alone: strings of bits, dictionaries and fractions."""

from __future__ import annotations

import base64
import itertools
import math
from bisect import bisect_right
from fractions import Fraction
from typing import Any

import numpy as np

ONE = 1 << 16


def array(value: dict[str, Any]) -> Any:
    """An array of the configuration as nested lists."""
    return np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"]).tolist()


def canonical(lengths: list[int]) -> dict[str, int]:
    """The words of a prefix code as strings: counting up, one more zero for each further bit."""
    words, number, before = {}, 0, 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in enumerate(lengths) if bits):
        number <<= bits - before
        words[f"{number:0{bits}b}"] = symbol
        number, before = number + 1, bits
    return words


def levels_of(stored: list[int], width: int) -> list[int]:
    """The decoded shares of a width, in 2^-16."""
    if width <= 5:
        return stored[2**width - 1 : 2 ** (width + 1) - 1]
    coarse = stored[31:63]
    edges = [ONE, *((a + b + 1) // 2 for a, b in itertools.pairwise(coarse)), 0]
    parts = 2 ** (width - 5)
    fine = [high - (high - low) * k // parts for high, low in itertools.pairwise(edges) for k in range(parts)] + [0]
    return [max((a + b + 1) // 2, 1) for a, b in itertools.pairwise(fine)]


class SlowDecoder:
    def __init__(self, config: dict[str, Any], sums: list[int]) -> None:
        self.size, self.near = config["blocks"]
        self.bits, self.spread, self.sums = config["bits"], config["spread"], sums
        self.modes = canonical(array(config["modes"]))
        self.addresses, self.levels, self.edges = (array(config[name]) for name in ("addresses", "levels", "edges"))
        self.order, self.profile = array(config["order"]), array(config["profile"])
        self.cells = self.size * len(self.near)

    def widths(self, number: int, left: int) -> list[int]:
        given = self.order[number - 1][:left]
        return [min(given.count(rank), 10) for rank in range(number)]

    def decode(self, text: str) -> list[Fraction]:
        """Charges of a unit from its payload, a string of bits, ADC counts."""

        def take(bits: int) -> int:
            nonlocal text
            word, text = text[:bits], text[bits:]
            return int(word, 2) if bits else 0

        def word(words: dict[str, int]) -> int:
            nonlocal text
            found = next(bits for bits in range(1, 21) if text[:bits] in words)
            symbol, text = words[text[:found]], text[found:]
            return symbol

        length = len(text)
        image = [Fraction(0)] * self.cells
        rest = self.sums[take(9)]
        if not rest:
            return image
        mode = word(self.modes)
        n, complete = mode // 2 + 1, mode % 2
        cells = [take((self.cells - 1).bit_length())]
        block, inner = divmod(cells[0], self.size)
        escape = self.size * len(self.near[0])
        for rank in range(1, n):
            symbol = word(canonical(self.addresses[bisect_right([3, 5, 8], rank)][inner]))
            whole = symbol == escape
            cells.append(
                take((self.cells - 1).bit_length()) if whole else self.near[block][symbol // self.size] * self.size + symbol % self.size
            )
        left, share = self.bits - (length - len(text)), 0
        for rank, width in enumerate(self.widths(n - complete, left) if n > complete else []):
            context = sum(share >= edge for edge in self.edges[rank])
            share = min(levels_of(self.levels[rank][context], width)[take(width)], ONE - 1)
            charge = (rest * share + ONE // 2) // ONE
            image[cells[rank]], rest = Fraction(charge, 16), rest - charge
        assert not text
        if complete:
            image[cells[-1]] = Fraction(rest, 16)
        elif self.spread and rest:
            self.share_out(image, cells, Fraction(rest, 16))
        return image

    def share_out(self, image: list[Fraction], sent: list[int], rest: Fraction) -> None:
        block, inner = divmod(sent[0], self.size)
        smallest, weights = image[sent[-1]], self.profile[inner]
        wanted = 3 * rest / smallest if smallest else math.inf
        chosen: list[tuple[int, int]] = []
        for symbol in sorted(range(len(weights)), key=lambda symbol: -weights[symbol]):
            near = self.near[block][symbol // self.size]
            cell = near * self.size + symbol % self.size
            if near >= 0 and cell not in sent and (not chosen or len(chosen) < wanted):
                chosen.append((cell, weights[symbol]))
        for cell, weight in chosen or [(sent[0], 1)]:
            image[cell] += rest * weight / (sum(weight for _, weight in chosen) or 1)
