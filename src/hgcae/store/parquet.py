"""Writer and reader of event files.

One row is one event. Rows lie in groups of `ROW_GROUP_EVENTS`, so writing and reading take constant memory, whatever the length of the
file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hgcae.errors import DataFormatError, GeometryError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.outputs import atomic_path
from hgcae.reading.plain_json import parse_json
from hgcae.settings import fingerprint
from hgcae.store.layout import FORMAT, SCHEMA_VERSION, Layout
from hgcae.store.seal import read_seal, row_group_checksum, seal

ROW_GROUP_EVENTS = 1024
"""Events in a row group: about 10 MB of charges for electrons in the whole prototype detector."""

_MOST_VALUES, _MOST_VALUES_PER_BYTE = 2**24, 1000
"""What a column of a row group may hold: equal values take no bytes, but many of them are no measurement."""

_METADATA_KEY = b"hgcae"

# Cells increase within an event, so their differences are small numbers, and few charges differ: 2.5 bytes for both instead of 4.
_ENCODING: dict[str, Any] = {
    "compression": "zstd",
    "column_encoding": {"cell.list.element": "DELTA_BINARY_PACKED"},
    "use_dictionary": ["charge.list.element"],
}


class Writer:
    """Writes chunks of events to a Parquet file that appears when the `with` block ends, and not at all when it fails.

    Args:
        path: The file; replaced if it exists.
        provenance: What made the events: plain values, e.g. package version, settings, seed, fingerprint.
        row_group_events: Events in a row group.
    """

    def __init__(self, path: str | Path, provenance: Mapping[str, Any] | None = None, row_group_events: int = ROW_GROUP_EVENTS) -> None:
        self.path = Path(path)
        self._provenance = dict(provenance or {})
        self._row_group_events = row_group_events
        self._layout: Layout | None = None
        self._pending: list[pa.Table] = []
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        self._temporary = self._resources.enter_context(atomic_path(self.path))
        self._resources.push(self._finish)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        return self._resources.__exit__(kind, error, trace)

    def write(self, events: Events) -> None:
        """Appends events.

        Raises:
            DataFormatError: The events are invalid, hold values that have no column type, or differ in kind from those written before.
        """
        events.validate(self.path)
        layout = Layout.of(events, self.path)
        if self._layout is None:
            self._open(layout)
            self._layout = layout
        elif layout != self._layout:
            raise DataFormatError(self.path, "a later chunk", str(layout), f"the kind of the first: {self._layout}")
        pieces = events.chunks(self._row_group_events) if len(events) > self._row_group_events else [events]
        for piece in pieces:
            self._pending.append(self._layout.to_table(piece))
            if sum(len(table) for table in self._pending) >= self._row_group_events:
                self._flush()

    def _open(self, layout: Layout) -> None:
        header = {"format": FORMAT, "schema_version": SCHEMA_VERSION, **layout.to_dict(), "provenance": self._provenance}
        schema = layout.schema().with_metadata({_METADATA_KEY: json.dumps(header).encode()})
        self._file = pq.ParquetWriter(self._temporary, schema, write_page_checksum=True, **_ENCODING)

    def _flush(self) -> None:
        """Writes one row group and keeps what is left over."""
        table = pa.concat_tables(self._pending)
        self._file.write_table(table.slice(0, self._row_group_events))
        self._pending = [table.slice(self._row_group_events)]

    def _finish(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._layout is None:
            if kind is None:
                raise DataFormatError(self.path, "events to write", "no chunk at all", "at least one chunk, which may hold no events")
            return
        if kind is None and any(len(table) for table in self._pending):
            self._flush()
        self._file.close()
        if kind is None:
            seal(self._temporary)


def write(path: str | Path, chunks: Iterable[Events], provenance: Mapping[str, Any] | None = None) -> None:
    """Writes a stream of events to a Parquet file; see `Writer`."""
    with Writer(path, provenance) as writer:
        for chunk in chunks:
            writer.write(chunk)


class Reader:
    """Reads the events of a Parquet file that `Writer` wrote: as a stream, at random, or whole.

    Only bytes whose checksum agrees are decoded, and only valid events are returned.

    Args:
        path: The file.

    Raises:
        DataFormatError: The file is truncated, damaged, not written by this package, or of another schema version.
        OSError: The file cannot be opened.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from hgcae.geometry.hierarchy import Hierarchy
        >>> events = Events.from_dense(np.eye(16).reshape(16, 4, 4), Hierarchy.of(ROC=(4, 4)))
        >>> with TemporaryDirectory() as folder:
        ...     write(Path(folder) / "rocs.parquet", [events], {"program": "example"})
        ...     reader = Reader(Path(folder) / "rocs.parquet")
        ...     reader.read(), reader.take(3, 5).cell.tolist(), reader.provenance
        (Events(16 x ROC, 16 charges), [3, 4], {'program': 'example'})
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._checksums = read_seal(self.path)
        with _named_errors(self.path, "footer"):
            self._file = pq.ParquetFile(self.path, page_checksum_verification=True)
            _check_sizes(self._file.metadata, self.path)
        with _named_errors(self.path, "metadata"):
            header = _header(self._file.schema_arrow, self.path)
            self.schema_version: int = header["schema_version"]
            self.provenance: dict[str, Any] = dict(header["provenance"])
            self._layout = Layout.from_dict(header)
            schema = self._layout.schema()
        if not self._file.schema_arrow.remove_metadata().equals(schema):
            found = " ".join(str(self._file.schema_arrow.remove_metadata()).split())
            raise DataFormatError(self.path, "schema", found, f"{self._layout}, as in the metadata")
        rows = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = [0, *np.cumsum(rows).tolist()]
        self._cached: tuple[int, pa.Table] | None = None

    @property
    def hierarchy(self) -> Hierarchy:
        """Levels of the events."""
        return self._layout.hierarchy

    @property
    def detector(self) -> tuple[str, str] | None:
        """Name and fingerprint of the detector, or None where unknown."""
        return self._layout.detector

    @property
    def content_fingerprint(self) -> str:
        """16 hexadecimal digits that identify all events of the file, by their checksums."""
        return fingerprint(self._checksums)

    def __len__(self) -> int:
        return self._starts[-1]

    def chunks(self, size: int = ROW_GROUP_EVENTS) -> Iterator[Events]:
        """Yields all events in order, at most `size` at a time; a file without events yields one chunk without events."""
        for start in range(0, max(len(self), 1), size):
            yield self.take(start, start + size)

    def read(self) -> Events:
        """Returns all events."""
        return self.take(0, len(self))

    def take(self, start: int, stop: int) -> Events:
        """Returns the events from `start` up to `stop`, as far as they exist; reads only the row groups that hold them.

        Raises:
            DataFormatError: A row group is damaged, or its events are not valid.
        """
        start, stop, _ = slice(start, stop).indices(len(self))
        parts = [self._layout.schema().empty_table()]
        for group, first in enumerate(self._starts[:-1]):
            overlap = range(max(start, first), min(stop, self._starts[group + 1]))
            if overlap:
                parts.append(self._group(group).slice(overlap.start - first, len(overlap)))
        with _named_errors(self.path, f"events {start} to {stop}"):
            return self._layout.to_events(pa.concat_tables(parts), f"{self.path}[{start}:{stop}]")

    def verify(self) -> int:
        """Compares the checksums of all row groups and returns their number.

        Raises:
            DataFormatError: A row group is damaged.
        """
        with self.path.open("rb") as stream:
            for group in range(len(self._checksums)):
                self._verify(stream, group)
        return len(self._checksums)

    def _verify(self, stream: BinaryIO, group: int) -> None:
        with _named_errors(self.path, f"row group {group}"):
            found, expected = row_group_checksum(stream, self._file.metadata, group), self._checksums[group]
        if found != expected:
            where = f"events {self._starts[group]} to {self._starts[group + 1] - 1}"
            raise DataFormatError(self.path, where, f"checksum {found:08x} (damaged)", f"checksum {expected:08x}")

    def _group(self, group: int) -> pa.Table:
        """Returns a row group, and keeps it: the next chunk may begin in it."""
        if self._cached is None or self._cached[0] != group:
            with self.path.open("rb") as stream:
                self._verify(stream, group)
            with _named_errors(self.path, f"row group {group}"):
                self._cached = group, self._file.read_row_group(group).replace_schema_metadata()
        return self._cached[1]


