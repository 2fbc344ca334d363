"""Packing of integers into bits, most significant first, as the front-end links and the codecs of this package do it.

A row of fields with their widths becomes a row of bytes: the first field starts at the highest bit of the first byte, every field starts
where the one before it ends, and the last byte is filled up with zeros. `put` and `get` do one field, in compiled code; `pack` and
`unpack` do whole arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from hgcae.errors import DataFormatError

MAX_WIDTH = 63
"""Widest field, bits: what a signed 64-bit integer holds without its sign."""
_PACK, _UNPACK = "pack", "unpack"


@njit(cache=True, nogil=True)
def put(row: NDArray[np.uint8], at: int, value: int | np.integer, width: int) -> int:
    """Writes `width` bits of `value` into zeros at bit `at` of a row; returns where they end. Compiled, unchecked.

    Examples:
        >>> row = np.zeros(2, dtype=np.uint8)
        >>> put(row, put(row, 0, 0b101, 3), 0b1111111, 7)
        10
        >>> [f"{byte:08b}" for byte in row]
        ['10111111', '11000000']
    """
    while width > 0:
        room = 8 - (at & 7)
        taken = min(room, width)
        part = (value >> (width - taken)) & ((1 << taken) - 1)
        row[at >> 3] |= np.uint8(part << (room - taken))
        at += taken
        width -= taken
    return at


@njit(cache=True, nogil=True)
def get(row: NDArray[np.uint8], at: int, width: int) -> int:
    """Returns the `width` bits at bit `at` of a row. Compiled, unchecked.

    Examples:
        >>> get(np.array([0b10111111, 0b11000000], dtype=np.uint8), 3, 7)
        127
    """
    value = 0
    while width > 0:
        room = 8 - (at & 7)
        taken = min(room, width)
        value = (value << taken) | ((int(row[at >> 3]) >> (room - taken)) & ((1 << taken) - 1))
        at += taken
        width -= taken
    return value


def pack(values: ArrayLike, widths: ArrayLike) -> NDArray[np.uint8]:
    """Packs rows of integers into rows of bytes.

    Args:
        values: Non-negative integers; (n, k).
        widths: Bits of each, 0 to 63; (k,) for all rows or (n, k).

    Returns:
        The bytes; (n, bytes of the longest row).

    Raises:
        DataFormatError: Wrong shapes or types, or a value that does not fit its width.

    Examples:
        >>> pack([[5, 127], [1, 2]], [3, 7]).tolist()
        [[191, 192], [32, 128]]
    """
    numbers = np.asarray(values)
    if numbers.ndim != 2 or numbers.dtype.kind not in "iub":
        raise DataFormatError(_PACK, "values", f"{numbers.dtype} of shape {numbers.shape}", "integers of shape (n, k)")
    width = _widths(widths, numbers.shape)
    wrong = (numbers < 0) | (numbers > MAX_VALUES[width])
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataFormatError(_PACK, f"row {row}, field {column}", str(numbers[row, column]), f"0 to {MAX_VALUES[width[row, column]]}")
    length = int(np.asarray(widths).sum(axis=-1).max(initial=0))
    packed = np.zeros((len(numbers), -(-length // 8)), dtype=np.uint8)
    _pack(numbers.astype(np.int64), width, packed)
    return packed


def unpack(packed: NDArray[np.uint8], widths: ArrayLike) -> NDArray[np.int64]:
    """Returns the integers (n, k) that `pack` made into bytes (n, bytes); bits after the last field are not looked at.

    Args:
        packed: Rows of bytes; (n, bytes).
        widths: As given to `pack`.

    Raises:
        DataFormatError: Wrong shapes or types, or rows shorter than their fields.

    Examples:
        >>> unpack(np.array([[191, 192], [32, 128]], dtype=np.uint8), [3, 7]).tolist()
        [[5, 127], [1, 2]]
    """
    rows = np.asarray(packed)
    if rows.ndim != 2 or rows.dtype != np.uint8:
        raise DataFormatError(_UNPACK, "packed", f"{rows.dtype} of shape {rows.shape}", "uint8 of shape (n, bytes)")
    width = _widths(widths, (len(rows), np.shape(widths)[-1] if np.ndim(widths) else 0))
    length = int(np.asarray(widths).sum(axis=-1).max(initial=0))
    if length > 8 * rows.shape[1]:
        raise DataFormatError(_UNPACK, "packed", f"rows of {8 * rows.shape[1]} bits", f"at least {length}")
    values = np.zeros(width.shape, dtype=np.int64)
    _unpack(rows, width, values)
    return values


MAX_VALUES: NDArray[np.int64] = (np.uint64(1) << np.arange(MAX_WIDTH + 1, dtype=np.uint64)).astype(np.uint64).view(np.int64) - 1
"""Largest value of each width; (64,)."""


def _widths(widths: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Returns checked widths for every field; (n, k)."""
    width = np.asarray(widths)
    if width.shape not in (shape, shape[1:]) or (width.dtype.kind not in "iu" and width.size):
        raise DataFormatError(_PACK, "widths", f"{width.dtype} of shape {width.shape}", f"integers of shape {shape[1:]} or {shape}")
    if ((width < 0) | (width > MAX_WIDTH)).any():
        raise DataFormatError(_PACK, "widths", f"{width.min()} to {width.max()}", f"0 to {MAX_WIDTH} bits")
    return np.ascontiguousarray(np.broadcast_to(width.astype(np.int64), shape))


@njit(cache=True, nogil=True)
def _pack(values: NDArray[np.int64], widths: NDArray[np.int64], packed: NDArray[np.uint8]) -> None:
    for row in range(values.shape[0]):
        at = 0
        for field in range(values.shape[1]):
            at = put(packed[row], at, values[row, field], widths[row, field])


@njit(cache=True, nogil=True)
def _unpack(packed: NDArray[np.uint8], widths: NDArray[np.int64], values: NDArray[np.int64]) -> None:
    for row in range(values.shape[0]):
        at = 0
        for field in range(values.shape[1]):
            values[row, field] = get(packed[row], at, widths[row, field])
            at += widths[row, field]
