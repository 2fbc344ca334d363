"""Bits of an event, rates at the bunch-crossing frequency, and what the formats of today's trigger take next to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import Codes
from hgcae.errors import BitExactError
from hgcae.evaluate.entropy import WORD_BITS, EntropyCoder
from hgcae.frontend.econt import best_choice_bits
from hgcae.geometry import module
from hgcae.geometry.hierarchy import Hierarchy

CROSSING_HZ = 40e6
"""Bunch crossings per second (LHC; CMS HGCAL TDR, CERN-LHCC-2017-023)."""
REPEATER_BITS = 7 * module.N_CELLS
"""All trigger cells of a module in 4E3M, which the repeater of the ECON-T sends: 336 bits."""
LINKS = (2, 3, 4, 5)
"""Links of the ECON-T for which Best Choice is set next to the codes."""


def map_bits(occupied: NDArray[np.integer], n_units: int) -> NDArray[np.int64]:
    """Returns the bits that say which units of an event are occupied.

    The shorter of two: one bit for every unit; or their number and an address each, ceil(log2(n_units + 1)) + ceil(log2 n_units) for each.
    One bit more says which of both follows, if there is more than one unit.

    Args:
        occupied: Number of occupied units of each event: (n,).
        n_units: Units of an event.
    """
    address, number = (n_units - 1).bit_length(), n_units.bit_length()
    return np.minimum(n_units, number + address * np.asarray(occupied, dtype=np.int64)) + int(n_units > 1)


def reference_bits(hierarchy: Hierarchy) -> dict[str, int]:
    """Returns the bits of an event in the formats of the ECON-T, every module sent: `repeater`, `best_choice_2` ... `best_choice_5`.

    Empty for hierarchies without modules of 48 trigger cells.
    """
    if "MODULE" not in hierarchy.names or hierarchy.rooted("MODULE").n_cells("MODULE") != module.N_CELLS:
        return {}
    n = int(hierarchy.present("MODULE").sum())
    return {"repeater": n * REPEATER_BITS} | {f"best_choice_{links}": n * best_choice_bits(links) for links in LINKS}


def measure_bits(codes: Codes, train: Codes | None, hierarchy: Hierarchy) -> dict[str, Any]:
    """Measures the bits of an event, means over a sample.

    Args:
        codes: Codes of the evaluated events.
        train: Codes of training events, to which probabilities are fitted; None = nothing is entropy-coded.
        hierarchy: Levels of one event.

    Returns:
        `exact`: every unit of the level sent. `occupied`: only occupied units, and which these are (see `map_bits`). `entropy_coded`: the
        length of one range-coded message of the whole sample over its events, `entropy_coded_map` of it for the occupancy, decoded again
        and compared; a message for each event is longer by up to 32 bits. `cross_entropy`: what a perfect coder would write with the same
        probabilities. `entropy`: the same with each number's own distribution in the evaluated sample, which is below what can be reached.
        `rate_tbps`: the first three at 40 MHz, Tb/s. `reference`: bits of the ECON-T's formats; `ratio`: how often the first three go into
        these.

    Raises:
        BitExactError: What was decoded is not what was encoded.
    """
    per_unit, n_units, n = codes.format.bits, hierarchy.n_units(codes.level), codes.n_events
    counts = np.bincount(codes.event, minlength=n)
    coded = {} if train is None else _entropy_coded(codes, EntropyCoder.fit(train, hierarchy))
    bits = {"exact": float(per_unit * n_units), "occupied": float((per_unit * counts + map_bits(counts, n_units)).mean())}
    bits |= {name: value for name, value in coded.items() if name == "entropy_coded"}
    references = reference_bits(hierarchy)
    return {
        **bits,
        **coded,
        "rate_tbps": {name: value * CROSSING_HZ / 1e12 for name, value in bits.items()},
        "reference": references,
        "ratio": {
            reference: {name: size / value if value else None for name, value in bits.items()} for reference, size in references.items()
        },
    }


def _entropy_coded(codes: Codes, coder: EntropyCoder) -> dict[str, float]:
    """Returns what depends on probabilities: `entropy_coded`, `entropy_coded_map`, `cross_entropy`, `entropy`."""
    message, occupancy_bits = coder.encode(codes)
    decoded, n = coder.decode(message, codes.n_events), codes.n_events
    same = all(np.array_equal(getattr(decoded, name), getattr(codes, name)) for name in ("event", "unit", "words"))
    if not same:
        msg = f"entropy coding of level {codes.level}: decoded codes are not those encoded"
        raise BitExactError(msg)
    ideal_map, ideal_numbers = coder.ideal_bits(codes)
    plug_in = len(codes.words) * sum(_entropy(word) for word in codes.words.T)
    return {
        "entropy_coded": WORD_BITS * len(message) / n,
        "entropy_coded_map": occupancy_bits / n,
        "cross_entropy": (ideal_map + ideal_numbers) / n,
        "entropy": (ideal_map + plug_in) / n,
    }


def _entropy(words: NDArray[np.integer]) -> float:
    """Returns the entropy of the distribution of a number, bits."""
    share = np.unique(words, return_counts=True)[1] / max(len(words), 1)
    return -float((share * np.log2(share)).sum())
