"""Showers of electrons, photons and charged pions in a detector, as energies of trigger cells; compiled.

Every layer receives its share of the longitudinal profile (`em`, `hadron`), fluctuated by the sampling, in spots of equal energy that are
spread around the shower axis and collected in the trigger cell that contains them. What passes the last layer or the modules is lost.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.simulate import em, hadron
from hgcae.simulate.placement import locate
from hgcae.simulate.stack import Axis, Hits, Stack


@njit(cache=True, nogil=True)
def add_spots(
    rng: np.random.Generator, layer: int, mip: float, n: int, radius: float, reach: float, axis: Axis, stack: Stack, hits: Hits
) -> None:
    """Adds `n` spots of `mip` each around the axis, at radii r with the density 2 r R^2 / (r^2 + R^2)^2, cut where it holds `reach`.

    For a point (a, b) in the unit disc, w = a^2 + b^2 is uniform and r = R sqrt(w / (1 - w)) has this density, so the spot lies at
    R (a, b) / sqrt(1 - w). The plane of the layer cuts a round shower in an ellipse.
    """
    if mip <= 0:
        return
    shift = axis.tangent * (stack.z_cm[layer] - stack.z_cm[0])
    x0, y0 = axis.x_cm + shift * axis.ux, axis.y_cm + shift * axis.uy
    scale, stretch = radius * math.sqrt(reach), 1 / axis.cosine
    # Rows and the count are local: touching the tuples' arrays for every spot costs five times the rest.
    place, present, collected, touched, count = stack.place, stack.present[layer], hits.mip[layer], hits.touched, hits.n_touched[0]
    for _ in range(n):
        a, b, w = 0.0, 0.0, 2.0
        while w >= 1:
            a, b = 2 * rng.random() - 1, 2 * rng.random() - 1
            w = a * a + b * b
        r = scale / math.sqrt(1 - reach * w)
        along, across = r * a * stretch, r * b
        cell = locate(x0 + along * axis.ux - across * axis.uy, y0 + along * axis.uy + across * axis.ux, place)
        if cell < 0 or not present[cell]:
            continue
        if collected[cell] == 0:
            touched[count] = layer * len(collected) + cell
            count += 1
        collected[cell] += mip
    hits.n_touched[0] = count


@njit(cache=True, nogil=True)
def _sampled(rng: np.random.Generator, energy: float, resolution: float) -> float:
    """Draws the energy that a layer measures: a gamma distribution of mean `energy` and variance `energy` x resolution^2."""
    return rng.standard_gamma(energy / resolution**2) * resolution**2


@njit(cache=True, nogil=True)
def electron(rng: np.random.Generator, energy: float, start: float, axis: Axis, stack: Stack, hits: Hits) -> em.Profile:
    """Adds the shower of an electron of `energy` GeV that starts `start` radiation lengths along the axis; returns its drawn profile."""
    med = stack.medium
    profile = em.draw_profile(rng, energy, med)
    spots = em.spot_profile(profile, med)
    log_energy = math.log(max(energy, em.MIN_PROFILE_GEV))
    begin, done, spots_done = 0.0, 0.0, 0.0
    for layer in range(len(stack.z_cm)):
        end = stack.x0[layer + 1] / axis.cosine - start
        if end <= 0:
            continue
        total, spots_total = em.cumulative(profile, end), em.cumulative(spots, end)
        resolution = stack.em_sampling[layer] / math.sqrt(axis.cosine)
        n = 1 + int(em.n_spots(energy, resolution) * (spots_total - spots_done))
        core, tail, share = em.radial((begin + end) / 2, log_energy, profile, med)
        spot = _sampled(rng, energy * max(total - done, 0.0), resolution) * stack.mip_per_gev[layer] / n
        n_core = rng.binomial(n, share)
        add_spots(rng, layer, spot, n_core, core * stack.moliere_cm, 1.0, axis, stack, hits)
        add_spots(rng, layer, spot, n - n_core, tail * stack.moliere_cm, 1.0, axis, stack, hits)
        begin, done, spots_done = end, total, spots_total
    return profile


@njit(cache=True, nogil=True)
def photon(rng: np.random.Generator, energy: float, axis: Axis, stack: Stack, hits: Hits) -> tuple[float, float]:
    """Adds the shower of a photon: pair conversion after 9/7 X0 on average, the energy shared uniformly between the two electrons.

    Returns:
        Depth of the conversion and of the maximum of the sum of both profiles, radiation lengths along the axis.
    """
    start = 9 / 7 * rng.standard_exponential()
    share = rng.random()
    first = electron(rng, share * energy, start, axis, stack, hits)
    second = electron(rng, (1 - share) * energy, start, axis, stack, hits)
    # The maximum of a sum of two humps lies between theirs.
    low, high = min(first.t_max, second.t_max), max(first.t_max, second.t_max)
    best, depth = -1.0, low
    for t in np.linspace(low, high, 101):
        density = share * em.gamma_density(t, first.a, (first.a - 1) / first.t_max)
        density += (1 - share) * em.gamma_density(t, second.a, (second.a - 1) / second.t_max)
        if density > best:
            best, depth = density, t
    return start, start + depth


@njit(cache=True, nogil=True)
def depth_in(value: float, edges: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Converts a depth between the units of two tables of layer edges; beyond the last layer with the ratio of the last layer."""
    layer = min(np.searchsorted(edges, value, side="right"), len(edges) - 1)
    slope = (other[layer] - other[layer - 1]) / (edges[layer] - edges[layer - 1])
    return other[layer - 1] + slope * (value - edges[layer - 1])


