from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from contracts.sealed import damaged
from hgcae.errors import DataFormatError
from hgcae.store.arrays import check_zip, pack, read_arrays, seal_zip, unpack, write_arrays

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\\:\0", exclude_categories=["C"]), min_size=1, max_size=8).filter(
    lambda name: name not in ("header", "file")
)
SHAPES = arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
ARRAYS = st.dictionaries(NAMES, arrays_of.arrays(st.sampled_from(["f4", "i2", "u1", "f8", "?"]), SHAPES), max_size=4)
KEYS = st.text(max_size=5).filter(lambda key: key not in ("kind", "version"))
HEADER = st.dictionaries(KEYS, st.integers() | st.text(max_size=5), max_size=3)


@given(HEADER, ARRAYS, st.booleans())
def test_there_and_back(header, arrays, compress):
    data = pack("toys", 3, header, arrays, compress=compress)
    assert data == pack("toys", 3, header, arrays, compress=compress)
    found_header, found = unpack(data, "toys", 3, "file")
    assert found_header == header
    assert set(found) == set(arrays)
    for name, values in arrays.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values)


@given(ARRAYS, st.booleans(), st.data())
def test_no_damage_is_used(arrays, compress, data):
    content = bytearray(pack("toys", 3, {"a": 1}, arrays, compress=compress))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DataFormatError, match="expected toys, version 3"):
        unpack(bytes(content), "toys", 3, "file")


def test_no_damage_of_any_byte_is_used():
    for content in damaged(pack("toys", 1, {"a": 1}, {f"w/{i}": np.arange(i + 1, dtype=np.float32) for i in range(3)})):
        with pytest.raises(DataFormatError, match="expected toys, version 1"):
            unpack(content, "toys", 1, "file")


def test_files(tmp_path):
    write_arrays(tmp_path / "a.npz", "toys", 1, {"a": 1}, {"x": np.arange(3)})
    header, arrays = read_arrays(tmp_path / "a.npz", "toys", 1)
    assert (header, arrays["x"].tolist()) == ({"a": 1}, [0, 1, 2])
    with pytest.raises(DataFormatError, match=r"a\.npz: format: found toys, version 1, expected toys, version 2"):
        read_arrays(tmp_path / "a.npz", "toys", 2)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "b.npz", "toys", 1)


def test_numpy_reads_it():
    stored = np.load(io.BytesIO(pack("toys", 1, {"a": 1}, {"x": np.arange(3)})))
    np.testing.assert_array_equal(stored["x"], np.arange(3))
    assert stored["header"].tobytes() == b'{"kind": "toys", "version": 1, "a": 1}'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no checksum"),
        (b"PK", "no checksum"),
        (pack("toys", 2, {}, {}), "format: found toys, version 2, expected toys, version 1"),
        (pack("other", 1, {}, {}), "format: found other, version 1"),
    ],
)
def test_other_files(data, message):
    with pytest.raises(DataFormatError, match=message):
        unpack(data, "toys", 1, "file")


def test_sealed_files_that_pack_did_not_make():
    """Somebody else's arrays under a seal that fits: named, not read."""
    for arrays in ({}, {"header": np.zeros(3)}, {"header": np.frombuffer(b"3", np.uint8)}, {"header": np.frombuffer(b"{}", np.uint8)}):
        stream = io.BytesIO()
        np.savez(stream, **arrays)  # type: ignore[arg-type]
        with pytest.raises(DataFormatError, match="contents: found"):
            unpack(seal_zip(stream.getvalue()), "toys", 1, "file")


def test_objects_are_refused():
    with pytest.raises(DataFormatError, match="an array of objects"):
        unpack(pack("toys", 1, {}, {"a": np.array([{}], dtype=object)}), "toys", 1, "file")


def test_any_zip_can_be_sealed():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", "hello")
    data = seal_zip(stream.getvalue())
    check_zip(data, "file", "an archive")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.read("a.txt") == b"hello"
    for content in damaged(data):
        with pytest.raises(DataFormatError, match="expected an archive"):
            check_zip(content, "file", "an archive")
