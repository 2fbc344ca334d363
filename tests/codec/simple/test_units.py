"""Simple codes of units: their bits are exact, cells come back as they were sent, charge is kept where a code promises it."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.codec import CodecContract
from evaluate.toys import from_entries, random_units
from hgcae.codec import FieldsCodec, Payload, UnitCodec
from hgcae.codec.econt import BestChoiceCodec
from hgcae.codec.events import sent
from hgcae.codec.simple import UNIT_CODECS, equal_bits, fitted
from hgcae.codec.simple.cells import LargestCellsCodec, Layout
from hgcae.codec.simple.units import without_small
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, FLOAT_5E4M
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.frontend.econt import best_choice_bits
from hgcae.geometry.hierarchy import Hierarchy

ROC = Hierarchy.of(ROC=(4, 4))
STACK = Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=5)
TRAIN = random_units(STACK, 40, seed=2, occupancy=0.15)
EVENTS = random_units(STACK, 9, seed=3, occupancy=0.15)


@pytest.fixture(params=UNIT_CODECS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def code_events(codec: UnitCodec, events: Events, level: str = "MODULE") -> Events:
    return sent(events, codec, level)[0]


def dense(units: Events) -> np.ndarray:
    return units.to_dense().reshape(len(units), -1).astype(np.int64)


class UnitContract(CodecContract):
    """All of the contract, for modules at 72 bits."""

    name: str

    def codec(self) -> UnitCodec:
        return fitted(self.name, TRAIN, "MODULE", 72)


class TestPca(UnitContract):
    name = "pca"


class TestLargest(UnitContract):
    name = "largest_cells"


class TestSpread(UnitContract):
    name = "best_choice_spread"


class TestMean(UnitContract):
    name = "mean"


class TestEveryCode:
    @pytest.mark.parametrize("level", STACK.names)
    def test_its_bits_are_at_most_those_asked_for(self, name, level):
        assert 0 < fitted(name, TRAIN, level, 72).max_bits <= 72

    @pytest.mark.parametrize("level", STACK.names)
    def test_decoded_events_are_events(self, name, level):
        decoded = code_events(fitted(name, TRAIN, level, 72), EVENTS, level).validate()
        assert len(decoded) == len(EVENTS)
        occupied = EVENTS.unit_sums(level) > 0
        assert not decoded.unit_sums(level)[~occupied].any()

    def test_units_do_not_depend_on_each_other(self, name):
        codec = fitted(name, TRAIN, "MODULE", 72)
        whole, last = code_events(codec, EVENTS)[-2:], code_events(codec, EVENTS[-2:])
        np.testing.assert_array_equal(whole.cell, last.cell)
        np.testing.assert_allclose(whole.charge, last.charge)

    def test_no_events(self, name):
        assert len(code_events(fitted(name, TRAIN, "MODULE", 72), EVENTS[:0]).cell) == 0

    def test_mistakes(self, name):
        with pytest.raises(SettingsError, match="found 1 bits for a unit of 48 cells"):
            fitted(name, TRAIN, "MODULE", 1)
        with pytest.raises(DataFormatError, match="training units"):
            fitted(name, TRAIN[:0], "MODULE", 72)
        broken = Events(ROC, np.array([0, 1]), np.array([3], dtype=np.int32), np.array([2.5]))
        with pytest.raises(DataFormatError, match="2.5"):
            code_events(fitted(name, TRAIN, "ROC", 72), broken, "ROC")


class TestLargestCells:
    def test_fields_by_hand(self):
        """31 bits hold two cells of a ROC: 4 bits of address and 9 of charge each, 5 bits are left over."""
        unit = Events(ROC, np.array([0, 3]), np.array([2, 5, 9], dtype=np.int32), np.array([40, 7, 100]))
        codec = fitted("largest_cells", TRAIN, "ROC", 31)
        assert isinstance(codec, FieldsCodec)
        assert codec.max_bits == 26
        assert codec.fields(dense(unit)).tolist() == [[2, 9, *FLOAT_5E4M.encode(np.array([40, 100])).tolist()]]
        decoded = code_events(codec, unit, "ROC")
        assert decoded.cell.tolist() == [2, 9]
        # 40 lies in the step 40-41 of 5E4M, 100 in 100-103.
        assert decoded.charge.tolist() == [41.0, 102.0]

    @pytest.mark.parametrize(("cells", "expected"), [(16, 6), (48, 4), (144, 4), (2736, 3), (82080, 2)])
    def test_cells_in_72_bits(self, cells, expected):
        assert Layout.of(72, cells, FLOAT_5E4M, None).n == expected

    def test_of_equal_charges_the_first_are_taken(self):
        unit = Events(ROC, np.array([0, 4]), np.arange(4, dtype=np.int32), np.array([5, 9, 5, 5]))
        assert code_events(fitted("largest_cells", TRAIN, "ROC", 31), unit, "ROC").cell.tolist() == [0, 1]

    def test_an_address_behind_the_last_cell_is_refused(self):
        codec = fitted("largest_cells", TRAIN, "MODULE", 15)
        assert codec.decode(Payload(np.array([[47 << 2, 2]], dtype=np.uint8), np.array([15])))[0, 47] == 1
        with pytest.raises(DataFormatError, match="address"):
            codec.decode(Payload(np.array([[48 << 2, 2]], dtype=np.uint8), np.array([15])))

    def test_a_module_at_its_links(self):
        assert [LargestCellsCodec.fit(links, TRAIN.to_dense()).layout.n for links in (2, 3, 4, 5)] == [3, 5, 8, 11]


class TestBestChoice:
    @pytest.mark.parametrize("links", [2, 3, 4, 5])
    def test_bits_and_cells_of_the_econt(self, links):
        bits = best_choice_bits(links)
        layout = Layout.of(bits, 48, FLOAT_4E3M, FLOAT_5E3M)
        assert layout.n == {2: 4, 3: 6, 4: 9, 5: 14}[links]
        assert int(layout.widths(48).sum()) == bits

    @pytest.mark.parametrize("links", [2, 4])
    def test_modules_come_back_as_from_the_econt(self, links):
        """Which of several equal charges is sent depends on the sorting network, so all charges of a module differ here."""
        rng = np.random.default_rng(1)
        charge = rng.permuted(np.tile(np.arange(1, 49) * 7, (20, 1)), axis=1)
        events = Events.from_dense(charge.reshape(20, 3, 4, 4), STACK.rooted("MODULE"))
        expected, bits = sent(events, BestChoiceCodec(links))
        codec = fitted("best_choice", events, "MODULE", best_choice_bits(links))
        decoded = code_events(codec, events)
        assert (bits == codec.max_bits).all()
        np.testing.assert_array_equal(decoded.cell, expected.cell)
        np.testing.assert_array_equal(decoded.charge, expected.charge)

    def test_spread_gives_the_others_their_sum(self):
        codec = fitted("best_choice_spread", TRAIN, "MODULE", 60)
        units = dense(EVENTS.units("MODULE")[0])
        bare, spread = (fitted(name, TRAIN, "MODULE", 60).decode(codec.encode(units)) for name in ("best_choice", "best_choice_spread"))
        assert isinstance(codec, FieldsCodec)
        rest = FLOAT_5E3M.decode(codec.fields(units)[:, 0])
        np.testing.assert_allclose(spread.sum(axis=1) - bare.sum(axis=1), rest)
        # Where all charged cells are sent, nothing is spread.
        np.testing.assert_array_equal(spread[rest == 0], bare[rest == 0])


class TestImages:
    def test_the_mean_is_the_mean(self):
        codec = fitted("mean", TRAIN, "ROC", 16)
        one = Events(ROC, np.array([0, 1]), np.array([7], dtype=np.int32), np.array([2000]))
        decoded = code_events(codec, one, "ROC")
        units = TRAIN.units("ROC")[0]
        image = np.bincount(units.cell, units.charge, 16)
        assert decoded.charge.sum() == pytest.approx(2000, rel=0.01)
        np.testing.assert_allclose(decoded.charge, image[decoded.cell] / image[decoded.cell].sum() * decoded.charge.sum())

    def test_components_find_the_plane_of_the_images(self):
        """Images with two degrees of freedom are known from two components, up to their steps."""
        rng = np.random.default_rng(4)
        patterns = np.array([[8, 4, 2, 1], [1, 2, 4, 8], [4, 1, 8, 2]]).repeat(4, axis=1)
        share = rng.dirichlet(np.ones(3), 400)
        units = Events.from_dense(np.rint(200 * share @ patterns).astype(int).reshape(-1, 4, 4), ROC)
        codec = fitted("pca", units, "ROC", 60)
        found = code_events(codec, units, "ROC")
        difference = np.abs(found.to_dense() - units.to_dense()).sum() / units.charge.sum()
        assert difference < 0.02
        np.testing.assert_allclose(found.unit_sums("ROC"), units.unit_sums("ROC"), rtol=0.02)

    def test_small_charges_are_dropped_but_not_their_sum(self):
        dense = np.array([[100.0, 1.0, 2.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
        result = without_small(dense.copy(), smallest=5.0)
        # 3 counts of 103 may go; of the flat unit nothing may, because every cell holds more than DROPPED of it.
        np.testing.assert_allclose(result, [[103, 0, 0, 0], [0.5] * 4])


class TestEqualBits:
    def test_all_codes_but_those_without_room(self):
        assert set(equal_bits(EVENTS, "MODULE", 72, TRAIN)) == set(UNIT_CODECS)
        assert set(equal_bits(EVENTS, "MODULE", 12, TRAIN)) == {"pca", "mean"}

    def test_more_bits_are_better(self):
        def lost(bits: int) -> dict[str, float]:
            found = equal_bits(EVENTS, "ROC", bits, TRAIN)
            return {name: float(np.abs(events.to_dense() - EVENTS.to_dense()).sum()) for name, events in found.items()}

        few, many = lost(30), lost(200)
        assert all(many[name] < few[name] for name in ("pca", "largest_cells", "best_choice", "best_choice_spread"))
        assert many["largest_cells"] < 0.05 * EVENTS.charge.sum()

    def test_unknown_code(self):
        with pytest.raises(SettingsError, match="none.*largest_cells"):
            fitted("none", TRAIN, "ROC", 72)

    def test_columns_are_kept(self):
        events = from_entries(STACK, 2, np.array([0, 1]), np.array([3, 220]), np.array([20.0, 30.0]))
        found = code_events(fitted("largest_cells", TRAIN, "STACK", 72), events, "STACK")
        assert found.cell.tolist() == [3, 220]
        # 20 and 30 start steps of two counts in 5E4M: 20 stays (below 32 every count has a code).
        assert found.charge.tolist() == [20.0, 30.0]
