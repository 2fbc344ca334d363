"""CSV files of modules: one row per module with the charges of its 48 trigger cells in the columns `CALQ_0` to `CALQ_47`.

The cells' numbers are the C order of (roc, row, column), see `hgcae.geometry.module`, so a row is one MODULE. Columns may be in any order;
other columns are kept as per-event columns where all their values are numbers. A file is read twice, as a stream: the first pass finds
the smallest type that holds all its charges exactly (int32, float32 or float64), which all chunks then have.

Source of the format: github.com/kakwok/Ecoder, github.com/oliviaweng/Ecoder.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.settings import atomic_path
from hgcae.sources.base import Source

CHARGE_COLUMNS = tuple(f"CALQ_{cell}" for cell in range(module.N_CELLS))
"""Names of the charge columns, in the order of the trigger cells."""

_WRITTEN = {"f": np.dtype(np.float64), "b": np.dtype(np.uint8)}
"""Types as which numbers are written: the digits of a float64 give back the value of any shorter type, and 0 and 1 are numbers."""


class CalqCsv(Source):
    """Reads and writes CSV files of module charges."""

    name = "CALQ csv"
    suffixes = (".csv",)

    def sniff(self, path: Path) -> bool:
        """Returns whether the first line names a charge column."""
        with path.open("rb") as stream:
            return CHARGE_COLUMNS[0].encode() in stream.readline(2**16)

    def read(self, path: str | Path, hierarchy: Hierarchy = PROTOTYPE) -> Iterator[Events]:
        """Yields modules, see `Source.read`; a row without charge is a module without charge."""
        root = hierarchy.rooted("MODULE")
        if root.shape != module.SHAPE:
            raise DataFormatError(path, "hierarchy", f"modules of shape {root.shape}", f"{module.SHAPE}")
        names = _column_names(path)
        dtype, extra = _survey(path, names)
        types = dict.fromkeys(CHARGE_COLUMNS, pa.float64()) | {name: pa.from_numpy_dtype(kind) for name, kind in extra.items()}
        empty = pa.RecordBatch.from_pylist([], schema=pa.schema(types))
        for batch in chain([empty], _batches(path, types)):
            charge = _charges(batch).astype(dtype).reshape(-1, *root.shape)
            columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in extra}
            yield Events.from_dense(charge, root, path, columns=columns)

    def write(self, path: str | Path, chunks: Iterable[Events]) -> None:
        """Writes modules with their per-event columns of one number each; truth and other columns are left out.

        Numbers are written with all their digits, so that they are read back with the same value.

        Raises:
            DataFormatError: The events are not modules of 48 trigger cells.
        """
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            writer = None
            for chunk in chunks:
                table = _table(chunk, path)
                if writer is None:
                    stream.write(_header(table.column_names))
                    writer = pa_csv.CSVWriter(stream, table.schema, write_options=pa_csv.WriteOptions(include_header=False))
                writer.write_table(table)
            if writer is None:
                raise DataFormatError(path, "events to write", "no chunk at all", "at least one chunk, which may hold no events")
            writer.close()


def _column_names(path: str | Path) -> list[str]:
    """Returns the names in the first line.

    Raises:
        DataFormatError: The file is empty, or charge columns are missing or repeated.
    """
    with Path(path).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        names = next(csv.reader(stream), [])
    wrong = [name for name in CHARGE_COLUMNS if names.count(name) != 1]
    if wrong:
        found = f"{'none' if len(wrong) == len(CHARGE_COLUMNS) else 'none or several'} of {', '.join(wrong)}" if names else "an empty file"
        raise DataFormatError(path, "line 1", found, "CALQ_0 to CALQ_47, each once")
    return names


def _survey(path: str | Path, names: Iterable[str]) -> tuple[np.dtype[Any], dict[str, np.dtype[Any]]]:
    """Returns the type that holds all charges of a file, and those other columns that hold numbers, with their types.

    Raises:
        DataFormatError: Names the first line with something that is not a charge.
    """
    extra = [name for name in dict.fromkeys(names) if name not in CHARGE_COLUMNS]
    fitting = {name: [np.dtype(np.int64), np.dtype(np.float64)] for name in extra}
    charge_types = [np.dtype(kind) for kind in (np.int32, np.float32, np.float64)]
    for batch in _batches(path, dict.fromkeys(CHARGE_COLUMNS, pa.float64()) | dict.fromkeys(extra, pa.string())):
        charge = _charges(batch)
        if not (np.isfinite(charge) & (charge >= 0)).all():
            raise _bad_line(path, "a charge that is negative or not finite")
        charge_types = [dtype for dtype in charge_types if _holds(dtype, charge)]
        fitting = {name: [dtype for dtype in fitting[name] if _parses(batch.column(name), dtype)] for name in extra}
    return charge_types[0], {name: dtypes[0] for name, dtypes in fitting.items() if dtypes}


def _batches(path: str | Path, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
    """Streams the given columns of a file; an empty field is a number that is not known."""
    options = pa_csv.ConvertOptions(column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=False)
    try:
        yield from pa_csv.open_csv(path, convert_options=options)
    except pa.ArrowException as error:
        raise _bad_line(path, str(error)) from None


def _charges(batch: pa.RecordBatch) -> NDArray[np.float64]:
    return np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in CHARGE_COLUMNS])


def _holds(dtype: np.dtype[Any], values: NDArray[np.float64]) -> bool:
    with np.errstate(all="ignore"):  # a value that does not fit is the answer, not a mistake
        return bool((values.astype(dtype) == values).all())


def _parses(texts: pa.StringArray, dtype: np.dtype[Any]) -> bool:
    known = pa.array([text for text in texts.to_pylist() if text], pa.string())
    try:
        known.cast(pa.from_numpy_dtype(dtype))
    except pa.ArrowInvalid:
        return False
    return dtype.kind == "f" or len(known) == len(texts)


def _bad_line(path: str | Path, reason: str) -> DataFormatError:
    """Returns the error for the first line that is not as it should be; slow, but only when something is wrong."""
    with Path(path).open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        reader = csv.reader(stream)
        names = next(reader)
        for row in reader:
            if row and len(row) != len(names):
                return DataFormatError(path, f"line {reader.line_num}", f"{len(row)} fields", f"{len(names)}, as in line 1")
            for name, text in zip(names, row, strict=False):
                if name in CHARGE_COLUMNS and not _is_charge(text):
                    where = f"line {reader.line_num}, column {name}"
                    return DataFormatError(path, where, repr(text), "a charge: a finite number of at least 0")
    return DataFormatError(path, "content", reason, "a CSV file of charges")


def _is_charge(text: str) -> bool:
    try:
        return 0 <= float(text) < math.inf
    except ValueError:
        return False


def _header(names: Iterable[str]) -> bytes:
    """Returns the first line; Arrow would put every name in quotes."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


def _table(events: Events, path: str | Path) -> pa.Table:
    if events.hierarchy.shape != module.SHAPE:
        found = f"{events.hierarchy.root} of shape {events.hierarchy.shape}"
        raise DataFormatError(path, "events to write", found, f"modules of shape {module.SHAPE}")
    charge = events.to_dense().reshape(len(events), module.N_CELLS)
    columns = dict(zip(CHARGE_COLUMNS, charge.T, strict=True))
    columns |= {name: values for name, values in events.columns.items() if values.ndim == 1 and values.dtype.names is None}
    return pa.table(
        {name: values.astype(_WRITTEN.get(values.dtype.kind, values.dtype.newbyteorder("="))) for name, values in columns.items()}
    )
