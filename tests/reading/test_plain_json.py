"""JSON of plain values."""

from __future__ import annotations

import json

import pytest

from hgcae.errors import DataFormatError
from hgcae.reading.plain_json import read_json


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[1, 2]", "a list"),
        (b"3", "a int"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', r"no JSON \(the key 'c' twice\)"),
        (b'{"a": ' + b"[" * 200 + b"]" * 200 + b"}", "more than 100 groups within one another"),
        (b"[" * 100_000 + b"]" * 100_000, "more than 100 groups within one another"),
        (b'{"a": ' + b"1" * 5000 + b"}", "4300 digits"),
        (b'{"\\ud800": 1}', "surrogates not allowed"),
        (b'{"a": "\\udcff"}', "surrogates not allowed"),
    ],
)
def test_what_is_no_object_is_refused(tmp_path, content, found):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataFormatError, match=f"a.json: content: found .*{found}.*, expected results$"):
        read_json(tmp_path / "a.json", "results")


def test_values_come_back(tmp_path):
    values = {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}
    (tmp_path / "a.json").write_text(json.dumps(values))
    assert read_json(tmp_path / "a.json", "results") == values


def test_a_missing_file(tmp_path):
    with pytest.raises(DataFormatError, match="none.json: file: found No such file or directory, expected a readable file"):
        read_json(tmp_path / "none.json", "results")
