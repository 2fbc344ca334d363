"""CSV files of words: one bunch crossing per line, one link per column, hexadecimal.

Source of the format: testInput.csv (`RX_DATA_0..11`) and testOutput.csv (`TX_DATA_0..12`) of github.com/cmantill/econt_test-vectors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.frontend.econt.cells import MAX_LINKS, N_INPUTS
from hgcae.outputs import atomic_path
from hgcae.reading.tables import read_rows

COLUMNS = {"RX_DATA": N_INPUTS, "TX_DATA": MAX_LINKS}
"""Columns of a file by what they are called: inputs, outputs."""
_DIGITS = 8
_VALUE = np.full(128, -1, dtype=np.int64)
_VALUE[[ord(digit) for digit in "0123456789abcdef"]] = range(16)
_VALUE[[ord(digit) for digit in "ABCDEF"]] = range(10, 16)


def read_words(path: str | Path, name: Literal["RX_DATA", "TX_DATA"]) -> NDArray[np.uint32]:
    """Returns the words (n, 12) of inputs `RX_DATA` or (n, 13) of outputs `TX_DATA`.

    Raises:
        DataFormatError: Other columns, or something that is not a word of 1 to 8 hexadecimal digits; names line and column.
    """
    names = [f"{name}_{i}" for i in range(COLUMNS[name])]
    n_lines, found = next(read_rows(path), (0, []))
    if found != names:
        raise DataFormatError(path, "line 1", ",".join(found)[:80] or "an empty file", f"{names[0]} to {names[-1]}")
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    parse = pa_csv.ParseOptions(ignore_empty_lines=False, newlines_in_values=False)
    read = pa_csv.ReadOptions(skip_rows=n_lines, column_names=names)
    try:
        table = pa_csv.read_csv(path, read_options=read, convert_options=convert, parse_options=parse)
    except pa.ArrowException as error:
        raise _bad_line(path, names, str(error)) from None
    if not len(table):
        return np.zeros((0, len(names)), dtype=np.uint32)
    texts = np.stack([column.to_numpy() for column in table.columns], axis=1)
    fixed = texts.astype(f"U{_DIGITS + 1}")
    digits = np.strings.rjust(fixed, _DIGITS + 1, "0").view(np.uint32).reshape(len(texts), len(names), _DIGITS + 1)
    values = _VALUE[np.minimum(digits, 127)]
    wrong = (values < 0).any(axis=2) | (fixed == "") | (np.strings.str_len(fixed) > _DIGITS)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise _bad_word(path, int(row) + 2, names[column], str(texts[row, column]))
    return (values << (4 * np.arange(_DIGITS, -1, -1))).sum(axis=2).astype(np.uint32)


def write_words(path: str | Path, name: Literal["RX_DATA", "TX_DATA"], words: NDArray[np.integer]) -> None:
    """Writes words (n, columns) as 8 digits each, atomically."""
    names = [f"{name}_{i}" for i in range(COLUMNS[name])]
    with atomic_path(path) as temporary:
        np.savetxt(temporary, np.asarray(words), fmt="%08x", delimiter=",", header=",".join(names), comments="")


def _bad_word(path: str | Path, line: int, column: str, text: str) -> DataFormatError:
    return DataFormatError(path, f"line {line}, column {column}", repr(text), "1 to 8 hexadecimal digits")


def _bad_line(path: str | Path, names: list[str], reason: str) -> DataFormatError:
    """Returns the error for the first line that is not as it should be; slow, but only when something is wrong."""
    try:
        for line, row in read_rows(path):
            if len(row) != len(names):
                return DataFormatError(path, f"line {line}", f"{len(row)} fields", f"{len(names)}, as in line 1")
    except DataFormatError as error:
        return error
    return DataFormatError(path, "content", reason, "a CSV file of words")
