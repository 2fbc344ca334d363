"""Noise, zero suppression, saturation, rounding and float codes, each against what it should do by itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.errors import SettingsError
from hgcae.geometry.detector import Detector
from hgcae.simulate.digitise import Digitiser, DigitiseSettings, normal_above
from hgcae.simulate.stack import Hits, no_hits

TESTBEAM = Detector.load("testbeam")
SIGMA_300 = 2 * 0.062


def with_sensor(detector: Detector, sensor_um: int) -> Detector:
    layers = tuple(layer.model_copy(update={"sensor_um": sensor_um}) for layer in detector.settings.layers)
    return Detector(detector.settings.model_copy(update={"layers": layers}))


def hits_at(cells: list[int], mip: float, detector: Detector = TESTBEAM) -> Hits:
    hits = no_hits(detector)
    for cell in cells:
        hits.add(*divmod(cell, detector.cells_per_layer), mip)
    return hits


@pytest.mark.parametrize(("sensor_um", "sigma"), [(120, 0.312), (200, 0.224), (300, 0.124)])
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5])
def test_empty_cells_pass_the_threshold_at_the_rate_of_the_gaussian_tail(sensor_um, sigma, threshold):
    detector = with_sensor(TESTBEAM, sensor_um)
    digitiser = Digitiser(DigitiseSettings(threshold_mip=threshold), detector)
    rng, hits, reads = np.random.default_rng(5), no_hits(detector), 100
    found = [digitiser.read(rng, hits) for _ in range(reads)]
    cell, mip = (np.concatenate(part) for part in zip(*found, strict=True))
    n, p = reads * detector.hierarchy.n_cells(), stats.norm.sf(threshold / sigma)
    assert abs(len(cell) - n * p) < 5 * math.sqrt(n * p * (1 - p)) + 1
    if len(cell) > 100:
        tail = stats.truncnorm(threshold / sigma, np.inf, scale=sigma)
        assert stats.kstest(mip, tail.cdf).pvalue > 1e-3
        assert stats.kstest(cell / detector.hierarchy.n_cells(), "uniform").pvalue > 1e-3
    for cells, _ in found:
        assert (np.diff(cells) > 0).all()


@given(st.floats(0.0, 8.0), st.integers(0, 2**32))
def test_the_tail_lies_above_the_cut(cut, seed):
    assert normal_above(np.random.default_rng(seed), cut) >= cut


def test_hit_cells_get_the_noise_of_a_trigger_cell():
    digitiser, rng = Digitiser(DigitiseSettings(), TESTBEAM), np.random.default_rng(6)
    cells = list(range(TESTBEAM.hierarchy.n_cells()))
    _, mip = digitiser.read(rng, hits_at(cells, 10.0))
    n = len(cells)
    assert len(mip) == n
    assert mip.mean() == pytest.approx(10, abs=5 * SIGMA_300 / math.sqrt(n))
    assert mip.std() == pytest.approx(SIGMA_300, rel=5 / math.sqrt(2 * n))


def test_missing_cells_and_modules_stay_silent():
    settings = TESTBEAM.settings.model_copy(update={"missing": {"CELL": (0, 5), "MODULE": (3,)}})
    detector = Detector(settings)
    digitiser, rng, hits = Digitiser(DigitiseSettings(threshold_mip=0.0), detector), np.random.default_rng(7), no_hits(detector)
    seen = np.unique(np.concatenate([digitiser.read(rng, hits)[0] for _ in range(30)]))
    np.testing.assert_array_equal(seen, np.flatnonzero(detector.hierarchy.present("CELL")))


def test_without_noise_and_threshold_energies_pass_unchanged_and_hits_are_emptied():
    digitiser, hits = Digitiser(DigitiseSettings(noise=False, threshold_mip=0), TESTBEAM), hits_at([700, 3, 41], 0.01)
    cell, mip = digitiser.read(np.random.default_rng(1), hits)
    np.testing.assert_array_equal(cell, [3, 41, 700])
    np.testing.assert_array_equal(mip, 0.01)
    assert hits.n_touched[0] == 0
    assert not hits.mip.any()


def test_the_threshold_keeps_what_reaches_it():
    digitiser = Digitiser(DigitiseSettings(noise=False, threshold_mip=0.5), TESTBEAM)
    assert len(digitiser.read(np.random.default_rng(1), hits_at([1], 0.5))[0]) == 1
    assert len(digitiser.read(np.random.default_rng(1), hits_at([1], 0.4999))[0]) == 0


@pytest.mark.parametrize(("sensor_um", "counts"), [(120, 194_175), (200, 116_618), (300, 77_670)])
def test_charges_saturate_at_four_times_ten_picocoulomb(sensor_um, counts):
    digitiser = Digitiser(DigitiseSettings(), with_sensor(TESTBEAM, sensor_um))
    charge = digitiser.charges(np.array([0, 1], dtype=np.int32), np.array([1e6, 100.04]))
    np.testing.assert_array_equal(charge, [counts, 1000])
    assert charge.dtype == np.int32


def test_saturation_and_rounding_can_be_off():
    digitiser = Digitiser(DigitiseSettings(saturation=False, adc=False), TESTBEAM)
    charge = digitiser.charges(np.array([0, 1], dtype=np.int32), np.array([1e6, 0.123]))
    np.testing.assert_allclose(charge, [1e7, 1.23], rtol=1e-6)
    assert charge.dtype == np.float32


def test_float_codes_leave_only_values_of_the_code():
    digitiser = Digitiser(DigitiseSettings(float_code="4E3M"), TESTBEAM)
    mip = np.random.default_rng(1).exponential(100.0, 500)
    charge = digitiser.charges(np.zeros(500, dtype=np.int32), mip)
    assert set(charge) <= set(FLOAT_4E3M.decode(np.arange(128), 1).tolist())
    assert (np.abs(charge - 10 * mip) <= 10 * mip / 16 + 2.5).all()


@pytest.mark.parametrize("values", [{"float_code": "4E9M"}, {"float_code": "4E3M", "adc": False}, {"threshold_mip": -0.1}, {"gain": 2}])
def test_impossible_settings_are_refused(values):
    with pytest.raises(SettingsError):
        DigitiseSettings.load(values)
