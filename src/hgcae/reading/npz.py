"""NumPy archives (`.npz`): arrays of numbers, each as large as its bytes."""

from __future__ import annotations

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hgcae.errors import DataFormatError

MOST_BYTES = 2**28
"""Unpacked bytes that any archive may have."""
MOST_RATIO = 100
"""Larger archives have at most so many times the bytes of the file: more is no measurement, but an attack."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DAMAGE = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, SyntaxError, RuntimeError, MemoryError, OverflowError, UserWarning),
    *(NotImplementedError, AttributeError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError),
)
"""What NumPy and zipfile raise on damaged archives."""


def read_npz(stream: BinaryIO, source: object, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Returns arrays of an archive.

    Args:
        stream: The archive.
        source: Its name, for errors.
        names: Those that are wanted, of which some may be missing; None = all.

    Raises:
        DataFormatError: Damaged, no archive, an array of objects, one that does not fit its bytes, or more bytes than `MOST_BYTES` and
            `MOST_RATIO` allow.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [info for info in archive.infolist() if names is None or info.filename.removesuffix(".npy") in names]
            size = stream.seek(0, 2)
            _check(members, max(MOST_BYTES, MOST_RATIO * size), size)
            return {info.filename.removesuffix(".npy"): _array(archive.read(info)) for info in members}
    except _DAMAGE as error:
        raise DataFormatError(source, "archive", f"{type(error).__name__}: {error}", "a whole archive of NumPy arrays") from None


def _check(members: list[zipfile.ZipInfo], most: int, size: int) -> None:
    """Compares what members claim, before any of them is read."""
    seen = [info.filename for info in members]
    if len(set(seen)) < len(seen):
        msg = f"the array {next(name for name in seen if seen.count(name) > 1)!r} twice"
        raise ValueError(msg)
    packed, unpacked = sum(info.compress_size for info in members), sum(info.file_size for info in members)
    if packed > size or unpacked > most:
        msg = f"{unpacked} bytes out of {size}"
        raise ValueError(msg)


def _array(content: bytes) -> NDArray[Any]:
    """Returns the array in the bytes of an npy file. Source: the documentation of numpy.lib.format."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        msg = f"the npy version {version}"
        raise ValueError(msg)
    shape, is_fortran, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        msg = "an array of objects"
        raise ValueError(msg)
    start, expected = stream.tell(), dtype.itemsize * math.prod(shape)
    if min(shape, default=1) < 0 or not dtype.itemsize or len(content) - start != expected:
        msg = f"{len(content) - start} bytes for an array of {dtype} {shape}"
        raise ValueError(msg)
    values = np.frombuffer(content, dtype, offset=start) if expected else np.zeros(math.prod(shape), dtype)
    return values.reshape(shape, order="F" if is_fortran else "C").copy(order="K")
