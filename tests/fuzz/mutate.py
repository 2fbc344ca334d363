"""Changes of files: of their bytes, of their text, of the values in JSON, and of the members of zip files."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

NUMBERS = (
    *("0", "-1", "1", "00", "007", "1e400", "-1e400", "1e-400", "nan", "inf", "-inf", ".inf", "0x7fffffff", "1:30", "1_000", "٣", "²"),
    *(str(sign * 2**power + more) for power in (7, 8, 15, 16, 31, 32, 53, 62, 63, 64, 128) for sign in (1, -1) for more in (-1, 0, 1)),
    *("9" * 20, "9" * 400, "9" * 5000, "0." + "3" * 400, "1" + "0" * 30 + ".5"),
)
"""Numbers that are none, or that few types hold."""
WORDS = (
    *(
        "",
        " ",
        "\x00",
        "\x1b[31m",
        "\x7f",
        "\u202e",
        "\ud7ff",
        "\ufeff",
        "é",
        "\r",
        "\n",
        "\t",
        '"',
        "'",
        "\\",
        ",",
        ";",
        ":",
        "{",
        "}",
        "[",
        "]",
    ),
    *(
        "null",
        "true",
        "yes",
        "~",
        "&a [*a]",
        "*a",
        "&a ",
        "<<: ",
        "<<: *a",
        "!!python/object:os.system ",
        "!!binary a",
        "!!set {a}",
        "? [a]\n: b",
    ),
    *("!!int x", "!!float x", "2018-13-45", "2018-10-17", "010", "...", "---\n", "%TAG ! x", "|\n", "> ", "#", "[" * 2000, "{a: " * 500),
    *("{" * 3, "\\ud800", '"\\ud800"', "x" * 5000, "x" * 140_000, "../" * 50, "~nobody/x", "/dev/zero", "a" + "\x00" + "b", "None", "True"),
)
"""Text that means something somewhere."""
_INTEGERS = (
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    2**15 - 1,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
    -(2**31),
    -(2**63),
)
_TOKEN = re.compile(r"[-+]?[0-9][-+0-9.eExXa-fA-F]*")
Random = random.Random


def of_bytes(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes a few bytes, or many at once."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        at = rng.randrange(len(changed) + 1)
        end = min(at + rng.choice((1, 2, 4, 8, 30, 1000)), len(changed))
        kind = rng.randrange(10)
        if kind <= 1 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            changed[at:end] = rng.randbytes(end - at)
        elif kind == 3:
            changed[at:at] = rng.randbytes(rng.choice((1, 4, 100)))
        elif kind == 4:
            del changed[at:end]
        elif kind == 5:
            changed[at:at] = changed[at:end] * rng.choice((1, 2, 50))
        elif kind == 6:
            del changed[at:]
        elif kind == 7:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            changed[at:end] = other[start : start + rng.choice((8, 100, 10**6))]
        elif kind == 8:
            value, width = rng.choice(_INTEGERS), rng.choice((1, 2, 4, 8))
            changed[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
        else:
            changed[at:end] = bytes([rng.choice((0, 255, 128))]) * (end - at)
    return bytes(changed)


def of_text(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes numbers, words and lines."""
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind, lines = rng.randrange(8), text.split("\n")
        row = rng.randrange(len(lines))
        tokens = list(_TOKEN.finditer(text))
        if kind <= 2 and tokens:
            token = rng.choice(tokens)
            text = text[: token.start()] + rng.choice(NUMBERS) + text[token.end() :]
            continue
        if kind == 3:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(WORDS) + text[at + rng.choice((0, 0, 1, 5)) :]
            continue
        if kind == 4:
            lines.insert(row, rng.choice(lines))
        elif kind == 5:
            del lines[row]
        elif kind == 6:
            other = rng.choice(others).decode("utf-8", "surrogateescape").split("\n")
            lines.insert(row, rng.choice(other))
        else:
            lines[row] = rng.choice((" ", "  ", "\t", "- ", "? ", ": ")) + lines[row]
        text = "\n".join(lines)
    return text.encode("utf-8", "surrogateescape")


