"""Principal components as a codec."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from contracts.codec import CodecContract, random_modules
from hgcae.codec.base import BUDGETS
from hgcae.codec.simple.images import PcaCodec, allocate
from hgcae.errors import SettingsError


@cache
def fitted(links: int = 3) -> PcaCodec:
    return PcaCodec.fit(links, random_modules(2000, seed=7))


class TestContract(CodecContract):
    def codec(self) -> PcaCodec:
        return fitted()


@pytest.mark.parametrize("links", BUDGETS)
def test_the_bits_are_used_up(links):
    codec = fitted(links)
    assert codec.max_bits == BUDGETS[links]
    assert (np.diff(codec.number_bits) <= 0).all()


def test_more_bits_make_a_better_image():
    charges = random_modules(500, seed=8)
    charges = charges[charges.sum(axis=1) > 0]
    share = charges / charges.sum(axis=1, keepdims=True)
    errors = []
    for links in BUDGETS:
        decoded = fitted(links).decode(fitted(links).encode(charges))
        errors.append(float(np.mean((decoded / decoded.sum(axis=1, keepdims=True) - share) ** 2)))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * errors[0]


def test_the_charge_is_kept_to_the_accuracy_of_its_format():
    charges = random_modules(500, seed=9)
    decoded = fitted().decode(fitted().encode(charges))
    np.testing.assert_allclose(decoded.sum(axis=1), charges.sum(axis=1), rtol=1 / 32)
    assert decoded.min() >= 0


def test_the_bits_that_are_sent():
    """One component, the share of cell 0, in four steps: 25 % is the second step."""
    codec = PcaCodec([0.0] * 48, np.eye(48)[:1], [0.0], [1.0], [2])
    charges = np.zeros((1, 48), int)
    charges[0, [0, 5]] = 25, 75
    payload = codec.encode(charges)
    assert payload.data.tolist() == [[0b00011100, 0b10100000]]
    assert codec.max_bits == payload.bits[0] == 11
    # Only the first cell has an axis, so it gets all the charge: the middle of the step of 100, which is 102.
    assert codec.decode(payload)[0, :2].tolist() == [102, 0]


def test_bits_go_where_the_variance_is():
    assert allocate(np.array([16.0, 4.0, 1.0, 0.0]), 6).tolist() == [3, 2, 1, 0]
    assert allocate(np.array([1.0, 1e-9]), 3).tolist() == [3, 0]
    assert allocate(np.array([1.0, 1e-9]), 18).tolist() == [16, 2]
    assert allocate(np.zeros(3), 5).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("links", "train"), [(1, random_modules(10)), (6, random_modules(10)), (2, np.zeros((10, 48), int))])
def test_what_cannot_be_fitted(links, train):
    with pytest.raises(SettingsError, match="codec pca"):
        PcaCodec.fit(links, train)


@pytest.mark.parametrize("change", [{"mean": [0.0] * 47}, {"widths": [0]}, {"low": [2.0], "high": [1.0]}])
def test_wrong_figures_are_refused(change):
    config = {"mean": [0.0] * 48, "axes": [[0.0] * 48], "low": [0.0], "high": [1.0], "widths": [3]}
    PcaCodec.from_config(config)
    with pytest.raises(SettingsError, match="found"):
        PcaCodec.from_config(config | change)
