"""Bits of an event: counted by hand, coded and decoded again, and next to the formats of the ECON-T."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgcae.codes import CodeFormat, Codes
from hgcae.errors import DataFormatError
from hgcae.evaluate import EntropyCoder, map_bits, measure_bits, reference_bits
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy

STACK = Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=5)
WIDTHS = np.array([5, 3])
FORMAT = CodeFormat(WIDTHS, np.zeros(2, dtype=np.int32), np.ones(2, dtype=np.float32))


def made(level: str, n: int, event: np.ndarray, unit: np.ndarray, words: np.ndarray) -> Codes:
    return Codes(level, n, event, unit, words, FORMAT, np.zeros(2, dtype=np.int32))


def random_codes(level: str = "ROC", n: int = 30, seed: int = 1, share: float = 0.3, hierarchy: Hierarchy = STACK) -> Codes:
    """Codes whose first number is small and whose occupied units lie behind each other."""
    rng = np.random.default_rng(seed)
    occupied = rng.random((n, hierarchy.n_units(level))) < share
    occupied[:, occupied.shape[1] // 2 :] = False
    event, unit = np.nonzero(occupied)
    words = np.column_stack([rng.geometric(0.4, len(event)).clip(0, 31), rng.integers(0, 8, len(event))])
    return made(level, n, event, unit, words)


def same(a: Codes, b: Codes) -> bool:
    return a.n_events == b.n_events and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("event", "unit", "words"))


class TestEntropyCoder:
    @pytest.mark.parametrize("level", STACK.names)
    def test_what_is_decoded_is_what_was_encoded(self, level):
        coder, codes = EntropyCoder.fit(random_codes(level), STACK), random_codes(level, seed=2)
        message, occupancy = coder.encode(codes)
        assert same(coder.decode(message, codes.n_events), codes)
        ideal = sum(coder.ideal_bits(codes))
        assert ideal <= 32 * len(message) <= ideal + 0.002 * ideal + 64
        assert 0 <= occupancy <= 32 * len(message)

    @settings(max_examples=40)
    @given(data=st.data())
    def test_any_codes_can_be_sent(self, data):
        """Also those that training never saw."""
        level = data.draw(st.sampled_from(STACK.names))
        n, n_units = data.draw(st.integers(0, 4)), STACK.n_units(level)
        occupied = np.array(data.draw(st.lists(st.booleans(), min_size=n * n_units, max_size=n * n_units)), dtype=bool)
        event, unit = np.nonzero(occupied.reshape(n, n_units))
        numbers = [data.draw(st.lists(st.integers(0, (1 << w) - 1), min_size=len(event), max_size=len(event))) for w in WIDTHS]
        codes = made(level, n, event, unit, np.array(numbers, dtype=np.int64).T.reshape(-1, 2))
        coder = EntropyCoder.fit(random_codes(level, n=5, seed=data.draw(st.integers(0, 5)), share=0.1), STACK)
        assert same(coder.decode(coder.encode(codes)[0], n), codes)

    def test_numbers_cost_their_entropy(self):
        """A number that is 0 or 1 with equal chance costs one bit, not its width of 5; one that is always 3 costs nothing."""
        rng = np.random.default_rng(3)
        n = 4000
        root = Hierarchy.of(ROC=(4, 4))

        def draw() -> Codes:
            words = np.column_stack([rng.integers(0, 2, n), np.full(n, 3)])
            return made("ROC", n, np.arange(n), np.zeros(n, dtype=np.int64), words)

        found = measure_bits(draw(), draw(), root)
        assert found["exact"] == 8
        assert found["occupied"] == 9
        assert found["entropy"] == pytest.approx(1, abs=0.01)
        assert found["entropy_coded"] == pytest.approx(1, abs=0.05)

    def test_occupancy_costs_what_is_not_known_from_the_layer_before(self):
        """Modules in line: only the first layer is new, one bit of an event."""
        n = 3000
        rng = np.random.default_rng(4)
        line = rng.random(n) < 0.5
        occupied = np.zeros((n, 5), dtype=bool)
        occupied[line] = True
        event, unit = np.nonzero(occupied)
        codes = made("MODULE", n, event, unit, np.zeros((len(event), 2), dtype=np.int64))
        occupancy, _ = EntropyCoder.fit(codes, STACK).ideal_bits(codes)
        assert occupancy / n == pytest.approx(1, abs=0.02)

    def test_words_must_fit(self):
        with pytest.raises(DataFormatError, match="unit 0, number 1: found 8, expected 3 bits"):
            made("ROC", 1, np.array([0]), np.array([0]), np.array([[31, 8]]))


class TestBits:
    def test_maps_by_hand(self):
        # 15 units: 1 + min(15, 4 + 4 n); one unit: one bit.
        assert map_bits(np.array([0, 1, 2, 3, 15]), 15).tolist() == [5, 9, 13, 16, 16]
        assert map_bits(np.array([0, 1]), 1).tolist() == [1, 1]

    def test_an_event_by_hand(self):
        codes = made("ROC", 2, np.array([0, 0, 1]), np.array([0, 1, 14]), np.zeros((3, 2), dtype=np.int64))
        found = measure_bits(codes, codes, STACK)
        assert found["exact"] == 15 * 8
        assert found["occupied"] == (2 * 8 + 13 + 1 * 8 + 9) / 2
        assert found["rate_tbps"]["exact"] == pytest.approx(120 * 40e6 / 1e12)
        assert found["reference"] == {
            "repeater": 5 * 336,
            "best_choice_2": 5 * 60,
            "best_choice_3": 5 * 86,
            "best_choice_4": 5 * 119,
            "best_choice_5": 5 * 154,
        }
        assert found["ratio"]["repeater"]["exact"] == pytest.approx(1680 / 120)
        assert math.isfinite(found["entropy_coded"])

    def test_references_of_the_prototype(self):
        assert reference_bits(PROTOTYPE)["repeater"] == 30 * 57 * 48 * 7
        assert reference_bits(Hierarchy.of(ROC=(4, 4), MODULE=2)) == {}
        missing = Hierarchy(STACK.levels, {"MODULE": (4,)})
        assert reference_bits(missing)["best_choice_2"] == 4 * 60
