"""Arrays as plain values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.errors import SettingsError

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)


@given(arrays.arrays(np.float32, SHAPES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_floats_survive(array):
    again = from_plain(json.loads(json.dumps(to_plain(array))), "here")
    np.testing.assert_array_equal(again, array)
    assert again.dtype == np.float32


@given(arrays.arrays(np.int64, SHAPES, elements=st.integers(-(2**31), 2**31 - 1)))
def test_integers_survive(array):
    again = from_plain(json.loads(json.dumps(to_plain(array))), "here")
    np.testing.assert_array_equal(again, array)
    assert again.dtype.kind == "i"


@pytest.mark.parametrize(("largest", "dtype"), [(127, "|i1"), (128, "<i2"), (2**15, "<i4")])
def test_integers_take_no_more_room_than_they_need(largest, dtype):
    assert to_plain(np.array([0, largest]))["dtype"] == dtype


GOOD = to_plain(np.arange(6.0).reshape(2, 3))


def test_the_bytes_are_little_endian():
    assert GOOD == {"dtype": "<f4", "shape": [2, 3], "data": "AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1.0],
        {"shape": [1]},
        GOOD | {"more": 1},
        GOOD | {"dtype": "|O"},
        GOOD | {"shape": [4, 4]},
        GOOD | {"shape": None},
        GOOD | {"data": "???"},
        GOOD | {"data": 3},
        to_plain(np.array([np.inf])),
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(SettingsError, match="^here: "):
        from_plain(value, "here")
