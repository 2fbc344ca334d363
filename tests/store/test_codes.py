"""Files of codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.sealed import damaged
from hgcae.codes import CodeFormat, Codes
from hgcae.errors import DataFormatError
from hgcae.store.arrays import read_arrays, write_arrays
from hgcae.store.codes import read_codes, write_codes

FORMAT = CodeFormat(np.array([24, 4]), np.array([0, -8], dtype=np.int32), np.array([1, 0.125], dtype=np.float32))
MADE_OF = {"model": "a", "events": "b"}


def codes(words: np.ndarray) -> Codes:
    n = len(words)
    return Codes("MODULE", n + 1, np.arange(n), np.zeros(n, dtype=np.int64), words, FORMAT, np.array([0, 8], dtype=np.int32))


@given(st.lists(st.tuples(st.integers(0, 2**24 - 1), st.integers(0, 15)), max_size=20))
def test_there_and_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("codes") / "a.codes.npz"
    written = codes(np.array(pairs, dtype=np.int64).reshape(-1, 2))
    write_codes(path, written, MADE_OF)
    found, made_of = read_codes(path)
    for name in ("event", "unit", "words", "integers", "code", "empty"):
        np.testing.assert_array_equal(getattr(found, name), getattr(written, name), err_msg=name)
    assert (found.level, found.n_events, made_of) == ("MODULE", len(pairs) + 1, MADE_OF)


@pytest.mark.parametrize(("high", "dtype"), [(0, np.uint8), (255, np.uint8), (256, np.uint16), (2**17, np.uint32)])
def test_words_take_the_smallest_type(tmp_path, high, dtype):
    write_codes(tmp_path / "a.npz", codes(np.array([[0, 0], [high, 15]])), {})
    assert read_arrays(tmp_path / "a.npz", "a file of codes", 3)[1]["words"].dtype == dtype


def test_the_same_codes_are_the_same_bytes(tmp_path):
    for name in "ab":
        write_codes(tmp_path / f"{name}.npz", codes(np.arange(6).reshape(3, 2)), {}, compress=True)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_damage_is_used(tmp_path):
    path = tmp_path / "a.npz"
    write_codes(path, codes(np.arange(6).reshape(3, 2)), {})
    for content in damaged(path.read_bytes(), every=11):
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match="a file of codes"):
            read_codes(path)


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", event=np.zeros(3))
    with pytest.raises(DataFormatError, match="a file of codes"):
        read_codes(tmp_path / "a.npz")


def test_a_file_that_contradicts_itself_is_refused(tmp_path):
    """The checksum of such a file is right; what it says is not."""
    path = tmp_path / "a.npz"
    write_codes(path, codes(np.arange(6).reshape(3, 2)), {})
    header, arrays = read_arrays(path, "a file of codes", 3)
    for change in (
        {"words": arrays["words"][:2]},
        {"words": arrays["words"].astype(str)},
        {"unit": arrays["unit"][:1]},
        {"event": arrays["event"] + 9},
    ):
        write_arrays(path, "a file of codes", 3, header, arrays | change)
        with pytest.raises(DataFormatError):
            read_codes(path)
    for change in ({"widths": "ab"}, {"widths": [3, 2**70]}, {"steps": None}, {"widths": [1, 1]}, {"empty": [0]}):
        write_arrays(path, "a file of codes", 3, header | change, arrays)
        with pytest.raises(DataFormatError):
            read_codes(path)
