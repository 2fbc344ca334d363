"""The picture that shows a training: the same test units, some of them empty, input above and decoded below."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.events import Events

if TYPE_CHECKING:
    from hgcae.model.autoencoder import Autoencoder


@dataclass(frozen=True)
class Gallery:
    """Chosen units of test events.

    Args:
        events: The events that hold them.
        level: Their level: TRIPLET, or the root of smaller events.
        event: Event of each unit.
        unit: Flat index of each unit in its event.
    """

    events: Events
    level: str
    event: NDArray[np.int64]
    unit: NDArray[np.int64]

    @classmethod
    def of(cls, events: Events) -> Self:
        """Chooses 16 charged units and, where the events have some, 4 empty ones."""
        from hgcae.plots import choose_units

        level = next(name for name in ("TRIPLET", "MODULE", events.hierarchy.root) if name in events.hierarchy.names)
        event, unit = choose_units(events, level)
        holders, row = np.unique(event, return_inverse=True)
        return cls(events[holders], level, row, unit)

    def draw(self, model: Autoencoder, level: str, path: Path, title: str) -> None:
        """Draws the units as decoded from the codes of `level`; below the units' own level only so far is encoded."""
        from hgcae.plots import draw_units

        draw_units(self._units(self.events), self._units(model.reconstruct(self.events, level)), path, title)

    def _units(self, events: Events) -> Events:
        sub = events.hierarchy.rooted(self.level)
        dense = events.to_dense().reshape(len(events), -1, *sub.shape)
        return Events.from_dense(dense[self.event, self.unit], sub)
