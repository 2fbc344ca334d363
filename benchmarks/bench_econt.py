"""Speed of the ECON-T's formats: modules per second, charges to packed fields and back, on random and on simulated modules.

    python benchmarks/bench_econt.py [--quick]

All on one thread, which is how codecs call them. What comes back is compared with what NumPy's sort or comparison selects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import machine
import numpy as np
import samples
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.frontend import econt

REPEATS = 7
THRESHOLD = 14
"""Smallest charge of the threshold sum, tenths of a MIP: 1.35 MIP."""


def random_modules(n: int) -> NDArray[np.int64]:
    """Draws modules from empty to full, with charges over four orders of magnitude."""
    rng = np.random.default_rng(1)
    return np.floor(rng.random((n, 48)) * 10 ** rng.uniform(0.5, 4, (n, 1)) * (rng.random((n, 48)) < rng.random((n, 1)))).astype(np.int64)


def simulated_modules(n: int) -> NDArray[np.int64]:
    """Returns the occupied modules of simulated electrons, repeated until there are `n`."""
    found = samples.electrons(400).units("MODULE")[0].to_dense().reshape(-1, 48).astype(np.int64)
    return np.resize(found, (n, 48))


def coarse(charges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns charges after a round trip through the code of a trigger cell."""
    return FLOAT_4E3M.decode(FLOAT_4E3M.encode(charges, 1), 1)


def wrong_best_choice(charges: NDArray[np.int64], decoded: NDArray[np.int64], n_sent: int) -> int:
    """Counts modules whose charges are not the largest ones, whichever of equal ones were chosen."""
    largest = np.sort(coarse(charges), axis=1)[:, -n_sent:]
    return int((np.sort(decoded, axis=1)[:, -n_sent:] != largest).any(axis=1).sum())


def best(action: Callable[[], Any]) -> float:
    """Returns the shortest of several runs, seconds."""
    action()
    return min(machine.timed(action) for _ in range(REPEATS))


def main(quick: Annotated[bool, typer.Option(help="Fewer modules.")] = False) -> None:
    """Measures modules/s and counts modules that come back wrong."""
    n = 100_000 if quick else 300_000
    result: dict[str, Any] = {"modules": n, "samples": {}}
    for name, charges in (("random", random_modules(n)), ("simulated", simulated_modules(n))):
        passed = coarse(np.where(charges >= THRESHOLD, charges, 0))
        formats: dict[str, tuple[Callable[[], econt.Encoded], Callable[[NDArray[np.uint8]], NDArray[np.int64]]]] = {
            "best choice, 2 links": (lambda x=charges: econt.encode_best_choice(x, 2), lambda p: econt.decode_best_choice(p, 2)),
            "best choice, 5 links": (lambda x=charges: econt.encode_best_choice(x, 5), lambda p: econt.decode_best_choice(p, 5)),
            "threshold sum": (lambda x=charges: econt.encode_threshold_sum(x, THRESHOLD), econt.decode_threshold_sum),
            "STC4B, 5 links": (
                lambda x=charges: econt.encode_super_cells(x, "STC4B", 5),
                lambda p: econt.decode_super_cells(p, "STC4B", 5),
            ),
            "repeater": (lambda x=charges: econt.encode_repeater(x), econt.decode_repeater),
        }
        rows = {}
        for key, (encode, decode) in formats.items():
            payload = encode().payload
            rows[key] = {"encode_per_s": n / best(encode), "decode_per_s": n / best(lambda p=payload, d=decode: d(p))}
        two, five = (formats[f"best choice, {links} links"] for links in (2, 5))
        rows["best choice, 2 links"]["wrong"] = wrong_best_choice(charges, two[1](two[0]().payload), 4)
        rows["best choice, 5 links"]["wrong"] = wrong_best_choice(charges, five[1](five[0]().payload), 14)
        sent = econt.decode_threshold_sum(formats["threshold sum"][0]().payload)
        rows["threshold sum"]["wrong"] = int((sent != passed).any(axis=1).sum())
        result["samples"][name] = rows
    table = Table("sample", "format", "encode, 1,000 modules/s", "decode, 1,000 modules/s", "wrong")
    for name, rows in result["samples"].items():
        for key, row in rows.items():
            table.add_row(name, key, f"{row['encode_per_s'] / 1e3:,.0f}", f"{row['decode_per_s'] / 1e3:,.0f}", str(row.get("wrong", "")))
    Console(width=120).print(table)
    print(machine.write("econt", result))
    if any(row.get("wrong") for rows in result["samples"].values() for row in rows.values()):
        sys.exit("modules came back wrong")


if __name__ == "__main__":
    typer.run(main)
