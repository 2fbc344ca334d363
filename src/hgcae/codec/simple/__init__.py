"""Codes without a network, each once: the mean image, principal components, cells with addresses, and the floor of other showers.

Modules at a number of links get them from `hgcae.codec.registry`, as all codecs; here they are fitted to units of any level at the bits of
a learned code, which has to beat them. A code joins that comparison with one line in `UNIT_CODECS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import UnitCodec
from hgcae.codec.events import sent
from hgcae.codec.ranked import RankedCodec
from hgcae.codec.simple.cells import LargestCellsCodec
from hgcae.codec.simple.floor import FLOOR, fluctuation_floor, has_floor
from hgcae.codec.simple.images import MeanCodec, PcaCodec
from hgcae.codec.simple.quanta import QuantaCodec
from hgcae.errors import SettingsError, unknown
from hgcae.events import Events
from hgcae.simulate import SimulateSettings

UNIT_CODECS: Mapping[str, Callable[[Events, int, int], UnitCodec]] = {
    "pca": PcaCodec.of_units,
    "largest_cells": LargestCellsCodec.of_units,
    "best_choice": partial(LargestCellsCodec.of_units, best_choice=True),
    "best_choice_spread": partial(LargestCellsCodec.of_units, best_choice=True, spread=True),
    "mean": MeanCodec.of_units,
    "quanta": QuantaCodec.of_units,
    "ranked": RankedCodec.of_units,
}
"""What makes each code from training units, bits and a seed, by its name in tables."""

MOST_UNITS = 10_000
"""Occupied training units that a code is fitted to, at most."""
MOST_COUNTED = 200_000
"""The same for codes whose tables are counted, which takes seconds: fitted to 10,000 ROCs, `ranked` errs by 7 % more."""
_COUNTED = ("quanta", "ranked")

__all__ = [
    "FLOOR",
    "UNIT_CODECS",
    "LargestCellsCodec",
    "MeanCodec",
    "PcaCodec",
    "QuantaCodec",
    "equal_bits",
    "fitted",
    "fluctuation_floor",
]


def fitted(name: str, train: Events, level: str, bits_per_unit: int, seed: int = 1) -> UnitCodec:
    """Returns a simple code fitted to the occupied units of training events; `hgcae.codec.events.sent` sends events by it.

    Args:
        name: Key of `UNIT_CODECS`.
        train: Training events that hold units of the level.
        level: Level name.
        bits_per_unit: Bits that the code of a unit may have.
        seed: Chooses the units, and starts iterations.

    Raises:
        SettingsError: Unknown name, or nothing useful fits into the bits.
        DataFormatError: No charge to fit to.
    """
    if name not in UNIT_CODECS:
        raise SettingsError(unknown("code", name, UNIT_CODECS))
    most = MOST_COUNTED if name in _COUNTED else MOST_UNITS
    return UNIT_CODECS[name](_some_units(train, level, most, seed), bits_per_unit, seed)


def _some_units(train: Events, level: str, most: int, seed: int) -> Events:
    """Returns at most so many occupied units; at most as many events are searched, which bounds the memory."""
    rng = np.random.default_rng(seed)
    units, _, _ = train[_at_most(np.flatnonzero(train.counts), most, rng)].units(level)
    return units[_at_most(np.arange(len(units)), most, rng)]


def _at_most(index: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return index if len(index) <= most else np.sort(rng.choice(index, most, replace=False))


def equal_bits(
    events: Events,
    level: str,
    bits_per_unit: int,
    train: Events,
    *,
    simulation: SimulateSettings | None = None,
    copies: int = 12,
    seed: int = 1,
) -> dict[str, Events]:
    """Returns what simple codes make of events, with the same bits for every unit of a level.

    Every unit of the level has `bits_per_unit` bits, occupied or not, so an event has `bits_per_unit` x units of the level, exactly as
    with a learned code of so many bits. Codes are fitted to training events, written as packed bits and decoded from these alone.

    Mean images of large units charge nearly every cell: at the upper levels of the prototype `pca`, `mean` and `best_choice_spread` take
    half a megabyte for each event.

    Args:
        events: What to encode: whole charges, ADC counts.
        level: Level whose units are coded.
        bits_per_unit: Bits of the code of one unit.
        train: Training events of the same detector.
        simulation: What simulated the events: adds `fluctuation_floor`, where they are whole events with truth.
        copies: Showers that the floor averages.
        seed: Start of all random numbers.

    Returns:
        By name of the code; codes for which the bits are too few are left out.

    Raises:
        DataFormatError: Charges that are not whole, or no training charges.
    """
    result = {}
    for name in UNIT_CODECS:
        try:
            codec = fitted(name, train, level, bits_per_unit, seed)
        except SettingsError:
            continue
        result[name], _ = sent(events, codec, level)
    if simulation is not None and has_floor(events):
        result[FLOOR] = fluctuation_floor(events, level, simulation, copies=copies)
    return result
