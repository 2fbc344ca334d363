"""YAML of plain values."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hgcae.reading.plain_yaml import parse_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_what_is_written_is_read(values):
    assert parse_yaml(yaml.safe_dump(values)) == values


def test_nothing():
    assert parse_yaml("") is None
    assert parse_yaml("# a note\n") is None


def test_aliases_and_merge_keys():
    text = "a: &a {x: 1, y: [1, 2]}\nb: {<<: *a, x: 2}\nc: [*a, *a]\n"
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2018-10-17", "2018-10-17"),
        ("0x1F", 31),
        ("0b11", 3),
        ("0", 0),
        ("0.5", 0.5),
        ("08", "08"),
        ("'007'", "007"),
        ("1_000", 1000),
        ("=", "="),
    ],
)
def test_scalars(text, value):
    found = parse_yaml(text)
    assert (found, type(found)) == (value, type(value))


def laughs(levels: int, merge: bool) -> str:
    """A group that holds ten times what holds ten times, and so on."""
    lines = ["a0: &a0 {k: 1}"]
    for i in range(1, levels):
        ten = ", ".join([f"*a{i - 1}"] * 10)
        lines.append(f"a{i}: &a{i} " + (f"{{<<: [{ten}]}}" if merge else f"[{ten}]"))
    return "\n".join(lines)


HOSTILE = {
    "not YAML": ("a: [1", "expected"),
    "two documents": ("a: 1\n---\nb: 2\n", "single document"),
    "a key twice": ("a: 1\nb: 2\na: 3", "line 3: found the key 'a' twice"),
    "a key twice below": ("- {a: 1, b: {c: 1, 'c': 2}}", "line 1: found the key 'c' twice"),
    "a number twice": ("16: 1\n0x10: 2", "line 2: found the key 16 twice"),
    "merged twice": ("a: &a {x: 1}\nb: {<<: *a, <<: *a}", "found the key '<<' twice"),
    "base 8": ("seed: 010", "line 1: found 010, in YAML a number in base 8 or 60"),
    "base 60": ("seed: 1:30", "found 1:30, in YAML"),
    "base 60 with a point": ("seed: 190:20:30.15", "found 190:20:30.15, in YAML"),
    "aliases": (laughs(9, merge=False), "more than 100000 values"),
    "merge keys": (laughs(9, merge=True), "more than 100000 values"),
    "a group in itself": ("&a [1, *a]", "a group within itself"),
    "a group in its group": ("a: &a {b: [*a]}", "a group within itself"),
    "merged into itself": ("&a {<<: *a}", "a group within itself"),
    "deep": ("[" * 100 + "]" * 100, "more than 50 groups within one another"),
    "very deep": ("[" * 100_000, "more than 50 groups within one another"),
    "deep mappings": ("".join(" " * i + "a:\n" for i in range(500)), "more than 50 groups within one another"),
    "deep by aliases": ("- &a0 [x]\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 3000)), "more than 50 groups"),
    "a list as key": ("? [1, 2]\n: 3", "found a group as key"),
    "a mapping as key": ("{{a: b}: c}", "found a group as key"),
    "a set": ("!!set {a, b}", "the type 'set'"),
    "an object": ("!!python/object/apply:os.system ['true']", "the type 'python/object/apply:os.system'"),
    "bytes": ("a: !!binary aGVsbG8=", "the type 'binary'"),
    "a time": ("a: !!timestamp 2001-13-45", "the type 'timestamp'"),
    "no number": ("a: !!int many", "many"),
    "no float": ("a: !!float many", "many"),
    "no truth": ("a: !!bool perhaps", "perhaps"),
    "no nothing": ("!!null [1]", "scalar node"),
    "no list": ("!!seq a", "sequence"),
    "no mapping": ("!!map [1]", "mapping"),
    "no text": ("!!str [1]", "scalar"),
    "a long number": ("a: " + "1" * 10_000, "4300 digits"),
    "no name": ("*a", "undefined alias"),
    "a control character": ("a: \x07", "special characters are not allowed"),
    "merging a number": ("a: {<<: 1}", "mapping"),
}


@pytest.mark.parametrize(("text", "message"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_plain_value_is_refused_at_once(text, message):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=message) as error:
        parse_yaml(text)
    assert time.perf_counter() - start < 2
    assert "\n" not in str(error.value)


@given(st.text(alphabet="ab1:-?*&<>![]{}'\"#|.,~% \n\t", max_size=60))
def test_any_text_gives_values_or_an_error(text):
    try:
        values = parse_yaml(text)
    except ValueError:
        return
    assert parse_yaml(yaml.safe_dump(values)) == values or values != values  # noqa: PLR0124 - not a number
