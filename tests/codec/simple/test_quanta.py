"""The strongest cells by enumeration: exact bits, the best number of cells, quanta that add up."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from contracts.codec import CodecContract, random_modules
from hgcae.codec import Payload, UnitCodec, make_codec
from hgcae.codec.simple.quanta import QuantaCodec, quanta
from hgcae.errors import DataFormatError, SettingsError


class TestContract(CodecContract):
    def codec(self) -> UnitCodec:
        return make_codec("quanta", 3, random_modules(200))


@pytest.mark.parametrize(("cells", "bits", "n", "rest"), list(product((16, 48, 2736), (40, 63), (1, 2, 5, 12), (0, 1))))
def test_as_many_quanta_as_the_bits_allow(cells, bits, n, rest):
    """Every cell has one of them at least; the others are split between cells and what is left over: stars and bars."""
    found = quanta(cells, bits, n, rest)

    def splits(k: int) -> int:
        return comb(k - n + n + rest - 1, n + rest - 1)

    def taken(k: int) -> int:
        return (comb(cells, n) - 1).bit_length() + (splits(k) - 1).bit_length()

    if found:
        assert taken(found) <= bits
        assert found == 4096 or taken(found + 1) > bits
    else:
        assert taken(n) > bits


def test_the_number_of_cells_is_the_best():
    """Of the codes for each number of cells alone, none is nearer; quanta are rounded, so each cell is off by at most one."""
    codec = QuantaCodec(16, 48, 4000.0)
    charges = np.random.default_rng(3).poisson(np.random.default_rng(4).gamma(0.4, 60, (300, 16)))
    charges = charges[charges.sum(axis=1) > 0]
    decoded = codec.decode(codec.encode(charges))
    for row, image in zip(charges, decoded, strict=True):
        order = np.lexsort((np.arange(16), -row))
        errors = []
        for n in range(1, np.count_nonzero(row) + 1):
            rest = int(n < np.count_nonzero(row))
            k = quanta(16, 48 - 9 - 5, n, rest)
            if k:
                exact = row[order[:n]] * k / row.sum()
                errors.append(row[order[n:]].sum() + np.abs(exact - np.rint(exact)).sum() * row.sum() / k)
        sent, charged = int(np.count_nonzero(image)), int(np.count_nonzero(row))
        step = row.sum() / quanta(16, 34, sent, int(sent < charged))
        scale = row.sum() / image.sum() if sent == charged else 1.0
        # The code of the sum shifts all charges by at most 2 %; forcing quanta to add up costs at most half a step a cell.
        assert np.abs(row - scale * image).sum() <= min(errors) + 0.02 * row.sum() + 0.5 * step * sent


def test_units_of_a_whole_layer():
    codec = QuantaCodec(2736, 72, 1e5)
    charges = np.zeros((2, 2736), dtype=np.int64)
    charges[0, [5, 2735, 100]] = 3000, 900, 30
    decoded = codec.decode(codec.encode(charges))
    assert np.flatnonzero(decoded[0]).tolist() == [5, 100, 2735]
    np.testing.assert_allclose(decoded[0, [5, 2735]], [3000, 900], rtol=0.02)
    assert not decoded[1].any()


def test_bits_that_no_unit_has():
    codec = QuantaCodec(16, 72, 4000.0)
    payload = codec.encode(np.arange(32).reshape(2, 16))
    with pytest.raises(DataFormatError, match="payload 1: found bits that no unit has"):
        codec.decode(Payload(payload.data, payload.bits - [0, 1]))


def test_too_few_bits():
    with pytest.raises(SettingsError, match="found 12 bits for a unit of 16 cells, expected at least 14"):
        QuantaCodec(16, 12, 100.0)
