"""A model as one file: a sealed zip of its folder whose bytes depend on the model only."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hgcae.outputs import atomic_path
from hgcae.store.arrays import check_zip, seal_zip

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the first that zip knows."""


def write_archive(folder: Path, path: Path) -> None:
    """Writes the files of a folder as an archive; after unpacking, `hgcae.load` opens the model."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        # What an interrupted writer left, and locks, are hidden files.
        for file in sorted(file for file in folder.glob("[!.]*") if file.is_file()):
            archive.writestr(zipfile.ZipInfo(file.name, _EPOCH), file.read_bytes())
    with atomic_path(path) as temporary:
        temporary.write_bytes(seal_zip(stream.getvalue()))


def check_archive(path: Path) -> list[str]:
    """Compares the archive with its checksum and returns the names of its members.

    Raises:
        DataFormatError: Damaged, or not such an archive.
        OSError: The file cannot be loaded.
    """
    data = path.read_bytes()
    check_zip(data, path, "an archive of a model")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()
