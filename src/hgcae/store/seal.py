"""Checksums of a whole Parquet file, without leaving the Parquet format.

Parquet's own page checksums cover page contents, but neither page headers nor the footer, and a flipped bit there can change what is read
without an error. A sealed file also holds a CRC-32 of every row group and of the footer, in the gap between the last row group and the
footer. Parquet readers find the footer from the end of the file and pages by their offsets, so they skip the gap.

    PAR1 | row groups | uint32 checksum of each row group | uint32 their number | uint32 checksum of the previous field but one
    and of all that follows the seal | "HGCAEcrc" | footer | uint32 length of the footer | PAR1        (integers little-endian)

Source of the frame around the seal: github.com/apache/parquet-format, "File format".
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from hgcae.errors import DataFormatError
from hgcae.reading.files import open_regular

_MAGIC = b"HGCAEcrc"
_SEAL = struct.Struct("<II8s")
_TAIL = struct.Struct("<I4s")


def seal(path: Path) -> None:
    """Inserts the checksums into a finished Parquet file that has row groups without gaps, no page index and no Bloom filters."""
    metadata = pq.read_metadata(path)
    with path.open("r+b") as stream:
        sums = [row_group_checksum(stream, metadata, group) for group in range(metadata.num_row_groups)]
        checksums = struct.pack(f"<{len(sums)}I", *sums)
        start = stream.seek(-metadata.serialized_size - _TAIL.size, 2)
        footer = stream.read()
        stream.seek(start)
        stream.write(checksums + _SEAL.pack(len(sums), zlib.crc32(checksums + footer), _MAGIC) + footer)


def read_seal(path: Path) -> tuple[int, ...]:
    """Returns the checksums of the row groups, after comparing that of the footer.

    Raises:
        DataFormatError: Truncated, damaged, or not a sealed Parquet file.
        OSError: The file cannot be opened.
    """
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
        tail = _read_before(stream, size, _TAIL.size)
        if not tail.endswith(b"PAR1") or len(tail) < _TAIL.size:
            raise DataFormatError(path, "end of the file", repr(tail[-4:]), "b'PAR1' (the file is truncated, or not Parquet)")
        footer = _read_before(stream, size, _TAIL.unpack(tail)[0] + _TAIL.size)
        head = _read_before(stream, size - len(footer), _SEAL.size)
        if not head.endswith(_MAGIC) or len(head) < _SEAL.size:
            raise DataFormatError(path, "seal before the footer", "none", "a Parquet file written by hgcae, undamaged")
        groups, expected, _ = _SEAL.unpack(head)
        checksums = _read_before(stream, size - len(footer) - len(head), 4 * groups)
    found = zlib.crc32(checksums + footer)
    if found != expected or len(checksums) != 4 * groups:
        raise DataFormatError(path, "footer", f"checksum {found:08x} (damaged)", f"checksum {expected:08x}")
    return struct.unpack(f"<{groups}I", checksums)


def row_group_checksum(stream: BinaryIO, metadata: pq.FileMetaData, group: int) -> int:
    """Returns the CRC-32 of the bytes of a row group: its column chunks, page headers included, one behind the other.

    Raises:
        ValueError: The bytes are not in the file.
    """
    row_group = metadata.row_group(group)
    columns = [row_group.column(i) for i in range(row_group.num_columns)]
    first = columns[0]
    start = first.dictionary_page_offset if first.has_dictionary_page else first.data_page_offset
    length, size = sum(column.total_compressed_size for column in columns), stream.seek(0, 2)
    if not 0 <= start <= start + length <= size:
        msg = f"{length} bytes from {start} in a file of {size}"
        raise ValueError(msg)
    stream.seek(start)
    return zlib.crc32(stream.read(length))


def _read_before(stream: BinaryIO, end: int, length: int) -> bytes:
    """Reads the `length` bytes before the position `end`, or what there is of them."""
    start = max(end - length, 0)
    stream.seek(start)
    return stream.read(end - start)
