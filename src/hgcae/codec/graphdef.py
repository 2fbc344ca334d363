"""Reads frozen TensorFlow graphs without TensorFlow: the protocol-buffer wire format, and of `GraphDef` what constant graphs hold.

Sources: protobuf.dev/programming-guides/encoding; field numbers of tensorflow/core/framework/{graph,node_def,attr_value,tensor,
tensor_shape,types}.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.reading.files import read_regular

MOST_BYTES = 2**26
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT = 10
"""Longest varint, bytes."""
_FLOAT, _INT32 = 1, 3
"""Types of `DataType` that are read."""


class Field(NamedTuple):
    """One field of a message: its number, its wire type, and a varint or the bytes."""

    number: int
    wire: int
    value: Any


@dataclass(frozen=True)
class Node:
    """A node of a graph.

    Args:
        name: Its name.
        op: Name of its operation.
        inputs: Names of the nodes it takes.
        attributes: Tensors, lists of integers, shapes (-1 = unknown), texts and integers by name; others are left out.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)


def read_graph(path: str | Path) -> dict[str, Node]:
    """Returns the nodes of a graph by name, in the order of the file.

    Raises:
        DataFormatError: Damaged, larger than `MOST_BYTES`, or not a graph.
        OSError: The file cannot be opened.
    """
    data = read_regular(path, MOST_BYTES)
    nodes: dict[str, Node] = {}
    try:
        for entry in _fields(data):
            if entry.number == 1:
                node = _node(_message(entry))
                if node.name in nodes:
                    msg = f"the name {node.name!r} twice"
                    raise _DamageError(msg)
                nodes[node.name] = node
    except _DamageError as error:
        raise DataFormatError(path, f"node {len(nodes)}", str(error), "a TensorFlow graph") from None
    if not nodes:
        raise DataFormatError(path, "contents", f"{len(data)} bytes without a node", "a TensorFlow graph")
    return nodes


class _DamageError(ValueError):
    """What is wrong with the bytes."""


def _fields(data: bytes) -> Iterator[Field]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield Field(number, wire, value)
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in _SIZES:
            size = _SIZES[wire]
        else:
            msg = f"wire type {wire}"
            raise _DamageError(msg)
        if number == 0 or at + size > len(data):
            msg = f"field {number} of {size} bytes where {len(data) - at} are left"
            raise _DamageError(msg)
        yield Field(number, wire, data[at : at + size])
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_MAX_VARINT):
        if at + i >= len(data):
            break
        value |= (data[at + i] & 0x7F) << (7 * i)
        if data[at + i] < 0x80:
            # Negative numbers are sent as 64-bit two's complement.
            return value - (1 << 64) if value >> 63 else value, at + i + 1
    msg = "a varint without end"
    raise _DamageError(msg)


def _message(entry: Field) -> list[Field]:
    if entry.wire != _BYTES:
        msg = f"field {entry.number} with wire type {entry.wire}"
        raise _DamageError(msg)
    return list(_fields(entry.value))


def _text(entry: Field) -> str:
    try:
        return entry.value.decode("utf-8")
    except (AttributeError, UnicodeDecodeError):
        msg = f"field {entry.number} without text"
        raise _DamageError(msg) from None


def _node(fields: list[Field]) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: []}
    attributes: dict[str, Any] = {}
    for entry in fields:
        if entry.number in texts:
            texts[entry.number].append(_text(entry))
        elif entry.number == 5:
            pair = {part.number: part for part in _message(entry)}
            if set(pair) != {1, 2}:
                msg = "an attribute without name or value"
                raise _DamageError(msg)
            value = _attribute(_message(pair[2]))
            if value is not None:
                attributes[_text(pair[1])] = value
    if len(texts[1]) != 1 or len(texts[2]) != 1:
        msg = "a node without name or operation"
        raise _DamageError(msg)
    return Node(texts[1][0], texts[2][0], tuple(texts[3]), attributes)


def _attribute(fields: list[Field]) -> Any:
    """Returns the value of an attribute; None for kinds that are not read."""
    for entry in fields:
        if entry.number == 8:
            return _tensor(_message(entry))
        if entry.number == 7:
            return _shape(_message(entry))
        if entry.number == 1:
            return [number for part in _message(entry) if part.number == 3 for number in _integers(part)]
        if entry.number == 2:
            return _text(entry)
        if entry.number == 3:
            return _integers(entry)[0]
    return None


def _integers(entry: Field) -> list[int]:
    """Returns a repeated integer, packed or not."""
    if entry.wire == _VARINT:
        return [entry.value]
    if entry.wire != _BYTES:
        msg = f"integers with wire type {entry.wire}"
        raise _DamageError(msg)
    values, at = [], 0
    while at < len(entry.value):
        value, at = _varint(entry.value, at)
        values.append(value)
    return values


def _shape(fields: list[Field]) -> tuple[int, ...]:
    sizes = []
    for entry in fields:
        if entry.number == 2:
            sizes += [part.value for part in _message(entry) if part.number == 1 and part.wire == _VARINT] or [0]
    return tuple(sizes)


def _tensor(fields: list[Field]) -> NDArray[Any]:
    """Returns a tensor of float32 or int32, whose numbers lie side by side or, few integers, one by one."""
    kind, shape, content, integers = 0, (), None, []
    for entry in fields:
        if entry.number == 1 and entry.wire == _VARINT:
            kind = entry.value
        elif entry.number == 2:
            shape = _shape(_message(entry))
        elif entry.number == 4 and entry.wire == _BYTES:
            content = entry.value
        elif entry.number == 7:
            integers += _integers(entry)
    if kind not in {_FLOAT, _INT32}:
        msg = f"a tensor of type {kind}"
        raise _DamageError(msg)
    dtype = np.dtype("<f4" if kind == _FLOAT else "<i4")
    try:
        values = np.array(integers, dtype=dtype) if content is None else np.frombuffer(content, dtype=dtype)
        array = values.reshape(shape)
    except (OverflowError, ValueError) as error:
        raise _DamageError(error) from None
    if not np.isfinite(array).all():
        msg = "numbers that are not finite"
        raise _DamageError(msg)
    return array
