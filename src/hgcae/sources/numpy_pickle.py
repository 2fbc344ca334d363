"""Reads NumPy arrays from a pickle without running anything that the pickle names.

A pickle is a program: it may call whatever it can import. Here every import ends in `_Unpickler.find_class`, which knows the few names
that NumPy 1 and 2 write into the pickle of a plain array, protocols 0 to 5, and answers even these with stand-ins. The stand-ins collect
shapes, types and bytes and check them before they become an array; NumPy's own `dtype.__setstate__` and `ndarray.__setstate__` trust
their argument. Object arrays, array subclasses and everything else are refused by name.

Before anything of that, the instructions are followed without values (`_Dry`): a pickle with an instruction that such a dictionary does
not need, with a key twice or a key that is no text, with more bytes than the file has, or with something behind its end, is refused.

Python 2 with NumPy up to 1.16 writes the same instructions, in which text and the bytes of arrays are of one type; it is read, too.

Sources: `array_reduce`, `array_reduce_ex_picklebuffer` and `arraydescr_reduce` in numpy/_core/src/multiarray, `_frombuffer` in
numpy/_core/numeric.py (github.com/numpy/numpy@v2.4.0); "Restricting Globals" in the documentation of Python's pickle module.
"""

from __future__ import annotations

import math
import os
import pickle
import pickletools
import re
import reprlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.reading.files import open_regular

MOST_INSTRUCTIONS = 20_000
"""A pickle of two arrays has fewer than a hundred instructions, and about fifteen more for each field of a structured array."""
_MOST_FIELDS = 1000
"""Fields of a structured array, those of its fields included."""


def load(path: str | Path) -> dict[Any, Any]:
    """Returns the dictionary in a pickle, with NumPy arrays of numbers, or of structures of numbers, and plain Python values.

    Keys are text; of Python 2, bytes in Latin-1. Values of Python 2 that are text or bytes, which nobody can tell, are bytes. Arrays share
    the memory of the bytes in the pickle, so in protocols 3 to 5 what is read takes the size of the file, once.

    Raises:
        DataFormatError: The pickle names anything else, is damaged or truncated, or does not hold a dictionary and nothing more.
        OSError: The file cannot be opened.
    """
    with open_regular(path) as file:
        stream = _Bounded(file)
        try:
            _check(stream)
            result = _Unpickler(stream).load()
        except _RefusedError as error:
            raise DataFormatError(path, "pickle", str(error), "a pickle of plain values and NumPy arrays of numbers") from None
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  bytes that are no pickle may raise anything, says the documentation of pickle
            raise DataFormatError(path, "pickle", f"{type(error).__name__}: {str(error)[:200]}", "a whole, undamaged pickle") from None
    if not isinstance(result, dict):
        raise DataFormatError(path, "pickle", f"a {_name(result)}", "a dictionary")
    return {_text(key): value.values if isinstance(value, _Array) else value for key, value in result.items()}


