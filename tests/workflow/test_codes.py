"""Files of codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.sealed import damaged
from hgcae.errors import DataFormatError
from hgcae.workflow.codes import CodesFile, encode
from model.toys import STACK, autoencoder, conserving_settings, showers


def codes(numbers: np.ndarray) -> CodesFile:
    n = len(numbers)
    return CodesFile("MODULE", 48, n + 1, np.arange(n), np.zeros(n, dtype=np.int64), numbers, {"model": "a", "events": "b"})


@given(st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-9, 9)), max_size=20))
def test_there_and_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("codes") / "a.codes.npz"
    written = codes(np.array(pairs, dtype=np.int64).reshape(-1, 2))
    written.write(path)
    found = CodesFile.read(path)
    np.testing.assert_array_equal(found.code, written.code)
    np.testing.assert_array_equal(found.event, written.event)
    assert (found.level, found.bits_per_unit, found.n_events, found.made_of) == ("MODULE", 48, len(pairs) + 1, written.made_of)


@pytest.mark.parametrize(("low", "high", "dtype"), [(0, 255, np.uint8), (-1, 127, np.int8), (-1, 128, np.int16), (0, 2**17, np.uint32)])
def test_numbers_take_the_smallest_type(tmp_path, low, high, dtype):
    codes(np.array([[low], [high]])).write(tmp_path / "a.npz")
    assert CodesFile.read(tmp_path / "a.npz").code.dtype == dtype


def test_the_same_codes_are_the_same_bytes(tmp_path):
    for name in "ab":
        codes(np.arange(6).reshape(3, 2)).write(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_no_damage_is_used(tmp_path):
    path = tmp_path / "a.npz"
    codes(np.arange(6).reshape(3, 2)).write(path)
    for content in damaged(path.read_bytes(), every=11):
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match="a file of codes"):
            CodesFile.read(path)


def test_another_file_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", event=np.zeros(3))
    with pytest.raises(DataFormatError, match="a file of codes"):
        CodesFile.read(tmp_path / "a.npz")


def test_chunks_make_one_sample():
    model, events = autoencoder(conserving_settings(STACK), STACK), showers(STACK, 9)
    whole = encode(model, [events], "module", {})
    parts = encode(model, [events[:4], events[4:]], "MODULE", {})
    expected = model.encode_events(events, "MODULE")
    for made in (whole, parts):
        assert (made.level, made.n_events) == ("MODULE", 9)
        np.testing.assert_array_equal(made.event, expected.event)
        np.testing.assert_array_equal(made.unit, expected.unit)
        np.testing.assert_array_equal(made.code, model.level("MODULE").integers(expected.code))


def test_no_events_no_codes(tmp_path):
    model = autoencoder(conserving_settings(STACK), STACK)
    encode(model, [], "MODULE", {}).write(tmp_path / "a.npz")
    found = CodesFile.read(tmp_path / "a.npz")
    assert (found.n_events, found.code.shape) == (0, (0, model.level("MODULE").latent))
