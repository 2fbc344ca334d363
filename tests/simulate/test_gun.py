"""The gun: what it shoots is what was asked for, and the truth of a particle is consistent."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hgcae.errors import SettingsError
from hgcae.geometry.detector import Detector
from hgcae.simulate.gun import MASS_GEV, SPECIES, Gun, GunSettings, Particle

PROTOTYPE = Detector.load("prototype")


def shots(n: int = 2000, detector: Detector = PROTOTYPE, **values) -> list[list[Particle]]:
    gun, rng = Gun(GunSettings(**values), detector), np.random.default_rng(3)
    return [gun.draw(rng) for _ in range(n)]


def column(events: list[list[Particle]], name: str) -> np.ndarray:
    return np.array([getattr(particle, name) for event in events for particle in event])


@given(
    st.lists(st.sampled_from(sorted(SPECIES)), min_size=1, max_size=5),
    st.floats(0.5, 1000.0),
    st.sampled_from(["interaction_point", "parallel"]),
    st.integers(0, 2**32),
)
def test_energy_momentum_and_angles_agree(particles, energy, direction, seed):
    settings = GunSettings(particles=tuple(particles), energy_gev=(energy, energy), count=(1, 3), direction=direction)
    for particle in Gun(settings, PROTOTYPE).draw(np.random.default_rng(seed)):
        p = math.hypot(particle.px_gev, particle.py_gev, particle.pz_gev)
        assert particle.energy_gev == energy
        assert math.hypot(p, MASS_GEV[particle.pdg]) == pytest.approx(energy, rel=1e-12)
        assert math.atan2(particle.py_gev, particle.px_gev) == particle.phi
        if direction == "parallel":
            assert particle.eta == math.inf
        else:
            assert math.atanh(particle.pz_gev / p) == pytest.approx(particle.eta)
            z = PROTOTYPE.layer_z_cm[0]
            assert particle.impact_x_cm / z == pytest.approx(particle.px_gev / particle.pz_gev)
            assert particle.impact_y_cm / z == pytest.approx(particle.py_gev / particle.pz_gev)
        assert PROTOTYPE.locate(np.array([particle.impact_x_cm, particle.impact_y_cm])) >= 0


def test_the_masses_are_those_of_the_particle_data_group():
    masses = {name: species.mass_gev * 1000 for name, species in SPECIES.items()}
    assert masses == pytest.approx({"e-": 0.510999, "e+": 0.510999, "gamma": 0, "pi-": 139.5704, "pi+": 139.5704}, rel=1e-6)


@pytest.mark.parametrize(("spectrum", "scale"), [("flat", lambda e: e), ("log", np.log)])
def test_spectra_are_uniform_on_their_scale(spectrum, scale):
    energy = column(shots(energy_gev=(2, 300), spectrum=spectrum), "energy_gev")
    low, high = scale(2), scale(300)
    assert stats.kstest((scale(energy) - low) / (high - low), "uniform").pvalue > 1e-3


def test_particles_are_drawn_with_equal_probability():
    pdg = column(shots(particles=("e-", "gamma", "pi+")), "pdg")
    found = np.array([(pdg == code).sum() for code in (11, 22, 211)])
    assert found.sum() == 2000
    assert stats.chisquare(found).pvalue > 1e-3


def test_impacts_fill_all_modules_evenly():
    events = shots(19_000)
    cells = PROTOTYPE.locate(np.column_stack([column(events, "impact_x_cm"), column(events, "impact_y_cm")]))
    assert stats.chisquare(np.bincount(cells // 48, minlength=57)).pvalue > 1e-3
    # Cells have different areas, so within a module compare halves of each ROC's rhombus: rows 0 and 1 against 2 and 3.
    assert ((cells % 16) < 8).mean() == pytest.approx(0.5, abs=0.03)


def test_impacts_fill_the_disc_evenly():
    events = shots(radius_cm=10.0)
    r2 = (column(events, "impact_x_cm") - 95) ** 2 + column(events, "impact_y_cm") ** 2
    assert stats.kstest(r2 / 100, "uniform").pvalue > 1e-3


def test_numbers_of_particles_cover_their_range():
    assert {len(event) for event in shots(200, count=(2, 4))} == {2, 3, 4}
    assert {len(event) for event in shots(200, count=(0, 2))} == {0, 1, 2}


@pytest.mark.parametrize("separation", [0.5, 12.0])
def test_further_particles_stand_at_the_separation(separation):
    for first, *others in shots(200, count=(2, 3), separation_cm=separation):
        for other in others:
            apart = math.hypot(other.impact_x_cm - first.impact_x_cm, other.impact_y_cm - first.impact_y_cm)
            assert apart == pytest.approx(separation)


@pytest.mark.parametrize(
    "values",
    [
        {"energy_gev": (0.4, 10)},
        {"energy_gev": (1, 1001)},
        {"energy_gev": (10, 5)},
        {"energy_gev": (math.nan, 5)},
        {"count": (-1, 1)},
        {"separation_cm": 5.0, "count": (0, 1)},
        {"count": (3, 2)},
        {"particles": ()},
        {"particles": ("mu-",)},
        {"separation_cm": 3.0},
        {"separation_cm": 0.0, "count": (2, 2)},
        {"spectrum": "steep"},
        {"field_tesla": 4},
    ],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(SettingsError):
        GunSettings.load(values)


def test_a_gun_that_cannot_hit_says_so():
    gun = Gun(GunSettings(count=(2, 2), separation_cm=500.0), PROTOTYPE)
    with pytest.raises(SettingsError, match="separation_cm"):
        gun.draw(np.random.default_rng(1))
