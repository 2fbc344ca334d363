"""The pion profile: worked values, continuity of the fluctuations, limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.simulate import hadron


@pytest.mark.parametrize(("energy", "em_x0", "had_lambda"), [(20, 7.4, 1.36), (50, 8.7, 1.83), (100, 9.8, 2.23)])
def test_mean_depths_of_both_parts(energy, em_x0, had_lambda):
    profile = hadron.mean_profile(energy)
    assert profile.a_em / profile.b_em == pytest.approx(em_x0, abs=0.05)
    assert profile.a_had / profile.b_had == pytest.approx(had_lambda, abs=0.01)


@given(st.floats(0.4, 1000.0), st.integers(0, 2**32))
def test_every_drawn_profile_is_a_profile(energy, seed):
    profile = hadron.draw_profile(np.random.default_rng(seed), energy)
    assert 0 <= profile.em_share <= 1
    assert min(profile.a_em, profile.b_em, profile.a_had, profile.b_had, profile.width) > 0


@pytest.mark.parametrize("energy", [3.0, 50.0])
def test_the_electromagnetic_share_keeps_its_mean(energy):
    rng = np.random.default_rng(1)
    shares = np.array([hadron.draw_profile(rng, energy).em_share for _ in range(2000)])
    assert shares.mean() == pytest.approx(hadron.mean_profile(energy).em_share, abs=5 * shares.std() / np.sqrt(2000))


def test_energies_beyond_the_fits_are_taken_at_the_limit():
    assert hadron.mean_profile(1000.0) == hadron.mean_profile(500.0)
    assert hadron.mean_profile(0.5) == hadron.mean_profile(2.0)
