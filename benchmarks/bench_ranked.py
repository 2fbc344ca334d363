"""Speed of ranked cells, there and back, beside the learned encoders of the same units.

    python benchmarks/bench_ranked.py [--quick]

Occupied units of simulated electrons, repeated. Ranked cells take charges at every level; the learned encoders (preset `l1`, integers) take
charges of a ROC, and above it the codes of the level below, which are made before the clock starts. Payloads of one thread and of all must
be equal.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import machine
import numpy as np
import samples
import typer
from rich.console import Console
from rich.table import Table

from hgcae.codec.ranked import RankedCodec
from hgcae.model.presets import l1_preset

REPEATS = 5
LEVELS = ("ROC", "MODULE", "TRIPLET", "STAGE1")
BITS = 72


def best(action: Any) -> float:
    """Returns the shortest of several runs, seconds."""
    action()
    return min(machine.timed(action) for _ in range(REPEATS))


def main(quick: Annotated[bool, typer.Option(help="Fewer units.")] = False) -> None:
    """Measures units per second of encoder and decoder."""
    events = samples.electrons(400)
    model = samples.model_for(l1_preset, events)
    result: dict[str, Any] = {"bits": BITS, "levels": {}}
    table = Table("level", "path", "million units/s")
    codes: Any = None
    for level in LEVELS:
        units = events.units(level)[0]
        times = max(1, (100_000 if quick else 1_000_000) // len(units))
        codec = RankedCodec.of_units(units, BITS)
        offsets = np.concatenate([[0], np.cumsum(np.tile(np.diff(units.offsets), times))])
        cell, charge = np.tile(units.cell, times), np.tile(units.charge, times).astype(np.int64)
        n = len(offsets) - 1
        payload = codec.encode_sparse(offsets, cell, charge)
        single = codec.encode_sparse(offsets, cell, charge, 1)
        if not (np.array_equal(payload.data, single.data) and np.array_equal(payload.bits, single.bits)):
            sys.exit(f"{level}: payloads of one thread and of all differ")
        x = units.to_dense().reshape(len(units), -1) if codes is None else codes.children_of(model.hierarchy, level)[0]
        codes = model.encode_events(events, level, codes)
        x, encoder = np.tile(x, (times, *[1] * (x.ndim - 1))), model.level(level).integer_encoder()
        seconds = {
            "ranked, encode": best(lambda o=offsets, c=cell, q=charge, r=codec: r.encode_sparse(o, c, q)),
            "ranked, encode, one thread": best(lambda o=offsets, c=cell, q=charge, r=codec: r.encode_sparse(o, c, q, 1)),
            "ranked, decode to cells": best(lambda p=payload, r=codec: r.decode_sparse(p)),
            "learned, encode": best(lambda x=x, e=encoder: e.integers(x, None)),
        }
        result["levels"][level] = {"units": n, "units_per_s": {key: n / value for key, value in seconds.items()}}
        for key, value in seconds.items():
            table.add_row(level, key, f"{n / value / 1e6:.2f}")
    Console().print(table)
    print(machine.write("ranked", result))


if __name__ == "__main__":
    typer.run(main)