@njit(cache=True, nogil=True)
def pion(rng: np.random.Generator, energy: float, axis: Axis, stack: Stack, hits: Hits) -> tuple[float, float]:
    """Adds a charged pion of kinetic energy `energy` GeV: a track until the first interaction, a hadron shower from there.

    The signal of the track in each sensor follows a Moyal distribution, 1 - w ln(z^2) with a normal z, most probable value one MIP.

    Returns:
        Depth of the first interaction and of the maximum of the profile, radiation lengths along the axis; both may lie behind the
        detector.
    """
    x0, lambda_n = stack.x0 / axis.cosine, stack.lambda_n / axis.cosine
    start_lambda = rng.standard_exponential()
    start = depth_in(start_lambda, lambda_n, x0)
    profile = hadron.draw_profile(rng, energy)
    begin, done = 0.0, 0.0
    for layer in range(len(stack.z_cm)):
        end = lambda_n[layer + 1] - start_lambda
        if end <= 0:
            mip = (1 - stack.mip_width * math.log(rng.standard_normal() ** 2)) / axis.cosine
            add_spots(rng, layer, mip, 1, 0.0, 1.0, axis, stack, hits)
            continue
        em_part = em.incomplete_gamma(profile.a_em, profile.b_em * (x0[layer + 1] - start))
        total = profile.em_share * em_part + (1 - profile.em_share) * em.incomplete_gamma(profile.a_had, profile.b_had * end)
        deposit = energy * max(total - done, 0.0)
        radius = profile.width * (begin + end) / 2 * stack.interaction_cm
        n = 1 + int(deposit / hadron.SPOT_GEV)
        spot = _sampled(rng, deposit, stack.pion_sampling) * stack.mip_per_gev[layer] / n
        add_spots(rng, layer, spot, n, radius, hadron.REACH, axis, stack, hits)
        begin, done = end, total
    return start, start + _pion_maximum(profile, start, start_lambda, x0, lambda_n)


@njit(cache=True, nogil=True)
def _pion_maximum(
    profile: hadron.HadronProfile, start: float, start_lambda: float, x0: NDArray[np.float64], lambda_n: NDArray[np.float64]
) -> float:
    """Returns the depth of the largest energy per radiation length, from the start, to a tenth of a radiation length."""
    step = 0.1
    best, depth, before = -1.0, 0.0, 0.0
    for i in range(1, 400):
        t = i * step
        interaction = depth_in(start + t, x0, lambda_n) - start_lambda
        density = profile.em_share * em.gamma_density(t, profile.a_em, profile.b_em) * step
        density += (1 - profile.em_share) * em.gamma_density(interaction, profile.a_had, profile.b_had) * (interaction - before)
        if density > best:
            best, depth = density, t
        before = interaction
    return depth


@njit(cache=True, nogil=True)
def particle(rng: np.random.Generator, pdg: int, energy: float, axis: Axis, stack: Stack, hits: Hits) -> tuple[float, float]:
    """Adds the shower of a particle of any species of `gun.SPECIES`.

    Args:
        rng: The event's own generator.
        pdg: PDG identifier.
        energy: Total energy of electrons and photons, kinetic energy of pions, GeV.
        axis: Where it flies.
        stack: The detector.
        hits: Receives the energies.

    Returns:
        Depth of the first interaction and of the maximum of the drawn longitudinal profile, radiation lengths along the axis.
    """
    if abs(pdg) == 11:
        return 0.0, electron(rng, energy, 0.0, axis, stack, hits).t_max
    if pdg == 22:
        return photon(rng, energy, axis, stack, hits)
    return pion(rng, energy, axis, stack, hits)
