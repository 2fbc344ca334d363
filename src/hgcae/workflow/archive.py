"""A model as one file: a zip of its folder whose bytes depend on the model only, with a checksum of every member."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

from hgcae.errors import DataFormatError
from hgcae.settings import atomic_path

SEAL = "SHA256.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the first that zip knows."""


def write_archive(folder: Path, path: Path) -> None:
    """Writes the files of a folder as an archive; after unpacking, `hgcae.load` opens the model."""
    files = {file.name: file.read_bytes() for file in sorted(folder.glob("[!.]*")) if file.is_file()}
    files[SEAL] = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in files.items()}, indent=1).encode()
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def check_archive(path: Path) -> list[str]:
    """Compares every member with its checksum and returns their names.

    Raises:
        DataFormatError: Damaged, or not such an archive.
        OSError: The file cannot be opened.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            expected = json.loads(archive.read(SEAL))
            found = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name != SEAL}
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataFormatError(path, "contents", f"{type(error).__name__}: {error}", "an archive of a model") from None
    if found != expected:
        raise DataFormatError(path, SEAL, "other files or contents", "those of the archive")
    return sorted(found)