class _Bounded:
    """A file of which nobody gets memory for more bytes than it has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.size = file, os.fstat(file.fileno()).st_size

    def read(self, size: int = -1, /) -> bytes:
        if size > self.size - self._file.tell():
            _refuse(f"{size} bytes where {self.size - self._file.tell()} are left: it is cut off or damaged")
        return self._file.read(size)

    def readinto(self, buffer: Any, /) -> int:
        return self._file.readinto(buffer)  # type: ignore[attr-defined]  a file in binary mode has it

    def readline(self) -> bytes:
        return self._file.readline()

    def tell(self) -> int:
        return self._file.tell()

    def rewind(self) -> None:
        self._file.seek(0)


def _check(stream: Any) -> None:
    """Follows the instructions without values, so that none of them can claim all memory, the stack or all time."""
    dry = _Dry()
    for count, (instruction, argument) in enumerate(_instructions(stream)):
        place = argument if instruction.name.endswith("PUT") and isinstance(argument, int) else 0
        if max(count, place) > MOST_INSTRUCTIONS:
            _refuse(f"more than {MOST_INSTRUCTIONS} instructions or places of memory")
        dry.do(instruction, argument)
    if stream.tell() < stream.size:
        _refuse(f"{stream.size - stream.tell()} bytes behind the end of the first object, as of several objects in one file")
    stream.rewind()


def _instructions(stream: Any) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """Yields the instructions with their arguments, as `pickletools.genops` does; which takes the text of Python 2 for ASCII."""
    while True:
        instruction = _INSTRUCTIONS[stream.read(1).decode("latin1")]
        if instruction.name == "STRING":
            yield instruction, stream.readline()[1:-2]
        else:
            yield instruction, None if instruction.arg is None else instruction.arg.reader(stream)
        if instruction.name == "STOP":
            return


_INSTRUCTIONS = {instruction.code: instruction for instruction in pickletools.opcodes}
_TEXTS = frozenset(
    ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES")
)
_REFUSED = frozenset(
    ("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "EMPTY_SET", "ADDITEMS", "FROZENSET")
    + ("NEXT_BUFFER", "READONLY_BUFFER")
)
"""What no dictionary of arrays needs, and what may call or hash values."""


class _Dry:
    """The machine of a pickle, for which text is itself, a dictionary is the set of its keys, and all else is nothing."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def do(self, instruction: pickletools.OpcodeInfo, argument: Any) -> None:
        """Follows one instruction; what pickle itself refuses later is not looked at."""
        name, stack = instruction.name, self._stack
        if name in _REFUSED:
            _refuse(f"the instruction {name}")
        if name == "GLOBAL":
            _known(*argument.split(" ", 1))
        if name == "STACK_GLOBAL":
            _known(*stack[-2:])
        if name in {"PUT", "BINPUT", "LONG_BINPUT"}:
            self._memory[argument] = stack[-1]
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = stack[-1]
        elif name in {"GET", "BINGET", "LONG_BINGET"}:
            stack.append(self._memory[argument])
        elif name in {"SETITEM", "SETITEMS", "DICT"}:
            parts = self._pop(instruction)
            keys = set() if name == "DICT" else parts.pop(0)
            for key in parts[::2]:
                self._add(keys, key)
            stack.append(keys)
        else:
            taken = self._pop(instruction)
            kept = [argument] if name in _TEXTS else [set()] if name == "EMPTY_DICT" else [None] * len(instruction.stack_after)
            stack.extend([_MARK] if name == "MARK" else taken * 2 if name == "DUP" else taken[:1] if name in _CHANGES else kept)

    def _pop(self, instruction: pickletools.OpcodeInfo) -> list[Any]:
        """Takes from the stack what an instruction takes, without the mark."""
        wanted, taken = instruction.stack_before, []
        if pickletools.stackslice in wanted:
            while self._stack and (part := self._stack.pop()) is not _MARK:
                taken.append(part)
            wanted = wanted[: wanted.index(pickletools.markobject)]
        taken += [self._stack.pop() for _ in wanted if self._stack]
        return taken[::-1]

    @staticmethod
    def _add(keys: set[str] | None, key: object) -> None:
        if not isinstance(key, str | bytes):
            _refuse("a key that is no text")
        name = _text(key)
        if keys is None or name in keys:
            _refuse(f"the key {reprlib.repr(name)} twice")
        keys.add(name)


_MARK = object()
_CHANGES = frozenset(("BUILD", "APPEND", "APPENDS"))
"""Instructions that change what lies below what they take."""


def _text(value: str | bytes) -> str:
    """Returns the text that Python 2 writes as bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else value


class _RefusedError(Exception):
    """The pickle asks for something that is not allowed."""


def _refuse(what: str) -> NoReturn:
    raise _RefusedError(what)


def _name(value: object) -> str:
    return type(value).__name__.strip("_").lower()


class _Function:
    """A stand-in that a pickle may call, but not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> NoReturn:
        _refuse("a change of a function")


