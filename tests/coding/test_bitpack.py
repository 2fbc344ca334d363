"""Packing of integers into bits: against a string of binary digits, there and back, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.coding.bitpack import pack, unpack
from hgcae.errors import DataFormatError


@st.composite
def fields(draw):
    n, k = draw(st.integers(0, 4)), draw(st.integers(0, 6))
    widths = draw(st.lists(st.lists(st.integers(0, 63), min_size=k, max_size=k), min_size=n, max_size=n))
    values = [[draw(st.integers(0, (1 << width) - 1)) for width in row] for row in widths]
    return np.array(values, dtype=np.int64).reshape(n, k), np.array(widths, dtype=np.int64).reshape(n, k)


@given(fields())
def test_packed_bits_are_the_binary_digits_in_order(case):
    values, widths = case
    packed = pack(values, widths)
    for row, (numbers, sizes) in enumerate(zip(values.tolist(), widths.tolist(), strict=True)):
        digits = "".join(f"{number:0{size}b}" for number, size in zip(numbers, sizes, strict=True) if size)
        assert "".join(f"{byte:08b}" for byte in packed[row]) == digits.ljust(8 * packed.shape[1], "0")


@given(fields())
def test_unpacking_gives_back_what_was_packed(case):
    values, widths = case
    np.testing.assert_array_equal(unpack(pack(values, widths), widths), values)


def test_one_row_of_widths_serves_all_rows():
    values = np.array([[1, 2, 3], [0, 3, 7]], dtype=np.uint16)
    packed = pack(values, [1, 2, 3])
    assert packed.tolist() == [[0b1_10_011_00], [0b0_11_111_00]]
    np.testing.assert_array_equal(unpack(packed, [1, 2, 3]), values)


@pytest.mark.parametrize(
    ("values", "widths", "message"),
    [
        ([[4]], [2], "row 0, field 0: found 4, expected 0 to 3"),
        ([[0], [-1]], [2], "row 1, field 0: found -1"),
        (np.array([[1 << 63]], dtype=np.uint64), [63], "found 9223372036854775808"),
        ([[1]], [0], "expected 0 to 0"),
        ([[1]], [64], "0 to 63 bits"),
        ([[1]], [-1], "0 to 63 bits"),
        ([1, 2], [1, 2], "shape"),
        ([[0.5]], [1], "float64"),
        ([[1, 2]], [1], "widths"),
        ([[1]], [1.0], "widths"),
    ],
)
def test_what_does_not_fit_is_refused(values, widths, message):
    with pytest.raises(DataFormatError, match=message.replace("(", r"\(")):
        pack(np.asarray(values), np.asarray(widths))


@pytest.mark.parametrize("packed", [np.zeros((2, 1), np.uint8), np.zeros((2, 2), np.int64), np.zeros(4, np.uint8)])
def test_rows_that_cannot_hold_the_fields_are_refused(packed):
    with pytest.raises(DataFormatError, match="unpack"):
        unpack(packed, [5, 4])
