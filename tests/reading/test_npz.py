"""NumPy archives that claim more than they hold."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from hgcae.errors import DataFormatError
from hgcae.reading.npz import read_npz


def read(content: bytes, names=None):
    return read_npz(io.BytesIO(content), "a.npz", names)


def npy(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    line = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(line)) + line + data


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return stream.getvalue()


def header(shape: str = "(2,)", kind: str = "'<f8'", order: str = "False") -> str:
    return f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@given(
    array=hnp.arrays(
        hnp.integer_dtypes() | hnp.floating_dtypes(sizes=(32, 64)) | hnp.boolean_dtypes(), hnp.array_shapes(min_dims=0, min_side=0)
    )
)
def test_arrays_come_back(save, array):
    stream = io.BytesIO()
    save(stream, a=array, b=np.array(array, order="F"))
    for values in read(stream.getvalue()).values():
        assert (values.dtype, values.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(values, array)
        assert values.flags.writeable
    assert list(read(stream.getvalue(), ["b", "c"])) == ["b"]


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in ("aa.npy", "ab.npy"):
            file.writestr(name, npy(header(), bytes(16)))
    return stream.getvalue().replace(b"ab.npy", b"aa.npy")


HOSTILE = {
    "no archive": b"PK nothing",
    "more than the member": archive(a=npy(header("(10**12,)".replace("10**12", str(10**12))), bytes(16))),
    "less than the member": archive(a=npy(header("(1,)"), bytes(16))),
    "beyond all numbers": archive(a=npy(header(f"({2**62}, {2**62})"), bytes(16))),
    "negative": archive(a=npy(header("(-1, -2)"), bytes(16))),
    "no whole number": archive(a=npy(header("(2.0,)"), bytes(16))),
    "no tuple": archive(a=npy(header("2"), bytes(16))),
    "elements without bytes": archive(a=npy(header(f"({2**40},)", "'V0'"))),
    "objects": archive(a=npy(header("(2,)", "'|O'"), bytes(16))),
    "no type": archive(a=npy(header("(2,)", "'zz'"), bytes(16))),
    "another version": archive(a=npy(header(), bytes(16), (3, 0))),
    "no npy": archive(a=b"text"),
    "an expression": archive(a=npy("{'descr': ''.join(['<f8']), 'fortran_order': False, 'shape': (2,)}", bytes(16))),
    "a long expression": archive(a=npy(header("(" + "(" * 3000 + ")" * 3000 + ")"), bytes(16))),
    "a bomb": archive(a=npy(header(f"({2**26},)", "'<f8'"), bytes(2**29))),
    "an array twice": twice(),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_there_is_not_allocated(content):
    tracemalloc.start()
    with pytest.raises(DataFormatError, match="a.npz: archive: found .*, expected a whole archive of NumPy arrays"):
        read(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22
