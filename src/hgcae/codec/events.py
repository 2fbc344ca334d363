"""Whole events as the trigger sees them behind a codec of modules, or of the units of any other level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import UnitCodec
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module

_PIECE_MODULES = 2**16
"""Modules, with charge or without, that are dense at a time: 25 MB of charges."""
_PIECE_CELLS = 2_000_000
"""Cells of occupied units that are encoded at a time: large units are mostly empty cells."""


def sent(events: Events, codec: UnitCodec, level: str = "MODULE", source: object = "events") -> tuple[Events, NDArray[np.int64]]:
    """Sends every occupied unit of a level by a codec.

    Levels above can be trained on, and encode, what comes back: then the codec takes the place of the encoders up to that level.

    Args:
        events: Events with whole charges.
        codec: The codec; its units have as many trigger cells as those of the level.
        level: Level whose units are sent.
        source: Name for error messages.

    Returns:
        The events with decoded charges, which need not be whole, and the bits of each event's payloads (n,); units without charge are
        not counted.

    Raises:
        DataFormatError: No such level, other units, or charges that are not whole.
    """
    units, event, index = _units(events, level, codec.cells, source)
    parts, bits = [], np.zeros(len(events), dtype=np.int64)
    step = max(1, _PIECE_CELLS // codec.cells)
    for start in range(0, len(units), step):
        of_piece = event[start : start + step]
        payload = codec.encode(_dense(units[start : start + step], source))
        decoded = codec.decode(payload)
        row, cell = np.nonzero(decoded > 0)
        parts.append((of_piece[row], index[start + row] * codec.cells + cell, decoded[row, cell]))
        bits += np.bincount(of_piece, weights=payload.bits, minlength=len(events)).astype(np.int64)
    where, cell, charge = (np.concatenate(part) for part in zip(*parts, strict=True)) if parts else (np.zeros(0, dtype=np.int64),) * 3
    found = replace(
        events,
        offsets=np.concatenate([[0], np.cumsum(np.bincount(where, minlength=len(events)))]).astype(np.int64),
        cell=cell.astype(np.int32),
        charge=charge.astype(np.float64),
    )
    return found.validate(source), bits


def charged_modules(events: Events, source: object = "events") -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Returns the charges of all modules with charge (m, 48), the event number of each (m,), and its flat index in the event (m,).

    Raises:
        DataFormatError: No level MODULE, other modules, or charges that are not whole.
    """
    modules, event, unit = _units(events, "MODULE", module.N_CELLS, source)
    return _dense(modules, source), event, unit


def _units(events: Events, level: str, cells: int, source: object) -> tuple[Events, NDArray[np.int64], NDArray[np.int64]]:
    """Returns the occupied units of a level, see `Events.units`."""
    hierarchy = events.hierarchy
    shape = hierarchy.rooted(level).shape if level.upper() in hierarchy.names else ()
    if np.prod(shape, dtype=np.int64) != cells or not shape or (cells == module.N_CELLS and level == "MODULE" and shape != module.SHAPE):
        expected = "modules of 3 x 4 x 4 cells" if level == "MODULE" else f"units {level} of {cells} cells"
        raise DataFormatError(source, "hierarchy", f"levels {', '.join(hierarchy.names)} of {hierarchy.shape}", expected)
    return events.units(level)


def _dense(units: Events, source: object) -> NDArray[np.int64]:
    """Returns whole charges (n, cells)."""
    dense = units.to_dense().reshape(len(units), units.hierarchy.n_cells())
    # Before the cast, which makes nonsense of what no int64 holds.
    wrong = (np.rint(dense) != dense) | (dense > LARGEST_CHARGE)
    if wrong.any():
        raise DataFormatError(source, "charges", str(dense[wrong][0]), f"whole numbers up to {LARGEST_CHARGE}")
    return dense.astype(np.int64)


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
    """Sends a stream of events by a codec of modules, and counts what that takes and loses.

    Args:
        codec: The codec.
        source: Name for error messages.
        events: Events sent so far.
        bits: Payload bits of all of them.
        most_bits: Payload bits of the event that has most.
        charge: Their charge.
        delivered: Their decoded charge.
    """

    codec: UnitCodec
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
                decoded, bits = sent(piece, self.codec, source=self.source)
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
    _units(events[:0], "MODULE", module.N_CELLS, source)
    size = max(1, _PIECE_MODULES // events.hierarchy.n_units("MODULE"))
    return events.chunks(size) if len(events) > size else [events]
