"""The code of sums and the integer features; all arrays have few shapes, because each shape is compiled."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hgcae.coding.sums import UNITS, WEIGHT_ONE, SumCode
from hgcae.model import sums

CODES = st.builds(SumCode, maximum=st.integers(1, 2**22).map(float), bits=st.sampled_from([2, 5, 9, 12]))
N = 256
quick = settings(max_examples=40)


def encoded(code: SumCode, total: np.ndarray) -> np.ndarray:
    return np.asarray(sums.encode(code, np.asarray(total, dtype=np.int32))).astype(np.int64)


def decoded(code: SumCode, k: np.ndarray) -> np.ndarray:
    return np.asarray(sums.decode(code, np.asarray(k, dtype=np.float32))).astype(np.int64)


def some_sums(code: SumCode, seed: int) -> np.ndarray:
    """Sixteenths up to the maximum: many small ones, some of all sizes, both ends."""
    rng = np.random.default_rng(seed)
    top = int(UNITS * code.maximum)
    wide = np.exp(rng.uniform(0, math.log(top), N - 66)).astype(np.int64)
    return np.minimum(np.sort(np.concatenate([np.arange(64), wide, [top - 1, top]])), top)


class TestSumCode:
    @quick
    @given(CODES, st.integers(0, 100))
    def test_larger_sums_have_no_smaller_codes(self, code, seed):
        k = encoded(code, some_sums(code, seed))
        assert (np.diff(k) >= 0).all()
        assert k[0] == 0
        assert k[-1] < 2**code.bits

    @quick
    @given(CODES)
    @example(SumCode(1.0, 2))
    @example(SumCode(float(2**22), 2))
    def test_every_code_is_that_of_its_sum(self, code):
        k = np.arange(2**code.bits)
        total = decoded(code, k)
        np.testing.assert_array_equal(encoded(code, total), k)
        assert (np.diff(total) > 0).all()

    @quick
    @given(CODES, st.integers(0, 100))
    def test_only_nothing_has_the_code_zero(self, code, seed):
        total = some_sums(code, seed)
        np.testing.assert_array_equal(encoded(code, total) > 0, total > 0)
        assert decoded(code, np.zeros(N))[0] == 0

    @quick
    @given(CODES)
    def test_small_whole_sums_are_exact(self, code):
        exact = math.floor(code.knee)
        total = np.resize(UNITS * np.arange(min(exact, N - 1) + 1), N)
        np.testing.assert_array_equal(decoded(code, encoded(code, total)), total)

    @quick
    @given(CODES, st.integers(0, 100))
    def test_the_error_is_at_most_half_a_step(self, code, seed):
        """The step at a sum S is (S / knee)^(2/3) above the linear part and one LSB in it; sums that are not whole are cut to whole ones.

        The first code also stands for all smaller sums, because a unit with charge is never sent as an empty one.
        """
        total = some_sums(code, seed)
        k = encoded(code, total)
        total, found = total / UNITS, decoded(code, k) / UNITS
        bound = np.maximum(np.maximum(total, found) / code.knee, 1) ** (2 / 3) / 2 + 1
        assert (np.abs(found - total) <= np.where(k == 1, np.maximum(bound, found), bound)).all()

    @pytest.mark.parametrize(("maximum", "bits"), [(5000.0, 9), (120_000.0, 9), (120_000.0, 5), (900.0, 8)])
    def test_no_code_is_biased(self, maximum, bits):
        """The whole sums that share a code have it as their mean; the first may have to stand in for smaller ones too."""
        code = SumCode(maximum, bits)
        total = np.arange(int(maximum) + 1)
        k = encoded(code, UNITS * total)
        whole = (k > 1) & (k < k.max())
        error = decoded(code, k) - UNITS * total
        assert not np.bincount(k[whole], error[whole]).any()
        rng = np.random.default_rng(1)
        drawn = rng.choice(error[whole], 10_000)
        assert abs(drawn.mean()) < 4 * drawn.std() / 100

    @quick
    @given(CODES)
    def test_sums_above_the_maximum_have_the_last_code(self, code):
        top = 2**code.bits - 1
        beyond = max(code.maximum, top) + (code.maximum / code.knee) ** (2 / 3) + 1
        total = np.full(N, UNITS * beyond)
        total[1:] = 2**31 - 1
        assert (encoded(code, total) == top).all()
        assert encoded(code, np.full(N, UNITS * code.maximum))[0] == (top if code.knee < top else code.maximum)

    @quick
    @given(CODES)
    def test_codes_and_charges_are_inverse(self, code):
        k = np.arange(2**code.bits, dtype=np.float32)
        lsb = np.asarray(sums.to_lsb(code, k))
        np.testing.assert_array_equal(lsb * UNITS, decoded(code, k))
        np.testing.assert_allclose(sums.from_lsb(code, lsb), k, rtol=1e-5)
        between = np.clip(k + 0.25, 0, k[-1])
        np.testing.assert_allclose(sums.from_lsb(code, np.asarray(sums.to_lsb(code, between))), between, rtol=1e-3)

    def test_it_is_linear_where_all_sums_fit(self):
        code = SumCode(500.0, 9)
        assert code.knee == 511
        np.testing.assert_array_equal(code.table, UNITS * np.arange(512))


TOTALS = arrays(np.int32, (8, 5), elements=st.one_of(st.integers(0, 40), st.integers(0, 2**21)))


class TestNormalised:
    @given(TOTALS)
    def test_only_the_logarithm_sees_a_factor_of_two(self, total):
        root, log = (np.asarray(part) for part in sums.normalised(total))
        for shift in (1, 5):
            root_more, log_more = sums.normalised(total << shift)
            np.testing.assert_array_equal(root_more, root)
            np.testing.assert_array_equal(
                log_more, np.where(log == -1, np.where(total.sum(axis=1) > 0, shift / 16 - 1, -1), log + shift / 16)
            )

    @given(TOTALS)
    def test_values(self, total):
        """Shares are cut to 1/128 of the power of two below the sum, roots are rounded to 1/128; the logarithm is linear between powers."""
        root, log = (np.asarray(part, dtype=np.float64) for part in sums.normalised(total))
        whole = total.sum(axis=1)
        power = np.exp2(np.floor(np.log2(np.maximum(whole, 1))))
        share = total / power[:, None]
        assert (root <= np.sqrt(share) + 0.5 / 128).all()
        assert (root >= np.sqrt(np.maximum(share - 1 / 128, 0)) - 0.5 / 128).all()
        np.testing.assert_array_equal(root * 128, np.rint(root * 128))
        expected = np.where(whole > 0, (np.log2(power) + whole / power - 1) / 16 - 1, -1)
        assert (log <= expected).all()
        assert (log > expected - 1 / 1024).all()

    @given(st.lists(st.integers(0, 2**24), min_size=8, max_size=8).map(sorted))
    def test_the_logarithm_is_monotone(self, total):
        spread = np.zeros((8, 5), dtype=np.int32)
        spread[:, 2] = total
        _, log = sums.normalised(spread)
        assert (np.diff(np.asarray(log, dtype=np.float64)) >= 0).all()

    def test_nothing(self):
        root, log = sums.normalised(np.zeros((8, 5), dtype=np.int32))
        assert not np.asarray(root).any()
        assert (np.asarray(log) == -1).all()


class TestBarycentre:
    @given(TOTALS, arrays(np.int32, (5, 2), elements=st.integers(-(2**15), 2**15)))
    def test_against_real_numbers(self, total, position):
        """Each share is cut by less than one of at least 2048, the mean is rounded to a whole number."""
        found = np.asarray(sums.barycentre(total, position))
        whole = total.sum(axis=1, keepdims=True, dtype=np.float64)
        mean = total @ position.astype(np.float64) / np.maximum(whole, 1)
        exponent = np.floor(np.log2(np.maximum(whole, 1)))
        cut_bits = np.maximum(exponent - 11, 0)
        kept = (total >> cut_bits.astype(np.int32)).sum(axis=1, keepdims=True)
        lost = (total % np.exp2(cut_bits)) / np.exp2(cut_bits)
        bound = np.abs(lost[..., None] * (position - mean[:, None])).sum(axis=1) / np.maximum(kept, 1)
        assert (np.abs(found - mean) <= bound + 0.5 + 1e-6).all()
        assert not found[whole[:, 0] == 0].any()

    @given(TOTALS)
    def test_positions_of_each_unit(self, total):
        rng = np.random.default_rng(0)
        position = rng.integers(-(2**15), 2**15, (8, 5, 2)).astype(np.int32)
        found = np.asarray(sums.barycentre(total, position))
        for unit in (0, 7):
            np.testing.assert_array_equal(found[unit], np.asarray(sums.barycentre(total, position[unit]))[unit])


class TestWeighted:
    @given(
        arrays(np.int32, (8, 5), elements=st.integers(0, 2**24)),
        arrays(np.int32, 5, elements=st.integers(1, 100 * WEIGHT_ONE)),
    )
    def test_against_exact_arithmetic(self, total, weight):
        found = np.asarray(sums.weighted(total, weight))
        np.testing.assert_array_equal(found, total.astype(np.int64) * weight.astype(np.int64) // WEIGHT_ONE)

    def test_without_weights(self):
        total = np.arange(40, dtype=np.int32).reshape(8, 5)
        assert sums.weighted(total, None) is total
        np.testing.assert_array_equal(sums.weighted(total, sums.integer_weights(np.ones(5))), total)

    def test_weights_become_whole_and_positive(self):
        found = sums.integer_weights(np.array([1.0, 0.5, 1e-9, 2.3]))
        assert found is not None
        np.testing.assert_array_equal(found, [WEIGHT_ONE, WEIGHT_ONE // 2, 1, round(2.3 * WEIGHT_ONE)])
        assert sums.integer_weights(None) is None


def test_charges_become_sixteenths():
    np.testing.assert_array_equal(sums.from_charge(np.array([0.0, 1.0, 0.25, 100.0]), 1.0), [0, 16, 4, 1600])
    np.testing.assert_array_equal(sums.from_charge(np.array([0.5, 0.75]), 0.25), [32, 48])
