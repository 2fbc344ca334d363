"""Arrays in a file, with a header and a checksum over everything; zip files that carry a checksum of all their bytes.

The CRC-32 of a zip covers the contents of its members, but not its directory: a bit flipped there makes a member vanish, and NumPy reads
the rest without a word. A sealed zip ends with a comment that holds the SHA-256 of all bytes before it, so nothing of a damaged file is
used. It stays a zip that other programs open (`numpy.load` reads the arrays; the header is the array `header`, JSON in UTF-8).

    members | directory | end of central directory, length of the comment in its last two bytes | "hgcae:sha256:" | 64 hexadecimal digits

Source of the frame around the comment: PKWARE, APPNOTE.TXT 6.3.10, 4.3.16.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.outputs import atomic_path
from hgcae.reading.npz import read_npz
from hgcae.reading.plain_json import parse_json

_MAGIC = b"hgcae:sha256:"
_SEAL_BYTES = len(_MAGIC) + hashlib.sha256().digest_size * 2
_HEADER = "header"


def seal_zip(data: bytes) -> bytes:
    """Returns a zip file without comment as one that ends with the checksum of all its bytes."""
    body = data[:-2] + struct.pack("<H", _SEAL_BYTES)
    return body + _MAGIC + hashlib.sha256(body).hexdigest().encode()


def check_zip(data: bytes, source: object, expected: str) -> None:
    """Checks the seal of a zip file.

    Raises:
        DataFormatError: Cut off, lengthened, with any bit changed, or not sealed: another file, or one of an older version.
    """
    body, found = data[:-_SEAL_BYTES], data[-_SEAL_BYTES:]
    if not found.startswith(_MAGIC):
        raise DataFormatError(source, "end of the file", "no checksum (cut off, damaged, or of an older version)", expected)
    if found != _MAGIC + hashlib.sha256(body).hexdigest().encode():
        raise DataFormatError(source, "SHA-256", "another checksum (the file is damaged)", expected)


def pack(kind: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, compress: bool = False) -> bytes:
    """Returns a header of plain values and arrays as the bytes of a sealed npz; the same content gives the same bytes.

    Args:
        kind: What the file is.
        version: Of that kind.
        header: Values that JSON can hold.
        arrays: By name; none may be called `header`.
        compress: Whether to compress them.

    Examples:
        >>> data = pack("example", 1, {"unit": "cm"}, {"x": np.array([1.0, 2.0])})
        >>> header, arrays = unpack(data, "example", 1, "data")
        >>> header["unit"], arrays["x"].tolist()
        ('cm', [1.0, 2.0])
    """
    text = json.dumps({"kind": kind, "version": version, **header})
    stream = io.BytesIO()
    write = np.savez_compressed if compress else np.savez
    stored: dict[str, Any] = {_HEADER: np.frombuffer(text.encode(), dtype=np.uint8), **arrays}
    write(stream, **stored)
    return seal_zip(stream.getvalue())


def unpack(data: bytes, kind: str, version: int, source: object) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Returns header and arrays of what `pack` made.

    Raises:
        DataFormatError: Damaged, of another kind or version, or not made by `pack`.
    """
    expected = f"{kind}, version {version}"
    check_zip(data, source, expected)
    arrays = read_npz(io.BytesIO(data), source)
    try:
        header = parse_json(arrays.pop(_HEADER).tobytes())
        found = f"{header.pop('kind')}, version {header.pop('version')}"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataFormatError(source, "contents", f"{type(error).__name__}: {error}", expected) from None
    if found != expected:
        raise DataFormatError(source, "format", found, expected)
    return header, arrays


def write_arrays(
    path: Path, kind: str, version: int, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, compress: bool = False
) -> None:
    """Writes a file that appears whole or not at all; see `pack`."""
    data = pack(kind, version, header, arrays, compress=compress)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_arrays(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Returns header and arrays of a file that `write_arrays` wrote; nothing of a damaged file is used.

    Raises:
        DataFormatError: Damaged, of another kind or version, or another file.
        OSError: The file cannot be read.
    """
    return unpack(path.read_bytes(), kind, version, path)
