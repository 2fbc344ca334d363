"""Events and models that several benchmarks use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import root_xy_cm
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ModelSettings
from hgcae.simulate import GunSettings, SimulateSettings, simulate


def electrons(n: int, low: float = 1.0, high: float = 500.0, seed: int = 1) -> Events:
    """Simulates electrons with energies in GeV between `low` and `high`."""
    settings = SimulateSettings(gun=GunSettings(energy_gev=(low, high)), seed=seed)
    return Events.concatenate(list(simulate(settings, n, workers=2)))


def model_for(preset: Callable[[Hierarchy], ModelSettings], events: Events, seed: int = 1) -> Autoencoder:
    """Returns a model with its initial weights, calibrated on events of the prototype."""
    detector, hierarchy = Detector.load("prototype"), events.hierarchy
    weight = detector.layer_mev_per_mip / np.median(detector.layer_mev_per_mip)
    positions = frames(hierarchy, root_xy_cm(hierarchy, detector))
    return Autoencoder(hierarchy, preset(hierarchy), Calibration.measure([events], weight), positions, seed, events.detector)
