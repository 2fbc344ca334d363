"""What a step sees: units of the loss level with the rows of the tree below them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError
from hgcae.events import Events, ragged_take
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.sparse import Tree, bucket
from hgcae.train.schedule import Stage


class Pick(NamedTuple):
    """Which children the loss decodes further: the row of each one's parent among those decoded before, and its place there."""

    parent: NDArray[np.int32]
    slot: NDArray[np.int32]


class Batch(NamedTuple):
    """What one step needs; with several devices every array has a leading axis, one part for each.

    Args:
        base: Inputs of the lowest level that is encoded; row 0 is the empty unit.
        links: Rows of the children of each level above, lowest first.
        picks: Children that are decoded, from the level of the loss down to the lowest; empty = all.
        target: Charges (n, trigger cells) of the rows of the loss level, or of the units that are decoded last; none where codes of
            children are compared.
        weight: How many units each of them stands for: (n,).
    """

    base: NDArray[np.float32]
    links: list[NDArray[np.int32]]
    picks: list[Pick]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]


@dataclass
class Batches:
    """Draws the batches of a stage from a tree.

    Args:
        stage: What is drawn.
        tree: From what.
        hierarchy: The levels.
        devices: Parts of a step.

    Raises:
        SettingsError: Units are to be drawn by their charge, but there is none; or a step cannot be cut into equal parts.
    """

    stage: Stage
    tree: Tree
    hierarchy: Hierarchy
    devices: int = 1

    def __post_init__(self) -> None:
        if not len(self.tree) and self.stage.sampling == "charge":
            msg = f"found no charged unit of {self.stage.loss_level} in {self.tree.n_events} events, expected some to train and to test on"
            raise SettingsError(msg)
        if self.stage.batch % self.devices:
            msg = f"found batch = {self.stage.batch}, expected a multiple of the {self.devices} devices"
            raise SettingsError(msg)
        total = np.add.reduceat(self.tree.roots.charge.astype(np.float64), self.tree.roots.offsets[:-1]) if len(self.tree) else np.ones(0)
        strong = total**0.75
        probability = 0.5 / max(len(total), 1) + 0.5 * strong / max(strong.sum(), 1e-9)
        self._cumulative = np.cumsum(probability) / max(probability.sum(), 1e-9)
        self._cumulative[-1:] = 1  # whatever rounding made of it
        self._of_event = np.searchsorted(self.tree.event, np.arange(self.tree.n_events + 1)).astype(np.int64)
        # Compiling steps of several levels takes longer than padding: all of them have the shape of the largest.
        self._top, self._picked, self._below = 0, 0, list[int]()
        if self.stage.sampling == "events":
            n, part = self.tree.n_events, self.stage.batch // self.devices
            edges = self._of_event[np.minimum(np.arange(0, n + part, part), n)]
            if self.tree.starts or self._sampling:
                self._top = int(np.diff(edges).max(initial=0))
                self._below = [int(count.max(initial=0)) for count in self.tree.rows(edges)]
            if self._sampling:
                self._picked = self._most_picked(edges)

    @property
    def _sampling(self) -> bool:
        """Whether a share of the empty units is decoded only."""
        return self.stage.empty_share < 1 and self.stage.loss_level != self.hierarchy.names[0]

    def _most_picked(self, edges: NDArray[np.integer]) -> int:
        """Returns the largest number of lowest units that a step picks; its roots lie between two `edges`."""
        lowest, n = self.hierarchy.names[0], self.hierarchy.rooted(self.stage.loss_level).n_units(self.hierarchy.names[0])
        _, root, _ = self.tree.roots.units(lowest)
        charged = np.diff(np.searchsorted(root, edges))
        return n + int((charged + np.ceil(self.stage.empty_share * (np.diff(edges) * n - charged))).max(initial=0))

    @property
    def events_per_step(self) -> float:
        """Events that a step sees; where units are drawn, by their mean number in an event."""
        roots_per_event = max(len(self.tree) / self.tree.n_events, 1e-9)
        return self.stage.batch if self.stage.sampling == "events" else self.stage.batch / roots_per_event

    def draw(self, rng: np.random.Generator, steps: int) -> Iterator[Batch]:
        """Yields batches: whole events, in their order, pass after pass; or units drawn with replacement."""
        stage, n = self.stage, self.tree.n_events
        size, steps_of_pass = stage.batch // self.devices, -(-n // stage.batch)
        for step in range(steps):
            if stage.sampling == "charge":
                # Drawn with replacement, so that the shape is the same in every step.
                drawn = np.searchsorted(self._cumulative, rng.random(stage.batch), side="right")
                yield _stacked([self._units(index, size + 1) for index in drawn.reshape(self.devices, -1)])
            else:
                start = step % steps_of_pass * stage.batch
                chosen = np.arange(start, min(start + stage.batch, n))
                yield _stacked([self._events(part, rng) for part in np.array_split(chosen, self.devices)])

    def _units(self, index: NDArray[np.integer], size: int) -> Batch:
        base, links = self.tree.take(index, self.hierarchy, size, self._below)
        # Where codes are compared, those of the children are the base rows.
        charges = self.stage.compare == "cells"
        target = np.zeros((size, self.hierarchy.n_cells(self.stage.loss_level) if charges else 0), dtype=np.float32)
        if charges:
            chosen = self.tree.roots[index]
            target[chosen.event + 1, chosen.cell] = chosen.charge
        weight = np.zeros(size, dtype=np.float32)
        weight[1 : len(index) + 1] = 1
        return Batch(base, links, [], target, weight)

    def _events(self, chosen: NDArray[np.integer], rng: np.random.Generator) -> Batch:
        index, _ = ragged_take(self._of_event, chosen)
        size = bucket(max(len(index), self._top) + 1, smallest=len(chosen) + 1)
        empty = len(chosen) * self.hierarchy.n_units(self.stage.loss_level) - len(index)
        if not self._sampling:
            batch = self._units(index, size)
            batch.weight[0] = empty
            return batch
        base, links = self.tree.take(index, self.hierarchy, size, self._below)
        return Batch(base, links, *self._sampled(self.tree.roots[index], empty, rng, size))

    def _sampled(
        self, roots: Events, empty: int, rng: np.random.Generator, n_codes: int
    ) -> tuple[list[Pick], NDArray[np.float32], NDArray[np.float32]]:
        """Picks the lowest units that the loss decodes: those with charge, all of the empty unit in row 0, and some others.

        The drawn ones stand for all that are empty in units with charge, so the expected loss is the exact one.
        """
        hierarchy = self.hierarchy.rooted(self.stage.loss_level)
        lowest, *upper = hierarchy.names
        n, cells = hierarchy.n_units(lowest), hierarchy.n_cells(lowest)
        charged, row = np.unique(roots.event * n + roots.cell // cells, return_inverse=True)
        n_empty = len(roots) * n - len(charged)
        drawn = rng.choice(n_empty, math.ceil(self.stage.empty_share * n_empty), replace=False, shuffle=False)
        # The k-th empty unit lies behind as many charged ones as come before it.
        drawn += np.searchsorted(charged - np.arange(len(charged)), drawn, side="right")
        first = n if empty else 0
        unit = np.concatenate([np.arange(first), charged + n, drawn + n])
        size = bucket(self._picked)
        target, weight = np.zeros((size, cells), dtype=np.float32), np.zeros(size, dtype=np.float32)
        target[first + row, roots.cell % cells] = roots.charge
        weight[:first], weight[first : first + len(charged)] = empty, 1
        weight[first + len(charged) : len(unit)] = n_empty / max(len(drawn), 1)
        picks: list[Pick] = []
        for name in upper:
            count = hierarchy.level(name).children
            parents, parent = np.unique(unit // count, return_inverse=True)
            if name == hierarchy.root:
                # All rows of the loss level have a code, whether they are picked or not.
                parent = unit // count
            # Units above the lowest are no more than there are of them, nor than what is picked below.
            rows = min(size, n_codes * hierarchy.n_units(hierarchy.names[len(picks)])) if picks else size
            pick = Pick(*(np.zeros(rows, dtype=np.int32) for _ in range(2)))
            pick.parent[: len(unit)], pick.slot[: len(unit)] = parent, unit % count
            picks.append(pick)
            unit = parents
        return picks[::-1], target, weight


def _stacked(parts: list[Batch]) -> Batch:
    """Puts the parts of a step side by side, padded to one shape; a single part stays as it is."""
    if len(parts) == 1:
        return parts[0]
    return Batch(
        _stack([p.base for p in parts], fill=parts[0].base[0]),
        [_stack(arrays) for arrays in zip(*(p.links for p in parts), strict=True)],
        [Pick(*(_stack(arrays) for arrays in zip(*picks, strict=True))) for picks in zip(*(p.picks for p in parts), strict=True)],
        _stack([p.target for p in parts]),
        _stack([p.weight for p in parts]),
    )


def _stack(arrays: Any, fill: Any = 0) -> NDArray[Any]:
    out = np.empty((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), dtype=arrays[0].dtype)
    out[:] = fill
    for i, array in enumerate(arrays):
        out[i, : len(array)] = array
    return out
