"""Encoders in plain Python integers and fractions, written from docs/integers.md alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any


def nearest(value: Fraction) -> int:
    """To the nearest integer, ties to even, as Python rounds fractions."""
    return round(value)


def clip(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def encode(encoder: Mapping[str, Any], unit: Sequence[Sequence[int]]) -> list[int]:
    """The integers of the code of a unit: children, and the integers of each."""
    return (conserving if encoder["kind"] == "conserving" else plain)(encoder, unit)


def network(layers: Sequence[Mapping[str, Any]], x: list[int]) -> list[int]:
    for layer in layers:
        sums = [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(layer["kernel"], layer["bias"], strict=True)]
        x = [
            clip(nearest(Fraction(total) / Fraction(2) ** shift), layer["low"], layer["high"])
            for total, shift in zip(sums, layer["shift"], strict=True)
        ]
    return x


def plain(encoder: Mapping[str, Any], unit: Sequence[Sequence[int]]) -> list[int]:
    tables = encoder["tables"]
    inputs = [number for child in unit for number in child]
    x = [clip(nearest(k * Fraction(s)), tables["low"], tables["high"]) for k, s in zip(inputs, tables["scale"], strict=True)]
    return network(encoder["layers"], x)


def conserving(encoder: Mapping[str, Any], unit: Sequence[Sequence[int]]) -> list[int]:
    tables = encoder["tables"]
    scale = Fraction(tables["scale"])
    sums = [tables["below"][child[0]] if tables["below"] else nearest(child[0] * scale) for child in unit]
    sums = [s * w // 64 for s, w in zip(sums, tables["weight"], strict=True)]
    total = sum(sums)
    code = [sum(threshold <= total for threshold in tables["thresholds"])]
    p = max(total, 1).bit_length() - 1
    shares = [s * 2**11 // 2**p for s in sums]
    for n, step in enumerate(tables["step"]):
        w = max(sum(a * share for a, share in zip(tables["position"][0], shares, strict=True)), 1)
        moment = 0
        for c, (child, share) in enumerate(zip(unit, shares, strict=True)):
            own = 0
            if tables["matrix"]:
                x, y = tables["matrix"][c][n]
                own = (x * child[1] + y * child[2]) // 256
            moment += share * (tables["position"][n + 1][c] + own)
        mean = (2 * moment + w) // (2 * w)
        top = tables["top"][n]
        code.append(clip((2 * mean + step) // (2 * step), -top, top - 1))
    if encoder["layers"]:
        code += network(encoder["layers"], features(tables, unit, shares, total, p))
    return code if code[0] else [0] * len(code)


def features(tables: Mapping[str, Any], unit: Sequence[Sequence[int]], shares: Sequence[int], total: int, p: int) -> list[int]:
    roots = [tables["roots"][share // 16] for share in shares]
    numbers = range(len(tables["numbers"][0]))
    found = [root * Fraction(tables["scales"][0]) for root in roots]
    found += [child[1 + j] * root * Fraction(tables["numbers"][0][j]) for child, root in zip(unit, roots, strict=True) for j in numbers]
    found += [child[1 + j] * Fraction(tables["numbers"][1][j]) for child in unit for j in numbers]
    log = 64 * (p - 16) + 64 * total // 2**p - 64 if total else -66496
    found.append(log * Fraction(tables["scales"][1]))
    low, high = tables["limits"]
    return [clip(nearest(Fraction(value)), low, high) for value in found]
