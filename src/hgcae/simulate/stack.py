"""A detector as the compiled showers see it: plain arrays in named tuples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.geometry.detector import Detector
from hgcae.settings import Settings
from hgcae.simulate.em import Medium
from hgcae.simulate.placement import Placement, placement

SAMPLING: Mapping[int, float] = {120: 0.243, 200: 0.214, 300: 0.199}
"""Sampling resolution of electromagnetic showers by sensor thickness in um, sqrt(GeV), for layers of one radiation length.
Source: github.com/LLRCMS/HGCAL-FastShower (100/200/300 um), fits to CMS full simulation with 28 layers in about 25 X0."""


class ShowerSettings(Settings):
    """Constants of the shower parametrisation; the defaults describe the CE-E, lead and copper-tungsten with silicon."""

    effective_z: float = Field(default=74.0, gt=0, description="Effective atomic number.")
    critical_energy_mev: float = Field(default=7.0, gt=0, description="Effective critical energy, MeV.")
    e_hat_depth: float = Field(
        default=1.40, gt=0, description="e/mip in the depth of the maximum; chosen to agree with CMS full simulation."
    )
    e_hat_radius: float = Field(default=0.70, gt=0, description="e/mip in the radial profile: 1 / (1 + 0.007 (76 - 14)).")
    pion_sampling: float = Field(default=0.75, gt=0, description="Resolution of hadron showers, sqrt(GeV) (HGCAL-FastShower).")
    interaction_length_cm: float = Field(
        default=24.0, gt=0, description="Nuclear interaction length, air gaps included, cm: hadron widths."
    )
    mip_width: float = Field(default=0.085, gt=0, description="Scale of the Moyal distribution of one track's signal, MIP.")


class Stack(NamedTuple):
    """What the compiled code needs of a detector.

    Args:
        x0: Depth at the edges of the layers, radiation lengths: (n_layers + 1,).
        lambda_n: Depth at the edges of the layers, nuclear interaction lengths: (n_layers + 1,).
        z_cm: Position of the silicon: (n_layers,).
        mip_per_gev: Signal of 1 GeV in a layer, MIP: (n_layers,).
        em_sampling: Sampling resolution for electromagnetic showers at normal incidence, sqrt(GeV): (n_layers,).
        pion_sampling: Sampling resolution for hadron showers, sqrt(GeV).
        present: Whether a trigger cell exists: (n_layers, cells_per_layer).
        moliere_cm: Moliere radius.
        interaction_cm: Nuclear interaction length.
        mip_width: Scale of the Moyal distribution, MIP.
        medium: Effective material of electromagnetic showers.
        place: Trigger cells of a layer.
    """

    x0: NDArray[np.float64]
    lambda_n: NDArray[np.float64]
    z_cm: NDArray[np.float64]
    mip_per_gev: NDArray[np.float64]
    em_sampling: NDArray[np.float64]
    pion_sampling: float
    present: NDArray[np.bool_]
    moliere_cm: float
    interaction_cm: float
    mip_width: float
    medium: Medium
    place: Placement


def stack(settings: ShowerSettings, detector: Detector) -> Stack:
    """Returns the detector as plain arrays for the compiled code.

    The sampling resolution grows with the square root of the absorber between two sensors, because fewer of them sample the same track
    length (e.g. U. Amaldi, Physica Scripta 23 (1981) 409). The sampling frequency is that of the CE-E (of all layers, without a CE-E).
    """
    layers = detector.settings.layers
    x0 = [layer.x0 for layer in layers]
    ce_e = [layer.x0 for layer in layers if layer.plane == "CE-E"] or x0
    medium = Medium(
        settings.effective_z,
        settings.critical_energy_mev / 1000,
        len(ce_e) / math.fsum(ce_e),
        settings.e_hat_depth,
        settings.e_hat_radius,
    )
    return Stack(
        x0=np.cumsum([0.0, *x0]),
        lambda_n=np.cumsum([0.0, *(layer.lambda_n for layer in layers)]),
        z_cm=detector.layer_z_cm,
        mip_per_gev=1000 / detector.layer_mev_per_mip,
        em_sampling=np.array([SAMPLING[layer.sensor_um] * math.sqrt(layer.x0) for layer in layers]),
        pion_sampling=settings.pion_sampling,
        present=present_cells(detector),
        moliere_cm=detector.settings.moliere_radius_cm,
        interaction_cm=settings.interaction_length_cm,
        mip_width=settings.mip_width,
        medium=medium,
        place=placement(detector),
    )


def present_cells(detector: Detector) -> NDArray[np.bool_]:
    """Returns which trigger cells exist: (n_layers, cells_per_layer)."""
    return detector.hierarchy.present("CELL").reshape(detector.n_layers, detector.cells_per_layer)


class Axis(NamedTuple):
    """A straight line through the detector.

    Args:
        x_cm: x at the first layer.
        y_cm: y at the first layer.
        ux: Unit transverse direction, x.
        uy: Unit transverse direction, y.
        tangent: Tangent of the angle to the beam.
        cosine: Cosine of the angle to the beam.
    """

    x_cm: float
    y_cm: float
    ux: float
    uy: float
    tangent: float
    cosine: float


class Hits(NamedTuple):
    """Energies collected so far; dense, with a list of the cells to look at.

    Args:
        mip: Energy of every trigger cell, MIP: (n_layers, cells_per_layer) float64.
        touched: Flat indices of the cells with energy, unordered: (n_cells,) int32.
        n_touched: Number of valid entries in `touched`: (1,).
    """

    mip: NDArray[np.float64]
    touched: NDArray[np.int32]
    n_touched: NDArray[np.int64]

    def add(self, layer: int, cell: int, mip: float) -> None:
        """Adds a positive energy to a trigger cell of a layer (from Python; compiled code does this itself)."""
        if self.mip[layer, cell] == 0:
            self.touched[self.n_touched[0]] = layer * self.mip.shape[1] + cell
            self.n_touched[0] += 1
        self.mip[layer, cell] += mip


def no_hits(detector: Detector) -> Hits:
    """Returns an empty collection for the detector."""
    shape = (detector.n_layers, detector.cells_per_layer)
    return Hits(np.zeros(shape), np.zeros(math.prod(shape), dtype=np.int32), np.zeros(1, dtype=np.int64))
