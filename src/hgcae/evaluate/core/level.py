"""The results of one level as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from hgcae.evaluate.core.baselines import Baseline, fit_baselines
from hgcae.evaluate.core.distances import choose_units, compare, ghost_fraction, same_units
from hgcae.evaluate.core.moments import Moments, moments
from hgcae.evaluate.core.pieces import check_pair
from hgcae.evaluate.core.position import axis_distance, barycentre_shift, layer_barycentre_rms_mm, layer_profile_error
from hgcae.evaluate.core.response import against_truth, ratio, spread_by_energy
from hgcae.evaluate.core.statistics import Bootstrap
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector
from hgcae.settings import Settings
from hgcae.truth import AXIS_COLUMNS, axis_xy_cm, contained


class EvaluateSettings(Settings):
    """How the evaluation measures."""

    energy_edges_gev: tuple[float, ...] = Field(
        default=(1, 5, 10, 20, 50, 100, 200, 350, 500), min_length=2, description="Edges of the bins of true energy, GeV."
    )
    above_gev: float = Field(default=20.0, ge=0, description="Lower limit of the integrated metrics and of the calibration, GeV.")
    containment_margin_cm: float | None = Field(
        default=None,
        description="Least distance of the true axis to the border in comparisons with truth, cm; null = 2 Moliere radii.",
    )
    bootstrap_replicas: int = Field(default=100, ge=2, description="Resampled samples behind every standard error of a width.")
    max_units: int = Field(default=10_000, ge=1, description="Compare at most so many units of a level with the baselines.")
    seed: int = Field(default=1, ge=0, description="Seed of the choice of units and of the resampling.")

    @field_validator("energy_edges_gev")
    @classmethod
    def _increasing(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        if any(b <= a for a, b in pairwise(edges)):
            msg = "the edges must increase"
            raise ValueError(msg)
        return edges

    def bootstrap(self) -> Bootstrap:
        """Returns the resampling these settings ask for."""
        return Bootstrap(self.bootstrap_replicas, self.seed)

    def baselines(self, train: Events, level: str, k: int) -> tuple[Baseline, ...]:
        """Fits the baselines of a level to training events, see `fit_baselines`."""
        return fit_baselines(train, level, k, seed=self.seed, max_units=self.max_units)


def evaluate_level(
    true: Events,
    decoded: Events,
    level: str,
    *,
    settings: EvaluateSettings | None = None,
    detector: Detector | None = None,
    baselines: Sequence[Baseline] = (),
    latent_numbers: int | None = None,
    bits_per_unit: float | None = None,
    bits_per_event: float | None = None,
) -> dict[str, Any]:
    """Measures everything about events decoded from the codes of one level.

    Args:
        true: Uncompressed events, with truth or without.
        decoded: The same events decoded.
        level: Level whose units were coded.
        settings: How to measure; the defaults if None.
        detector: Gives energies in GeV, layers and positions; None for bare units, whose charges are counted in ADC.
        baselines: Fitted to training units of the level; they are measured on the same units as the decoding.
        latent_numbers: Numbers in the code of one unit.
        bits_per_unit: Bits of the code of one unit.
        bits_per_event: Mean bits of a whole event, as the codec counts them.

    Returns:
        Plain values. `units`: errors on units of the level, `decoded` and by baseline; `events`: the same over whole events, with the
        charge decoded in truly empty units; `energy`: response (see `against_truth` for `truth`); `position` in mm; `layers`.

    Raises:
        GeometryError, DataFormatError: Truth, decoding and detector do not fit together.
    """
    settings = settings or EvaluateSettings()
    check_pair(true, decoded)
    table = CellTable.of(true.hierarchy, detector)
    before, after = moments(true, table), moments(decoded, table)
    return {
        "level": true.hierarchy.level(level).name,
        "root": true.hierarchy.root,
        "n_events": len(true),
        "latent_numbers": latent_numbers,
        "bits_per_unit": bits_per_unit,
        "bits_per_event": bits_per_event,
        "units": _unit_errors(true, decoded, level, baselines, settings),
        "events": compare(true, decoded).summary() | {"ghost_fraction": ghost_fraction(true, decoded, level)},
    } | _physics(true, before, after, detector, settings)


def _unit_errors(true: Events, decoded: Events, level: str, baselines: Sequence[Baseline], settings: EvaluateSettings) -> dict[str, Any]:
    units, key = choose_units(true, level, settings.max_units, settings.seed)
    errors = {"decoded": compare(units, same_units(decoded, level, key)).summary()}
    return errors | {baseline.name: baseline.errors(units).summary() | baseline.size for baseline in baselines}


def _physics(true: Events, before: Moments, after: Moments, detector: Detector | None, settings: EvaluateSettings) -> dict[str, Any]:
    energy, bootstrap = true.true_energy_gev, settings.bootstrap()
    how = (settings.energy_edges_gev, settings.above_gev, bootstrap)
    result: dict[str, Any] = {
        "energy": {"unit": before.unit, "decoded_over_uncompressed": spread_by_energy(ratio(after.total, before.total), energy, *how)},
        "position": {"unit": "mm", "barycentre_shift": barycentre_shift(before, after, energy, *how)},
        "layers": {"profile_error": spread_by_energy(layer_profile_error(before, after), energy, *how, ("mean",))},
    }
    if before.centre_cm is not None:
        rms, covered = layer_barycentre_rms_mm(before, after)
        result["position"]["layer_barycentre_rms"] = spread_by_energy(rms, energy, *how, ("mean", "rms"))
        result["position"]["layer_barycentre_energy_fraction"] = bootstrap.spread(covered, ("mean",))
    if energy is not None and detector is not None:
        use, axis = _selected(true, detector, settings)
        names = {"uncompressed": _subset(before, use), "decoded": _subset(after, use)}
        totals = {name: sample.total for name, sample in names.items()}
        result["energy"]["truth"] = {"n_selected": int(use.sum())} | against_truth(totals, energy[use], *how)
        if axis is not None:
            result["position"]["truth_axis"] = axis_distance(names, axis[use], energy[use], *how)
    return result


def _selected(true: Events, detector: Detector, settings: EvaluateSettings) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
    """Returns which events to compare with the truth, and the true axes; all events and no axes where impact or momentum is unknown."""
    if not set(AXIS_COLUMNS) <= set(true.particles):
        return np.ones(len(true), dtype=bool), None
    z = detector.layer_z_cm
    return contained(true, detector, settings.containment_margin_cm), axis_xy_cm(true, z, float(z[0]))


def _subset(sample: Moments, use: NDArray[np.bool_]) -> Moments:
    centres = [None if values is None else values[use] for values in (sample.centre_cm, sample.log_centre_cm)]
    return Moments(sample.unit, sample.energy[use], *centres)
