"""What the simple codes of units of any level share: checked training units, their mean image, and dropping small decoded charges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from hgcae.errors import DataFormatError, SettingsError

SMALL = 0.6
"""Decoded charges below this fraction of the smallest training charge are dropped, as the learned decoders do."""
DROPPED = 0.05
"""Largest share of a unit's charge that is dropped: a wide mean image is all small charges."""


def checked_training(name: str, train: csr_matrix, bits: int, least: int) -> float:
    """Returns the smallest charge of training units (n, cells).

    Raises:
        DataFormatError: No training units.
        SettingsError: Fewer than `least` bits.
    """
    if bits < least:
        msg = f"code {name}: found {bits} bits for a unit of {train.get_shape()[1]} cells, expected at least {least}"
        raise SettingsError(msg)
    if not train.nnz:
        raise DataFormatError(name, "training units", "no charge", "at least one occupied unit")
    return float(train.data.min())


def mean_image(train: csr_matrix) -> NDArray[np.float64]:
    """Returns the mean of the units' images, weighted with their charge: (cells,), with the sum 1."""
    total = np.bincount(train.indices, train.data, train.get_shape()[1])
    return total / total.sum()


def without_small(dense: NDArray[np.float64], smallest: float) -> NDArray[np.float64]:
    """Drops small charges and scales up the rest of their unit, so that a smooth image does not fill the detector with tiny charges.

    The threshold is `SMALL` x `smallest`; where more than `DROPPED` of a unit would fall below, it is halved until that is no longer so.

    Args:
        dense: Non-negative charges (n, cells), ADC counts; overwritten.
        smallest: ADC counts; 0 = nothing is dropped.
    """
    if not smallest:
        return dense
    total = dense.sum(axis=1)
    threshold = np.full(len(dense), SMALL * smallest)
    todo = np.flatnonzero(total > 0)
    while len(todo):
        rows = dense[todo]
        below = np.where(rows < threshold[todo, None], rows, 0.0).sum(axis=1)
        todo = todo[below > DROPPED * total[todo]]
        threshold[todo] /= 2
    dense[dense < threshold[:, None]] = 0.0
    kept = dense.sum(axis=1)
    dense *= np.divide(total, kept, out=np.zeros_like(total), where=kept > 0)[:, None]
    return dense
