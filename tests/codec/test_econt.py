"""The formats of the ECON-T as codecs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import CodecContract, random_modules
from hgcae.codec import UnitCodec, make_codec
from hgcae.codec.econt import WHOLE_MODULE, BestChoiceCodec, RepeaterCodec, SuperCellCodec, ThresholdSumCodec
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M
from hgcae.errors import SettingsError
from hgcae.frontend import econt
from hgcae.frontend.econt.cells import POSTMUX_OF_CALQ


class TestFewCells(CodecContract):
    def codec(self) -> UnitCodec:
        return BestChoiceCodec(2)


class TestMap(CodecContract):
    def codec(self) -> UnitCodec:
        return BestChoiceCodec(5, drop=1, edge="low", spread=True)


class TestThresholdSum(CodecContract):
    def codec(self) -> UnitCodec:
        return ThresholdSumCodec(3, 40)


class TestThresholdSumSpread(CodecContract):
    def codec(self) -> UnitCodec:
        return ThresholdSumCodec(4, 3, drop=2, edge="low", spread=True)


class TestRepeater(CodecContract):
    def codec(self) -> UnitCodec:
        return RepeaterCodec(11)


class TestSuperCells(CodecContract):
    def codec(self) -> UnitCodec:
        return SuperCellCodec(5)


class TestCoarseCells(CodecContract):
    def codec(self) -> UnitCodec:
        return SuperCellCodec(3, drop=1)


def decoded(codec: UnitCodec, charges: np.ndarray) -> np.ndarray:
    return codec.decode(codec.encode(charges))


def edges(seed: int = 5) -> np.ndarray:
    """Modules of lower edges of 4E3M, as files of CMS simulation have them."""
    return FLOAT_4E3M.lower_edge(np.minimum(random_modules(seed=seed), 200_000))


@pytest.mark.parametrize(("links", "bits", "cells"), [(2, 60, 4), (3, 86, 6), (4, 119, 9), (5, 154, 14)])
def test_best_choice_sends_the_largest_cells(links, bits, cells):
    codec, charges = BestChoiceCodec(links), random_modules()
    payload = codec.encode(charges)
    assert codec.max_bits == bits
    assert (payload.bits == bits).all()
    largest = np.sort(FLOAT_4E3M.decode(FLOAT_4E3M.encode(charges)), axis=1)[:, -cells:]
    np.testing.assert_array_equal(np.sort(codec.decode(payload), axis=1)[:, -cells:], largest)
    np.testing.assert_array_equal(payload.data, econt.encode_best_choice(charges, links, drop=0).payload)


def test_an_edge_comes_back_as_it_was_where_it_is_asked_for():
    charges = edges()
    np.testing.assert_array_equal(decoded(RepeaterCodec(11, edge="low"), charges), charges)
    middle = decoded(RepeaterCodec(11), charges)
    assert (middle >= charges).all()
    assert (middle <= charges * (1 + 1 / 16)).all()
    assert (middle > charges)[charges > 16].all()


@given(st.integers(0, 2**22 - 1), st.integers(0, 4))
def test_a_lower_edge_is_the_smallest_value_of_its_code(value, drop):
    code = FLOAT_4E3M.encode(np.array([value]), drop)
    edge = FLOAT_4E3M.lower_edge(np.array([value]), drop)
    assert edge <= value or code == 127
    assert FLOAT_4E3M.encode(edge, drop) == code
    assert edge == 0 or FLOAT_4E3M.encode(edge - 1, drop) < code


@pytest.mark.parametrize("make", [lambda **o: BestChoiceCodec(3, **o), lambda **o: ThresholdSumCodec(3, 60, **o)])
def test_what_is_missing_is_spread_over_the_cells_that_are_not_sent(make):
    charges = edges()
    plain, spread = decoded(make(edge="low"), charges), decoded(make(edge="low", spread=True), charges)
    sent = plain > 0
    np.testing.assert_array_equal(spread[sent], plain[sent])
    rest = FLOAT_5E3M.decode(FLOAT_5E3M.encode(charges.sum(axis=1) - plain.sum(axis=1).astype(np.int64)))
    np.testing.assert_allclose(spread.sum(axis=1) - plain.sum(axis=1), rest)
    for row, unsent in zip(spread, ~sent, strict=True):
        assert len(set(row[unsent])) <= 1


def test_threshold_sum_sends_what_is_above_and_no_bit_more():
    charges = random_modules()
    codec = ThresholdSumCodec(2, 50)
    payload = codec.encode(charges)
    n = (charges >= 50).sum(axis=1)
    np.testing.assert_array_equal(payload.bits, 11 + np.where(n == 0, 0, np.where(n < 8, 3 + 13 * n, 48 + 7 * n)))
    expected = np.where(charges >= 50, FLOAT_4E3M.decode(FLOAT_4E3M.encode(charges)), 0)
    np.testing.assert_array_equal(codec.decode(payload), expected)


@pytest.mark.parametrize("links", [1, 2, 3, 5, 9])
def test_the_threshold_is_the_smallest_that_fits_in_the_mean(links):
    train = random_modules(1000, seed=2)
    found = ThresholdSumCodec.fit(links, train)
    mean = lambda threshold: ThresholdSumCodec(links, threshold).encode(train).bits.mean()  # noqa: E731
    assert mean(found.threshold) <= 32 * links - 7
    assert found.threshold == 1 or mean(found.threshold - 1) > 32 * links - 7


def test_every_threshold_fits_where_there_is_no_charge():
    assert ThresholdSumCodec.fit(2, np.zeros((3, 48), int)).threshold == 1
    with pytest.raises(SettingsError, match="no training modules"):
        ThresholdSumCodec.fit(2, np.zeros((0, 48), int))


@pytest.mark.parametrize("links", WHOLE_MODULE)
def test_super_cells_are_neighbours_and_cover_the_module(links):
    charges = random_modules()
    codec = SuperCellCodec(links)
    size = econt.FORMATS[codec.form].size
    group = POSTMUX_OF_CALQ // size
    sums = np.stack([charges[:, group == k].sum(axis=1) for k in range(48 // size)], axis=1)
    back = decoded(codec, charges)
    again = np.stack([back[:, group == k].sum(axis=1) for k in range(48 // size)], axis=1)
    # Half a step of three or four bits, and the two bits that sums of 16 lose.
    assert (np.abs(again - sums) <= sums / 16 + 4)[sums < 200_000].all()
    if codec.form.startswith("STC"):
        largest = [charges[:, group == k].max(axis=1) for k in range(48 // size)]
        found = [np.where(back > 0, charges, 0)[:, group == k].max(axis=1) for k in range(48 // size)]
        full = again > 0
        np.testing.assert_array_equal(np.stack(found, axis=1)[full], np.stack(largest, axis=1)[full])
    equal = decoded(SuperCellCodec(links, division="equal"), charges)
    np.testing.assert_array_equal(equal.sum(axis=1), back.sum(axis=1))
    assert max(np.ptp(equal[:, group == k], axis=1).max() for k in range(48 // size)) <= 1


def test_a_module_sum_of_one_roc():
    """100 in one cell: 16 cells in a sum, without its two low bits 25, as 5E4M the same again."""
    charges = np.zeros((1, 48), int)
    charges[0, 20] = 100
    back = decoded(SuperCellCodec(2), charges)
    assert back[0].nonzero()[0].tolist() == [20]
    assert back[0, 20] == FLOAT_5E4M.decode(FLOAT_5E4M.encode(np.array([25])))[0] * 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BestChoiceCodec(14), "best_choice: links: found 14, expected 1 to 13"),
        (lambda: BestChoiceCodec(2, drop=5), "drop: found 5, expected 0 to 4"),
        (lambda: BestChoiceCodec(2, edge="high"), "edge: found 'high', expected 'middle', 'low'"),  # pyright: ignore[reportArgumentType]
        (lambda: ThresholdSumCodec(2, 0), "threshold: found 0, expected a whole number from 1"),
        (lambda: ThresholdSumCodec(2, 1.5), "threshold: found 1.5"),  # pyright: ignore[reportArgumentType]
        (lambda: ThresholdSumCodec(2, 1 << 64), "threshold: found"),
        (lambda: ThresholdSumCodec(2, float("nan")), "threshold: found nan"),  # pyright: ignore[reportArgumentType]
        (lambda: SuperCellCodec(1), "links: found 1, expected one of 2, 3, 4, 5"),
        (lambda: SuperCellCodec(2, "STC5"), "stc_type: found 'STC5'"),
        (lambda: SuperCellCodec(6, "STC4B"), "links: found 6, expected 1 to 5 for STC4B"),
        (lambda: SuperCellCodec(2, drop=7), "found drop 7"),
        (lambda: SuperCellCodec(2, division="half"), "division 'half'"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_wrong_settings_are_refused(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


def test_codecs_of_a_comparison():
    train = random_modules()
    assert make_codec("best_choice_spread_low", 2, train).get_config() == {
        "name": "best_choice",
        "links": 2,
        "drop": 0,
        "edge": "low",
        "spread": True,
    }
    assert make_codec("threshold_sum", 4, train).get_config()["threshold"] == ThresholdSumCodec.fit(4, train).threshold
    assert [SuperCellCodec(links).form for links in (2, 3, 4, 5)] == ["STC16", "CTC4A", "STC4A", "STC4B"]
