"""What files are."""

from __future__ import annotations

import os
import socket

import pytest

from hgcae.errors import DataFormatError
from hgcae.reading.files import open_regular, read_regular


def test_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"content")
    with open_regular(tmp_path / "a") as stream:
        assert stream.read() == b"content"
    assert read_regular(tmp_path / "a", 7) == b"content"
    with pytest.raises(DataFormatError, match="a: size: found more than 6 bytes"):
        read_regular(tmp_path / "a", 6)


def test_pipes_sockets_and_devices_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "socket", "a socket"), ("/dev/null", "a device")):
            with pytest.raises(DataFormatError, match=f"file: found {kind}, expected a regular file"):
                open_regular(path)


def test_folders_and_what_is_missing(tmp_path):
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    with pytest.raises(DataFormatError, match="a zero byte"):
        open_regular("a\0b")


@pytest.mark.parametrize("first", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"BZh9", b"PK\x03\x04"])
def test_compressed_files_are_named(tmp_path, first):
    (tmp_path / "a").write_bytes(first + bytes(20))
    with pytest.raises(DataFormatError, match="content: found a file compressed by .*, expected an uncompressed one"):
        open_regular(tmp_path / "a")
    if first.startswith(b"PK"):
        open_regular(tmp_path / "a", is_zip=True).close()
