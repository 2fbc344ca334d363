"""Points of a scan on disk: one small file each, named by the fingerprint of what was measured and how, and checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.settings import atomic_path, fingerprint

FORMAT = "hgcae-scan-point"
VERSION = 1
"""Raised when a figure changes its meaning: older files are not points then."""


def point_path(folder: Path, settings: Mapping[str, Any]) -> Path:
    """Returns where the point of these settings lies."""
    return folder / f"{fingerprint(settings)}.json"


def write_point(folder: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> Path:
    """Writes the point of these settings, atomically; returns its path."""
    text = json.dumps({"settings": settings, "content": content}, allow_nan=False, default=_plain)
    body = json.loads(text)
    path = point_path(folder, settings)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"format": FORMAT, "version": VERSION, "checksum": fingerprint(body), **body}), encoding="utf-8")
    return path


def read_point(path: Path) -> dict[str, Any]:
    """Reads a point.

    Returns:
        Its `settings` and `content`.

    Raises:
        DataFormatError: Not a point, one of another version, or one with anything changed.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        kind = found.pop("format"), found.pop("version")
        checksum = found.pop("checksum")
        named = path.stem == fingerprint(found["settings"])
    except OSError as error:
        raise DataFormatError(path, "file", error.strerror or "an error", "a readable file") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataFormatError(path, "contents", "damaged JSON", "a point of a scan") from None
    if kind != (FORMAT, VERSION):
        raise DataFormatError(path, "format", repr(kind), repr((FORMAT, VERSION)))
    if checksum != fingerprint(found):
        raise DataFormatError(path, "checksum", repr(checksum), f"{fingerprint(found)!r} (the file is damaged)")
    if not named:
        raise DataFormatError(path, "settings", fingerprint(found["settings"]), f"{path.stem}, as its name says")
    return found


def known_point(folder: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any] | None, DataFormatError | None]:
    """Returns the content of the point of these settings, None where there is none; and what is wrong with its file, if anything is."""
    path = point_path(folder, settings)
    if not path.exists():
        return None, None
    try:
        return read_point(path)["content"], None
    except DataFormatError as error:
        return None, error


def _plain(value: Any) -> Any:
    """Turns NumPy's numbers into Python's."""
    return value.item()
