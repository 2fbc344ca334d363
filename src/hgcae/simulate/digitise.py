"""From energies to charges: electronic noise, zero suppression, saturation, ADC counts, float codes. Every stage can be switched off."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from hgcae.coding.floatcode import DROPPED_BITS, FloatCode
from hgcae.errors import SettingsError
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.detector import Detector
from hgcae.settings import Settings
from hgcae.simulate.stack import Hits, present_cells

SENSOR_CELLS = 4
"""Sensor cells in a low-density trigger cell (CMS HGCAL TDR, CERN-LHCC-2017-023)."""
FC_PER_MIP: Mapping[int, float] = {120: 2.06, 200: 3.43, 300: 5.15}
"""Charge of one MIP by sensor thickness in um, fC. Source: CMSSW hgcalDigitizer, fCPerMIP."""
NOISE_MIP: Mapping[int, float] = {120: 0.156, 200: 0.112, 300: 0.062}
"""Noise of a sensor cell before irradiation by sensor thickness in um, MIP: 2000/2400/2000 electrons over `FC_PER_MIP`.
Source: CMSSW hgcalDigitizer."""
FULL_SCALE_FC = 10_000.0
"""Largest charge of a sensor cell, fC: the range of the HGCROC's time over threshold."""


class DigitiseSettings(Settings):
    """Stages of the digitisation, in order."""

    noise: bool = Field(default=True, description="Gaussian noise in every trigger cell: that of a sensor cell, times the root of four.")
    noise_scale: float = Field(default=1.0, ge=0, le=10, description="Factor on that noise: 1 = sensors before irradiation.")
    threshold_mip: float = Field(default=0.5, ge=0, description="Zero suppression: cells below are dropped, MIP; 0 keeps what is positive.")
    saturation: bool = Field(default=True, description="A trigger cell holds at most four times 10 pC.")
    adc: bool = Field(default=True, description="Round to ADC counts; otherwise charges are exact, in the same unit.")
    float_code: str | None = Field(default=None, description="Send through a float code such as 4E3M: charges are the decoded values.")

    @field_validator("float_code")
    @classmethod
    def _known_code(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                FloatCode.parse(value)
            except SettingsError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _code_of_integers(self) -> Self:
        if self.float_code is not None and not self.adc:
            msg = "float_code needs adc counts (adc: true)"
            raise ValueError(msg)
        return self


class Noise(NamedTuple):
    """What the compiled readout needs.

    Args:
        sigma_mip: Noise of a trigger cell in each layer, 0 without noise: (n_layers,).
        threshold_mip: Zero suppression.
        present: Whether a trigger cell exists: (n_layers, cells_per_layer).
    """

    sigma_mip: NDArray[np.float64]
    threshold_mip: float
    present: NDArray[np.bool_]


class Digitiser:
    """Turns collected energies into charges.

    Args:
        settings: Which stages.
        detector: Sensor thickness of each layer.
    """

    def __init__(self, settings: DigitiseSettings, detector: Detector) -> None:
        sensor = [layer.sensor_um for layer in detector.settings.layers]
        scale = math.sqrt(SENSOR_CELLS) * settings.noise_scale if settings.noise else 0.0
        sigma = [scale * NOISE_MIP[um] for um in sensor]
        self._noise = Noise(np.array(sigma), settings.threshold_mip, present_cells(detector))
        self._full_scale_mip = np.array([SENSOR_CELLS * FULL_SCALE_FC / FC_PER_MIP[um] for um in sensor])
        self._cells_per_layer = detector.cells_per_layer
        self._settings = settings
        self._code = FloatCode.parse(settings.float_code) if settings.float_code else None

    def read(self, rng: np.random.Generator, hits: Hits) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Adds noise, suppresses zeros and empties `hits`: the increasing flat cell indices and their energies in MIP, (n,) each."""
        return read_out(rng, hits, self._noise)

    def charges(self, cell: NDArray[np.int32], mip: NDArray[np.float64]) -> NDArray[Any]:
        """Returns the charges of cells, 10 counts per MIP: (n,) int32, or float32 where rounding is off. A charge may round to zero."""
        if self._settings.saturation:
            mip = np.minimum(mip, self._full_scale_mip[cell // self._cells_per_layer])
        if not self._settings.adc:
            return (ADC_PER_MIP * mip).astype(np.float32)
        counts = np.rint(ADC_PER_MIP * mip).astype(np.int64)
        if self._code is not None:
            counts = self._code.decode(self._code.encode(counts, DROPPED_BITS), DROPPED_BITS)
        return counts.astype(np.int32)


@njit(cache=True, nogil=True)
def read_out(rng: np.random.Generator, hits: Hits, noise: Noise) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Returns the cells at or above the threshold, in order, and their energies; leaves `hits` empty."""
    cells_per_layer = hits.mip.shape[1]
    flat = hits.mip.ravel()
    for cell in hits.touched[: hits.n_touched[0]]:
        flat[cell] += noise.sigma_mip[cell // cells_per_layer] * rng.standard_normal()
    for layer in range(len(noise.sigma_mip)):
        if noise.sigma_mip[layer] > 0:
            _add_noise_cells(rng, layer, hits, noise)
    touched = np.sort(hits.touched[: hits.n_touched[0]])
    energies = flat[touched]
    flat[touched] = 0.0
    hits.n_touched[0] = 0
    kept = (energies >= noise.threshold_mip) & (energies > 0)
    return touched[kept], energies[kept]


@njit(cache=True, nogil=True)
def _add_noise_cells(rng: np.random.Generator, layer: int, hits: Hits, noise: Noise) -> None:
    """Adds the empty cells of a layer whose noise passes the threshold, without drawing the noise of the others.

    Each cell passes with the same chance p, so the gaps between passing cells are geometric; cells that are absent or hit are passed over.
    """
    sigma = noise.sigma_mip[layer]
    cut = noise.threshold_mip / sigma
    p = 0.5 * math.erfc(cut / math.sqrt(2))
    if p == 0:
        return
    cells_per_layer = hits.mip.shape[1]
    cell = -1
    while True:
        gap = math.log(1 - rng.random()) / math.log1p(-p)
        if gap >= cells_per_layer - 1 - cell:
            return
        cell += 1 + int(gap)
        if noise.present[layer, cell] and hits.mip[layer, cell] == 0:
            hits.mip[layer, cell] = sigma * normal_above(rng, cut)
            hits.touched[hits.n_touched[0]] = layer * cells_per_layer + cell
            hits.n_touched[0] += 1


@njit(cache=True, nogil=True)
def normal_above(rng: np.random.Generator, cut: float) -> float:
    """Draws a standard normal variable above `cut` >= 0. Source: C. P. Robert, Statistics and Computing 5 (1995) 121, proposition 2.3."""
    rate = (cut + math.sqrt(cut * cut + 4)) / 2
    while True:
        x = cut + rng.standard_exponential() / rate
        if rng.random() <= math.exp(-((x - rate) ** 2) / 2):
            return x
