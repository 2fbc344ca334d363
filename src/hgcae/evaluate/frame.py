"""Samples in pairs and in pieces: what every measurement begins with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, GeometryError
from hgcae.events import Events

MAX_ENTRIES = 2_000_000
"""Charges compared at a time; bounds the memory of every loop over pieces of a sample."""


def check_pair(true: Events, decoded: Events) -> None:
    """Checks that two samples describe the same events.

    Raises:
        GeometryError: They differ in their levels.
        DataFormatError: They differ in their number of events.
    """
    if true.hierarchy.levels != decoded.hierarchy.levels:
        roots = [f"{sample.hierarchy.root} {sample.hierarchy.shape}" for sample in (decoded, true)]
        msg = f"decoded events have the root {roots[0]}, true ones {roots[1]}"
        raise GeometryError(msg)
    if len(true) != len(decoded):
        raise DataFormatError(
            source="decoded events", where="number of events", found=str(len(decoded)), expected=f"{len(true)} as in the truth"
        )


def group_sums(group: NDArray[np.integer], values: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """Returns the sum of the values of each of `n` groups: (n,) float64."""
    return np.asarray(np.bincount(group, values, n), dtype=np.float64)


def piece_size(n: int, entries: int) -> int:
    """Returns how many of `n` events to treat at a time if all of them hold `entries` numbers."""
    return max(1, int(MAX_ENTRIES * n / max(entries, 1)))
