"""`hgcae convert`: events from one file format to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import DataFormatError, SettingsError

if TYPE_CHECKING:
    from hgcae.codec.events import TransmissionStats
    from hgcae.events import Events

FIT_MODULES = 50_000
"""Modules that a codec is fitted to, at most."""


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File to read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; replaced if it exists.")],
    detector: console.DetectorOption = None,
    digi: console.DigiOption = None,
    root: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Fail unless one event is one unit of this level, e.g. MODULE.", show_default="any")
    ] = None,
    codec: Annotated[
        str | None, typer.Option(metavar="NAME", help="Send every module by this codec, see hgcae compare --help.", show_default="none")
    ] = None,
    links: Annotated[int | None, typer.Option(min=1, help="ECON-T links per module, with --codec.")] = None,
    fit: Annotated[Path | None, typer.Option(metavar="FILE", help="Events or modules to fit the codec to.", show_default="IN")] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="HGCAE_DATA", help="Folder that holds cms_autoencoder/, for the codecs cms_pu and cms_signal."),
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Convert files of events; the formats follow from the endings of the names.

      .parquet        hgcae's own format: everything is kept (see docs/events.md)
      .pickle, .pkl   the original program's: {"digi": dense 4E3M codes or charges of any level, "meta": one row per event,
                      "layer_energy", "module_energy": true deposits}
      .csv            one silicon module per line: CALQ_0 ... CALQ_47, further numbers
      .npz            whole CMS events; their modules with --root MODULE (only read)

    A pickle is read without running anything in it. Its digi is taken for codes if all of it are whole numbers up to 127, unless --digi
    says what it holds; what was taken is printed and kept in OUT. Codes are kept as the charges that they stand for, and are written to a
    pickle as they came. Parquet and csv files are converted as a stream; a pickle takes the memory of its dense charges. Nothing is written
    unless all of IN is good.

    With --codec, OUT holds what a concentrator with this codec delivers: each module with charge is sent and decoded, so that levels above
    MODULE can be trained on it. IN needs a level MODULE of 48 trigger cells and whole charges; decoded charges need not be whole. Codecs
    that need it are fitted to the first 50,000 modules with charge of IN, or of --fit FILE: files that are fitted to the same modules have
    the same codec, named by its fingerprint. Learned codecs train for a minute. Columns and truth are kept. Printed besides: payload bits
    per event, and decoded charge over charge.

    Examples:
      hgcae convert electrons.pickle electrons.parquet
      hgcae convert ttbar_0PU.csv modules.parquet --root MODULE
      hgcae convert events_00-59.npz modules.parquet --root MODULE
      hgcae convert electrons.parquet electrons.pickle --digi codes
      hgcae convert electrons.parquet sent.parquet --codec pyramid --links 3
      hgcae convert test.parquet sent_test.parquet --codec pyramid --links 3 --fit electrons.parquet
    """
    from hgcae.sources import with_digi, write_events
    from hgcae.sources.summary import Summary

    from_pickle, to_pickle = _is_pickle(source, look=True), _is_pickle(target, look=False)
    if digi is not None and not (from_pickle or to_pickle):
        msg = f"--digi {digi}: found {source.name} and {target.name}, expected a pickle to read or to write"
        raise SettingsError(msg)
    read_as = digi if from_pickle else None
    summary = Summary()
    provenance: dict[str, Any] = {
        "program": f"hgcae {__version__} convert",
        "source": source.name,
        "source_provenance": _provenance(source),
    }
    chunks: Iterable[Events] = _rooted(console.events_of(source, detector, root, read_as), root, source)
    delivery = None
    if codec is not None and links is not None:
        # The fit reads a stream of its own.
        training = console.events_of(fit, detector) if fit else _rooted(console.events_of(source, detector, root, read_as), root, source)
        delivery, provenance["codec"] = _delivery(codec, links, training, source, fit or source, data)
        chunks = delivery.send(chunks)
    elif any(option is not None for option in (codec, links, fit)):
        msg = f"found --codec {codec}, --links {links}, --fit {fit}; expected --codec and --links, or none of them"
        raise SettingsError(msg)
    if digi is not None and to_pickle:
        chunks = with_digi(chunks, digi.value)
    write_events(target, summary.watch(chunks), provenance)
    metrics = summary.metrics()
    console.show(
        {
            "file": str(target),
            "bytes": target.stat().st_size,
            "events": summary.events,
            "root": metrics["root"],
            "trigger_cells_per_event": summary.mean_occupied("CELL"),
            "charge": {key: metrics["charge"].get(key) for key in ("dtype", "min", "max")},
            **({"digi": metrics["digi"]["kind"]} if "digi" in metrics else {}),
            **({} if delivery is None else {"codec": provenance["codec"], **_delivered(delivery)}),
        },
        as_json=as_json,
    )


def _delivery(
    name: str, links: int, training: Iterable[Events], source: Path, fit: Path, data: Path | None
) -> tuple[TransmissionStats, dict[str, Any]]:
    """Makes a codec; returns what sends events by it, and what names it."""
    from hgcae.codec import FitOptions, make_codec
    from hgcae.codec.events import TransmissionStats, first_modules
    from hgcae.settings import fingerprint

    modules = first_modules(training, FIT_MODULES, fit)
    codec = make_codec(name, links, modules, FitOptions(data=data))
    config = fingerprint(codec.get_config())
    made = {"name": name, "links": links, "fingerprint": config, "fit": fit.name, "fit_modules": len(modules)}
    return TransmissionStats(codec, source), made


def _delivered(delivery: TransmissionStats) -> dict[str, Any]:
    return {
        "payload_bits_per_event": {"mean": delivery.bits_per_event, "max": delivery.most_bits},
        "charge_kept": delivery.charge_kept,
    }


def _is_pickle(path: Path, *, look: bool) -> bool:
    from hgcae.sources import STORE_SUFFIX, DigiPickle, find_source

    return path.suffix.lower() != STORE_SUFFIX and isinstance(find_source(path, look=look), DigiPickle)


def _rooted(chunks: Iterable[Events], root: str | None, source: Path) -> Iterator[Events]:
    for chunk in chunks:
        if root is not None and chunk.hierarchy.root != root.upper():
            raise DataFormatError(source, "root", f"{chunk.hierarchy.root} {chunk.hierarchy.shape}", root.upper())
        yield chunk


def _provenance(source: Path) -> dict[str, Any] | None:
    from hgcae.sources import STORE_SUFFIX
    from hgcae.store import Reader

    return Reader(source).provenance if source.suffix.lower() == STORE_SUFFIX else None
