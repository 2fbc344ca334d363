"""Energy and its first moments in every layer of every event: all that response, position and profile need, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.frame import group_sums, piece_size
from hgcae.events import Events
from hgcae.geometry.cells import CellTable

LOG_WEIGHT_W0 = 4.7
"""Cells below exp(-4.7) = 0.9 % of their layer get no logarithmic weight (cms-sw/cmssw@45d10bbe, EcalClusterTools)."""


@dataclass(frozen=True)
class Moments:
    """Layer energies and centres of events.

    Args:
        unit: Unit of the energies, `GeV` or `ADC`.
        energy: (n, n_layers).
        centre_cm: Energy-weighted barycentre of each layer: (n, n_layers, 2); NaN in empty layers; None where the geometry is unknown.
        log_centre_cm: The same with weights max(0, w0 + ln(E_cell / E_layer)), which undo the pull towards the middle of the leading cell
            (T. C. Awes et al., Nucl. Instrum. Meth. A 311 (1992) 130).
    """

    unit: str
    energy: NDArray[np.float64]
    centre_cm: NDArray[np.float64] | None
    log_centre_cm: NDArray[np.float64] | None

    @property
    def total(self) -> NDArray[np.float64]:
        """Energy of each event: (n,)."""
        return self.energy.sum(axis=1)

    @property
    def barycentre_cm(self) -> NDArray[np.float64] | None:
        """Energy-weighted barycentre of each event over all layers: (n, 2); NaN for empty events."""
        if self.centre_cm is None:
            return None
        return weighted_mean(np.nan_to_num(self.centre_cm), self.energy)


def weighted_mean(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the means (n, ...) of values (n, k, ...) with weights (n, k); NaN where the weights add up to nothing."""
    total = weight.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    return np.einsum("nk,nk...->n...", weight, values) / total.reshape(-1, *[1] * (values.ndim - 2))


def moments(events: Events, frame: CellTable) -> Moments:
    """Returns energies (charge x layer weight) and centres of every layer of every event."""
    pieces = list(events.chunks(piece_size(len(events), len(events.cell)))) or [events]
    energy, linear, logarithmic = (np.concatenate(column) for column in zip(*(_piece(piece, frame) for piece in pieces), strict=True))
    if frame.xy_cm is None:
        return Moments(frame.unit, energy, None, None)
    return Moments(frame.unit, energy, linear, logarithmic)


def _piece(events: Events, frame: CellTable) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    shape = (len(events), frame.n_layers)
    row = events.event * frame.n_layers + frame.layer[events.cell]
    energy = events.charge * frame.weight[events.cell]
    layer_energy = group_sums(row, energy, len(events) * frame.n_layers)
    xy = np.zeros((len(events.cell), 2)) if frame.xy_cm is None else frame.xy_cm[events.cell]
    log_weight = np.maximum(0.0, LOG_WEIGHT_W0 + np.log(energy / layer_energy[row]))
    centres = [_centres(row, weight, xy, len(layer_energy)).reshape(*shape, 2) for weight in (energy, log_weight)]
    return layer_energy.reshape(shape), centres[0], centres[1]


def _centres(row: NDArray[np.int64], weight: NDArray[np.float64], xy: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    total = group_sums(row, weight, n_rows)
    moment = np.stack([group_sums(row, weight * axis, n_rows) for axis in xy.T], axis=-1)
    return moment / np.where(total > 0, total, np.nan)[:, None]
