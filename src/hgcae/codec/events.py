"""Whole events as the trigger sees them behind a module codec."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import ModuleCodec
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module


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
    hierarchy = events.hierarchy
    if "MODULE" not in hierarchy.names or hierarchy.rooted("MODULE").shape != module.SHAPE:
        raise DataFormatError(
            source, "hierarchy", f"levels {', '.join(hierarchy.names)} of {hierarchy.shape}", "modules of 3 x 4 x 4 cells"
        )
    modules, event, unit = events.units("MODULE")
    dense = modules.to_dense().reshape(len(modules), module.N_CELLS)
    whole = np.rint(dense).astype(np.int64)
    if (whole != dense).any():
        raise DataFormatError(source, "charges", str(dense[whole != dense][0]), "whole numbers")
    payload = codec.encode(whole)
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
