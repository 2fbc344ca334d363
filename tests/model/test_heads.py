"""Physics heads on codes of events whose energy is known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hgcae.coding.sums import UNITS
from hgcae.errors import GeometryError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.heads import Heads, energy_features
from hgcae.truth import contained
from model.toys import STACK, autoencoder, conserving_settings, plain_settings, showers

N = 400


@pytest.fixture(scope="module")
def sample() -> Events:
    """Showers without empty events."""
    events = showers(STACK, 2 * N, seed=2)
    events = events[np.nonzero(events.counts > 3)[0][:N]]
    assert len(events) == N
    return events


@pytest.fixture(scope="module")
def fitted(sample) -> Autoencoder:
    model = autoencoder(conserving_settings())
    model.heads.fit(model, sample, {name: model.encode_events(sample, name) for name in STACK.names})
    return model


def test_showers_near_the_border_are_left_out(sample):
    """The fit is that of the contained showers alone; where they are too few, that of all."""
    detector = Detector.load("prototype")
    model = autoencoder(conserving_settings())
    rng = np.random.default_rng(3)
    around = detector.module_xy.mean(axis=0)[:, None] + rng.uniform(-60, 60, (2, len(sample)))
    moved = replace(sample, particles={**sample.particles, "impact_x_cm": around[0], "impact_y_cm": around[1]})
    inside = contained(moved, detector)
    assert 100 < inside.sum() < len(moved) - 100
    fits = []
    for events, known in ((moved, detector), (moved[inside], None), (moved, None)):
        heads = Heads()
        heads.fit(model, events, {name: model.encode_events(events, name) for name in STACK.names}, known)
        fits.append(heads.arrays())
    assert set(fits[0]) == set(fits[1]) == set(fits[2])
    for name, values in fits[0].items():
        np.testing.assert_allclose(values, fits[1][name], rtol=1e-9, atol=1e-12, err_msg=name)
    assert not np.allclose(fits[0]["kinematics/coef"], fits[2]["kinematics/coef"])
    few = Heads()
    outside = replace(moved, particles={**moved.particles, "impact_x_cm": np.full(len(moved), 1000.0)})
    few.fit(model, outside, {"STACK": model.encode_events(outside, "STACK")}, detector)
    assert few.kinematics


def with_energy(events: Events, energy: np.ndarray) -> Events:
    return replace(events, particles={**events.particles, "energy_gev": energy})


def spread(estimate: np.ndarray, truth: np.ndarray) -> float:
    """Relative standard deviation of the ratio."""
    ratio = estimate / truth
    return float(ratio.std() / ratio.mean())


@pytest.mark.parametrize("level", STACK.names)
def test_an_energy_that_is_the_sum_is_kept(fitted, sample, level):
    """Truth is the weighted sum; the head adds at most a little to what the codes of the sums lose."""
    codes = fitted.encode_events(sample, level)
    base, _ = energy_features(fitted, codes)
    truth = sample.true_energy_gev
    assert truth is not None
    found = fitted.heads.energies(fitted, codes)
    strong = truth > 5
    assert spread(found[strong], truth[strong]) < 1.05 * spread(base[strong], truth[strong]) + 1e-3
    assert (found[strong] / truth[strong]).mean() == pytest.approx(1, abs=0.01)
    # The quantised sums alone: half a step of a few hundred in 2^9 and fewer codes.
    assert spread(base[strong], truth[strong]) < 0.03


def test_a_correction_that_is_linear_in_the_depth_is_found(sample):
    """A tenth more for each layer of mean depth is much more than what the codes lose."""
    model = autoencoder(conserving_settings())
    layer = sample.cell // 48
    sums = sample.unit_sums("STACK", np.asarray(model.calibration.root_weight).repeat(48))[:, 0]
    weight = np.asarray(model.calibration.root_weight)[layer]
    depth = np.bincount(sample.event, sample.charge * weight * layer, N) / sums
    tilted = with_energy(sample, sums / 100 * (1 + 0.1 * depth))
    codes = model.encode_events(tilted, "MODULE")
    model.heads.fit(model, tilted, {"MODULE": codes})
    found, truth = model.heads.energies(model, codes), tilted.particles["energy_gev"]
    strong = truth > 5
    uncorrected = spread(energy_features(model, codes)[0][strong], truth[strong])
    assert uncorrected > 0.05
    assert spread(found[strong], truth[strong]) < 0.25 * uncorrected


def test_the_base_is_the_coded_sum(fitted, sample):
    codes = fitted.encode_events(sample, "STACK")
    coded = fitted.levels["STACK"].sums.table[codes.code[:, 0].astype(int)] / UNITS  # type: ignore[attr-defined]
    np.testing.assert_allclose(energy_features(fitted, codes)[0], coded, rtol=1e-6)


def test_momenta(fitted, sample):
    codes = fitted.encode_events(sample, "STACK")
    found = fitted.heads.momenta(fitted, codes)
    assert set(found) == {"energy_gev", "pt_gev", "eta", "phi", "impact_x_cm", "impact_y_cm"}
    assert all(values.shape == (N,) and np.isfinite(values).all() for values in found.values())
    assert (np.abs(found["phi"]) <= np.pi).all()
    np.testing.assert_allclose(found["pt_gev"] * np.cosh(found["eta"]), found["energy_gev"], rtol=1e-6)
    for axis in "xy":
        # The barycentre is in the code.
        assert np.corrcoef(found[f"impact_{axis}_cm"], sample.particles[f"impact_{axis}_cm"])[0, 1] > 0.9


def test_empty_events_have_finite_estimates(fitted, events):
    codes = fitted.encode_events(events, "STACK")
    assert (events.counts == 0).any()
    found = fitted.heads.momenta(fitted, codes)
    assert all(np.isfinite(values).all() for values in found.values())
    assert (found["energy_gev"][events.counts == 0] == 0).all()


def test_codes_without_sums(sample):
    model = autoencoder(plain_settings())
    codes = model.encode_events(sample, "MODULE")
    model.heads.fit(model, sample, {"MODULE": codes})
    found, truth = model.heads.energies(model, codes), sample.particles["energy_gev"]
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    # Codes that are not trained know little; by chance it would be 0.05.
    assert np.corrcoef(found, truth)[0, 1] > 0.25
    assert not model.heads.kinematics


def test_nothing_is_fitted_without_truth(conserving, events):
    heads = Heads()
    blind = replace(events, particles={}, particle_offsets=None)
    codes = {"STACK": conserving.encode_events(blind, "STACK")}
    heads.fit(conserving, blind, codes)
    assert heads == Heads()
    with pytest.raises(GeometryError, match="no energy head was trained at level STACK"):
        heads.energies(conserving, codes["STACK"])
    with pytest.raises(GeometryError, match="no momentum head was trained"):
        heads.momenta(conserving, codes["STACK"])


def test_few_or_several_particles_give_no_momenta(conserving, events):
    """Below a hundred single particles a network would learn them by heart."""
    heads = Heads()
    heads.fit(conserving, events, {"STACK": conserving.encode_events(events, "STACK")})
    assert set(heads.energy) == {"STACK"}
    assert not heads.kinematics


def test_the_energy_of_several_particles_is_their_sum(conserving, events):
    """Two particles of half the energy are the same to the energy head, and none to the momentum head."""
    twice = {name: np.repeat(values, 2) for name, values in events.particles.items()} | {
        "energy_gev": np.repeat(events.particles["energy_gev"] / 2, 2)
    }
    pairs = replace(events, particles=twice, particle_offsets=2 * np.arange(13))
    codes, heads = {"MODULE": conserving.encode_events(events, "MODULE")}, (Heads(), Heads())
    for head, sample in zip(heads, (events, pairs), strict=True):
        head.fit(conserving, sample, codes)
    for name, values in heads[0].arrays().items():
        np.testing.assert_allclose(heads[1].arrays()[name], values)


def test_parameters_survive(fitted):
    arrays = fitted.heads.arrays()
    again = Heads.from_arrays(arrays)
    assert set(again.energy) == set(STACK.names)
    for name, values in again.arrays().items():
        np.testing.assert_array_equal(values, arrays[name])
