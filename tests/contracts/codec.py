"""What every codec must do."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from hgcae.codec import CODECS, Payload, UnitCodec, codec_from_config
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError


def random_modules(n: int = 300, seed: int = 1) -> np.ndarray:
    """Charges around one point each, with one to 48 cells and of all sizes; a few modules are empty or full of large charges."""
    rng = np.random.default_rng(seed)
    near = np.abs(np.arange(48) - rng.integers(0, 48, (n, 1)))
    charges = rng.poisson(10 ** rng.uniform(0, 4, (n, 1)) * np.exp(-near / rng.uniform(0.3, 10, (n, 1))))
    charges[::20] = 0
    charges[1::50] = rng.integers(0, 2**18, (len(charges[1::50]), 48))
    return charges.astype(np.int64)


def with_one(charge: int, dtype: type[np.integer]) -> np.ndarray:
    """Two modules of which one cell holds a charge."""
    charges = np.ones((2, 48), dtype=dtype)
    charges[1, 7] = charge
    return charges


class CodecContract:
    """Inherited by the test of each codec, which says how to make one, the same each time."""

    empty_decodes_to: float = 0.0

    def codec(self) -> UnitCodec:
        raise NotImplementedError

    @pytest.fixture
    def made(self) -> UnitCodec:
        return self.codec()

    def test_is_registered(self, made):
        assert type(made) in [entry.type for name, entry in CODECS.items() if made.name in {name, entry.kind}]

    def test_is_made_again_from_its_configuration(self, made):
        config = json.loads(json.dumps(made.get_config(), allow_nan=False))
        again = codec_from_config(config)
        assert type(again) is type(made)
        assert (again.cells, again.max_bits, again.get_config()) == (made.cells, made.max_bits, made.get_config())
        assert again == made
        assert hash(again) == hash(made)
        payload = made.encode(random_modules())
        for found, expected in zip(again.encode(random_modules()), payload, strict=True):
            np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(again.decode(payload), made.decode(payload))

    def test_prints_as_the_call_that_makes_it_in_one_line(self, made):
        text = repr(made)
        assert text.startswith(f"{type(made).__name__}(")
        assert "\n" not in text
        assert len(text) < 300
        if "..." not in text:
            assert eval(text, {type(made).__name__: type(made)}) == made  # noqa: S307 - what was just printed

    def test_another_configuration_is_another_codec(self, made, monkeypatch):
        again = codec_from_config(made.get_config())
        monkeypatch.setattr(again, "get_config", lambda: made.get_config() | {"other": 1})
        assert again != made
        assert made != made.get_config()

    def test_wrong_configurations_are_refused(self, made):
        config = made.get_config()
        for wrong in (config | {"colour": 3}, config | {"name": "none"}, {"name": made.name}):
            with pytest.raises(SettingsError):
                codec_from_config(wrong)

    def test_shapes_and_types(self, made):
        charges = random_modules()
        payload = made.encode(charges)
        assert (payload.data.dtype, payload.bits.dtype) == (np.uint8, np.int64)
        assert payload.data.shape[0] == len(charges) == len(payload.bits)
        assert payload.bits.min() >= 0
        assert payload.bits.max() <= min(made.max_bits, 8 * payload.data.shape[1])
        decoded = made.decode(payload)
        assert (decoded.dtype, decoded.shape) == (np.float64, charges.shape)
        assert np.isfinite(decoded).all()

    # The test is inherited, so it runs in several classes.
    @settings(suppress_health_check=[HealthCheck.differing_executors])
    @given(charges=arrays.arrays(np.int64, (4, 48), elements=st.integers(0, 2**22 - 1), fill=st.just(0)))
    def test_any_charges_are_encoded(self, charges):
        codec = self.codec()
        payload = codec.encode(charges)
        assert payload.bits.max() <= codec.max_bits
        assert np.isfinite(codec.decode(payload)).all()

    @pytest.mark.parametrize("kind", [np.int64, np.uint64, np.uint32, np.int8])
    def test_huge_charges_saturate(self, made, kind):
        """The largest number of each type, in one cell, in some and in all, is as good as the largest that is looked at."""
        charges = np.zeros((6, 48), dtype=kind)
        charges[:4] = np.tril(np.ones((48, 48), bool))[[0, 1, 30, 47]] * kind(np.iinfo(kind).max)
        charges[4] = np.arange(48)
        payload = made.encode(charges)
        assert payload.bits.max() <= made.max_bits
        for found, expected in zip(payload, made.encode(np.minimum(charges.astype(object), LARGEST_CHARGE).astype(np.int64)), strict=True):
            np.testing.assert_array_equal(found, expected)
        decoded = made.decode(payload)
        assert np.isfinite(decoded).all()
        assert (decoded >= 0).all()

    def test_only_what_is_sent_is_decoded(self, made):
        payload = made.encode(random_modules())
        rng = np.random.default_rng(2)
        rest = np.arange(8 * payload.data.shape[1]) >= payload.bits[:, None]
        assert not np.unpackbits(payload.data, axis=1)[rest].any()
        flipped = payload.data ^ np.packbits(rest & (rng.random(rest.shape) < 0.5), axis=1)
        longer = np.concatenate([flipped, rng.integers(0, 256, (len(flipped), 3), dtype=np.uint8)], axis=1)
        for data in (flipped, longer):
            np.testing.assert_array_equal(made.decode(Payload(data, payload.bits)), made.decode(payload))

    def test_every_module_is_by_itself(self, made):
        charges = random_modules()
        whole = made.decode(made.encode(charges))
        order = np.random.default_rng(3).permutation(len(charges))
        np.testing.assert_allclose(made.decode(made.encode(charges[order])), whole[order], rtol=1e-12)

    def test_empty_modules(self, made):
        empty = np.zeros((3, 48), dtype=np.int64)
        np.testing.assert_array_equal(made.decode(made.encode(empty)), empty + self.empty_decodes_to)

    def test_no_modules(self, made):
        payload = made.encode(np.zeros((0, 48), dtype=np.int64))
        assert (len(payload.data), payload.bits.shape) == (0, (0,))
        assert made.decode(payload).shape == (0, 48)

    def test_the_same_twice(self, made):
        charges = random_modules()
        before = charges.copy()
        for a, b in zip(made.encode(charges), self.codec().encode(charges.astype(np.uint32)), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(charges, before)

    @pytest.mark.parametrize(
        "charges",
        [
            np.ones((2, 47), int),
            np.ones(48, int),
            np.ones((2, 3, 4, 4), int),
            np.ones((2, 48)),
            np.full((2, 48), 1.5),
            np.full((2, 48), np.nan),
            np.ones((2, 48), bool),
            np.ones((2, 48), object),
            -np.ones((2, 48), int),
            with_one(-1, np.int64),
            with_one(-(2**63), np.int64),
            with_one(-1, np.int8),
        ],
    )
    def test_bad_charges_are_refused(self, made, charges):
        with pytest.raises(DataFormatError, match=f"{made.name}: charges"):
            made.encode(charges)

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.uint64])
    def test_any_integers_that_hold_the_charges_are_the_same(self, made, dtype):
        charges = np.minimum(random_modules(60), min(np.iinfo(dtype).max, LARGEST_CHARGE))
        for found, expected in zip(made.encode(charges.astype(dtype)), made.encode(charges), strict=True):
            np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize("dtype", [np.int64, np.uint64])
    def test_charges_beyond_the_format_saturate(self, made, dtype):
        """Nothing wraps: a module that is twice as large as one beyond any format decodes to the same charge, and to no less."""
        largest: NDArray[Any] = np.zeros((4, 48), dtype=dtype)
        largest[0, 5] = largest[1, :] = largest[2, ::7] = LARGEST_CHARGE
        total, half, small = (made.decode(made.encode(largest >> k)).sum(axis=1) for k in (0, 1, 24))
        np.testing.assert_allclose(total, half, rtol=1e-6)
        assert (total >= 0.99 * small).all()

    def test_bad_payloads_are_refused(self, made):
        data, bits = made.encode(random_modules(5))
        for wrong in (
            Payload(data[:, :0], bits),
            Payload(data, bits[:3]),
            Payload(data.astype(np.int64), bits),
            Payload(data, bits + 10_000),
        ):
            with pytest.raises(DataFormatError):
                made.decode(wrong)
