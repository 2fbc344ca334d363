"""What is in files, as a checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path


def file_digest(path: str | Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal; a file that did not change since is not read again.

    Raises:
        OSError: The file cannot be read.
    """
    state = Path(path).stat()
    return _digest(str(path), state.st_size, state.st_mtime_ns)


def files_digest(paths: Iterable[Path]) -> str:
    """Returns the SHA-256 of the names and contents of files."""
    lines = sorted(f"{path.name} {file_digest(path)}" for path in paths)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@lru_cache(maxsize=1024)
def _digest(path: str, _size: int, _mtime_ns: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
