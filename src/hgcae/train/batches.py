"""What a step sees: units of the loss level with the rows of the tree below them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError
from hgcae.events import ragged_take
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.sparse import Tree, bucket
from hgcae.train.schedule import Stage


@dataclass(frozen=True)
class Batch:
    """What one step needs: base rows, links of the levels above, charges (n, cells) and weight (n,) of the units of the loss."""

    base: NDArray[np.float32]
    links: list[NDArray[np.int32]]
    target: NDArray[np.float32]
    weight: NDArray[np.float32]
    n_roots: int


@dataclass
class Batches:
    """Draws the batches of a stage from a tree.

    Raises:
        SettingsError: Units are to be drawn by their charge, but there is none.
    """

    stage: Stage
    tree: Tree
    hierarchy: Hierarchy

    def __post_init__(self) -> None:
        if not len(self.tree) and self.stage.sampling == "charge":
            msg = f"found no charged unit of {self.stage.loss_level} in {self.tree.n_events} events, expected some to train and to test on"
            raise SettingsError(msg)
        total = np.add.reduceat(self.tree.roots.charge.astype(np.float64), self.tree.roots.offsets[:-1]) if len(self.tree) else np.ones(0)
        strong = total**0.75
        self._probability = 0.5 / max(len(total), 1) + 0.5 * strong / max(strong.sum(), 1e-9)
        self._probability /= max(self._probability.sum(), 1e-9)

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        per_event = 1.0 if self.stage.sampling == "events" else self.roots_per_event
        return self.stage.steps or max(1, round(self.tree.n_events * per_event / self.stage.batch))

    @property
    def roots_per_event(self) -> float:
        """Mean number of occupied units of the loss level in an event."""
        return max(len(self.tree) / self.tree.n_events, 1e-9)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yields the batches of one epoch."""
        if self.stage.sampling == "charge":
            for _ in range(self.steps):
                # Drawn with replacement, so that the shape is the same in every step.
                yield self._batch(rng.choice(len(self.tree), self.stage.batch, p=self._probability), self.stage.batch + 1, 0)
            return
        order = rng.permutation(self.tree.n_events)
        units = self.hierarchy.n_units(self.stage.loss_level)
        start = np.searchsorted(self.tree.event, np.arange(self.tree.n_events + 1)).astype(np.int64)
        for step in range(self.steps):
            chosen = order[np.arange(step * self.stage.batch, (step + 1) * self.stage.batch) % self.tree.n_events]
            index, _ = ragged_take(start, chosen)
            size = bucket(len(index) + 1, smallest=self.stage.batch + 1)
            yield self._batch(index, size, len(chosen) * units - len(index))

    def _batch(self, index: NDArray[np.integer], size: int, empty_units: int) -> Batch:
        base, links = self.tree.take(index, self.hierarchy, size)
        chosen = self.tree.roots[index]
        target = np.zeros((size, self.hierarchy.n_cells(self.stage.loss_level)), dtype=np.float32)
        target[chosen.event + 1, chosen.cell] = chosen.charge
        weight = np.zeros(size, dtype=np.float32)
        weight[1 : len(index) + 1] = 1
        weight[0] = empty_units
        return Batch(base, links, target, weight, len(index))
