"""Entropy coding of integer codes: how few bits an event takes on a link whose messages may differ in length. Measured, not estimated.

A range coder (R. Bamler, Understanding Entropy Coding With Asymmetric Numeral Systems, arXiv:2201.01741; the package `constriction`)
writes which units are occupied, then the numbers of these, with probabilities fitted to training codes.

* **Occupancy** goes down the levels: of every occupied parent, which of its children are. The probability of a child is counted in
  training by level, layer (child of the root) and place in its parent, by whether the same unit of the layer before is occupied, and by how
  many of its siblings before it are (none, one, more).
* **Numbers** have one probability table each, for all units of the level: the training histogram, smoothed with a normal distribution
  whose width is chosen by one half of the codes predicting the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue]
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hgcae.codes import CodeFormat, Codes
from hgcae.geometry.hierarchy import Hierarchy

WORD_BITS = 32
"""The coder writes words of so many bits."""
_WIDTHS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Widths of the smoothing of histograms that are tried, in steps of a number."""
_FLAT = 0.01
"""Share of a flat distribution in every table, so that every number can be sent."""
_BERNOULLI: Any = stream.model.Bernoulli(perfect=False)


@dataclass(frozen=True)
class _Tier:
    """Units of one level, layer by layer: parents in a layer, children of a parent."""

    layers: int
    parents: int
    children: int

    @property
    def contexts(self) -> int:
        return self.layers * self.children * 6

    def steps(self, parent: NDArray[np.bool_], known: NDArray[np.bool_]) -> Iterator[tuple[int, int, NDArray[np.bool_], NDArray[np.int64]]]:
        """Yields layer, child, which parents have a bit there, and the context of each of these bits; only what is known already is read.

        Args:
            parent: Occupied parents (n, layers, parents).
            known: Occupied units (n, layers, parents, children), filled in by the caller between the steps.
        """
        for layer in range(self.layers):
            active = parent[:, layer]
            for child in range(self.children):
                same = known[:, layer - 1, :, child][active] if layer else np.zeros(int(active.sum()), dtype=bool)
                before = np.minimum(known[:, layer, :, :child].sum(axis=2)[active], 2)
                yield layer, child, active, ((layer * self.children + child) * 2 + same) * 3 + before


