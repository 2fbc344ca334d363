"""The emulator from words to words: golden outputs, counters, the buffer against a slow one, decoding, errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from frontend.econt.toys import config, every_config, input_words
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend.econt import Emulator
from hgcae.frontend.econt.cells import expand

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "econt-v1.npz"
CONFIGS = every_config()


@pytest.mark.parametrize("name", CONFIGS)
def test_outputs_are_the_frozen_ones(name):
    """The file holds inputs and outputs that this emulator made when it agreed with the public vectors."""
    with np.load(GOLDEN) as golden:
        np.testing.assert_array_equal(Emulator(CONFIGS[name]).run(golden["input"]), golden[name])


@pytest.mark.parametrize(("algorithm", "values"), [("best_choice", {}), ("threshold_sum", {"calibration": (100,) * 48, "drop_lsb": 0})])
def test_with_their_zeros_all_charges_come_back_to_their_cells(algorithm, values):
    settings = config(algorithm, 13, keep_zeros=True, reversed_map=True, buffer_t1=1000, **values)
    emulator, words = Emulator(settings), input_words(60)
    charges = emulator.charges(words)[:50]  # the last packets may still be in the buffer
    codes = FLOAT_4E3M.encode(charges, settings.drop_lsb)
    assert (codes == 0).any()
    np.testing.assert_array_equal(emulator.decode(emulator.run(words))[:50], FLOAT_4E3M.decode(codes, settings.drop_lsb))
    without = Emulator(settings.model_copy(update={"keep_zeros": False}))
    assert (without.run(words) != emulator.run(words)).any()


def test_input_codes_become_the_middle_of_what_they_stand_for():
    codes = np.array([0, 1, 7, 8, 15, 16, 17, 127])
    assert expand(codes, high_density=True).tolist() == [4, 12, 60, 68, 124, 136, 152, 253_952 * 8]
    assert expand(codes, high_density=False).tolist() == [1, 3, 15, 17, 31, 34, 38, 253_952 * 2]


def test_the_counter_restarts_at_an_orbit():
    words = np.full((40, 12), 0xA0000000, dtype=np.uint32)
    words[[0, 20]] = 0x90000000
    counter = Emulator(config("repeater", 13)).run(words)[:, 0] >> 27
    assert counter.tolist() == [31, *[i % 16 for i in range(1, 20)], 31, *[i % 16 for i in range(1, 20)]]
    short = Emulator(config("best_choice", 1)).run(words)[:, 0] >> 28
    assert short[:10].tolist() == [15, 1, 2, 3, 4, 5, 6, 7, 0, 1]


def slow_buffer(packets, links, t1, t2, t3, sync, counters, sums):
    """Lists instead of arrays: words that wait, words behind them, room for 400."""
    buffer, waiting, lines = [0] * 400, 0, []
    for packet, counter, total in zip(packets, counters, sums, strict=True):
        idle = counter << 11 | sync
        if waiting + len(packet) > t1:
            new, advance = [counter << 11 | 0b110 << 8 | total, idle], 1
        elif waiting > t2 and len(packet) <= t3:
            new, advance = [counter << 11 | 0b111 << 8 | total, idle], 1
        else:
            new, advance = packet + [idle] * (26 - len(packet)), len(packet)
        buffer = (buffer[:waiting] + new + buffer[waiting + len(new) :])[:400]
        waiting += advance
        lines.append(buffer[: 2 * links])
        buffer = buffer[2 * links :] + buffer[-2 * links :]
        waiting = max(0, waiting - 2 * links)
    return np.array([[line[i] << 16 | line[i + 1] for i in range(0, len(line), 2)] for line in lines])


@pytest.mark.parametrize(
    ("links", "t1", "t2", "t3"),
    [(1, 24, 500, 0), (2, 48, 20, 12), (5, 120, 60, 20), (9, 60, 10, 25), (13, 400, 500, 0), (1, 480, 500, 0), (2, 550, 400, 25)],
)
def test_the_buffer_truncates_as_a_slow_one_does(links, t1, t2, t3):
    settings = config("threshold_sum", links, threshold=(47,) * 48, buffer_t1=t1, buffer_t2=t2, buffer_t3=t3)
    emulator, words = Emulator(settings), input_words(400, seed=links)
    charges = emulator.charges(words)
    encoded = emulator.select(charges)
    counters = [31 if word >> 28 == 9 else None for word in words[:, 0].tolist()]
    since = 0
    for i, counter in enumerate(counters):
        since = 0 if counter == 31 else since + 1
        counters[i] = counter or since % 16
    from hgcae.coding.floatcode import FLOAT_5E3M

    packets = []
    for row, bits, counter in zip(encoded.payload, encoded.bits, counters, strict=True):
        digits = f"{counter:05b}" + "".join(f"{byte:08b}" for byte in row)[:bits]
        digits = digits.ljust(-(-len(digits) // 16) * 16, "0")
        packets.append([int(digits[i : i + 16], 2) for i in range(0, len(digits), 16)])
    expected = slow_buffer(packets, links, t1, t2, t3, 290, counters, FLOAT_5E3M.encode(charges.sum(axis=1)).tolist())
    result = emulator.run(words)
    np.testing.assert_array_equal(result[:, :links], expected)
    assert (result[:, links:] == 0).all()
    if t1 == 24:
        assert np.any((result >> 24 & 7) == 0b110)


def full_modules(n, links, t1):
    """Output of modules whose cells are all above threshold, packets of 25 words."""
    words = np.full((n, 12), 0xA0000000, dtype=np.uint32) + np.uint32(0x2040810 * 4) + np.arange(12, dtype=np.uint32)
    words[0] ^= 0x30000000
    return Emulator(config("threshold_sum", links, threshold=(47,) * 48, buffer_t1=t1, buffer_t2=1000)).run(words)


def test_words_beyond_the_buffer_are_lost():
    """The first packet that does not fit, number 18, ends after 22 words; then the last words of the buffer come again and again."""
    small, large = full_modules(130, 2, 400), full_modules(130, 2, 500)
    np.testing.assert_array_equal(large[:112], small[:112])
    assert (large[119:, :2] == large[119, :2]).all()
    assert (small[119:, :2] != small[119, :2]).any()


@pytest.mark.parametrize("name", [name for name in CONFIGS if not name.startswith(("TS", "AE"))])
def test_packets_are_read_back(name):
    settings = CONFIGS[name].model_copy(update={"calibration": (2048,) * 48})
    emulator, words = Emulator(settings), input_words(50)
    charges = emulator.charges(words)
    result = emulator.run(words)
    if name in {"RPT_1", "STC4B_6", "STC16_3", "CTC4A_4", "STC4A_5", "CTC4B_5"}:
        with pytest.raises(SettingsError, match="links"):
            emulator.decode(result)
        return
    decoded = emulator.decode(result)
    if name.startswith("RPT"):
        error = np.abs(decoded - charges)
        assert (error <= charges / 16 + (1 << settings.drop_lsb)).all()
    if name.startswith("BC"):
        n = np.count_nonzero(decoded, axis=1)
        assert (decoded.sum(axis=1) <= 1.07 * charges.sum(axis=1)).all()
        assert n.max() <= 48


def test_threshold_sums_are_found_in_the_stream():
    settings = config("threshold_sum", 6, threshold=(47,) * 48, buffer_t1=144, buffer_t2=500, buffer_t3=0)
    emulator, words = Emulator(settings), input_words(300, scale=9)
    charges = emulator.charges(words)
    decoded = emulator.decode(emulator.run(words))
    sent = np.where(charges >= 47, charges, 0)
    good = np.all(np.abs(decoded - sent) <= sent / 16 + 8, axis=1)
    truncated = (decoded == 0).all(axis=1)
    assert (good | truncated).all()
    assert np.mean(good[:250]) > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[:, :11], "shape"),
        (lambda w: w.astype(float), "float64"),
        (lambda w: np.where(np.arange(12) == 3, w & 0x0FFFFFFF, w), "line 2, column RX_DATA_3"),
        (lambda w: np.where((np.arange(len(w)) == 2)[:, None], w | 0x50000000, w), "line 4, column RX_DATA_0"),
        (lambda w: w.astype(np.int64) << 4, "32-bit word"),
    ],
)
def test_words_that_are_none_are_refused(change, message):
    with pytest.raises(DataFormatError, match=message):
        Emulator(config("repeater", 13)).run(change(input_words(5)), "words.csv")


def test_a_stream_that_is_none_of_packets_is_refused():
    words = np.full((3, 13), 0x01000100, dtype=np.uint32)
    with pytest.raises(DataFormatError, match="packet 1"):
        Emulator(config("threshold_sum", 13)).decode(words, "words.csv")


def test_no_bunch_crossings_give_no_lines():
    for settings in CONFIGS.values():
        assert Emulator(settings).run(np.zeros((0, 12), np.uint32)).shape == (0, 13)
