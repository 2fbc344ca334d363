"""Codes of units: one record for models, evaluation, files and export.

The numbers of a code are real numbers on a grid: decoders take these. Each is sent as an **integer**, the number in steps of its grid. The
integer counted from its smallest value is the **word** that is packed: 0 to 2^width - 1, in the order of the numbers. Words differ from
two's complement by the sign bit alone, so flipping any bit of either means the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.geometry.hierarchy import Hierarchy


@dataclass(frozen=True, eq=False)
class CodeFormat:
    """How the numbers of the codes of a level are written.

    Args:
        widths: Bits of each number: (latent,).
        lowest: Smallest integer of each: (latent,).
        steps: What a step of each stands for, a power of two: (latent,).

    Raises:
        DataFormatError: They are not equally many.
    """

    widths: NDArray[np.int64]
    lowest: NDArray[np.int32]
    steps: NDArray[np.float32]

    def __post_init__(self) -> None:
        shapes = self.widths.shape, self.lowest.shape, self.steps.shape
        if len(set(shapes)) > 1 or self.widths.ndim != 1:
            source = "format of codes"
            raise DataFormatError(source, "widths, lowest, steps", f"shapes {shapes}", "one row each, equally long")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return int(self.widths.sum())

    def integers(self, code: NDArray[np.floating]) -> NDArray[np.int32]:
        """Returns codes (..., latent) as the integers that are sent."""
        return np.round(np.asarray(code) / self.steps).astype(np.int32)

    def from_integers(self, integers: NDArray[np.integer]) -> NDArray[np.float32]:
        """Returns the codes (..., latent) of sent integers."""
        return np.asarray(integers).astype(np.float32) * self.steps

    def words(self, code: NDArray[np.floating]) -> NDArray[np.int32]:
        """Returns codes (..., latent) as words of `widths` bits."""
        return self.integers(code) - self.lowest

    def from_words(self, words: NDArray[np.integer]) -> NDArray[np.float32]:
        """Returns the codes (..., latent) of words."""
        return self.from_integers(np.asarray(words) + self.lowest)


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of the occupied units of one level, in order of event and unit.

    Args:
        level: Name of the level.
        n_events: Number of events, empty ones included.
        event: Event of each unit: (n,).
        unit: Flat index of each unit in its event: (n,).
        words: Words of the codes of the units: (n, latent).
        format: How the numbers are written.
        empty_words: Words of the code of an empty unit: (latent,).

    Raises:
        DataFormatError: Not one code for each unit, or a word that is none of its number of bits.
    """

    level: str
    n_events: int
    event: NDArray[np.int64]
    unit: NDArray[np.int64]
    words: NDArray[np.integer]
    format: CodeFormat
    empty_words: NDArray[np.integer]

    def __post_init__(self) -> None:
        widths, words, n = self.format.widths, self.words, len(self.unit)
        source, shapes = f"codes of {self.level}", [self.event.shape, words.shape, self.empty_words.shape]
        if shapes != [(n,), (n, len(widths)), (len(widths),)] or words.dtype.kind not in "iu":
            raise DataFormatError(source, "words", f"{words.dtype} of shape {words.shape}", f"integers of shape {(n, len(widths))}")
        wrong = words >> widths.astype(words.dtype) != 0
        if wrong.any():
            row, number = np.argwhere(wrong)[0]
            raise DataFormatError(source, f"unit {row}, number {number}", str(words[row, number]), f"{widths[number]} bits")

    @classmethod
    def concatenate(cls, parts: Sequence[Codes]) -> Codes:
        """Returns codes of consecutive events, of one level and format, as those of one sample."""
        first = np.cumsum([0, *(part.n_events for part in parts)])
        event = np.concatenate([part.event + n for part, n in zip(parts, first, strict=False)])
        unit, words = (np.concatenate([getattr(part, name) for part in parts]) for name in ("unit", "words"))
        return replace(parts[0], n_events=int(first[-1]), event=event, unit=unit, words=words)

    @property
    def integers(self) -> NDArray[np.int32]:
        """The integers that are sent: (n, latent)."""
        return self.words.astype(np.int32, copy=False) + self.format.lowest

    @property
    def code(self) -> NDArray[np.float32]:
        """The numbers that decoders take: (n, latent)."""
        return self.format.from_words(self.words)

    @property
    def empty(self) -> NDArray[np.float32]:
        """Code of an empty unit: (latent,)."""
        return self.format.from_words(self.empty_words)

    def dense(self, hierarchy: Hierarchy) -> NDArray[np.float32]:
        """Returns the codes of all units: (n_events, *units of the level in the root, latent)."""
        empty = self.empty
        full = np.broadcast_to(empty, (self.n_events, hierarchy.n_units(self.level), len(empty))).copy()
        full[self.event, self.unit] = self.code
        return full.reshape(self.n_events, *hierarchy.unit_shape(self.level), len(empty))

    def children_of(self, hierarchy: Hierarchy, parent: str) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
        """Returns the children's integers of the occupied units of `parent`, their events and their flat indices.

        Args:
            hierarchy: Levels of the events.
            parent: Level above that of the codes.

        Returns:
            Integers (n, children, latent), events (n,) and flat indices (n,).
        """
        count, total = hierarchy.level(parent).children, hierarchy.n_units(parent)
        unique, row = np.unique(self.event * total + self.unit // count, return_inverse=True)
        x: NDArray[Any] = np.empty((len(unique), count, len(self.format.widths)), dtype=np.int32)
        x[:] = self.empty_words + self.format.lowest
        x[row, self.unit % count] = self.integers
        return x, unique // total, unique % total
