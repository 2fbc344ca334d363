"""Simulated events: a particle gun, parametrised showers (or Geant4) and the digitisation."""

from hgcae.simulate.digitise import DigitiseSettings
from hgcae.simulate.engine import SimulateSettings, simulate
from hgcae.simulate.gun import GunSettings
from hgcae.simulate.repeat import mean_shower, repeated
from hgcae.simulate.stack import ShowerSettings

__all__ = ["DigitiseSettings", "GunSettings", "ShowerSettings", "SimulateSettings", "mean_shower", "repeated", "simulate"]
