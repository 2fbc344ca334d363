"""The stream of events: the same for every chunk size and number of workers, complete, valid, and quick to refuse nonsense."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgcae.errors import GeometryError, SettingsError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.geometry.detector import Detector
from hgcae.simulate import SimulateSettings, simulate

MIXED = SimulateSettings.load(
    {
        "gun": {"particles": ["e-", "e+", "gamma", "pi-", "pi+"], "energy_gev": [1, 30], "spectrum": "log", "count": [1, 3]},
        "digitise": {"threshold_mip": 0.3},
        "seed": 11,
    }
)
N = 12


def together(*args, **kwargs) -> Events:
    return Events.concatenate(list(simulate(*args, **kwargs)))


@pytest.fixture(scope="module")
def reference() -> Events:
    return together(MIXED, N, chunk=N)


def assert_same(found: Events, expected: Events) -> None:
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    np.testing.assert_array_equal(found.cell, expected.cell)
    np.testing.assert_array_equal(found.charge, expected.charge)
    np.testing.assert_array_equal(found.particle_offsets, expected.particle_offsets)
    np.testing.assert_array_equal(found.columns["event"], expected.columns["event"])
    for name, values in expected.particles.items():
        np.testing.assert_array_equal(found.particles[name], values, err_msg=name)


@settings(max_examples=12)
@given(st.integers(1, N + 1), st.integers(1, 4))
def test_chunks_and_workers_change_nothing(reference, chunk, workers):
    assert_same(together(MIXED, N, chunk=chunk, workers=workers), reference)


def test_a_sample_can_be_continued(reference):
    assert_same(Events.concatenate([together(MIXED, 5), together(MIXED, N - 5, first=5)]), reference)


def test_seeds_give_different_events(reference):
    other = together(MIXED.model_copy(update={"seed": 12}), N)
    assert not np.array_equal(other.particles["energy_gev"][:3], reference.particles["energy_gev"][:3])


def test_events_of_a_sample_differ(reference):
    assert len(np.unique(reference.particles["energy_gev"])) == len(reference.particles["energy_gev"])


def test_events_are_valid_and_carry_their_truth(reference):
    reference.validate()
    detector = Detector.load("prototype")
    assert reference.detector == ("prototype", detector.fingerprint())
    assert list(reference.particles) == list(PARTICLE_COLUMNS)
    assert reference.charge.dtype == np.int32
    assert reference.cell.dtype == np.int32
    assert (reference.charge >= 3).all()
    particles, offsets = reference.particles, reference.particle_offsets
    assert offsets is not None
    assert set(np.diff(offsets)) == {1, 2, 3}
    electrons = np.abs(particles["pdg"]) == 11
    assert (particles["shower_start_x0"][electrons] == 0).all()
    assert (particles["shower_start_x0"][~electrons] > 0).all()
    assert (particles["shower_max_x0"] > particles["shower_start_x0"]).all()


def test_unrounded_charges_are_floats():
    events = together(SimulateSettings.load({"detector": "testbeam", "digitise": {"adc": False}}), 2)
    assert events.charge.dtype == np.float32
    assert (events.charge % 1 != 0).any()


def test_missing_modules_collect_nothing(tmp_path):
    detector = Detector.load("testbeam")
    path = tmp_path / "holes.yaml"
    path.write_text(detector.settings.model_copy(update={"missing": {"MODULE": tuple(range(5, 28)), "ROC": (0,)}}).to_yaml())
    events = together(SimulateSettings.load({"detector": str(path), "digitise": {"threshold_mip": 0.0}}), 3).validate()
    assert events.cell.min() >= 16
    assert events.cell.max() < 5 * 48


def test_progress_counts_the_events_done():
    done = []
    list(simulate(MIXED, 5, chunk=2, progress=done.append))
    assert done == [2, 4, 5]


def test_no_events_are_no_pieces():
    assert list(simulate(MIXED, 0)) == []


def test_a_stream_can_be_left_early():
    stream = simulate(MIXED, 10_000_000, chunk=1, workers=2)
    assert [len(piece) for piece in itertools.islice(stream, 3)] == [1, 1, 1]
    stream.close()


@pytest.mark.parametrize("numbers", [{"n": -1}, {"n": 1, "first": -1}, {"n": 1, "workers": 0}, {"n": 1, "chunk": 0}])
def test_impossible_numbers_are_refused_at_once(numbers):
    with pytest.raises(SettingsError):
        simulate(MIXED, **numbers)


def test_an_unknown_detector_is_refused_at_once():
    with pytest.raises((SettingsError, GeometryError), match="nowhere"):
        simulate(SimulateSettings(detector="nowhere"), 1)


def test_settings_survive_yaml(tmp_path):
    path = tmp_path / "simulate.yaml"
    path.write_text(MIXED.to_yaml())
    assert SimulateSettings.from_yaml(path) == MIXED


def test_settings_have_no_unknown_keys():
    with pytest.raises(SettingsError, match="magnet"):
        SimulateSettings.load({"magnet": 4})


@pytest.mark.parametrize("noise", [True, False])
def test_events_without_particles(noise):
    """Noise alone has no truth; without noise nothing is left."""
    chosen = SimulateSettings.load({"gun": {"count": [0, 0]}, "digitise": {"noise": noise}})
    events = together(chosen, 10, chunk=5).validate()
    assert events.particle_offsets is not None
    assert np.diff(events.particle_offsets).sum() == 0
    assert set(events.particles) == set(PARTICLE_COLUMNS)
    np.testing.assert_array_equal(events.true_energy_gev, np.zeros(10))
    assert (len(events.cell) > 0) == noise


def test_some_events_without_particles():
    events = together(SimulateSettings.load({"gun": {"count": [0, 1], "energy_gev": [5, 5]}}), 20)
    assert events.particle_offsets is not None
    assert events.true_energy_gev is not None
    assert set(np.diff(events.particle_offsets)) == {0, 1}
    np.testing.assert_array_equal(np.flatnonzero(events.true_energy_gev), np.flatnonzero(np.diff(events.particle_offsets)))
