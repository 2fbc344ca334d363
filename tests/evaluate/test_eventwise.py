"""The shared metrics are those of the evaluation, and their resampled samples are shared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluate.toys import scaled
from hgcae.errors import DataFormatError
from hgcae.evaluate import EvaluateSettings, evaluate_level, head_summary, leading_particle
from hgcae.evaluate.eventwise import METRICS, Reference, mean_depth_x0
from hgcae.evaluate.moments import moments
from hgcae.geometry.cells import CellTable
from hgcae.truth import contained

SETTINGS = EvaluateSettings(bootstrap_replicas=20)


@pytest.fixture(scope="module")
def decoded(showers):
    """The showers with charges that fluctuate, and some lost."""
    rng = np.random.default_rng(7)
    noisy = showers.charge * rng.gamma(20, 1 / 20, len(showers.charge))
    return replace(scaled(replace(showers, charge=noisy), rng.normal(1, 0.03, len(showers)).clip(0.5)), particles={}, particle_offsets=None)


@pytest.fixture(scope="module")
def estimates(showers):
    rng = np.random.default_rng(8)
    truth = leading_particle(showers)
    names = ("energy_gev", "eta", "phi", "impact_x_cm", "impact_y_cm")
    return {name: truth[name] + 0.01 * rng.standard_normal(len(showers)) for name in names}


@pytest.fixture(scope="module")
def metrics(showers, decoded, estimates, prototype):
    return Reference(showers, prototype, SETTINGS).metrics(decoded, estimates)


def test_all_of_them(metrics):
    assert set(metrics) == set(METRICS)
    for name, found in metrics.items():
        assert found["value"] > 0, name
        assert found["error"] > 0, name
        assert len(found["replicas"]) == 20
        assert np.std(found["replicas"], ddof=1) == pytest.approx(found["error"])


def test_they_are_those_of_the_judge(metrics, showers, decoded, estimates, prototype):
    evaluated = evaluate_level(showers, decoded, "STAGE2", settings=SETTINGS, detector=prototype)
    use = contained(showers, prototype)
    truth = {name: values[use] for name, values in leading_particle(showers).items()}
    heads = head_summary(
        {name: values[use] for name, values in estimates.items()},
        truth,
        edges_gev=SETTINGS.energy_edges_gev,
        above_gev=SETTINGS.above_gev,
        bootstrap=SETTINGS.bootstrap(),
    )
    expected = {
        "resolution_ratio": evaluated["energy"]["truth"]["decoded"]["resolution_ratio"]["above"]["ratio"],
        "energy_width": evaluated["energy"]["decoded_over_uncompressed"]["above"]["sigma_eff"],
        "barycentre_mm": evaluated["position"]["barycentre_shift"]["per_axis"]["above"]["rms"],
        "axis_mm": evaluated["position"]["truth_axis"]["decoded"]["per_axis"]["above"]["sigma_eff"],
        "layer_error": evaluated["layers"]["profile_error"]["above"]["mean"],
        "cells_l1": evaluated["events"]["l1"]["CELL"],
        "head_energy": heads["energy_gev"]["above"]["sigma_eff"],
        "head_eta": heads["eta"]["above"]["sigma_eff"],
        "head_phi": heads["phi"]["above"]["sigma_eff"],
    }
    assert {name: metrics[name]["value"] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_a_perfect_code(showers, prototype):
    metrics = Reference(showers, prototype, SETTINGS).metrics(showers)
    assert metrics["resolution_ratio"]["value"] == 1
    assert metrics["resolution_ratio"]["error"] == 0
    for name in ("barycentre_mm", "layer_error", "depth_x0", "cells_l1", "energy_width"):
        assert metrics[name]["value"] == 0
    assert not {name for name in metrics if name.startswith("head")}


def test_all_codes_see_the_same_resampled_events(showers, decoded, prototype):
    reference = Reference(showers, prototype, SETTINGS)
    once, double = (reference.metrics(scaled(showers, factor))["layer_error"]["replicas"] for factor in (1.1, 1.2))
    assert double == pytest.approx(2 * np.array(once))


def test_the_depth_of_one_layer(showers, prototype):
    frame = CellTable.of(showers.hierarchy, prototype)
    sample = moments(showers, frame)
    alone = replace(sample, energy=np.where(np.arange(prototype.n_layers) == 4, sample.energy, 0))
    assert mean_depth_x0(alone, prototype) == pytest.approx(np.full(len(showers), prototype.layer_x0[:5].sum()), nan_ok=True)


def test_of_several_particles_the_axis_is_none(showers, decoded, estimates, prototype):
    pairs = replace(
        showers,
        particles={name: np.repeat(values, 2) for name, values in showers.particles.items()},
        particle_offsets=2 * np.arange(len(showers) + 1),
    )
    metrics = Reference(pairs, prototype, SETTINGS).metrics(decoded, estimates)
    assert set(METRICS) - set(metrics) == {"axis_mm", "head_impact_mm", "head_eta", "head_phi"}


def test_too_few_events(showers, prototype):
    assert Reference(showers[:5], prototype, SETTINGS).metrics(showers[:5]) == {}


def test_other_events(showers, prototype):
    with pytest.raises(DataFormatError, match="number of events"):
        Reference(showers, prototype, SETTINGS).metrics(showers[:5])
