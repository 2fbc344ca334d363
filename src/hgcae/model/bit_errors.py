"""Bit errors: codes with flipped bits, as noise on a link or radiation in a chip would leave them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import CodeFormat, Codes
from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import Hierarchy


def flip_bits(codes: Codes, rng: np.random.Generator, *, hierarchy: Hierarchy | None = None, probability: float | None = None) -> Codes:
    """Returns codes with flipped bits; the words that are sent are flipped, so every result is a code.

    Args:
        codes: Codes of the occupied units of a level.
        rng: Random numbers.
        hierarchy: Levels of one event; needed with a probability.
        probability: Chance of each bit of every existing unit, occupied or not, so empty units may gain charge; None = exactly one bit,
            drawn at random, of the code of each occupied unit.

    Raises:
        SettingsError: Not a probability, or one without a hierarchy.
    """
    bits = codes.format.bits
    if probability is None:
        row, words = np.arange(len(codes.unit)), codes.words.copy()
        number, bit = _place(codes.format, rng.integers(0, bits, len(row)))
        words[row, number] ^= (1 << bit).astype(words.dtype)
        return replace(codes, words=words)
    if hierarchy is None or not 0 <= probability <= 1:
        msg = f"bit flips: found probability {probability}, hierarchy {hierarchy}, expected 0 to 1, and the levels of an event"
        raise SettingsError(msg)
    exists = np.flatnonzero(hierarchy.present(codes.level))
    total = codes.n_events * len(exists) * bits
    place = rng.choice(total, rng.binomial(total, probability), replace=False, shuffle=False)
    position, at = np.divmod(place, bits)
    event, unit = np.divmod(position, len(exists))
    n_units = hierarchy.n_units(codes.level)
    before, hit = codes.event * n_units + codes.unit, event * n_units + exists[unit]
    key = np.union1d(before, hit)
    words = np.repeat(codes.empty_words[None], len(key), axis=0).astype(codes.words.dtype)
    words[np.searchsorted(key, before)] = codes.words
    number, bit = _place(codes.format, at)
    np.bitwise_xor.at(words, (np.searchsorted(key, hit), number), (1 << bit).astype(words.dtype))
    return replace(codes, event=key // n_units, unit=key % n_units, words=words)


def _place(form: CodeFormat, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns number and bit of bits that are counted through the code."""
    end = np.cumsum(form.widths)
    number = np.searchsorted(end, at, side="right")
    return number, at - (end - form.widths)[number]
