"""`hgcae vectors`: an encoder in integers, and vectors that test an implementation of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hgcae.cli import console
from hgcae.outputs import claimed

_EVENTS = 200
"""Most events that units are drawn from."""


def vectors(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    level: Annotated[str, typer.Option(metavar="LEVEL", help="Level whose encoder is written, e.g. ROC.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the files.")],
    n: Annotated[int, typer.Option("-n", min=4, max=10_000_000, help="Number of vectors.")] = 1000,
    events: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other file of events to take units from.", show_default="the held-out ones"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Start of the random numbers.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Write the encoder of a level as integers, with test vectors: inputs, integers and packed bits.

    Four vectors are the ends of the ranges (an empty unit, one child at its largest, all at their largest, all at the smallest that is not
    nothing), half of the others are occupied units of the events, drawn at random, and the rest are random numbers. Codes come from the
    integer path of this package, which equals the trained network bit for bit. docs/integers.md says how to compute them, with a unit
    worked by hand.

      DIR/encoder.json  kernels, biases, shifts, limits, tables, thresholds, scales; names and bits of the numbers of a code
      DIR/inputs.csv    one unit per line: charges of trigger cells [ADC counts], or the integers of the children's codes
      DIR/integers.csv  the integers of its code, signed
      DIR/packed.hex    the bits that are sent, most significant first: each integer counted from its smallest value, zeros at the end

    Examples:
      hgcae vectors demo/run --level ROC -n 1000 -o vectors
      hgcae vectors demo/run --level MODULE -n 10000 -o vectors/module
    """
    from hgcae.workflow.loaded import LoadedRun
    from hgcae.workflow.vectors import write_vectors

    loaded = LoadedRun.of(run, events, _EVENTS, console.note)
    with claimed(output / "encoder.json"):
        console.show(write_vectors(loaded, level, n, seed, output), as_json=as_json)
