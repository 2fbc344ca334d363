"""CSV files of modules: one row per module with the charges of its 48 trigger cells in the columns `CALQ_0` to `CALQ_47`.

The cells' numbers are the C order of (roc, row, column), see `hgcae.geometry.module`, so a row is one MODULE. Columns may be in any order;
other columns are kept as per-event columns where all their values are numbers that one of int64, uint64 and float64 holds as they are
written (a leading zero makes text); a warning names those that are left out. A file is read twice, as a stream: the first pass finds the
smallest type that holds all its charges exactly (int32, float32 or float64), which all chunks then have.

Source of the format: github.com/kakwok/Ecoder, github.com/oliviaweng/Ecoder.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.outputs import atomic_path
from hgcae.reading.tables import read_rows
from hgcae.sources.base import Source

CHARGE_COLUMNS = tuple(f"CALQ_{cell}" for cell in range(module.N_CELLS))
"""Names of the charge columns, in the order of the trigger cells."""
MOST_COLUMNS = 10_000
_CHARGE_COLUMNS = frozenset(CHARGE_COLUMNS)

_EXACT_BELOW = 2.0**53
"""A float64 holds every whole number up to here."""
_OTHER_TYPES = tuple(np.dtype(kind) for kind in (np.int64, np.uint64, np.float64))
_NO_NUMBER = re.compile(r"[-+]?0[0-9xX]")
"""Text that only looks like a number: with a leading zero, or in base 16."""
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
        table = _Table.of(path)
        dtype, extra = table.survey()
        types = dict.fromkeys(CHARGE_COLUMNS, pa.float64()) | {name: pa.from_numpy_dtype(kind) for name, kind in extra.items()}
        empty = pa.RecordBatch.from_pylist([], schema=pa.schema(types))
        for batch in chain([empty], table.batches(types)):
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


@dataclass(frozen=True)
class _Table:
    """Where the columns of a file are.

    Args:
        path: The file.
        n_lines: Lines that the names take.
        names: Name of each column, without the blanks around it.
    """

    path: str | Path
    n_lines: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, path: str | Path) -> _Table:
        """Reads the names.

        Raises:
            DataFormatError: The file is empty, or charge columns are missing or repeated.
        """
        n_lines, row = next(read_rows(path), (0, []))
        names = tuple(name.strip() for name in row)
        wrong = [name for name in CHARGE_COLUMNS if names.count(name) != 1]
        if len(names) > MOST_COLUMNS:
            raise DataFormatError(path, "line 1", f"{len(names)} columns", f"at most {MOST_COLUMNS}")
        if wrong:
            few = "none" if len(wrong) == len(CHARGE_COLUMNS) else "none or several"
            found = f"{few} of {', '.join(wrong)}" if names else "an empty file"
            raise DataFormatError(path, "line 1", found, "CALQ_0 to CALQ_47, each once")
        return cls(path, n_lines, names)

    def batches(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Streams the columns of the given names, each of which is there once; an empty field is a number that is not known."""
        number = {name: i for i, name in enumerate(self.names)}
        places = {name: f"f{number[name]}" for name in types}
        options = pa_csv.ConvertOptions(
            column_types={place: types[name] for name, place in places.items()},
            include_columns=list(places.values()),
            null_values=[""],
            strings_can_be_null=False,
        )
        # Columns by their places: names may be repeated, or have blanks around them.
        read = pa_csv.ReadOptions(skip_rows=self.n_lines, column_names=[f"f{i}" for i in range(len(self.names))])
        try:
            for batch in pa_csv.open_csv(self.path, read_options=read, convert_options=options):
                yield batch.rename_columns(list(types))
        except pa.ArrowException as error:
            if "Empty CSV file" not in str(error):
                raise _bad_line(self, str(error)) from None

    def survey(self) -> tuple[np.dtype[Any], dict[str, np.dtype[Any]]]:
        """Returns the type that holds all charges, and those other columns whose numbers a type holds exactly, with their types.

        Raises:
            DataFormatError: Names the first line with something that is not a charge, or a whole charge that no type holds exactly.
        """
        times = Counter(self.names)
        other = [name for name in times if name not in _CHARGE_COLUMNS]
        fitting = {name: list(_OTHER_TYPES) for name in other if times[name] == 1}
        charge_types = [np.dtype(kind) for kind in (np.int32, np.float32, np.float64)]
        for batch in self.batches(dict.fromkeys(CHARGE_COLUMNS, pa.float64()) | dict.fromkeys(fitting, pa.string())):
            charge = _charges(batch)
            if not (np.isfinite(charge) & (charge >= 0)).all():
                raise _bad_line(self, "a charge that is negative or not finite")
            if charge.max(initial=0) >= _EXACT_BELOW:
                _check_large(self)
            charge_types = [dtype for dtype in charge_types if _holds(dtype, charge)]
            fitting = {name: _fitting(batch.column(name), dtypes) for name, dtypes in fitting.items()}
        kept = {name: dtypes[0] for name, dtypes in fitting.items() if dtypes}
        if len(kept) < len(other):
            left_out = ", ".join(name for name in other if name not in kept)
            msg = f"{self.path}: left out, because of a repeated name or a value that is no number as 64 bits hold it: {left_out}"
            warnings.warn(msg, HgcaeWarning, stacklevel=3)
        return charge_types[0], kept


