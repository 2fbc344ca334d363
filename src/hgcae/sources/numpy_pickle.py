"""Reads NumPy arrays from a pickle without running anything that the pickle names.

A pickle is a program: it may call whatever it can import. Here every import ends in `_Unpickler.find_class`, which knows the few names
that NumPy 1 and 2 write into the pickle of a plain array, protocols 0 to 5, and answers even these with stand-ins. The stand-ins collect
shapes, types and bytes and check them before they become an array; NumPy's own `dtype.__setstate__` and `ndarray.__setstate__` trust
their argument. Object arrays, array subclasses and everything else are refused by name.

Sources: `array_reduce`, `array_reduce_ex_picklebuffer` and `arraydescr_reduce` in numpy/_core/src/multiarray, `_frombuffer` in
numpy/_core/numeric.py (github.com/numpy/numpy@v2.4.0); "Restricting Globals" in the documentation of Python's pickle module.
"""

from __future__ import annotations

import math
import pickle
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError

MOST_INSTRUCTIONS = 20_000
"""A pickle of two arrays has fewer than a hundred instructions, and about fifteen more for each field of a structured array."""


def load(path: str | Path) -> dict[Any, Any]:
    """Returns the dictionary in a pickle, with NumPy arrays of numbers, or of structures of numbers, and plain Python values.

    Arrays share the memory of the bytes in the pickle, so in protocols 3 to 5 what is read takes the size of the file, once.

    Raises:
        DataFormatError: The pickle names anything else, is damaged or truncated, or does not hold a dictionary.
        OSError: The file cannot be opened.
    """
    with Path(path).open("rb") as stream:
        try:
            _limit(stream)
            result = _Unpickler(stream).load()
        except _RefusedError as error:
            raise DataFormatError(path, "pickle", str(error), "a pickle of plain values and NumPy arrays of numbers") from None
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001  bytes that are no pickle may raise anything, says the documentation of pickle
            raise DataFormatError(path, "pickle", f"{type(error).__name__}: {error}", "a whole, undamaged pickle") from None
    if not isinstance(result, dict):
        raise DataFormatError(path, "pickle", f"a {_name(result)}", "a dictionary")
    return {key: value.values if isinstance(value, _Array) else value for key, value in result.items()}


def _limit(stream: BinaryIO) -> None:
    """Reads the instructions without following them, so that no wrong number in a small file can claim all memory or the stack."""
    for count, (instruction, argument, _) in enumerate(pickletools.genops(stream)):
        place = argument if instruction.name.endswith("PUT") and isinstance(argument, int) else 0
        if max(count, place) > MOST_INSTRUCTIONS:
            _refuse(f"more than {MOST_INSTRUCTIONS} instructions or places of memory")
    stream.seek(0)


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

    __slots__ = ("dtype",)

    def __init__(self, code: str) -> None:
        if not re.fullmatch(r"[biufV][0-9]{1,9}", code):
            _refuse(f"the array type {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, order, subarray, names, fields, size, *_ = state
        if subarray is not None:
            base, shape = subarray
            self.dtype = np.dtype((_dtype(base), _shape(shape)))
        elif names is not None:
            # NumPy checks that fields lie within the size.
            formats, offsets = [_dtype(fields[name][0]) for name in names], [fields[name][1] for name in names]
            self.dtype = np.dtype({"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size})
        elif order in {"<", ">"}:
            self.dtype = self.dtype.newbyteorder(order)


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
        if dtype.kind == "V" and not dtype.names:
            _refuse(f"the array type {dtype}")
        if not isinstance(data, bytes | bytearray) or len(data) != dtype.itemsize * math.prod(shape):
            _refuse(f"an array of shape {shape} and type {dtype} whose content does not fit")
        values = np.frombuffer(data, dtype) if len(data) else np.zeros(math.prod(shape), dtype)
        # Memory order K: the shape and bytes are those of the array with its axes in the order of their strides.
        self.values = values.reshape(shape).transpose(axes) if order == "K" else values.reshape(shape, order=order)
        return self


def _dtype(kind: Any) -> np.dtype[Any]:
    return kind.dtype if isinstance(kind, _Type) else _refuse(f"a {_name(kind)} as array type")


def _shape(shape: Any) -> tuple[int, ...]:
    if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
        _refuse(f"the array shape {shape!r}")
    return shape


def _encode(text: str, encoding: str) -> bytes:
    """Protocols 0 to 2 write bytes as text."""
    return text.encode("latin1") if encoding == "latin1" else _refuse(f"text in the encoding {encoding!r}")


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
    ("_codecs", "encode"): _Function(_encode),
    ("__builtin__", "bytes"): _Function(_no_bytes),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that imports nothing."""

    def find_class(self, module: str, name: str) -> Any:
        return _ALLOWED.get((module, name)) or _refuse(f"the global {module}.{name}")
