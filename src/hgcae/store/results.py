"""Results as JSON: one reader and one writer for all kinds, with versions, date and a checksum of the content."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from hgcae.errors import DataFormatError
from hgcae.outputs import atomic_path
from hgcae.reading.plain_json import read_json
from hgcae.settings import fingerprint


class Kind(NamedTuple):
    """A kind of result file.

    Args:
        version: Raised when a key is renamed or a metric is defined in another way; files of other versions are refused.
        needs: Keys that the content must have, and their types.
    """

    version: int
    needs: Mapping[str, type]


KINDS: Mapping[str, Kind] = {
    "aggregation": Kind(1, {"settings": dict, "points": list, "failures": list}),
    "code_size": Kind(1, {"settings": dict, "answers": dict, "interpretation": dict, "intrinsic": dict}),
    "demo": Kind(1, {"seconds": dict, "events": dict}),
    "evaluation": Kind(3, {"levels": dict, "heads": dict}),
    "example": Kind(1, {"settings": dict}),
    "examples": Kind(1, {"points": list}),
    "modules": Kind(3, {"results": list}),
    "physics": Kind(4, {"showers": dict, "fingerprints": dict}),
    "point": Kind(3, {"settings": dict, "content": dict}),
    "robustness": Kind(4, {"cases": list, "fingerprints": dict}),
    "scan_row": Kind(1, {"changes": dict, "levels": dict}),
    "stage": Kind(1, {"cpu_seconds": float}),
    "step": Kind(1, {}),
    "summary": Kind(1, {"files": dict}),
}
"""Kinds of result files by name."""

HEADER = ("kind", "version", "date", "versions")
"""Keys that the writer adds."""
PACKAGES = ("hgcae", "numpy", "scipy", "scikit-learn")
"""Packages that metrics depend on."""
_CHECKSUM = "checksum"


@cache
def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that metrics depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def write_results(path: str | Path, kind: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Writes plain values as JSON, atomically.

    Args:
        path: Where to write.
        kind: A key of `KINDS`.
        content: Values that JSON can hold, all of them finite; NumPy's numbers become Python's. No key is `checksum`; a key of `HEADER`
            replaces what would be written there, such as today's date.

    Returns:
        What was written, as `read_results` returns it: `HEADER` and the content.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     _ = write_results(Path(folder) / "stage.json", "stage", {"cpu_seconds": 1.5})
        ...     read_results(Path(folder) / "stage.json", "stage")["cpu_seconds"]
        1.5
    """
    header = {"kind": kind, "version": KINDS[kind].version, "date": datetime.now(UTC).date().isoformat(), "versions": versions()}
    plain = json.loads(json.dumps(header | dict(content), allow_nan=False, default=_plain))
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({**plain, _CHECKSUM: fingerprint(plain)}, indent=1) + "\n", encoding="utf-8")
    return plain


def read_results(path: str | Path, kind: str) -> dict[str, Any]:
    """Reads what `write_results` wrote.

    Args:
        path: The file.
        kind: A key of `KINDS`.

    Raises:
        DataFormatError: It cannot be read, is of another kind or version, lacks a key, or anything in it has changed.
    """
    wanted = KINDS[kind]
    expected = f"results of kind {kind!r}, version {wanted.version}"
    content = read_json(path, expected)
    if _CHECKSUM not in content:
        raise DataFormatError(path, "content", "no checksum", expected)
    found = content.pop(_CHECKSUM)
    if found != fingerprint(content):
        raise DataFormatError(path, _CHECKSUM, repr(found), f"{fingerprint(content)!r} (the content was changed)")
    if (content.get("kind"), content.get("version")) != (kind, wanted.version):
        raise DataFormatError(path, "kind", f"{content.get('kind')!r}, version {content.get('version')!r}", expected)
    for key, of_type in wanted.needs.items():
        if not isinstance(content.get(key), of_type):
            raise DataFormatError(path, key, type(content.get(key)).__name__, of_type.__name__)
    return content


def _plain(value: Any) -> Any:
    """Turns NumPy's numbers into Python's."""
    return value.item()
