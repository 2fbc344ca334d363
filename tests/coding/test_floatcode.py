"""Float codes: the facts known of 4E3M over the whole 18-bit range, and what holds for every code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M, FloatCode
from hgcae.errors import DataFormatError, SettingsError

EVERY_VALUE = np.arange(1 << 18)
CODES = [FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M]


@pytest.mark.parametrize(
    ("value", "code"),
    [(0, 0), (7, 7), (8, 0b0001_000), (15, 0b0001_111), (16, 0b0010_000), (17, 0b0010_000), (18, 0b0010_001), ((1 << 18) - 1, 127)],
)
def test_codes_of_4e3m(value, code):
    assert FLOAT_4E3M.encode(np.array([value]))[0] == code


@pytest.mark.parametrize(("code", "value"), [(7, 7), (0b0001_111, 15), (0b0010_000, 17), (0b0011_000, 34), (127, 253_952)])
def test_values_of_4e3m(code, value):
    assert FLOAT_4E3M.decode(np.array([code]))[0] == value


def test_the_relative_error_of_4e3m_is_at_most_one_sixteenth():
    decoded = FLOAT_4E3M.decode(FLOAT_4E3M.encode(EVERY_VALUE))
    error = np.abs(decoded - EVERY_VALUE)[1:] / EVERY_VALUE[1:]
    assert error.max() == 0.0625
    np.testing.assert_array_equal(decoded[:16], EVERY_VALUE[:16])


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
class TestEveryCode:
    def test_decoding_is_undone_by_encoding(self, code):
        words = np.arange(1 << code.bits)
        np.testing.assert_array_equal(code.encode(code.decode(words)), words)

    def test_encoding_never_decreases(self, code):
        assert (np.diff(code.encode(EVERY_VALUE)) >= 0).all()

    @pytest.mark.parametrize(
        "value", [1 << 40, (1 << 40) - 1, 1 << 50, (1 << 53) - 1, (1 << 62) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    )
    @pytest.mark.parametrize("drop", [0, 3])
    def test_values_beyond_the_top_saturate(self, code, value, drop):
        top = (1 << code.bits) - 1
        assert code.encode(np.array([value], dtype=np.uint64), drop)[0] == top
        if value < 1 << 63:
            assert code.encode(np.array([value]), drop)[0] == top

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
    def test_narrow_integers_are_the_same(self, code, dtype):
        values = np.array([0, 1, 100, np.iinfo(dtype).max], dtype=dtype)
        np.testing.assert_array_equal(code.encode(values), code.encode(values.astype(np.int64)))

    def test_the_name_names_it(self, code):
        assert FloatCode.parse(code.name) == code


@given(st.integers(0, (1 << 18) - 1), st.integers(0, 3), st.sampled_from(CODES))
def test_dropped_bits_cost_no_more_than_themselves_and_the_code(value, drop, code):
    decoded = int(code.decode(code.encode(np.array([value]), drop), drop)[0])
    assert abs(decoded - value) <= value / (1 << code.mantissa_bits + 1) + (1 << drop)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
@given(st.floats(0, 1e30), st.integers(0, 3))
def test_charges_that_are_not_whole_are_counted_down(code, charge, drop):
    whole = min(int(charge), 1 << 40)
    assert code.encode_charges(np.array([charge]), drop) == code.encode(np.array([whole]), drop)


def test_negative_charges_are_refused():
    with pytest.raises(DataFormatError, match="non-negative integers"):
        FLOAT_4E3M.encode_charges(np.array([-1.5]))


class TestInterpolation:
    @pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
    @pytest.mark.parametrize("drop", [0, 1, 3])
    def test_whole_codes_are_decoded_and_found_again(self, code, drop):
        words = np.arange(1 << code.bits)
        values = code.interpolate(words.astype(np.float32), drop)
        np.testing.assert_array_equal(values, code.decode(words, drop))
        np.testing.assert_array_equal(code.encode_charges(values, drop), words)

    @given(st.floats(-10, 200), st.floats(0, 1e-3))
    def test_it_is_continuous_and_never_falls(self, number, step):
        low, high = FLOAT_4E3M.interpolate(np.array([number, number + step]), 1)
        steepest = 1.0001 * np.diff(FLOAT_4E3M.decode(np.arange(128), 1)).max()
        assert 0 <= high - low <= steepest * step + 1e-9

    def test_numbers_beyond_the_ends(self):
        np.testing.assert_array_equal(FLOAT_4E3M.interpolate(np.array([-3.0, 0.5, 127, 500])), [0, 0.5, 253_952, 253_952])


@pytest.mark.parametrize("values", [np.array([-1]), np.array([1.5])])
def test_other_than_non_negative_integers_are_refused(values):
    with pytest.raises(DataFormatError, match="non-negative integers"):
        FLOAT_4E3M.encode(values)


@pytest.mark.parametrize("codes", [np.array([128]), np.array([-1]), np.array([1.0])])
def test_codes_out_of_range_are_refused(codes):
    with pytest.raises(DataFormatError, match="below 128"):
        FLOAT_4E3M.decode(codes)


@pytest.mark.parametrize("name", ["4E3", "9E3M", "0E3M", "4e3m", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(SettingsError, match="4E3M"):
        FloatCode.parse(name)


def test_empty_arrays_pass():
    empty = np.zeros(0, dtype=np.int32)
    assert len(FLOAT_4E3M.decode(FLOAT_4E3M.encode(empty))) == 0
