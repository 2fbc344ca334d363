"""The pyramid codec: bit for bit as a slow one written from its description, and exact wherever the budget allows."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import CodecContract, random_modules
from hgcae.codec.base import BUDGETS, Payload
from hgcae.codec.pyramid import SUM, Mode, PyramidCodec
from hgcae.errors import DataFormatError, SettingsError

MODES = {
    2: [(6, 3), (8, 3), (2, 12), (7, 1), (9, 0), (6, 0), (8, 0)],
    5: [(20, 3), (28, 3), (18, 3), (24, 1), (36, 1), (22, 0), (26, 1)],
}


class TestLattice(CodecContract):
    def codec(self) -> PyramidCodec:
        return PyramidCodec(3, [(14, 3), (18, 3), (13, 1), (16, 3), (11, 1), (14, 0), (8, 12)])


def group(cell: int, groups: int) -> int:
    roc, row, column = cell // 16, cell % 16 // 4, cell % 4
    return {1: 0, 3: roc, 12: roc * 4 + row // 2 * 2 + column // 2}[groups]


def width(n: int, k: int) -> int:
    return (comb(n, k) - 1).bit_length()


def cut(charges: list[int], mode: Mode, quanta: int) -> tuple[list[int], list[int]]:
    """Cells and quanta, written from the description: round, then fix where it costs least."""
    total = sum(charges)
    cells = sorted(sorted(range(48), key=lambda i: (-charges[i], i))[: mode.cells])
    parts = [charges[i] for i in cells]
    parts += [sum(q for i, q in enumerate(charges) if i not in cells and group(i, mode.groups) == k) for k in range(mode.groups)]
    if not mode.groups:
        total = sum(parts)
    exact = [Fraction(q * quanta, total) for q in parts]
    least = [1] * mode.cells + [0] * mode.groups
    count = [max(int(e), low) for e, low in zip(exact, least, strict=True)]
    while sum(count) != quanta:
        step = 1 if sum(count) < quanta else -1
        able = [j for j in range(len(count)) if step > 0 or count[j] > least[j]]
        count[max(able, key=lambda j: (step * (exact[j] - count[j]), -j))] += step
    return cells, count


def image(cells: list[int], count: list[int], mode: Mode) -> list[int]:
    """In 1/64 of a quantum."""
    out = [0] * 48
    for cell in set(range(48)) - set(cells) if mode.groups else ():
        k = group(cell, mode.groups)
        free = sum(1 for i in range(48) if i not in cells and group(i, mode.groups) == k)
        out[cell] = 64 * count[mode.cells + k] // free
    for cell, n in zip(cells, count, strict=False):
        out[cell] = 64 * n
    return out


def reference(charges: list[int], links: int, modes: list[tuple[int, int]]) -> str:
    """The payload as text of 0 and 1."""
    total = sum(charges)
    code = int(SUM.encode(np.array([total]))[0])
    text = f"{code:09b}"
    if not total:
        return text
    behind = max((code >> 5) - 1, 0)
    low = (code & 31 | 32) << behind if code >> 5 else code
    charged = sum(q > 0 for q in charges)

    def quanta_of(mode: Mode, left: int) -> tuple[int, bool]:
        if low + (1 << behind) - 1 <= mode.quanta(left - behind):
            return sum(charges), True
        return min(mode.quanta(left), low), False

    left = BUDGETS[links] - 9
    shorts = [Mode(n, 0) for n in range(min(charged, 16), 0, -1)]
    short = next(mode for mode in shorts if quanta_of(mode, left - 7)[0] >= mode.cells)
    found = []
    for prefix, mode in [(f"111{short.cells - 1:04b}", short)] + [(f"{i:03b}", Mode(*mode)) for i, mode in enumerate(modes)]:
        quanta, full = quanta_of(mode, left - len(prefix))
        if mode.cells > min(charged, quanta):
            continue
        cells, count = cut(charges, mode, quanta)
        made = image(cells, count, mode)
        difference = [64 * q * quanta - y * sum(charges) for q, y in zip(charges, made, strict=True)]
        distance = sum(map(abs, difference))
        for groups in (12, 3):
            distance += sum(abs(sum(d for i, d in enumerate(difference) if group(i, groups) == k)) for k in range(groups))
        found.append((Fraction(distance, quanta), prefix, mode, quanta, full, cells, count))
    _, prefix, mode, quanta, full, cells, count = min(found, key=lambda row: row[0])
    text += prefix
    if full and behind:
        text += f"{sum(charges) - low:0{behind}b}"
    fields = [(sum(comb(c, j) for j, c in enumerate(cells, 1)), width(48, mode.cells))]
    bars, place = [], -1
    for j, n in enumerate(count[:-1]):
        place += 1 + n - (j < mode.cells)
        bars.append(place)
    fields.append((sum(comb(b, j) for j, b in enumerate(bars, 1)), width(quanta - mode.cells + mode.parts - 1, mode.parts - 1)))
    return text + "".join(f"{value:0{bits}b}" for value, bits in fields if bits)


def texts(payload: Payload) -> list[str]:
    return ["".join(map(str, row[:n])) for row, n in zip(np.unpackbits(payload.data, axis=1), payload.bits, strict=True)]


@pytest.mark.parametrize("links", MODES)
def test_every_bit_is_that_of_a_slow_codec(links):
    charges = random_modules(150, seed=4)
    found = texts(PyramidCodec(links, MODES[links]).encode(charges))
    assert found == [reference(row.tolist(), links, MODES[links]) for row in charges]
    assert len(set(found)) > 100


def test_shares_of_huge_charges_are_kept():
    """Where products of 64 bits would not do."""
    charges = random_modules(60)
    charges = charges[charges.sum(axis=1) > 0][:12] << 22
    codec = PyramidCodec(5, MODES[5])
    assert texts(codec.encode(charges)) == [reference(row.tolist(), 5, MODES[5]) for row in charges]


@cache
def fitted(links: int) -> PyramidCodec:
    return PyramidCodec.fit(links, random_modules(200))


@given(st.dictionaries(st.integers(0, 47), st.integers(1, 63), min_size=1, max_size=5))
def test_a_few_cells_are_exact(cells):
    charges = np.zeros((1, 48), dtype=np.int64)
    charges[0, list(cells)] = list(cells.values())
    for links in (4, 5):
        codec = fitted(links)
        np.testing.assert_array_equal(codec.decode(codec.encode(charges)), charges)


def test_full_modules_keep_their_charge_and_their_strongest_cells():
    charges = np.random.default_rng(2).integers(1, 2000, (500, 48))
    codec = PyramidCodec(5, MODES[5])
    found = codec.decode(codec.encode(charges))
    np.testing.assert_allclose(found.sum(axis=1), charges.sum(axis=1), rtol=1 / 64)
    # Half a quantum of about 200 is the most that rounding does to a cell; the strongest hold several times that.
    strongest = charges.argmax(axis=1)
    rows = np.arange(len(charges))
    np.testing.assert_allclose(found[rows, strongest], charges[rows, strongest], rtol=0.3)


def test_modes_follow_the_data():
    """Where all charge lies in 20 like cells, more links send more of them; where it lies in 5, few links are enough for all."""
    rng = np.random.default_rng(3)
    samples = {}
    for n in (5, 20):
        samples[n] = np.zeros((1500, 48), dtype=np.int64)
        for row in samples[n]:
            row[rng.choice(48, n, replace=False)] = rng.integers(100, 900, n)
    cells = {(n, links): [mode.cells for mode in PyramidCodec.fit(links, x).modes] for n, x in samples.items() for links in (2, 5)}
    assert cells[20, 5][0] == 20
    assert cells[20, 2][0] < 20
    assert cells[5, 2][0] <= 5
    assert PyramidCodec.fit(2, samples[20]).modes == PyramidCodec.fit(2, samples[20]).modes


@pytest.mark.parametrize("links", BUDGETS)
def test_modes_use_their_bits(links):
    bits = BUDGETS[links] - 12
    for mode in (Mode(4, 0), Mode(6, 1), Mode(8, 3), Mode(6, 12)):
        quanta = mode.quanta(bits)
        if quanta:
            used = width(48, mode.cells) + width(quanta - mode.cells + mode.parts - 1, mode.parts - 1)
            more = width(48, mode.cells) + width(quanta - mode.cells + mode.parts, mode.parts - 1)
            assert used <= bits
            assert more > bits or quanta == 1023
        assert mode.quanta(width(48, mode.cells) - 1) == 0


def test_payloads_that_no_module_has():
    codec = PyramidCodec(5, MODES[5])
    charges = random_modules(20)[1:3]
    good = codec.encode(charges)
    for bits in (good.bits - 1, good.bits + 1):
        with pytest.raises(DataFormatError, match="payload 0"):
            codec.decode(Payload(good.data, bits))
    with pytest.raises(DataFormatError, match="that hold the bits"):
        codec.decode(Payload(good.data[:, :2], good.bits))
    wrong = np.full_like(good.data, 255)
    with pytest.raises(DataFormatError, match="bits that no module has"):
        codec.decode(Payload(wrong, good.bits))


@pytest.mark.parametrize("modes", [[(6, 3)] * 6, [(6, 3)] * 6 + [(6, 2)], [(0, 3)] * 7, [(48, 1)] * 7])
def test_modes_that_are_none(modes):
    with pytest.raises(SettingsError, match="modes"):
        PyramidCodec(2, modes)


def test_nothing_to_choose_modes_by():
    with pytest.raises(SettingsError, match="found 0 training modules"):
        PyramidCodec.fit(2, np.zeros((3, 48), dtype=np.int64))
