"""Results as JSON with a checksum of their content: what other verbs read again is what was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.outputs import atomic_path
from hgcae.reading.plain_json import read_json
from hgcae.settings import fingerprint

_CHECKSUM = "checksum"


def write_results_file(path: str | Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Writes plain values as JSON, atomically; returns them as they are read again.

    Args:
        path: Where to write.
        content: Values that JSON can hold, all of them finite; NumPy's numbers become Python's. No key is `checksum`.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_results_file(Path(folder) / "results.json", {"emd": 0.1})
        ...     read_results_file(Path(folder) / "results.json", "results")["emd"]
        0.1
    """
    plain = json.loads(json.dumps(content, allow_nan=False, default=_plain))
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({**plain, _CHECKSUM: fingerprint(plain)}, indent=1) + "\n", encoding="utf-8")
    return plain


def read_results_file(path: str | Path, expected: str) -> dict[str, Any]:
    """Reads what `write_results_file` wrote.

    Args:
        path: The file.
        expected: What it should hold, for the message.

    Raises:
        DataFormatError: It cannot be read, is no such file, or anything in it has changed.
    """
    content = read_json(path, expected)
    if _CHECKSUM not in content:
        raise DataFormatError(path, "content", "no checksum", f"{expected}, as this version writes them")
    found = content.pop(_CHECKSUM)
    if found != fingerprint(content):
        raise DataFormatError(path, _CHECKSUM, repr(found), f"{fingerprint(content)!r} (the content was changed)")
    return content


def _plain(value: Any) -> Any:
    """Turns NumPy's numbers into Python's."""
    return value.item()
