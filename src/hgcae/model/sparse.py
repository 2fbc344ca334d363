"""The occupied tree: units of a level that hold charge, and the rows that stand for all others.

An event touches a few hundred of thousands of units, and all empty units of a level have one code. So every level is a table of the
occupied units whose row 0 is the empty one, and a parent finds its children by row number: encoding costs what the signal costs, and its
result and gradient equal the dense evaluation (the gather's gradient adds up the shares of all empty children).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import Codes
from hgcae.events import Events, ragged_take
from hgcae.geometry.hierarchy import Hierarchy


@dataclass(frozen=True)
class Tree:
    """Occupied units of consecutive levels, from a base level to the level of the loss.

    Args:
        names: Levels, base first.
        base: Input rows of the base level: charges (n, children) or children's codes (n, children, latent).
        empty: The row of an empty unit of the base level.
        starts: For each level above the base, the first child row of each unit and the end of the last: (n + 1,).
        slots: For each level above the base, the place of each child row in its parent.
        roots: The top level's units as events (their charges are the target).
        event: Event of each of them.
        n_events: Number of events, empty ones included.
    """

    names: tuple[str, ...]
    base: NDArray[np.float32]
    empty: NDArray[np.float32]
    starts: tuple[NDArray[np.int64], ...]
    slots: tuple[NDArray[np.int64], ...]
    roots: Events
    event: NDArray[np.int64]
    n_events: int

    @classmethod
    def build(cls, events: Events, base: str, top: str, codes: Codes | None) -> Tree:
        """Builds the tree of `events`.

        Args:
            events: The events.
            base: Level whose inputs are the base rows.
            top: Level of the loss.
            codes: Codes of the level below `base`, None where that is the trigger cells.
        """
        hierarchy = events.hierarchy
        if codes is None:
            cells, event, unit = events.units(base)
            x = cells.to_dense().reshape(-1, hierarchy.n_cells(base)).astype(np.float32)
            empty = np.zeros(x.shape[1:], dtype=np.float32)
        else:
            integers, event, unit = codes.children_of(hierarchy, base)
            x = codes.format.from_integers(integers)
            empty = np.broadcast_to(codes.empty, x.shape[1:]).copy()
        names = hierarchy.names[hierarchy.index(base) : hierarchy.index(top) + 1]
        starts, slots = [], []
        for name in names[1:]:
            count, total = hierarchy.level(name).children, hierarchy.n_units(name)
            unique, start = np.unique(event * total + unit // count, return_index=True)
            starts.append(np.append(start, len(event)))
            slots.append(unit % count)
            event, unit = unique // total, unique % total
        roots, _, _ = events.units(top)
        return cls(names, x, empty, tuple(starts), tuple(slots), roots, event, len(events))

    def __len__(self) -> int:
        return len(self.roots)

    def rows(self, edges: NDArray[np.integer]) -> list[NDArray[np.integer]]:
        """Returns the rows of each level below the top, highest first, that belong to top units between `edges`: (len(edges) - 1,) each."""
        found = []
        for start in self.starts[::-1]:
            edges = start[edges]
            found.append(np.diff(edges))
        return found

    def take(
        self, index: NDArray[np.integer], hierarchy: Hierarchy, size: int, least: Sequence[int] = ()
    ) -> tuple[NDArray[np.float32], list[NDArray[np.int32]]]:
        """Returns what encoders need for some top units: base rows, and the children's row numbers of each level above, lowest first.

        Row 0 of every table is the empty unit. The table of top units is padded with empty units to `size` rows, tables below to a bucket
        size, so that few shapes are compiled; `least` are the fewest rows of each table below, highest first.
        """
        links: list[NDArray[np.int32]] = []
        rows = np.asarray(index)
        fewest = iter(least or [0] * len(self.starts))
        for name, start, slot in zip(self.names[:0:-1], self.starts[::-1], self.slots[::-1], strict=True):
            child, offsets = ragged_take(start, rows)
            link = np.zeros((size, hierarchy.level(name).children), dtype=np.int32)
            parent = np.repeat(np.arange(len(rows)) + 1, np.diff(offsets))
            link[parent, slot[child]] = np.arange(len(child)) + 1
            links.append(link)
            rows, size = child, bucket(max(len(child), next(fewest)) + 1)
        x = np.broadcast_to(self.empty, (size, *self.empty.shape)).copy()
        x[1 : len(rows) + 1] = self.base[rows]
        return x, links[::-1]


def bucket(n: int, smallest: int = 64) -> int:
    """Returns the next of 64, 72, 80, ..., 128, 144, ... (times `smallest` / 64) that is at least `n`: an eighth more at most."""
    if n <= smallest:
        return smallest
    octave = smallest * 2 ** (math.ceil(math.log2(n / smallest)) - 1)
    step = max(1, octave // 8)
    return octave + step * -(-(n - octave) // step)
