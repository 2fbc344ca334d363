"""The mean image as a codec, and the table of codecs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from contracts.codec import CodecContract, random_modules
from hgcae.codec import codec_from_config
from hgcae.codec.simple import MeanCodec
from hgcae.errors import SettingsError


@cache
def fitted() -> MeanCodec:
    return MeanCodec.fit(2, random_modules(500, seed=7))


class TestContract(CodecContract):
    def codec(self) -> MeanCodec:
        return fitted()


def test_every_module_is_the_mean_image():
    charges = np.diag(np.arange(1, 49))
    codec = MeanCodec.fit(2, charges)
    decoded = codec.decode(codec.encode(charges))
    assert codec.max_bits == 9
    np.testing.assert_allclose(decoded, np.repeat(decoded[:, :1], 48, axis=1))
    # Up to 32 the format 5E4M is exact.
    np.testing.assert_allclose(decoded[:31].sum(axis=1), np.arange(1, 32))


def test_the_bits_that_are_sent():
    """100 is 25 x 4: exponent 3, mantissa 25 - 16 = 9, so 00011 1001."""
    charges = np.zeros((1, 48), int)
    charges[0, :2] = 60, 40
    payload = fitted().encode(charges)
    assert payload.data.tolist() == [[0b00011100, 0b10000000]]
    assert payload.bits.tolist() == [9]


def test_nothing_to_fit_to():
    with pytest.raises(SettingsError, match="found 0 training modules with charge"):
        MeanCodec.fit(2, np.zeros((3, 48), int))


def test_a_wrong_image_is_refused():
    with pytest.raises(SettingsError, match=r"found the shape \(1, 3\)"):
        MeanCodec([[1, 2, 3]])


def test_unknown_names():
    with pytest.raises(SettingsError, match="unknown codec None, expected one of mean, pca"):
        codec_from_config({})
