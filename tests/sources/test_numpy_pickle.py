"""A pickle is data here: whatever it asks to run does not run."""

from __future__ import annotations

import builtins
import collections
import functools
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hgcae.errors import DataFormatError
from hgcae.sources import numpy_pickle

GOLDEN = Path(__file__).parents[1] / "golden"


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


def load(tmp_path: Path, content: bytes) -> dict:
    path = tmp_path / "hostile.pickle"
    path.write_bytes(content)
    return numpy_pickle.load(path)


@pytest.fixture
def trap(tmp_path):
    """A file that a hostile pickle would create."""
    return tmp_path / "trap"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, f"{os.name}.system"),
        (builtins.eval, "eval"),
        (builtins.exec, "exec"),
        (builtins.open, "open"),
        (builtins.getattr, "getattr"),
        (builtins.print, "print"),
        (subprocess.Popen, "Popen"),
        (functools.partial, "functools.partial"),
        (np.load, "numpy.load"),
        (np.save, "numpy.save"),
        (np.memmap, "numpy.*memmap"),
        (np.fromfile, "fromfile"),
        (np.random.default_rng, "default_rng"),
        (np.f2py.run_main, "run_main"),
    ],
)
def test_nothing_is_called(tmp_path, trap, protocol, function, name):
    call = Call(function, f"touch {trap}")
    for content in (call, {"digi": call}, {"digi": [np.ones(3), (1, call)]}, {call: 1}):
        with pytest.raises(DataFormatError, match=f"hostile.pickle: pickle: found the global .*{name}, expected a pickle of plain values"):
            load(tmp_path, pickle.dumps(content, protocol))
    assert not trap.exists()


