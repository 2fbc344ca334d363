"""Codes of events in a file: the integers that an encoder sends, one npz per file of events.

This is no codec's bit stream: every number takes the next larger integer type. It keeps what was computed, exactly, with the fingerprint
of the model that made it; `docs/workflow.md` describes the arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.store.arrays import read_arrays, write_arrays

if TYPE_CHECKING:
    from hgcae.events import Events
    from hgcae.model.autoencoder import Autoencoder

_FORMAT = ("a file of codes", 2)


@dataclass(frozen=True)
class CodesFile:
    """Codes of the occupied units of a level, in order of event and unit.

    Args:
        level: Name of the level.
        bits_per_unit: Bits that one unit takes where it is sent.
        n_events: Number of events, empty ones included.
        event: Event of each unit, counted in this file: (n,) int64.
        unit: Flat index of each unit in its event: (n,) int64.
        code: The integers of the codes: (n, latent), the smallest integer type that holds them.
        made_of: Fingerprints of the model and of the events.
    """

    level: str
    bits_per_unit: int
    n_events: int
    event: NDArray[np.int64]
    unit: NDArray[np.int64]
    code: NDArray[np.integer]
    made_of: dict[str, str]

    def write(self, path: Path) -> None:
        """Writes the file, which appears whole or not at all."""
        arrays = {"event": self.event, "unit": self.unit, "code": _narrow(self.code)}
        header = {key: getattr(self, key) for key in ("level", "bits_per_unit", "n_events", "made_of")}
        write_arrays(path, *_FORMAT, header, arrays, compress=True)

    @classmethod
    def read(cls, path: Path) -> CodesFile:
        """Reads a file of codes.

        Raises:
            DataFormatError: Damaged, or something else.
            OSError: The file cannot be loaded.
        """
        header, arrays = read_arrays(path, *_FORMAT)
        values: dict[str, Any] = header | arrays
        try:
            return cls(**values)
        except TypeError as error:
            raise DataFormatError(path, "contents", str(error), _FORMAT[0]) from None


def encode(model: Autoencoder, chunks: Iterable[Events], level: str, made_of: dict[str, str]) -> CodesFile:
    """Encodes a stream of events up to a level."""
    chosen, n_events = model.level(level), 0
    events, units, codes = [], [], [np.zeros((0, chosen.latent), dtype=np.int32)]
    for chunk in chunks:
        made = model.encode_events(chunk, chosen.name)
        events.append(made.event + n_events)
        units.append(made.unit)
        codes.append(chosen.integers(made.code))
        n_events += len(chunk)
    event, unit = (np.concatenate([np.zeros(0, dtype=np.int64), *parts]) for parts in (events, units))
    return CodesFile(chosen.name, chosen.bits_per_unit, n_events, event, unit, np.concatenate(codes), made_of)


def _narrow(code: NDArray[np.integer]) -> NDArray[np.integer]:
    low, high = int(code.min(initial=0)), int(code.max(initial=0))
    limits = [(dtype, np.iinfo(dtype)) for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "i8")]
    return code.astype(next(dtype for dtype, limit in limits if limit.min <= low and high <= limit.max))
