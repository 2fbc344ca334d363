"""Files that hgcae did not make, one module per format, and one way to read and write a file of any format by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hgcae import store
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import DigiKind, Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.reading.files import open_regular
from hgcae.sources.base import Source
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.cms_npz import CmsNpz
from hgcae.sources.digi_pickle import DigiPickle, with_digi

SOURCES: tuple[Source, ...] = (DigiPickle(), CalqCsv(), CmsNpz())
"""All foreign formats."""
STORE_SUFFIX = ".parquet"
"""File name ending of hgcae's own format, see `hgcae.store`."""

__all__ = ["SOURCES", "STORE_SUFFIX", "DigiPickle", "Source", "find_source", "read_events", "with_digi", "write_events"]


def find_source(path: str | Path, *, look: bool = False) -> Source:
    """Returns the foreign format of a file by the ending of its name.

    Args:
        path: The file.
        look: Whether a file whose ending says nothing is recognised by its first bytes.

    Raises:
        DataFormatError: No format fits; the message lists the endings that are known. Or the file to look at is a pipe, or compressed.
        OSError: The first bytes cannot be read.
    """
    path = Path(path)
    for source in SOURCES:
        if path.suffix.lower() in source.suffixes:
            return source
    if look:
        open_regular(path, is_zip=True).close()
        for source in SOURCES:
            if source.sniff(path):
                return source
    known = ", ".join([STORE_SUFFIX, *(suffix for source in SOURCES for suffix in source.suffixes)])
    raise DataFormatError(path, "format", f"the ending {path.suffix!r}" if path.suffix else "no ending", f"one of {known}")


def read_events(path: str | Path, hierarchy: Hierarchy = PROTOTYPE, digi: DigiKind | None = None) -> Iterator[Events]:
    """Yields the events of a file of any known format in chunks, at least one.

    Args:
        path: The file.
        hierarchy: Levels of a foreign file; hgcae's own format names its levels itself.
        digi: Whether a pickle holds codes or charges; None: whole numbers up to 127 are codes.

    Raises:
        DataFormatError: The format is unknown, or the file is not as it should be.
        SettingsError: `digi` is given for a file that is no pickle.
        OSError: The file cannot be opened.
    """
    source = None if Path(path).suffix.lower() == STORE_SUFFIX else find_source(path, look=True)
    if digi is not None:
        if not isinstance(source, DigiPickle):
            msg = f"{path}: found {digi} asked for, expected a pickle: only its digi may be codes or charges"
            raise SettingsError(msg)
        source = DigiPickle(digi)
    return store.Reader(path).chunks() if source is None else source.read(path, hierarchy)


def write_events(path: str | Path, chunks: Iterable[Events], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a stream of events in the format that the ending of the name says, atomically.

    Args:
        path: The file.
        chunks: The events.
        provenance: What made them; only hgcae's own format keeps it.

    Raises:
        DataFormatError: The format is unknown or cannot hold the events.
    """
    if Path(path).suffix.lower() == STORE_SUFFIX:
        store.write(path, chunks, provenance)
    else:
        find_source(path).write(path, chunks)
