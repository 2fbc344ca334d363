"""A few metrics with errors that many codes share: every code is measured on the same resampled events.

`evaluate_level` says everything about one code. Where many codes of the same events are compared, the question is how much of a difference
is chance. So each metric comes with its value on a fixed series of resampled samples: the k-th of every code holds the same events, and
what these fluctuations have in common drops out of ratios and differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.distances import compare
from hgcae.evaluate.frame import check_pair
from hgcae.evaluate.heads import QUANTITIES
from hgcae.evaluate.moments import Moments, moments, weighted_mean
from hgcae.evaluate.position import MM_PER_CM, layer_profile_error
from hgcae.evaluate.report import EvaluateSettings
from hgcae.evaluate.response import ratio
from hgcae.evaluate.statistics import MIN_ENTRIES, STATISTICS, plain
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector
from hgcae.truth import axis_xy_cm, contained, leading_particle

METRICS: Mapping[str, tuple[str, str]] = {
    "resolution_ratio": ("energy resolution, decoded over uncompressed", ""),
    "energy_width": ("width of decoded over uncompressed energy", ""),
    "barycentre_mm": ("shift of the barycentre, rms per axis", "mm"),
    "axis_mm": ("distance to the true axis, width per axis", "mm"),
    "layer_error": ("layer error", ""),
    "depth_x0": ("shift of the mean depth, rms", "X0"),
    "cells_l1": ("L1 of cells", ""),
    "head_energy": ("estimated energy, width", ""),
    "head_impact_mm": ("estimated impact point, width per axis", "mm"),
    "head_eta": ("estimated eta, width", ""),
    "head_phi": ("estimated phi, width", "rad"),
}
"""What is measured, all the better the smaller: a text and a unit."""


def mean_depth_x0(sample: Moments, detector: Detector) -> NDArray[np.float64]:
    """Returns the energy-weighted mean depth of each event, radiation lengths along the beam: (n,); NaN for empty events."""
    depth = np.broadcast_to(np.cumsum(detector.layer_x0), sample.energy.shape)
    return weighted_mean(depth, sample.energy)


@dataclass(frozen=True)
class Reference:
    """Uncompressed events with truth, and what all codes of them are compared with.

    Args:
        events: Events with truth.
        detector: Their detector.
        settings: Energies above which events count, containment, number and seed of the resampled samples.
    """

    events: Events
    detector: Detector
    settings: EvaluateSettings

    def metrics(self, decoded: Events, estimates: Mapping[str, NDArray[np.float64]] | None = None) -> dict[str, dict[str, Any]]:
        """Measures decoded events.

        Args:
            decoded: The same events decoded.
            estimates: Of physics heads, by name of the quantity (`hgcae.evaluate.heads.QUANTITIES`): (n,) each.

        Returns:
            By name (see `METRICS`) the `value`, its standard `error`, and the `replicas`: its values on the resampled samples, which hold
            the same events for every code. What cannot be measured is left out: metrics of the leading particle where there are several,
            of heads that give no estimate, and of fewer than ten events.
        """
        check_pair(self.events, decoded)
        result = {}
        for name, (statistic, columns, counts) in self._columns(decoded, estimates or {}).items():
            use = counts & np.isfinite(columns).all(axis=0)
            if use.sum() < MIN_ENTRIES:
                continue
            value = statistic(columns[:, use])
            # The events of a resampled sample that count for this metric.
            replicas = np.array([statistic(columns[:, chosen[use[chosen]]]) for chosen in self._resampled])
            result[name] = {"value": plain(value), "error": plain(replicas.std(ddof=1)), "replicas": [plain(x) for x in replicas]}
        return result

    def _columns(self, decoded: Events, estimates: Mapping[str, NDArray[np.float64]]) -> dict[str, _Figure]:
        """Returns the statistic of each metric, the values of the events it is taken of (k, n), and which events count."""
        after, before = moments(decoded, self._frame), self._before
        energies = after.total, before.total
        distances = compare(self.events, decoded)
        everything = np.ones(len(self.events), dtype=bool)
        result: dict[str, _Figure] = {
            "resolution_ratio": (_resolution_ratio, np.stack([ratio(e, self._energy) for e in energies]), self._inside),
            "energy_width": (_statistic("sigma_eff"), ratio(*energies)[None], self._above),
            "layer_error": (_statistic("mean"), layer_profile_error(before, after)[None], self._above),
            "depth_x0": (_statistic("rms"), (self._depth(after) - self._depth(before))[None], self._above),
            "cells_l1": (_ratio_of_sums, np.stack([distances.absolute, distances.charge]), everything),
        }
        if before.barycentre_cm is not None and after.barycentre_cm is not None:
            shift = MM_PER_CM * (after.barycentre_cm - before.barycentre_cm)
            result["barycentre_mm"] = (_statistic("rms"), shift.T, self._above)
        if self._axis is not None and after.log_centre_cm is not None:
            distance = MM_PER_CM * (after.log_centre_cm - self._axis)
            known = np.isfinite(distance).all(axis=2)
            mean = weighted_mean(np.nan_to_num(distance), np.where(known, after.energy, 0.0))
            result["axis_mm"] = (_statistic("sigma_eff"), mean.T, self._inside)
        return result | self._of_heads(estimates)

    def _of_heads(self, estimates: Mapping[str, NDArray[np.float64]]) -> dict[str, _Figure]:
        truth = leading_particle(self.events) | {"energy_gev": self._energy}
        names = {"head_energy": ("energy_gev",)}
        if self._single:
            names |= {"head_impact_mm": ("impact_x_cm", "impact_y_cm"), "head_eta": ("eta",), "head_phi": ("phi",)}
        result = {}
        for name, quantities in names.items():
            if all(q in estimates for q in quantities):
                deviations = [QUANTITIES[q][0](np.asarray(estimates[q], dtype=np.float64), truth[q]) for q in quantities]
                result[name] = (_statistic("sigma_eff"), np.stack(deviations), self._inside)
        return result

    def _depth(self, sample: Moments) -> NDArray[np.float64]:
        return mean_depth_x0(sample, self.detector)

    @cached_property
    def _frame(self) -> CellTable:
        return CellTable.of(self.events.hierarchy, self.detector)

    @cached_property
    def _before(self) -> Moments:
        return moments(self.events, self._frame)

    @cached_property
    def _energy(self) -> NDArray[np.float64]:
        energy = self.events.true_energy_gev
        return np.full(len(self.events), np.nan) if energy is None else energy

    @cached_property
    def _above(self) -> NDArray[np.bool_]:
        return ~(self._energy <= self.settings.above_gev)

    @cached_property
    def _inside(self) -> NDArray[np.bool_]:
        return self._above & contained(self.events, self.detector, self.settings.containment_margin_cm)

    @cached_property
    def _single(self) -> bool:
        """Whether every event has one particle, so that its axis is that of the shower."""
        offsets = self.events.particle_offsets
        return offsets is not None and bool((np.diff(offsets) == 1).all())

    @cached_property
    def _axis(self) -> NDArray[np.float64] | None:
        z = self.detector.layer_z_cm
        return axis_xy_cm(self.events, z, float(z[0])) if self._single else None

    @cached_property
    def _resampled(self) -> NDArray[np.int64]:
        n = len(self.events)
        return np.random.default_rng(self.settings.seed).integers(0, n, (self.settings.bootstrap_replicas, n))


_Statistic = Callable[[NDArray[np.float64]], float]
_Figure = tuple[_Statistic, NDArray[np.float64], NDArray[np.bool_]]


def _statistic(name: str) -> _Statistic:
    """Returns a statistic of all values of the columns together."""
    return lambda columns: float(STATISTICS[name](np.sort(columns, axis=None)))


def _resolution_ratio(columns: NDArray[np.float64]) -> float:
    decoded, uncompressed = STATISTICS["resolution"](np.sort(columns))
    return float(decoded / uncompressed)


def _ratio_of_sums(columns: NDArray[np.float64]) -> float:
    numerator, denominator = columns.sum(axis=1)
    return float(numerator / denominator)