def _charges(batch: pa.RecordBatch) -> NDArray[np.float64]:
    return np.column_stack([batch.column(name).to_numpy(zero_copy_only=False) for name in CHARGE_COLUMNS])


def _holds(dtype: np.dtype[Any], values: NDArray[np.float64]) -> bool:
    with np.errstate(all="ignore"):  # a value that does not fit is the answer, not a mistake
        return bool((values.astype(dtype) == values).all())


def _fitting(texts: pa.StringArray, dtypes: Sequence[np.dtype[Any]]) -> list[np.dtype[Any]]:
    """Returns those types that hold all numbers of a column as they are written."""
    different = {text.strip() for text in texts.unique().to_pylist()} if dtypes else set()
    known = [text for text in different if text]
    if any(_NO_NUMBER.match(text) for text in known):
        return []
    return [dtype for dtype in dtypes if _parses(known, dtype) and (dtype.kind == "f" or len(known) == len(different))]


def _parses(texts: Sequence[str], dtype: np.dtype[Any]) -> bool:
    try:
        values = pa.array(texts, pa.string()).cast(pa.from_numpy_dtype(dtype))
    except pa.ArrowInvalid:
        return False
    if dtype.kind != "f":
        return True
    # What a float may hold otherwise than it is written: long whole numbers, and those beyond either end of its range.
    size = np.abs(values.to_numpy(zero_copy_only=False))
    doubtful = (size >= _EXACT_BELOW) | (size == 0)
    return all(_is_exact(text) for text, is_doubtful in zip(texts, doubtful, strict=True) if is_doubtful)


def _is_exact(text: str) -> bool:
    """Returns whether a float64 holds a number: whole ones exactly, others rounded, but neither to infinity nor to zero."""
    value = float(text)
    if re.fullmatch(r"[-+]?[0-9]+\.?0*", text):
        return math.isfinite(value) and int(text.partition(".")[0]) == value
    digits = re.sub(r"[eE].*", "", text)
    return not math.isfinite(float(digits)) if math.isinf(value) else bool(value) or not float(digits)


def _check_large(table: _Table) -> None:
    """Refuses whole charges that float64 would round; slow, but only where there are such charges.

    Raises:
        DataFormatError: Names line and column.
    """
    for line, name, text in _charge_texts(table):
        if float(text) >= _EXACT_BELOW and not _is_exact(text):
            raise DataFormatError(table.path, f"line {line}, column {name}", text[:100], "a charge that a float64 holds exactly")


def _bad_line(table: _Table, reason: str) -> DataFormatError:
    """Returns the error for the first line that is not as it should be; slow, but only when something is wrong."""
    try:
        for line, name, text in _charge_texts(table):
            if not _is_charge(text):
                where = f"line {line}, column {name}"
                return DataFormatError(table.path, where, repr(text[:100]), "a charge: a finite number of at least 0")
    except DataFormatError as error:
        return error
    return DataFormatError(table.path, "content", reason, "a CSV file of charges")


def _charge_texts(table: _Table) -> Iterator[tuple[int, str, str]]:
    """Yields line, column and text of every charge.

    Raises:
        DataFormatError: A line has more or fewer fields than there are names.
    """
    for i, (line, row) in enumerate(read_rows(table.path)):
        if row and len(row) != len(table.names):
            raise DataFormatError(table.path, f"line {line}", f"{len(row)} fields", f"{len(table.names)}, as in line 1")
        if i and row:
            yield from ((line, name, text.strip()) for name, text in zip(table.names, row, strict=True) if name in _CHARGE_COLUMNS)


def _is_charge(text: str) -> bool:
    try:
        return "_" not in text and 0 <= float(text) < math.inf
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
