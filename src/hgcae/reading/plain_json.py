"""JSON: plain values in which each key stands once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.reading.files import read_regular

MOST_BYTES = 2**28
MOST_DEPTH = 100
"""Groups within groups; what hgcae writes has fewer than ten."""
_TOO_DEEP = f"more than {MOST_DEPTH} groups within one another"


def parse_json(content: str | bytes) -> Any:
    """Returns the values in a JSON text.

    Raises:
        ValueError: Not JSON, a key twice in a group, text that is no Unicode, or more than `MOST_DEPTH` groups within one another.
    """
    try:
        values = json.loads(content, object_pairs_hook=_once)
        _check(values, MOST_DEPTH)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return values


def read_json(path: str | Path, expected: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        path: The file.
        expected: What it should be, for the error.

    Raises:
        DataFormatError: It cannot be read, or holds something else.
    """
    try:
        values = parse_json(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise DataFormatError(path, "file", error.strerror or "an error", "a readable file") from None
    except ValueError as error:
        raise DataFormatError(path, "content", f"no JSON ({error})", expected) from None
    if not isinstance(values, dict):
        raise DataFormatError(path, "content", f"a {type(values).__name__}", expected)
    return values


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        msg = f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice"
        raise ValueError(msg)
    return values


def _check(values: Any, left: int) -> None:
    """Refuses text that cannot be written again, and more than so many groups within one another."""
    if left == 0:
        raise ValueError(_TOO_DEEP)
    if isinstance(values, str):
        values.encode()
    elif isinstance(values, dict):
        for key, value in values.items():
            key.encode()
            _check(value, left - 1)
    elif isinstance(values, list):
        for value in values:
            _check(value, left - 1)
