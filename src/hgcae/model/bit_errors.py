"""Bit errors: codes with flipped bits, as noise on a link or radiation in a chip would leave them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.level import LevelModel
from hgcae.model.sparse import Codes


def flip_bits(
    level: LevelModel, codes: Codes, rng: np.random.Generator, *, hierarchy: Hierarchy | None = None, probability: float | None = None
) -> Codes:
    """Returns codes with flipped bits; the words that are sent are flipped, so every result is a code.

    Args:
        level: The level of the codes.
        codes: Codes of its occupied units.
        rng: Random numbers.
        hierarchy: Levels of one event; needed with a probability.
        probability: Chance of each bit of every existing unit, occupied or not, so empty units may gain charge; None = exactly one bit,
            drawn at random, of the code of each occupied unit.

    Raises:
        SettingsError: Not a probability, or one without a hierarchy.
    """
    if probability is None:
        row = np.arange(len(codes.unit))
        number, bit = _place(level, rng.integers(0, level.bits_per_unit, len(row)))
        words = level.words(codes.code)
        words[row, number] ^= 1 << bit
        return Codes(codes.level, codes.n_events, codes.event, codes.unit, level.from_words(words), codes.empty)
    if hierarchy is None or not 0 <= probability <= 1:
        msg = f"bit flips: found probability {probability}, hierarchy {hierarchy}, expected 0 to 1, and the levels of an event"
        raise SettingsError(msg)
    exists = np.flatnonzero(hierarchy.present(codes.level))
    total = codes.n_events * len(exists) * level.bits_per_unit
    place = rng.choice(total, rng.binomial(total, probability), replace=False, shuffle=False)
    position, at = np.divmod(place, level.bits_per_unit)
    event, unit = np.divmod(position, len(exists))
    n_units = hierarchy.n_units(codes.level)
    before, hit = codes.event * n_units + codes.unit, event * n_units + exists[unit]
    key = np.union1d(before, hit)
    words = np.repeat(level.words(codes.empty[None]), len(key), axis=0)
    words[np.searchsorted(key, before)] = level.words(codes.code)
    number, bit = _place(level, at)
    np.bitwise_xor.at(words, (np.searchsorted(key, hit), number), 1 << bit)
    return Codes(codes.level, codes.n_events, key // n_units, key % n_units, level.from_words(words), codes.empty)


def _place(level: LevelModel, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns number and bit of bits that are counted through the code."""
    end = np.cumsum(level.widths)
    number = np.searchsorted(end, at, side="right")
    return number, at - (end - level.widths)[number]
