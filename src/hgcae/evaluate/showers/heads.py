"""Quantities estimated from a code, compared with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.evaluate.core.response import calibration, ratio_by_energy, spread_by_energy
from hgcae.evaluate.core.statistics import Bootstrap
from hgcae.evaluate.showers.quantities import QUANTITIES
from hgcae.evaluate.showers.shapes import shower_shapes
from hgcae.events import Events
from hgcae.geometry.detector import Detector


def uncompressed_estimates(
    events: Events, detector: Detector, energy_gev: NDArray[np.float64], above_gev: float
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Returns what the charges tell without a network (see `shower_shapes`).

    Args:
        events: Events of one particle each.
        detector: Gives energies and positions.
        energy_gev: True energies (n,), by which the sum is calibrated with one factor.
        above_gev: Lower limit of the calibration.

    Returns:
        By estimator, (n,) each: `uncompressed`, the sum and the straight line through the layers' centres (energy, impact, direction); and
        `uncompressed, vertex`, for particles from the interaction point: the line from there to the barycentre (pT, direction).
    """
    values = shower_shapes(events, detector).values
    factor = calibration(values["energy_gev"], energy_gev, above_gev) or 1.0
    sine = np.clip(values["pt_gev"] / values["energy_gev"], 1e-9, 1)
    line = {"energy_gev": factor * values["energy_gev"]} | {name: values[name] for name in ("eta", "phi", "impact_x_cm", "impact_y_cm")}
    vertex = {
        "pt_gev": factor * values["pt_gev"],
        "eta": np.arccosh(1 / sine),
        "phi": np.arctan2(values["barycentre_y_cm"], values["barycentre_x_cm"]),
    }
    return {"uncompressed": line, "uncompressed, vertex": vertex}


def head_summary(
    estimate: Mapping[str, NDArray[np.float64]],
    truth: Mapping[str, NDArray[np.float64]],
    reference: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    edges_gev: Sequence[float],
    above_gev: float,
    bootstrap: Bootstrap,
) -> dict[str, Any]:
    """Describes bias (`mean`) and width of estimated quantities.

    Args:
        estimate: Estimates by name (see `QUANTITIES`): (n,) each; what is absent is not reported.
        truth: True values by the same names, `energy_gev` among them; `hgcae.truth.leading_particle` gives them.
        reference: Other estimates of the same events, such as those of uncompressed charges; None = none to compare with.
        edges_gev: Edges of the bins of true energy.
        above_gev: Lower limit of the integrated metrics.
        bootstrap: For the errors.

    Returns:
        By name the deviation (see `spread_by_energy`) with its `unit`; of quantities that `reference` has, too, `width_ratio`: the width
        over that of the reference (see `ratio_by_energy`).

    Raises:
        DataFormatError: A quantity is unknown, has no truth or another length than the truth.
    """
    if "energy_gev" not in truth:
        raise DataFormatError(
            source="truth", where="energy_gev", found="no such column", expected="the true energies, by which the metrics are binned"
        )
    result = {}
    for name, values in estimate.items():
        if name not in QUANTITIES or name not in truth:
            raise DataFormatError(
                source="head estimates",
                where=name,
                found="no such true quantity",
                expected=", ".join(key for key in QUANTITIES if key in truth),
            )
        if np.shape(values) != np.shape(truth[name]):
            raise DataFormatError(
                source="head estimates",
                where=name,
                found=f"shape {np.shape(values)}",
                expected=f"shape {np.shape(truth[name])} as in the truth",
            )
        deviation, unit = QUANTITIES[name]
        offset = deviation(np.asarray(values, dtype=np.float64), truth[name])
        how = (truth["energy_gev"], edges_gev, above_gev, bootstrap)
        result[name] = {"unit": unit} | spread_by_energy(offset, *how)
        if reference is not None and name in reference:
            result[name]["width_ratio"] = ratio_by_energy(offset, deviation(reference[name], truth[name]), "sigma_eff", *how)
    return result
