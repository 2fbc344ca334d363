"""Several showers in one event, and none: are they told apart, how well are they shared, and what is made of noise?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.evaluate.frame import check_pair, group_sums
from hgcae.evaluate.moments import moments
from hgcae.evaluate.physics_settings import PhysicsSettings
from hgcae.evaluate.position import MM_PER_CM
from hgcae.evaluate.seeds import Seeds, find_seeds, projected_cm
from hgcae.evaluate.statistics import MIN_ENTRIES, plain
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector

UNCOMPRESSED = "uncompressed"
"""Name of the true events next to decoded ones in every result."""
_COUNTED = 9
"""Events with so many seeds or more are counted together."""


def beside(true: Events, decoded: Mapping[str, Events]) -> dict[str, Events]:
    """Returns true and decoded events by name, the true ones first.

    Raises:
        GeometryError, DataFormatError: They do not describe the same events.
    """
    for events in decoded.values():
        check_pair(true, events)
    return {UNCOMPRESSED: true} | dict(decoded)


def calibrate(electrons: Events, detector: Detector, settings: PhysicsSettings) -> float:
    """Returns the least prominence of a second shower at which at most `split_rate` of single electrons are split.

    Raises:
        DataFormatError: No electrons.
    """
    if not len(electrons):
        raise DataFormatError(source="electrons", where="number of events", found="0", expected="at least one")
    second = find_seeds(electrons, detector, settings).prominence[:, 1:].max(axis=1)
    return float(np.quantile(second, 1 - settings.split_rate, method="higher"))


def evaluate_count(
    true: Events, decoded: Mapping[str, Events], cut: float, detector: Detector, settings: PhysicsSettings
) -> dict[str, Any]:
    """Counts the showers that are found in each event.

    Args:
        true: Uncompressed events.
        decoded: Decoded events by name.
        cut: From `calibrate`.
        detector: Gives energies and positions.
        settings: How to search.

    Returns:
        By name `found` (mean number and its error), `two_or_more` (share of events) and `events`: how many have 0, 1, ..., 9 or more.
    """
    bootstrap, result = settings.bootstrap(), {}
    for name, events in beside(true, decoded).items():
        count = find_seeds(events, detector, settings).count(cut)
        result[name] = {
            "found": bootstrap.spread(count, ("mean",)),
            "two_or_more": bootstrap.spread(count >= 2, ("mean",)),
            "events": np.bincount(np.minimum(count, _COUNTED), minlength=_COUNTED + 1).tolist(),
        }
    return result


def evaluate_pairs(
    true: Events, decoded: Mapping[str, Events], cut: float, detector: Detector, settings: PhysicsSettings
) -> dict[str, Any]:
    """Asks of events with two showers whether both are found, how far apart, and with how much energy each.

    Args:
        true: Uncompressed events of two particles each, with truth.
        decoded: Decoded events by name.
        cut: From `calibrate`.
        detector: Gives energies and positions.
        settings: How to search.

    Returns:
        By name `efficiency`: share of events with at least two seeds; `lost`: decoded minus uncompressed efficiency, event by event;
        of the events with two, of the two strongest seeds, `distance_mm`: found minus true distance, and `sharing`: found minus true share
        of the first particle, with every cell given to the nearer seed.

    Raises:
        DataFormatError: An event has not exactly two particles with known impact.
    """
    if true.particle_offsets is None or set(np.diff(true.particle_offsets)) != {2} or "impact_x_cm" not in true.particles:
        raise DataFormatError(source="pairs", where="particles", found="other events", expected="two particles with impact in each event")
    impact = np.stack([true.particles["impact_x_cm"], true.particles["impact_y_cm"]], axis=-1).reshape(-1, 2, 2)
    energy = true.particles["energy_gev"].reshape(-1, 2)
    bootstrap, result = settings.bootstrap(), {}
    reference: NDArray[np.bool_] | None = None
    for name, events in beside(true, decoded).items():
        seeds = find_seeds(events, detector, settings)
        both = seeds.count(cut) >= 2
        reference = both if reference is None else reference
        distance, share = _pair(events, seeds, cut, impact, detector, settings)
        result[name] = {
            "efficiency": bootstrap.spread(both, ("mean",)),
            "distance_mm": bootstrap.spread((distance - MM_PER_CM * np.linalg.norm(impact[:, 0] - impact[:, 1], axis=1))[both]),
            "sharing": bootstrap.spread((share - energy[:, 0] / energy.sum(axis=1))[both]),
        }
        if name != UNCOMPRESSED:
            result[name]["lost"] = bootstrap.spread(reference.astype(float) - both, ("mean",))
    return result


def _pair(
    events: Events, seeds: Seeds, cut: float, impact_cm: NDArray[np.float64], detector: Detector, settings: PhysicsSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the distance of the two strongest seeds, mm, and the share of the energy nearer to the one of the first particle: (n,)."""
    xy = seeds.leading(cut, 2)
    # The seeds belong to the particles in the order in which they are nearer to them.
    crossed = [np.linalg.norm(xy - impact_cm[:, order], axis=2).sum(axis=1) for order in ((0, 1), (1, 0))]
    xy = np.where((crossed[0] <= crossed[1])[:, None, None], xy, xy[:, ::-1])
    event = events.event
    place = projected_cm(events, detector, settings.direction)
    nearer = np.linalg.norm(place - xy[event, 0], axis=1) < np.linalg.norm(place - xy[event, 1], axis=1)
    frame = CellTable.of(events.hierarchy, detector)
    energy = events.charge * frame.weight[events.cell]
    total = group_sums(event, energy, len(events))
    share = group_sums(event, energy * nearer, len(events)) / np.where(total > 0, total, np.nan)
    return MM_PER_CM * np.linalg.norm(xy[:, 0] - xy[:, 1], axis=1), share


def evaluate_noise(true: Events, decoded: Mapping[str, Events], detector: Detector) -> dict[str, Any]:
    """Measures the energy of events without particles.

    Returns:
        By name `mean_gev` and `q99_gev` (quantile 99 %) of the energy, `largest_gev`, and `charged`: share of events with any charge.
    """
    result = {}
    for name, events in beside(true, decoded).items():
        energy = moments(events, CellTable.of(events.hierarchy, detector)).total
        known = len(energy) >= MIN_ENTRIES
        result[name] = {
            "n": len(energy),
            "mean_gev": plain(energy.mean()) if known else None,
            "q99_gev": plain(np.quantile(energy, 0.99)) if known else None,
            "largest_gev": plain(energy.max()) if known else None,
            "charged": plain((energy > 0).mean()) if known else None,
        }
    return result
