"""CSV files, line by line: for first lines, and to find the line of a mistake."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from hgcae.errors import DataFormatError
from hgcae.reading.files import open_regular


def read_rows(path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the number of the line in which each row ends, and its fields; bytes that are no UTF-8 are replaced.

    Raises:
        DataFormatError: A field that is longer than a line of numbers can be; see also `hgcae.reading.files.open_regular`.
        OSError: The file cannot be opened.
    """
    with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", errors="replace", newline="") as stream:
        reader = csv.reader(stream, skipinitialspace=True)
        try:
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise DataFormatError(path, f"line {reader.line_num}", str(error), "fields of numbers") from None
