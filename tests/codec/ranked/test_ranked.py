"""Codes of ranked cells: exact bits, every payload read by a slow decoder, better than codes without tables."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.ranked.reference import SlowDecoder
from contracts.codec import CodecContract, random_modules
from hgcae.codec import Payload, UnitCodec, make_codec
from hgcae.codec.events import sent
from hgcae.codec.ranked import Blocks, RankedCodec
from hgcae.codec.ranked.kernels import logarithm_of
from hgcae.codec.ranked.tables import logarithm
from hgcae.codec.simple import fitted
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.coding.sums import SumCode
from hgcae.errors import DataFormatError, SettingsError
from hgcae.evaluate.core.distances import compare
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.simulate import SimulateSettings, simulate

LEVELS = ("ROC", "MODULE", "TRIPLET", "STAGE1")


@cache
def showers() -> Events:
    return Events.concatenate(list(simulate(SimulateSettings(seed=3), 120)))


@cache
def codec_of(level: str, bits: int = 72) -> RankedCodec:
    made = fitted("ranked", showers()[:80], level, bits)
    assert isinstance(made, RankedCodec)
    return made


def units(level: str) -> np.ndarray:
    found = showers()[80:].units(level)[0]
    return found[:200].to_dense().reshape(min(len(found), 200), -1).astype(np.int64)


def slow(codec: RankedCodec) -> SlowDecoder:
    return SlowDecoder(codec.get_config(), SumCode(codec.tables.maximum, 9).table.tolist())


def text(payload: Payload, row: int) -> str:
    return "".join(map(str, np.unpackbits(payload.data[row])[: payload.bits[row]]))


class TestModules(CodecContract):
    def codec(self) -> UnitCodec:
        return modules()


@cache
def modules(links: int = 3) -> UnitCodec:
    return make_codec("ranked", links, random_modules(400))


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize(("level", "bits"), [("ROC", 72), ("MODULE", 36), ("MODULE", 72), ("MODULE", 288), ("TRIPLET", 72), ("STAGE1", 72)])
def test_a_slow_decoder_reads_every_payload(level, bits, spread):
    codec = RankedCodec(codec_of(level, bits).tables, spread)
    payload = codec.encode(units(level))
    decoded, reference = codec.decode(payload), slow(codec)
    for row in range(0, len(decoded), 1 if level != "STAGE1" else 10):
        np.testing.assert_allclose(decoded[row], np.array(reference.decode(text(payload, row)), dtype=float), rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_sums_are_kept_to_a_step_of_their_code(level):
    codec, charges = codec_of(level), units(level)
    found, code = codec.decode(codec.encode(charges)).sum(axis=1), SumCode(codec.tables.maximum, 9)
    total = np.minimum(charges.sum(axis=1), int(codec.tables.maximum))
    np.testing.assert_allclose(found, code.decode(code.encode(total)), rtol=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_strongest_cell_is_always_right(level):
    codec, charges = codec_of(level), units(level)
    cells, _, count, _ = codec.decode_sparse(codec.encode(charges))
    assert (count >= 1).all()
    np.testing.assert_array_equal(cells[:, 0], charges.argmax(axis=1))


@pytest.mark.parametrize("level", LEVELS)
def test_beats_cells_with_addresses_at_equal_bits(level):
    """Also the ideal ones, whose charges would cost nothing beyond nine bits: by a factor of two in squared error at least."""
    test = showers()[80:]
    errors = {}
    for name in ("ranked", "largest_cells", "best_choice_spread"):
        decoded, _ = sent(test, fitted(name, showers()[:80], level, 72), level)
        errors[name] = compare(test, decoded)
    best = min(errors["largest_cells"].squared.sum(), errors["best_choice_spread"].squared.sum())
    assert errors["ranked"].squared.sum() < 0.5 * best
    assert errors["ranked"].absolute.sum() < 0.8 * min(errors[name].absolute.sum() for name in ("largest_cells", "best_choice_spread"))


def test_more_bits_are_better():
    charges = units("MODULE")
    found = [
        np.abs(codec.decode(codec.encode(charges)) - charges).sum() for codec in (codec_of("MODULE", bits) for bits in (36, 72, 144, 288))
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.1 * found[0]


@pytest.mark.parametrize("level", LEVELS)
def test_equal_on_any_number_of_threads(level):
    found = showers()[80:].units(level)[0]
    codec, times = codec_of(level), 1 + 20_000 // len(found)
    offsets = np.concatenate([[0], np.cumsum(np.tile(np.diff(found.offsets), times))])
    cell, charge = np.tile(found.cell, times), np.tile(found.charge, times).astype(np.int64)
    one, *others = (codec.encode_sparse(offsets, cell, charge, workers) for workers in (1, 2, 5))
    decoded = codec.decode_sparse(one, 1)
    for workers, payload in zip((2, 5), others, strict=True):
        for a, b in zip((*payload, *codec.decode_sparse(payload, workers)), (*one, *decoded), strict=True):
            np.testing.assert_array_equal(a, b)


@given(st.binary(min_size=12, max_size=12), st.integers(0, 89))
def test_any_bits_are_decoded_or_refused(data, bits):
    rows = np.frombuffer(data, dtype=np.uint8)[None]
    try:
        decoded = modules().decode(Payload(rows, np.array([bits])))
    except DataFormatError as error:
        assert "payload 0" in str(error)  # noqa: PT017 - both ends are good
    else:
        assert (decoded >= 0).all()


class TestWhatNoUnitHas:
    @pytest.fixture
    def payload(self) -> Payload:
        return codec_of("STAGE1").encode(units("STAGE1"))

    def test_too_short(self, payload):
        bits = payload.bits.copy()
        bits[3] -= 1
        with pytest.raises(DataFormatError, match="payload 3: found bits that no unit has"):
            codec_of("STAGE1").decode(Payload(payload.data, bits))

    def test_a_cell_beyond_the_last(self, payload):
        codec = codec_of("STAGE1")
        mode = int(codec.tables.modes[np.searchsorted([1], 1)])
        data = payload.data.copy()
        # All address bits of the strongest cell set: 4,095 of 2,736 cells, wherever the word of the mode ends.
        data[5, 1:5] |= np.packbits(np.arange(32) + 8 >= 9 + mode)
        with pytest.raises(DataFormatError, match="payload 5"):
            codec.decode(Payload(data, payload.bits))


def test_the_largest_charges_in_all_cells_of_a_layer():
    codec = codec_of("STAGE1")
    charges = np.full((2, 2736), LARGEST_CHARGE, dtype=np.int64)
    charges[1] //= np.arange(1, 2737)
    decoded = codec.decode(codec.encode(charges))
    np.testing.assert_allclose(decoded.sum(axis=1), codec.tables.maximum, rtol=0.01)
    assert decoded[1].argmax() == 0
    assert decoded[1, 0] > 1.5 * decoded[1, 1] > 0


@given(st.integers(1, 2**40))
def test_logarithms(x):
    assert logarithm_of(x) == logarithm(np.array([x]))[0]
    assert abs(logarithm_of(x) / 1024 - np.log2(float(x))) < 0.0025


class TestBlocks:
    def test_small_units_are_one(self):
        assert Blocks.of(PROTOTYPE.rooted("TRIPLET")).get_config() == [144, [[0]]]

    def test_modules_of_a_layer_know_their_neighbours(self):
        blocks = Blocks.of(PROTOTYPE.rooted("STAGE1"))
        assert (blocks.size, blocks.near.shape, blocks.symbols) == (48, (57, 7), 337)
        xy = Detector.load("prototype").module_xy
        step = xy[blocks.near] - xy[:, None]
        there = blocks.near >= 0
        # A direction is the same for all modules, and every neighbour knows the module as its own.
        for place in range(1, 7):
            steps = step[there[:, place], place]
            assert len(steps) > 40
            assert np.ptp(steps, axis=0).max() < 1e-6
        assert (blocks.place >= 0).sum() == (blocks.place.T >= 0).sum()
        np.testing.assert_array_equal(blocks.place >= 0, blocks.place.T >= 0)

    def test_layers_know_those_before_and_behind(self):
        blocks = Blocks.of(PROTOTYPE)
        assert blocks.near.shape == (1710, 11)
        np.testing.assert_array_equal(blocks.near[57 + 3, 7:], [3, 2 * 57 + 3, -1, 3 * 57 + 3])

    def test_without_positions(self):
        assert Blocks.of(Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=40)).near.shape == (40, 11)
        assert Blocks.of(Hierarchy.of(BOARD=100, RACK=5)).get_config() == [100, [[0], [1], [2], [3], [4]]]

    @pytest.mark.parametrize("near", [[[1], [0]], [[0, 1, 1], [1, 0, -1]], [[0, 7]], [], [0, 1], np.arange(5000)[:, None]])
    def test_what_is_none(self, near):
        with pytest.raises(SettingsError, match="blocks"):
            Blocks(4, near)


def test_nothing_to_fit_to():
    with pytest.raises(DataFormatError, match="no charge"):
        fitted("ranked", showers()[:0], "ROC", 72)
    with pytest.raises(SettingsError, match="expected at least"):
        fitted("ranked", showers()[:80], "STAGE1", 12)


@pytest.mark.parametrize(
    ("name", "value"), [("bits", 5), ("maximum", 0), ("maximum", 1e9), ("modes", {"dtype": "<i4", "shape": [0], "data": ""})]
)
def test_tables_that_do_not_fit(name, value):
    with pytest.raises(SettingsError, match="ranked"):
        RankedCodec.from_config(codec_of("ROC").get_config() | {name: value})
