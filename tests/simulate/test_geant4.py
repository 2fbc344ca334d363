"""Full simulation: what is said where Geant4 is not usable, and a shower where it is."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from hgcae.errors import MissingToolError, SettingsError
from hgcae.geometry.detector import Detector
from hgcae.simulate import SimulateSettings, simulate
from hgcae.simulate.geant4 import DATA_SETS, DATA_VARIABLE, load_geant4

SETTINGS = SimulateSettings.load({"engine": "geant4", "detector": "testbeam", "gun": {"energy_gev": [20, 20], "radius_cm": 1}})


@pytest.fixture
def installed(monkeypatch) -> None:
    """Pretends that the package is installed; importing it would fail."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"hgcae\[geant4\]"):
        simulate(SETTINGS, 1)


def test_missing_data_sets_are_named_with_the_variable(installed, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    with pytest.raises(MissingToolError, match=f"{DATA_VARIABLE}.*G4EMLOW.*not set"):
        simulate(SETTINGS, 1)


def test_a_folder_with_some_data_sets_lacks_the_others(installed, monkeypatch, tmp_path):
    (tmp_path / "G4EMLOW8.8").mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(MissingToolError) as error:
        simulate(SETTINGS, 1)
    assert "G4EMLOW" not in str(error.value)
    assert all(name in str(error.value) for name in DATA_SETS[1:])


def test_one_process_holds_one_geant4():
    with pytest.raises(SettingsError, match="workers"):
        simulate(SETTINGS, 1, workers=2)


def test_a_full_shower_has_the_energy_of_its_electron():
    try:
        load_geant4()
    except MissingToolError as error:
        pytest.skip(str(error))
    (events,) = simulate(SETTINGS, 5)
    energy = (events.unit_sums("MODULE") * Detector.load("testbeam").layer_mev_per_mip).sum(axis=1) / 1e4
    # The dE/dx calibration of a lead stack is known to some ten per cent.
    assert np.median(energy) == pytest.approx(20, rel=0.35)
