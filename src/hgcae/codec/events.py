"""Whole events as the trigger sees them behind a module codec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import ModuleCodec
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module

_PIECE_MODULES = 2**16
"""Modules, with charge or without, that are dense at a time: 25 MB of charges."""


def sent(events: Events, codec: ModuleCodec, source: object = "events") -> tuple[Events, NDArray[np.int64]]:
    """Sends every module with charge by a codec.

    Levels above MODULE can be trained on, and encode, what comes back: then the codec takes the place of the two lowest encoders.

    Args:
        events: Events of modules with 48 trigger cells and whole charges.
        codec: The codec.
        source: Name for error messages.

    Returns:
        The events with decoded charges, which need not be whole, and the bits of each event's payloads (n,); modules without charge are
        not counted.

    Raises:
        DataFormatError: No level MODULE, other modules, or charges that are not whole.
    """
    charges, event, unit = charged_modules(events, source)
    payload = codec.encode(charges)
    decoded = codec.decode(payload)
    row, cell = np.nonzero(decoded > 0)
    counts = np.bincount(event[row], minlength=len(events))
    found = replace(
        events,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        cell=(unit[row] * module.N_CELLS + cell).astype(np.int32),
        charge=decoded[row, cell],
    )
    return found.validate(source), np.bincount(event, weights=payload.bits, minlength=len(events)).astype(np.int64)


def charged_modules(events: Events, source: object = "events") -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the charges of all modules with charge (m, 48), the event number of each (m,), and its flat index in the event (m,).

    Raises:
        DataFormatError: No level MODULE, other modules, or charges that are not whole.
    """
    _check_levels(events, source)
    modules, event, unit = events.units("MODULE")
    dense = modules.to_dense().reshape(len(modules), module.N_CELLS)
    # Before the cast, which makes nonsense of what no int64 holds.
    wrong = (np.rint(dense) != dense) | (dense > LARGEST_CHARGE)
    if wrong.any():
        raise DataFormatError(source, "charges", str(dense[wrong][0]), f"whole numbers up to {LARGEST_CHARGE}")
    return dense.astype(np.int64), event, unit


def first_modules(chunks: Iterable[Events], most: int, source: object = "events") -> NDArray[np.int64]:
    """Returns the charges of the first modules with charge of a stream, to fit a codec to: (m, 48), at most `most`; reads no further.

    Raises:
        DataFormatError: See `charged_modules`.
    """
    found, n = [np.zeros((0, module.N_CELLS), dtype=np.int64)], 0
    for chunk in chunks:
        for piece in _pieces(chunk, source):
            found.append(charged_modules(piece, source)[0])
            n += len(found[-1])
            if n >= most:
                return np.concatenate(found)[:most]
    return np.concatenate(found)


@dataclass
class TransmissionStats:
    """Sends a stream of events by a codec, and counts what that takes and loses.

    Args:
        codec: The codec.
        source: Name for error messages.
        events: Events sent so far.
        bits: Payload bits of all of them.
        most_bits: Payload bits of the event that has most.
        charge: Their charge.
        delivered: Their decoded charge.
    """

    codec: ModuleCodec
    source: object = "events"
    events: int = 0
    bits: int = 0
    most_bits: int = 0
    charge: float = 0.0
    delivered: float = 0.0

    def send(self, chunks: Iterable[Events]) -> Iterator[Events]:
        """Yields the events as they are decoded, in pieces that take constant memory; see `sent`."""
        for chunk in chunks:
            for piece in _pieces(chunk, self.source):
                decoded, bits = sent(piece, self.codec, self.source)
                self.events += len(piece)
                self.bits += int(bits.sum())
                self.most_bits = max(self.most_bits, int(bits.max(initial=0)))
                self.charge += float(piece.charge.sum())
                self.delivered += float(decoded.charge.sum())
                yield decoded

    @property
    def bits_per_event(self) -> float:
        """Mean payload bits of an event; NaN before the first."""
        return self.bits / self.events if self.events else np.nan

    @property
    def charge_kept(self) -> float:
        """Decoded charge over charge; NaN where there was none."""
        return self.delivered / self.charge if self.charge else np.nan


def _pieces(events: Events, source: object) -> Iterable[Events]:
    """Returns the events in pieces of so few modules that they fit in memory dense, at least one piece."""
    _check_levels(events, source)
    size = max(1, _PIECE_MODULES // events.hierarchy.n_units("MODULE"))
    return events.chunks(size) if len(events) > size else [events]


def _check_levels(events: Events, source: object) -> None:
    hierarchy = events.hierarchy
    if "MODULE" not in hierarchy.names or hierarchy.rooted("MODULE").shape != module.SHAPE:
        raise DataFormatError(
            source, "hierarchy", f"levels {', '.join(hierarchy.names)} of {hierarchy.shape}", "modules of 3 x 4 x 4 cells"
        )
