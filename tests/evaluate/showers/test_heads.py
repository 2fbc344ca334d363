from __future__ import annotations

import math

import numpy as np
import pytest

from evaluate.toys import scaled
from hgcae.errors import DataFormatError
from hgcae.evaluate import Bootstrap, head_summary, heads_table, leading_particle, shower_shapes, uncompressed_estimates
from hgcae.evaluate.showers.quantities import wrapped

N = 2000
HOW = {"edges_gev": (1, 100, 500), "above_gev": 20.0, "bootstrap": Bootstrap(50)}


@pytest.fixture
def truth():
    rng = np.random.default_rng(1)
    return {
        "energy_gev": rng.uniform(1, 500, N),
        "pt_gev": rng.uniform(1, 50, N),
        "eta": rng.uniform(1.5, 3, N),
        "phi": rng.uniform(-np.pi, np.pi, N),
        "impact_x_cm": rng.uniform(-9, 9, N),
        "impact_y_cm": rng.uniform(-9, 9, N),
    }


def test_known_deviations_are_found(truth):
    rng = np.random.default_rng(2)
    noise = rng.standard_normal(N)
    estimate = {
        "energy_gev": truth["energy_gev"] * (1.01 + 0.05 * noise),
        "pt_gev": truth["pt_gev"] * 0.97,
        "eta": truth["eta"] + 0.002,
        "phi": wrapped(truth["phi"] + 0.1 + 0.01 * noise),
        "impact_x_cm": truth["impact_x_cm"] + 0.1 * noise,
        "impact_y_cm": truth["impact_y_cm"] - 0.2,
    }
    result = head_summary(estimate, truth, **HOW)
    tolerance = 4 / math.sqrt(N)
    assert result["energy_gev"]["all"]["mean"] == pytest.approx(0.01, abs=0.05 * tolerance)
    assert result["energy_gev"]["all"]["std"] == pytest.approx(0.05, rel=tolerance)
    assert result["pt_gev"]["all"]["mean"] == pytest.approx(-0.03)
    assert result["eta"]["all"]["mean"] == pytest.approx(0.002)
    assert result["phi"]["all"]["mean"] == pytest.approx(0.1, abs=0.01 * tolerance)
    assert result["phi"]["all"]["std"] == pytest.approx(0.01, rel=tolerance)
    assert result["impact_x_cm"]["all"]["std"] == pytest.approx(1.0, rel=tolerance)
    assert result["impact_y_cm"]["all"]["mean"] == pytest.approx(-2.0)
    assert {name: part["unit"] for name, part in result.items()} == {
        "energy_gev": "1",
        "pt_gev": "1",
        "eta": "1",
        "phi": "rad",
        "impact_x_cm": "mm",
        "impact_y_cm": "mm",
    }
    assert len(result["phi"]["bins"]) == 2


def test_phi_wraps_once_round():
    np.testing.assert_allclose(wrapped(np.array([0.0, 2 * np.pi + 0.1, np.pi + 0.2, -np.pi - 0.2])), [0, 0.1, 0.2 - np.pi, np.pi - 0.2])


def test_what_cannot_be_compared_is_refused(truth):
    with pytest.raises(DataFormatError, match="mass"):
        head_summary({"mass": np.zeros(N)}, truth, **HOW)
    with pytest.raises(DataFormatError, match=r"shape \(3,\)"):
        head_summary({"eta": np.zeros(3)}, truth, **HOW)
    with pytest.raises(DataFormatError, match="no such column"):
        head_summary({}, {}, **HOW)


def test_heads_in_a_table(truth):
    estimate = {"energy_gev": truth["energy_gev"] * 1.01, "eta": truth["eta"] + 0.002, "impact_x_cm": truth["impact_x_cm"] + 0.05}
    header, rows = heads_table({"heads": {"STAGE2": head_summary(estimate, truth, **HOW)}})
    assert header == ["estimator", "quantity", "bias", "width", "width / uncompressed"]
    assert {row[4] for row in rows} == {"-"}
    assert [row[1] for row in rows] == list(estimate)
    assert rows[0][2] == "1.00% ± 0.00%"
    assert rows[1][2].startswith("0.002 ± ")
    assert rows[2][2].startswith("0.5 ± ")
    assert rows[2][3].endswith(" mm")


def test_beside_another_estimate(truth):
    """Twice the deviations are twice as wide, whatever the sample: resampled together, the quotient has no error."""
    offset = 0.01 * np.random.default_rng(3).standard_normal(N)
    estimate, other = {"eta": truth["eta"] + 2 * offset, "phi": truth["phi"]}, {"eta": truth["eta"] + offset}
    found = head_summary(estimate, truth, other, **HOW)
    assert "width_ratio" not in found["phi"]
    for metrics in (found["eta"]["width_ratio"][part] for part in ("all", "above")):
        assert metrics["ratio"] == pytest.approx(2)
        assert metrics["ratio_error"] == pytest.approx(0, abs=1e-9)
    assert len(found["eta"]["width_ratio"]["bins"]) == 2
    assert heads_table({"heads": {"STAGE2": found}})[1][0][4] == "2.000 ± 0.000"


def test_what_uncompressed_events_tell(showers, prototype):
    """Energy and momentum are calibrated, so the size of charges does not matter."""
    energy = leading_particle(showers)["energy_gev"]
    found = uncompressed_estimates(showers, prototype, energy, 20.0)
    twice = uncompressed_estimates(scaled(showers, 2.0), prototype, energy, 20.0)
    line, vertex = found["uncompressed"], found["uncompressed, vertex"]
    use = energy > 20
    assert np.mean(line["energy_gev"][use] / energy[use]) == pytest.approx(1, rel=1e-6)
    shapes = shower_shapes(showers, prototype).values
    for estimator, estimates in found.items():
        for name, values in estimates.items():
            np.testing.assert_allclose(values, twice[estimator][name], rtol=1e-4, atol=1e-6, err_msg=name)
    for name in ("eta", "phi", "impact_x_cm", "impact_y_cm"):
        np.testing.assert_array_equal(line[name], shapes[name])
    np.testing.assert_allclose(vertex["pt_gev"] * np.cosh(vertex["eta"]), line["energy_gev"])