@pytest.mark.parametrize(
    "value",
    [
        np.array([None, "a"]),
        np.array([Call(os.system, "true")]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.array(["2020-01-01"], "M8[D]"),
        np.array([1j]),
        np.zeros(2, [("a", "f4"), ("b", "O")]),
        np.zeros(2, "V4"),
        np.float64(3),
        np.dtype("f4").type,
        np.array([[1]]).view(np.matrix),
        np.rec.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
        np.ma.array([1], mask=[True]),
        collections.OrderedDict(a=1),
        Path("a"),
        {1},
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)
@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
def test_other_objects_are_refused(tmp_path, value, protocol):
    """Even as a part, even where all names are known."""
    with pytest.raises(DataFormatError, match=r"pickle: found (the global|the array type|the instruction|a)"):
        load(tmp_path, pickle.dumps({"digi": value}, protocol))


def program(*instructions: bytes) -> bytes:
    return b"\x80\x04" + b"".join(instructions) + b"."


def text(value: str) -> bytes:
    return pickle.SHORT_BINUNICODE + bytes([len(value)]) + value.encode()


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


def number(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


DTYPE = name("numpy", "dtype") + text("f4") + pickle.NEWFALSE + pickle.NEWTRUE + pickle.TUPLE3 + pickle.REDUCE
EMPTY = (
    name("numpy._core.multiarray", "_reconstruct") + name("numpy", "ndarray") + number(0) + pickle.TUPLE1 + pickle.SHORT_BINBYTES + b"\x01b"
)
EMPTY += pickle.TUPLE3 + pickle.REDUCE


def state(shape: bytes, dtype: bytes, data: bytes) -> bytes:
    return pickle.MARK + number(1) + shape + dtype + pickle.NEWFALSE + data + pickle.TUPLE + pickle.BUILD


def fields(size: int, offset: int) -> bytes:
    """The state of a structured type of that size whose only field, a float32, lies at that offset."""
    field = pickle.EMPTY_DICT + text("a") + DTYPE + number(offset) + pickle.TUPLE2 + pickle.SETITEM
    parts = [number(3), text("|"), pickle.NONE, text("a") + pickle.TUPLE1, field, number(size), number(1), number(16)]
    return pickle.MARK + b"".join(parts) + pickle.TUPLE + pickle.BUILD


TWINS = pickle.NONE + (pickle.DUP + pickle.TUPLE2) * 60
"""A tuple that holds twice what holds twice, and so on: 2^60 values in a few bytes."""
STRUCTURE = DTYPE.replace(b"\x02f4", b"\x02V8")
FOUR_BYTES = pickle.SHORT_BINBYTES + b"\x04abcd"
ONE = number(1) + pickle.TUPLE1


def twofold(depth: int) -> bytes:
    """A structured type of eight bytes with two equal fields, each of which is such a type, and so on."""
    part = pickle.BINGET + b"\x09" + number(0) + pickle.TUPLE2
    both = pickle.EMPTY_DICT + text("a") + part + pickle.SETITEM + text("b") + part + pickle.SETITEM
    names = text("a") + text("b") + pickle.TUPLE2
    parts = [number(3), text("|"), pickle.NONE, names, both, number(8), number(1), number(16)]
    build = pickle.POP + STRUCTURE + pickle.MARK + b"".join(parts) + pickle.TUPLE + pickle.BUILD + pickle.BINPUT + b"\x09"
    return DTYPE + pickle.BINPUT + b"\x09" + build * depth


HOSTILE = {
    "content shorter than the shape": EMPTY + state(number(2) + pickle.TUPLE1, DTYPE, FOUR_BYTES),
    "huge shape": EMPTY + state(number(2**31 - 1) * 3 + pickle.TUPLE3, DTYPE, FOUR_BYTES),
    "negative shape": EMPTY + state(number(-1) + number(-1) + pickle.TUPLE2, DTYPE, FOUR_BYTES),
    "shape that is no tuple": EMPTY + state(number(1), DTYPE, FOUR_BYTES),
    "content as a list of objects": EMPTY + state(ONE, DTYPE, pickle.EMPTY_LIST + name("os", "system") + pickle.APPEND),
    "content as text": EMPTY + state(ONE, DTYPE, text("abcd")),
    "type that is none": EMPTY + state(ONE, text("f4"), FOUR_BYTES),
    "field outside its structure": EMPTY + state(ONE, STRUCTURE + fields(8, 6), pickle.SHORT_BINBYTES + b"\x08abcdefgh"),
    "field before its structure": EMPTY + state(ONE, STRUCTURE + fields(8, -4), pickle.SHORT_BINBYTES + b"\x08abcdefgh"),
    "structure of negative size": EMPTY + state(ONE, STRUCTURE + fields(-8, 0), FOUR_BYTES),
    "call of ndarray": name("numpy", "ndarray") + ONE + pickle.REDUCE,
    "new ndarray": name("numpy", "ndarray") + ONE + pickle.NEWOBJ,
    "state for a function": name("numpy._core.multiarray", "_reconstruct") + pickle.EMPTY_DICT + pickle.BUILD,
    "attributes for a function": name("_codecs", "encode") + pickle.NONE + pickle.EMPTY_DICT + text("_function") + DTYPE + pickle.SETITEM
    + pickle.TUPLE2 + pickle.BUILD,
    "part of a name": name("numpy", "ndarray.tofile"),
    "another encoding": name("_codecs", "encode") + text("a") + text("zlib") + pickle.TUPLE2 + pickle.REDUCE,
    "bytes of an object": b"c__builtin__\nbytes\n" + number(10**9) + pickle.TUPLE1 + pickle.REDUCE,
    "class with arguments": b"(" + text("true") + b"ios\nsystem\n",
    "object": b"(" + name("os", "system") + text("true") + pickle.OBJ,
    "persistent object": text("a") + pickle.BINPERSID,
    "registered extension": pickle.EXT1 + b"\x01",
    "buffer from outside": pickle.NEXT_BUFFER,
    "far place of memory": pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f",
    "long program": (pickle.NONE + pickle.POP) * 20_000 + pickle.NONE,
    "tuple of two to the power of 60 values as key": pickle.EMPTY_DICT + TWINS + pickle.NONE + pickle.SETITEM,
    "tuple of two to the power of 60 values in a set": pickle.EMPTY_SET + pickle.MARK + TWINS + pickle.ADDITEMS,
    "shape of two to the power of 60 values": EMPTY + state(TWINS, DTYPE, FOUR_BYTES),
    "field name of two to the power of 60 values": EMPTY + state(ONE, STRUCTURE + pickle.MARK + number(3) + text("|") + pickle.NONE + TWINS
    + pickle.EMPTY_DICT + number(8) + number(1) + number(16) + pickle.TUPLE + pickle.BUILD, FOUR_BYTES),
    "structure of two to the power of 40 fields": EMPTY + state(ONE, twofold(40), pickle.SHORT_BINBYTES + b"\x08abcdefgh"),
    "elements without bytes": EMPTY + state(number(2**31 - 1) + pickle.TUPLE1, DTYPE.replace(b"\x02f4", b"\x02V0"), FOUR_BYTES),
    "the same text made bytes again and again": pickle.EMPTY_LIST + name("_codecs", "encode") + pickle.BINPUT + b"\x00" + text("a" * 255)
    + pickle.BINPUT + b"\x01" + text("latin1") + pickle.BINPUT + b"\x02"
    + (pickle.BINGET + b"\x00" + pickle.BINGET + b"\x01" + pickle.BINGET + b"\x02" + pickle.TUPLE2 + pickle.REDUCE) * 999 + pickle.POP,
    "two equal keys": pickle.EMPTY_DICT + (text("a") + pickle.NONE + pickle.SETITEM) * 2,
    "two equal keys at once": pickle.EMPTY_DICT + pickle.MARK + (text("a") + pickle.NONE) * 2 + pickle.SETITEMS,
    "two equal keys of Python 2 and 3": pickle.MARK + b"U\x01aN" + text("a") + pickle.NONE + pickle.DICT,
    "a number as key": pickle.EMPTY_DICT + number(1) + pickle.NONE + pickle.SETITEM,
    "deep tuple as key": pickle.EMPTY_DICT + pickle.EMPTY_TUPLE + pickle.TUPLE1 * 10**6 + pickle.NONE + pickle.SETITEM,
    "empty stack": pickle.REDUCE,
    "large bytes": pickle.BINBYTES8 + struct.pack("<Q", 2**62),
    "large bytearray": pickle.BYTEARRAY8 + struct.pack("<Q", 2**40),
    "large frame": pickle.FRAME + struct.pack("<Q", 2**62) + pickle.NONE,
}  # fmt: skip


@pytest.mark.parametrize("instructions", HOSTILE.values(), ids=HOSTILE)
def test_hand_made_pickles(tmp_path, instructions):
    with pytest.raises(DataFormatError, match="hostile.pickle: pickle: found "):
        load(tmp_path, program(pickle.EMPTY_DICT, text("digi"), instructions, pickle.SETITEM))


def test_the_tools_of_the_hand_made_pickles_work(tmp_path):
    """So that the pickles above are refused for what they say, not for a slip in them."""
    four = load(tmp_path, program(pickle.EMPTY_DICT, text("digi"), EMPTY, state(ONE, DTYPE, FOUR_BYTES), pickle.SETITEM))["digi"]
    np.testing.assert_array_equal(four, np.frombuffer(b"abcd", "f4"))
    structure = EMPTY + state(ONE, STRUCTURE + fields(8, 4), pickle.SHORT_BINBYTES + b"\x08abcdefgh")
    array = load(tmp_path, program(pickle.EMPTY_DICT, text("digi"), structure, pickle.SETITEM))["digi"]
    np.testing.assert_array_equal(array["a"], np.frombuffer(b"efgh", "f4"))


def test_structures_within_structures_are_read(tmp_path):
    content = EMPTY + state(ONE, twofold(3), pickle.SHORT_BINBYTES + b"\x08abcdefgh")
    array = load(tmp_path, program(pickle.EMPTY_DICT, text("digi"), content, pickle.SETITEM))["digi"]
    assert array["a"]["b"]["a"].tobytes() == b"abcd"


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("more", [pickle.dumps({"digi": 2}), b"\n", b"\0"])
def test_nothing_may_follow_the_first_object(tmp_path, protocol, more):
    with pytest.raises(DataFormatError, match="bytes behind the end of the first object, as of several objects in one file"):
        load(tmp_path, pickle.dumps({"digi": 1}, protocol) + more)


def of_python_2(array, protocol: int) -> bytes:
    """The pickle of {"digi": array} as Python 2.7 with NumPy 1.16 writes it, where names and bytes are one type.

    Source: cPickle.c of Python 2.7, `save_str`; `array_reduce` and `arraydescr_reduce` of NumPy 1.16.
    """

    def string(value: bytes) -> bytes:
        if protocol == 0:
            return b"S" + repr(value)[1:].encode() + b"\n"
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value

    def whole(value: int) -> bytes:
        return f"I{value}\n".encode() if protocol == 0 else b"J" + struct.pack("<i", value)

    def kind(dtype) -> bytes:
        call = b"cnumpy\ndtype\n(" + string(dtype.str[1:].encode()) + whole(0) + whole(1) + b"tR("
        if dtype.names is None:
            return call + whole(3) + string(dtype.str[:1].encode()) + b"NNN" + whole(-1) + whole(-1) + whole(0) + b"tb"
        names = b"(" + b"".join(string(name.encode()) for name in dtype.names) + b"t"
        parts = b"".join(string(name.encode()) + b"(" + kind(dtype[name]) + whole(dtype.fields[name][1]) + b"t" for name in dtype.names)
        return call + whole(3) + string(b"|") + b"N" + names + b"(" + parts + b"d" + whole(dtype.itemsize) + whole(1) + whole(16) + b"tb"

    start = b"\x80\x02" if protocol == 2 else b""
    shape = b"(" + b"".join(map(whole, array.shape)) + b"t"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + whole(0) + b"t" + string(b"b") + b"tR"
    content = b"(" + whole(1) + shape + kind(array.dtype) + whole(0) + string(array.tobytes()) + b"tb"
    return start + b"(" + string(b"digi") + made + content + b"d."


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize(
    "array",
    [np.arange(24.0).reshape(2, 3, 4), np.arange(256, dtype=np.uint8), np.zeros((0, 4), ">i2"), np.ones(3, [("a", "f4"), ("b", ">i2")])],
)
def test_pickles_of_python_2_are_read(tmp_path, array, protocol):
    content = of_python_2(array, protocol)
    again = pickle.loads(content, encoding="latin1")["digi"]  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again, array)
    found = load(tmp_path, content)["digi"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_no_module_is_imported(tmp_path):
    module = tmp_path / "hostile_module.py"
    module.write_text(f"open({str(tmp_path / 'trap')!r}, 'w')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(DataFormatError, match="the global hostile_module.anything"):
            load(tmp_path, program(name("hostile_module", "anything")))
    finally:
        sys.path.remove(str(tmp_path))
    assert "hostile_module" not in sys.modules
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2],
        np.arange(5, dtype=">i2"),
        np.zeros((0, 4), dtype=np.float16),
        np.array(7, dtype=np.uint64),
        np.array([True, False]),
        np.zeros(3, np.dtype([("a", "f4"), ("b", [("c", ">i2", (2, 3))])], align=True)),
    ],
    ids=str,
)
def test_arrays_of_numbers_are_read(tmp_path, array, protocol):
    found = load(tmp_path, pickle.dumps({"digi": array, "again": array}, protocol))
    for name in ("digi", "again"):
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("digi-*.pickle")), ids=lambda file: file.stem)
def test_a_pickle_that_ends_early_is_refused(tmp_path, file):
    content = file.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 200)):
        with pytest.raises(DataFormatError):
            load(tmp_path, content[:length])


def test_memory_is_that_of_the_file(tmp_path):
    """Protocols 3 to 5 are read without a second copy."""
    code = (
        "import resource, sys; from hgcae.sources import numpy_pickle; peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak(); content = numpy_pickle.load(sys.argv[1]); print((peak() - before) * 1024)"
    )
    path = tmp_path / "large.pickle"
    size = 64_000_000
    for protocol in (4, 5):
        path.write_bytes(pickle.dumps({"digi": np.ones(size // 4, np.float32)}, protocol))
        grown = int(subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout)
        assert grown < 1.25 * size