class _Type:
    """What the pickle says about a `numpy.dtype`: a code, then byte order and fields as state."""

    __slots__ = ("dtype", "n_fields")

    def __init__(self, code: str | bytes) -> None:
        if not isinstance(code, str | bytes) or not re.fullmatch(r"[biufV][0-9]{1,9}", _text(code)):
            _refuse(f"the array type {reprlib.repr(code)}")
        self.dtype, self.n_fields = np.dtype(_text(code)), 1

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, order, subarray, names, fields, size, *_ = state
        if subarray is not None:
            base, shape = subarray
            self.dtype = np.dtype((_dtype(base), _shape(shape)))
            self.n_fields = base.n_fields
        elif names is not None:
            parts = [fields[name] for name in names if isinstance(name, str | bytes)]
            formats, offsets = [_dtype(part[0]) for part in parts], [part[1] for part in parts]
            self.n_fields = sum(part[0].n_fields for part in parts)
            if len(parts) < len(names) or self.n_fields > _MOST_FIELDS:
                _refuse(f"a structure of more than {_MOST_FIELDS} fields, or without names")
            # NumPy checks that fields lie within the size.
            self.dtype = np.dtype({"names": list(map(_text, names)), "formats": formats, "offsets": offsets, "itemsize": size})
        elif order in {"<", b"<", ">", b">"}:
            self.dtype = self.dtype.newbyteorder("<" if order in {"<", b"<"} else ">")


class _Array:
    """What the pickle says about an array: nothing at first, then its content as state."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, is_fortran, data = state
        self.fill(data, kind, shape, "F" if is_fortran else "C")

    def fill(self, data: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
        """Makes the array from its bytes, once all is known to fit."""
        dtype, shape = _dtype(kind), _shape(shape)
        if (dtype.kind == "V" and not dtype.names) or not dtype.itemsize:
            _refuse(f"the array type {dtype}")
        if not isinstance(data, bytes | bytearray) or len(data) != dtype.itemsize * math.prod(shape):
            _refuse(f"an array of shape {shape} and type {dtype} whose content does not fit")
        values = np.frombuffer(data, dtype) if len(data) else np.zeros(0, dtype)
        # Memory order K: the shape and bytes are those of the array with its axes in the order of their strides.
        self.values = values.reshape(shape).transpose(axes) if order == "K" else values.reshape(shape, order=order)
        return self


def _dtype(kind: Any) -> np.dtype[Any]:
    return kind.dtype if isinstance(kind, _Type) else _refuse(f"a {_name(kind)} as array type")


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        _refuse(f"the array shape {reprlib.repr(shape)}")
    return shape


def _encoder(most: int) -> _Function:
    """Protocols 0 to 2 write bytes as text; all of it together has no more bytes than the file."""
    left = most

    def encode(text: str, encoding: str) -> bytes:
        nonlocal left
        left -= len(text)
        if encoding != "latin1" or left < 0:
            _refuse(f"text in the encoding {reprlib.repr(encoding)}, or the same text again and again")
        return text.encode("latin1")

    return _Function(encode)


def _no_bytes(*arguments: object) -> bytes:
    """Protocols 0 to 2 write empty bytes as a call of `bytes` without arguments."""
    return _refuse("a call of bytes with arguments") if arguments else b""


_DTYPE = _Function(lambda code, _align, _copy: _Type(code))
_NDARRAY = _Function(lambda *_: _refuse("a call of numpy.ndarray"))
_RECONSTRUCT = _Function(lambda _subtype, _shape, _code: _Array())
_FROM_BUFFER = _Function(lambda *arguments: _Array().fill(*arguments))

_ALLOWED = {
    ("numpy", "dtype"): _DTYPE,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): _FROM_BUFFER,
    ("_codecs", "encode"): None,
    ("__builtin__", "bytes"): _Function(_no_bytes),
}
"""All that a pickle may name; None stands for an `_encoder` of its own."""


def _known(module: object, name: object) -> None:
    if (module, name) not in _ALLOWED:
        _refuse(f"the global {module}.{name}")


class _Unpickler(pickle.Unpickler):
    """An unpickler that imports nothing."""

    def __init__(self, stream: _Bounded) -> None:
        super().__init__(stream, encoding="bytes")
        self._encode = _encoder(stream.size)

    def find_class(self, module: str, name: str) -> Any:
        _known(module, name)
        return _ALLOWED[module, name] or self._encode
