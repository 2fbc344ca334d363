from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.errors import DataFormatError
from hgcae.store.results import read_results_file, write_results_file

CONTENT = {"schema": 1, "levels": {"ROC": {"mse": 1e-5, "n": 3}}, "rows": [1.0, None, "x"]}


def test_there_and_back(tmp_path):
    written = write_results_file(tmp_path / "a.json", CONTENT | {"loss": np.float32(0.5), "n": np.int64(3)})
    assert written == CONTENT | {"loss": 0.5, "n": 3}
    assert read_results_file(tmp_path / "a.json", "results") == written


@given(st.data())
def test_no_other_value_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("results") / "a.json"
    write_results_file(path, CONTENT)
    before = path.read_bytes()
    content = bytearray(before)
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with suppress(DataFormatError):
        # 1e-05 and 1E-05, one bit apart, are the same number.
        assert read_results_file(path, "results") == CONTENT
        assert content.lower() == before.lower()


@pytest.mark.parametrize("end", [0, 10, -3])
def test_a_file_that_ends_early(tmp_path, end):
    write_results_file(tmp_path / "a.json", CONTENT)
    (tmp_path / "a.json").write_bytes((tmp_path / "a.json").read_bytes()[:end])
    with pytest.raises(DataFormatError, match="content: found no JSON .*, expected the results"):
        read_results_file(tmp_path / "a.json", "the results")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "found a list"),
        ("3", "found a int"),
        ("{}", "found no checksum"),
        ('{"checksum": "0"}', "checksum: found '0'"),
        ("[" * 100_000, "found no JSON"),
        ('{"a": ' + "1" * 5000 + "}", "found no JSON"),
        ("\xff", "found no JSON"),
    ],
)
def test_other_files(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataFormatError, match=message):
        read_results_file(tmp_path / "a.json", "the results")


def test_nothing_there(tmp_path):
    with pytest.raises(DataFormatError, match="No such file"):
        read_results_file(tmp_path / "a.json", "the results")


def test_figures_are_finite(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_results_file(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())
