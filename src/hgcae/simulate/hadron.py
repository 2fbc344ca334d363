"""Charged pions: the two-component longitudinal profile of CMSSW's fast simulation, compiled.

Source: FastSimulation/ShowerDevelopment, HDShower.cc (github.com/cms-sw/cmssw@069217a8) and HDShowerParametrization.h (@0f1dd3fa), after
G. Grindhammer, M. Rudowicz, S. Peters, NIM A 290 (1990) 469: a gamma function in radiation lengths for the pi0 part, one in nuclear
interaction lengths for the rest. Energies in GeV.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

SPOT_GEV = 0.02
"""Energy of one spot. Source: HDShower's eSpotSize 0.2 GeV, a tenth of it in its electromagnetic calorimeter."""
REACH = 16 / 17
"""Share of 2 r R^2 / (r^2 + R^2)^2 below r = 4 R, where HDShower (maxTRfactor) cuts the spots off."""


class HadronProfile(NamedTuple):
    """Longitudinal profile of one hadron shower from its first interaction on, and its width.

    Args:
        em_share: Share of the energy in the electromagnetic part.
        a_em: Shape of the electromagnetic part.
        b_em: Its scale, per radiation length.
        a_had: Shape of the hadronic part.
        b_had: Its scale, per interaction length.
        width: Radial scale at a depth, per depth (both in interaction lengths).
    """

    em_share: float
    a_em: float
    b_em: float
    a_had: float
    b_had: float
    width: float


@njit(cache=True, nogil=True)
def mean_profile(energy: float) -> HadronProfile:
    """Returns the mean profile of charged pions of `energy` GeV; energies outside 2..500 GeV are taken at the limit."""
    log_energy = math.log(min(max(energy, 2.0), 500.0))
    depth = math.log(0.35 + 0.09 * log_energy) + log_energy
    width = 0.0124 + 0.359 - 0.0511 * log_energy
    if energy >= 10:
        share = min(0.509 - 0.021 * depth, 1.0)
        return HadronProfile(share, 1.30 + 0.255 * depth, 0.289 - 0.010 * depth, 0.38 + 0.23 * depth, 0.83 - 0.049 * depth, width)
    share = min(0.751 - 0.177 * depth, 1.0)
    return HadronProfile(share, 1.08 + 0.24 * depth, 0.478 - 0.135 * depth, 1.17 + 0.21 * depth, 2.10 - 0.72 * depth, width)


@njit(cache=True, nogil=True)
def draw_profile(rng: np.random.Generator, energy: float) -> HadronProfile:
    """Draws the profile of one pion.

    The electromagnetic share is uniform around its mean between zero and twice the mean (less where that passes 1), as HDShower draws the
    share of its electromagnetic calorimeter; the width is scaled by 1 + U(0, 1) as there.
    """
    mean = mean_profile(energy)
    spread = min(mean.em_share, 1 - mean.em_share)
    share = mean.em_share + spread * (2 * rng.random() - 1)
    return HadronProfile(share, mean.a_em, mean.b_em, mean.a_had, mean.b_had, mean.width * (1 + rng.random()))
