"""What a file is, before anybody reads it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from hgcae.errors import DataFormatError

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
ZIP = b"PK\x03\x04"
_COMPRESSED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    ZIP: "zip",
}
"""First bytes of compressed files. Sources: the formats' specifications, RFC 1952, RFC 8878 and so on."""


def open_regular(path: str | Path, *, is_zip: bool = False) -> BinaryIO:
    """Opens a file to read bytes, after a look at what it is: readers go through a file more than once, so a pipe would lose its content.

    Args:
        path: The file.
        is_zip: Whether the format to read is a zip archive itself.

    Raises:
        DataFormatError: It is a pipe, a socket or a device, or a compressed file.
        OSError: It cannot be opened.
    """
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except ValueError:
        raise DataFormatError(path, "name", "a zero byte", "the name of a file") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise DataFormatError(path, "file", _KINDS.get(stat.S_IFMT(mode), "something else"), "a regular file; save what it gives as one")
    stream = path.open("rb")
    try:
        first = stream.read(8)
        for start, program in _COMPRESSED.items():
            if first.startswith(start) and not (is_zip and start == ZIP):
                raise DataFormatError(path, "content", f"a file compressed by {program}", "an uncompressed one; decompress it first")
        stream.seek(0)
    except BaseException:
        stream.close()
        raise
    return stream


def read_regular(path: str | Path, most_bytes: int) -> bytes:
    """Returns the content of a file, see `open_regular`.

    Raises:
        DataFormatError: See `open_regular`, or it has more bytes.
        OSError: It cannot be opened.
    """
    with open_regular(path) as stream:
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise DataFormatError(path, "size", f"more than {most_bytes} bytes", "a file of at most as many")
    return content