def _tiers(hierarchy: Hierarchy, level: str) -> list[_Tier]:
    """Returns the root, its children (the layers), and all levels below down to `level`."""
    names = hierarchy.names[hierarchy.index(level) :][::-1]
    layers = hierarchy.levels[-1].children
    below = [_Tier(layers, hierarchy.n_units(above) // layers, hierarchy.level(above).children) for above in names[1:-1]]
    return [_Tier(1, 1, 1), _Tier(layers, 1, 1), *below][: len(names)]


class EntropyCoder:
    """Probabilities fitted to training codes, and the coder that uses them.

    Args:
        hierarchy: Levels of one event.
        level: Level of the codes.
        code_format: How the numbers are written.
        occupancy: Probability of an occupied unit by context, one array for each level from the root down.
        numbers: Probability of each value of each number.
    """

    def __init__(
        self,
        hierarchy: Hierarchy,
        level: str,
        code_format: CodeFormat,
        occupancy: list[NDArray[np.float64]],
        numbers: list[NDArray[np.float64]],
    ) -> None:
        self.hierarchy, self.level, self.format = hierarchy, level, code_format
        self._tiers = _tiers(hierarchy, level)
        self._occupancy, self._numbers = occupancy, numbers

    @classmethod
    def fit(cls, train: Codes, hierarchy: Hierarchy) -> EntropyCoder:
        """Fits all probabilities to training codes; without any, everything is equally likely."""
        tiers = _tiers(hierarchy, train.level)
        ones, total = ([np.zeros(tier.contexts) for tier in tiers] for _ in range(2))

        def count(tier: int, context: NDArray[np.int64], bits: NDArray[np.bool_]) -> None:
            ones[tier] += np.bincount(context[bits], minlength=len(ones[tier]))
            total[tier] += np.bincount(context, minlength=len(total[tier]))

        _walk(tiers, _tier_masks(train, tiers), count)
        # Half a count on either side: R. Krichevsky, V. Trofimov, IEEE Trans. Inf. Theory 27 (1981) 199.
        occupancy = [(a + 0.5) / (b + 1) for a, b in zip(ones, total, strict=True)]
        numbers = [_table(train.words[:, i], int(width)) for i, width in enumerate(train.format.widths)]
        return cls(hierarchy, train.level, train.format, occupancy, numbers)

    def encode(self, codes: Codes) -> tuple[NDArray[np.uint32], int]:
        """Returns the codes of a sample as one message, and how many bits of it say which units are occupied."""
        encoder = stream.queue.RangeEncoder()

        def write(tier: int, context: NDArray[np.int64], bits: NDArray[np.bool_]) -> None:
            if len(bits):
                encoder.encode(bits.astype(np.int32), _BERNOULLI, self._probabilities(tier, context))

        _walk(self._tiers, _tier_masks(codes, self._tiers), write)
        occupancy_bits = encoder.num_bits()
        for word, table in zip(codes.words.T, self._models(), strict=True):
            if len(word):
                encoder.encode(np.ascontiguousarray(word, dtype=np.int32), table)
        return encoder.get_compressed(), occupancy_bits

    def decode(self, message: NDArray[np.uint32], n_events: int) -> Codes:
        """Returns the codes that a message holds."""
        decoder = stream.queue.RangeDecoder(message)
        parent = np.ones((n_events, 1, 1, 1), dtype=bool)
        for tier, shape in enumerate(self._tiers):
            known = np.zeros((n_events, shape.layers, shape.parents, shape.children), dtype=bool)
            for layer, child, active, context in shape.steps(_parents(parent, known), known):
                if len(context):
                    known[:, layer, :, child][active] = decoder.decode(_BERNOULLI, self._probabilities(tier, context)) == 1
            parent = known
        event, unit = np.nonzero(parent.reshape(n_events, self.hierarchy.n_units(self.level)))
        columns = [decoder.decode(table, len(event)) if len(event) else np.zeros(0, dtype=np.int32) for table in self._models()]
        words = np.stack(columns, axis=1).astype(np.int64)
        return Codes(self.level, n_events, event, unit, words, self.format, np.zeros_like(self.format.widths))

    def ideal_bits(self, codes: Codes) -> tuple[float, float]:
        """Returns - sum log2 of the fitted probabilities, of the occupancy and of the numbers: what a perfect coder would write."""
        occupancy = 0.0

        def add(tier: int, context: NDArray[np.int64], bits: NDArray[np.bool_]) -> None:
            nonlocal occupancy
            p = self._occupancy[tier][context]
            occupancy -= float(np.log2(np.where(bits, p, 1 - p)).sum())

        _walk(self._tiers, _tier_masks(codes, self._tiers), add)
        numbers = -sum(float(np.log2(table[word]).sum()) for word, table in zip(codes.words.T, self._numbers, strict=True))
        return occupancy, numbers

    def _probabilities(self, tier: int, context: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._occupancy[tier][context].astype(np.float32)

    def _models(self) -> list[Any]:
        return [stream.model.Categorical(table.astype(np.float32), perfect=False) for table in self._numbers]


def _tier_masks(codes: Codes, tiers: list[_Tier]) -> list[NDArray[np.bool_]]:
    """Returns the occupied units of every tier: (n_events, layers, parents, children)."""
    last = tiers[-1]
    lowest = np.zeros((codes.n_events, last.layers * last.parents * last.children), dtype=bool)
    lowest[codes.event, codes.unit] = True
    masks = []
    for tier in tiers:
        n_units = tier.layers * tier.parents * tier.children
        mask = lowest.reshape(codes.n_events, n_units, lowest.shape[1] // n_units).any(axis=2)
        masks.append(mask.reshape(codes.n_events, tier.layers, tier.parents, tier.children))
    return masks


def _walk(tiers: list[_Tier], masks: list[NDArray[np.bool_]], see: Callable[[int, NDArray[np.int64], NDArray[np.bool_]], None]) -> None:
    """Shows every bit of the occupancy with its context, in the order in which it is sent."""
    for number, (tier, mask) in enumerate(zip(tiers, masks, strict=True)):
        above = masks[number - 1] if number else np.ones((len(mask), 1, 1, 1), dtype=bool)
        for layer, child, active, context in tier.steps(_parents(above, mask), mask):
            see(number, context, mask[:, layer, :, child][active])


def _parents(above: NDArray[np.bool_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns the tier above as the parents (n, layers, parents) of a tier; the one root is the parent of every layer."""
    n, layers, parents, _ = mask.shape
    root = above.shape[1:] == (1, 1, 1)
    return np.broadcast_to(above.reshape(n, 1, 1), (n, layers, parents)) if root else above.reshape(n, layers, parents)


def _table(words: NDArray[np.integer], width: int) -> NDArray[np.float64]:
    """Returns the probability of each value of a number: (2^width,)."""
    size = 1 << width
    halves = [np.bincount(words[start::2], minlength=size).astype(np.float64) for start in range(2)]

    def loss(sigma: float) -> float:
        return -float(sum(halves[1 - i] @ np.log2(_smoothed(halves[i], sigma)) for i in range(2)))

    return _smoothed(halves[0] + halves[1], min(_WIDTHS, key=loss))


def _smoothed(counts: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Returns counts as probabilities, smoothed with a normal distribution of width `sigma` and a little of a flat one."""
    total = counts.sum()
    if total == 0:
        return np.full(len(counts), 1 / len(counts))
    share = gaussian_filter1d(counts, sigma, mode="nearest") if sigma else counts
    return (1 - _FLAT) * share / share.sum() + _FLAT / len(counts)
