"""`hgcae convert`: events from one file format to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import DataFormatError

if TYPE_CHECKING:
    from hgcae.events import Events


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File to read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; replaced if it exists.")],
    detector: console.DetectorOption = None,
    root: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Fail unless one event is one unit of this level, e.g. MODULE.", show_default="any")
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Convert files of events; the formats follow from the endings of the names.

      .parquet        hgcae's own format: everything is kept (see docs/events.md)
      .pickle, .pkl   {"digi": dense charges of any level, "meta": one row per event}
      .csv            one silicon module per line: CALQ_0 ... CALQ_47, further numbers
      .npz            whole CMS events; their modules with --root MODULE (only read)

    A pickle is read without running anything in it. Parquet and csv files are converted as a stream; a pickle takes the memory of its dense
    charges. Nothing is written unless all of IN is good.

    Examples:
      hgcae convert electrons.pickle electrons.parquet
      hgcae convert ttbar_0PU.csv modules.parquet --root MODULE
      hgcae convert events_00-59.npz modules.parquet --root MODULE
      hgcae convert electrons.parquet electrons.pickle
    """
    from hgcae.sources import write_events
    from hgcae.sources.summary import Summary

    summary = Summary()
    chunks = summary.watch(_rooted(console.events_of(source, detector, root), root, source))
    provenance = {"program": f"hgcae {__version__} convert", "source": source.name, "source_provenance": _provenance(source)}
    write_events(target, chunks, provenance)
    figures = summary.figures()
    console.show(
        {
            "file": str(target),
            "bytes": target.stat().st_size,
            "events": summary.events,
            "root": figures["root"],
            "trigger_cells_per_event": summary.mean_occupied("CELL"),
            "charge": {key: figures["charge"].get(key) for key in ("dtype", "min", "max")},
        },
        as_json=as_json,
    )


def _rooted(chunks: Iterable[Events], root: str | None, source: Path) -> Iterator[Events]:
    for chunk in chunks:
        if root is not None and chunk.hierarchy.root != root.upper():
            raise DataFormatError(source, "root", f"{chunk.hierarchy.root} {chunk.hierarchy.shape}", root.upper())
        yield chunk


def _provenance(source: Path) -> dict[str, Any] | None:
    from hgcae.sources import STORE_SUFFIX
    from hgcae.store import Reader

    return Reader(source).provenance if source.suffix.lower() == STORE_SUFFIX else None
