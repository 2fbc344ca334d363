"""Points of a scan on disk: one small file each, named by the fingerprint of what was measured and how, and checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.settings import fingerprint
from hgcae.store.results import read_results, write_results


def point_path(folder: Path, settings: Mapping[str, Any]) -> Path:
    """Returns where the point of these settings lies."""
    return folder / f"{fingerprint(settings)}.json"


def write_point(folder: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> Path:
    """Writes the point of these settings, atomically; returns its path."""
    path = point_path(folder, settings)
    write_results(path, "point", {"settings": settings, "content": content})
    return path


def read_point(path: Path) -> dict[str, Any]:
    """Reads a point.

    Returns:
        Its `settings` and `content`.

    Raises:
        DataFormatError: Not a point, one of another version, or one with anything changed.
    """
    found = read_results(path, "point")
    if path.stem != fingerprint(found["settings"]):
        raise DataFormatError(path, "settings", fingerprint(found["settings"]), f"{path.stem}, as its name says")
    return {key: found[key] for key in ("settings", "content")}


def known_point(folder: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any] | None, DataFormatError | None]:
    """Returns the content of the point of these settings, None where there is none; and what is wrong with its file, if anything is."""
    path = point_path(folder, settings)
    if not path.exists():
        return None, None
    try:
        return read_point(path)["content"], None
    except DataFormatError as error:
        return None, error