def _check_sizes(metadata: pq.FileMetaData, path: Path) -> None:
    """Refuses row groups that claim more values than their bytes can hold, before any of them is allocated.

    Raises:
        DataFormatError: Names the row group.
    """
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        values = [column.num_values for column in columns]
        packed = sum(column.total_compressed_size for column in columns)
        if (
            min(values, default=-1) < group.num_rows
            or group.num_rows < 0
            or max(values) > max(_MOST_VALUES, _MOST_VALUES_PER_BYTE * packed)
        ):
            found = f"{group.num_rows} rows, {max(values, default=0)} values in {packed} bytes"
            raise DataFormatError(path, f"row group {number}", found, "values that their bytes can hold")


def _header(schema: pa.Schema, path: Path) -> dict[str, Any]:
    header = parse_json((schema.metadata or {}).get(_METADATA_KEY, b"null"))
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise DataFormatError(path, "metadata", "no hgcae metadata", f"a Parquet file of the format {FORMAT}")
    version = header.get("schema_version")
    if version != SCHEMA_VERSION:
        raise DataFormatError(path, "metadata", f"schema version {version}", f"schema version {SCHEMA_VERSION}")
    return header


_DAMAGE = (pa.ArrowException, OSError, AttributeError, LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)


@contextmanager
def _named_errors(path: Path, where: str) -> Iterator[None]:
    """Turns what pyarrow or a wrong metadata entry raises into an error that names the file."""
    try:
        yield
    except (*_DAMAGE, GeometryError) as error:
        raise DataFormatError(path, where, f"{type(error).__name__}: {error}", "what hgcae writes") from None