def of_json(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes a value in JSON for another one, removes or moves it."""
    try:
        values = json.loads(data)
        other = json.loads(rng.choice(others))
    except ValueError:
        return of_text(data, others, rng)
    for _ in range(rng.choice((1, 1, 2, 5))):
        values = _changed(values, other, rng)
    return json.dumps(values).encode()


def _changed(values: Any, other: Any, rng: Random) -> Any:
    if isinstance(values, dict) and values and rng.random() < 0.9:
        key = rng.choice(list(values))
        kind = rng.randrange(8)
        if kind == 0:
            return {name: value for name, value in values.items() if name != key}
        if kind == 1:
            return values | {rng.choice(("", "x", "\x1b[2J", key + "s")): values[key]}
        return values | {key: _changed(values[key], other, rng)}
    if isinstance(values, list) and values and rng.random() < 0.9:
        at = rng.randrange(len(values))
        more = rng.choice(
            ([], [values[at]] * 2, [values[at]] * 1000, [_changed(values[at], other, rng)], [_changed(values[at], other, rng)])
        )
        return values[:at] + more + values[at + 1 :]
    numbers = (0, 1, -1, 0.5, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 10**400, float("nan"), float("inf"))
    plain = (None, True, "", "x", "\x1b[31m", "é" * 50, [], {}, [[]], [values], {"x": values}, other)
    return rng.choice((*numbers, *plain))


def of_zip(inner: Callable[..., bytes]) -> Callable[[bytes, Sequence[bytes], Random], bytes]:
    """Returns a change of a member, whose checksum is put right, or of the list of members."""

    def change(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = {name: file.read(name) for name in file.namelist()}
        name, kind = rng.choice(list(members)), rng.randrange(12)
        packed = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        if kind == 0:
            del members[name]
        elif kind == 1:
            members[rng.choice(("x.npy", "x", "", "../x.npy", name + ".npy"))] = members.pop(name)
        elif kind == 2:
            members[name] = members[rng.choice(list(members))]
        elif kind == 3:
            members[name] += bytes(rng.choice((1, 8, 2**20, 2**27)) if rng.random() < 0.2 else 8)
        else:
            members[name] = inner(members[name], list(members.values()), rng)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", packed) as file:
            for key, content in members.items():
                file.writestr(zipfile.ZipInfo(key), content, packed)
        return stream.getvalue()

    return change


def of_npy(data: bytes, others: Sequence[bytes], rng: Random) -> bytes:
    """Changes the header of an array, or its numbers."""
    if rng.random() < 0.4 or data[:6] != b"\x93NUMPY":
        return of_bytes(data, others, rng)
    size = struct.unpack("<H", data[8:10])[0]
    header, content = data[10 : 10 + size].decode("latin1"), data[10 + size :]
    if rng.random() < 0.3:
        kinds = ("<f8", "<i8", ">i2", "|b1", "|O", "<U9", "<M8[s]", "V0", "<c16", "<f2", "|S1", "<i1024", "(2,)f4", "zz")
        header = re.sub(r"'descr': '[^']*'", f"'descr': '{rng.choice(kinds)}'", header)
    elif rng.random() < 0.5:
        sizes = ", ".join(str(rng.choice((0, 1, 2, 3, 17, -1, 2**20, 2**31, 2**40, 2**62))) for _ in range(rng.randrange(5)))
        header = re.sub(r"'shape': \([^)]*\)", f"'shape': ({sizes}{',' if sizes else ''})", header)
    else:
        header = of_text(header.encode(), [header.encode()], rng).decode("latin1")
    line = header.encode("utf-8", "replace")[: 2**16 - 1]
    return data[:8] + struct.pack("<H", len(line)) + line + content
