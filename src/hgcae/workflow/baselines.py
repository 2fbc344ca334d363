"""Codes without a network beside a trained level: the same units, at most the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hgcae.codec.base import UnitCodec
from hgcae.codec.events import sent
from hgcae.codec.simple import fitted
from hgcae.errors import SettingsError
from hgcae.evaluate import Baseline
from hgcae.evaluate.core.distances import UnitErrors, compare
from hgcae.events import Events

RIVALS = ("quanta", "ranked")
"""The best codes of cells: by enumeration, which needs a search, and by rank with frozen tables."""


@dataclass(frozen=True)
class CodecBaseline(Baseline):
    """A code as packed bits.

    Args:
        name: Its name in results.
        codec: The code, fitted to units of the level.
    """

    name: str
    codec: UnitCodec

    @property
    def size(self) -> dict[str, int]:
        """Bits of the longest payload."""
        return {"max_bits": self.codec.max_bits}

    def errors(self, units: Events) -> UnitErrors:
        """Returns the errors of units decoded from their payloads."""
        return compare(units, sent(units, self.codec, units.hierarchy.root)[0])


def rivals(train: Events, test: Events, level: str, bits: int) -> Iterator[CodecBaseline]:
    """Yields the codes of cells at the bits of a level, fitted to training events; none where charges are not whole, or bits too few."""
    if not all((np.rint(events.charge) == events.charge).all() for events in (train, test)):
        return
    for name in RIVALS:
        try:
            yield CodecBaseline(name, fitted(name, train, level, bits))
        except SettingsError:
            continue
