"""Energy mover's distance of whole showers: how far energy has to be carried, in mm, to turn the decoded event into the true one.

Both events are normalised to their energy. The distance has two parts, each an exact optimal transport:

* in depth: the energies of the layers, carried along the beam between the positions of the layers. In one dimension the least cost is the
  integral of |difference of the cumulated shares| dz (S. S. Vallender, Theory Probab. Appl. 18 (1974) 784);
* across: the cells of each layer, both images normalised to one, carried in its plane; averaged over layers with the share of the energy
  that may stay in them, min(true, decoded). A layer without energy on one side costs in depth alone.

A millimetre is one of the detector's geometry in both parts, along and across: nothing is scaled. The sum is symmetric, and zero only for
equal events. It is not the three-dimensional distance, whose exact solution takes minutes for a thousand events: that would carry energy
along and across at once.

Source: P. T. Komiske, E. M. Metodiev, J. Thaler, Phys. Rev. Lett. 123 (2019) 041801; solved by POT, see `hgcae.evaluate.emd`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.emd import carried
from hgcae.evaluate.frame import check_pair
from hgcae.evaluate.position import MM_PER_CM
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector


@dataclass(frozen=True)
class Transport:
    """Distances of events, mm: (n,) each; NaN for events without true energy.

    Args:
        depth: Along the beam.
        across: In the planes of the layers.
    """

    depth: NDArray[np.float64]
    across: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Sum of both parts."""
        return self.depth + self.across


def transport(true: Events, decoded: Events, detector: Detector) -> Transport:
    """Returns the distances between true and decoded events, normalised to their energies.

    Args:
        true: Events of the whole detector.
        decoded: The same events decoded; negative charges count as none.
        detector: Gives energies and positions.

    Returns:
        Where nothing is decoded, the length of the detector in depth and its diameter across.

    Raises:
        GeometryError, DataFormatError: True events, decoded events and detector do not fit together.
    """
    check_pair(true, decoded)
    frame = CellTable.of(true.hierarchy, detector)
    shares = [_layer_shares(events, frame) for events in (true, decoded)]
    z = MM_PER_CM * detector.layer_z_cm
    steps = np.abs(np.cumsum(shares[0] - shares[1], axis=1))[:, :-1]
    depth = steps @ np.diff(z)
    both = np.minimum(*shares)
    carried_across = _across(true, decoded, frame, both)
    across = np.divide((both * carried_across).sum(axis=1), both.sum(axis=1), out=np.zeros(len(true)), where=both.sum(axis=1) > 0)
    nothing = ~np.isfinite(shares[1][:, 0])
    depth[nothing], across[nothing] = z[-1] - z[0], 2 * MM_PER_CM * detector.radius_cm
    unknown = ~np.isfinite(shares[0][:, 0])
    return Transport(np.where(unknown, np.nan, depth), np.where(unknown, np.nan, across))


def _energies(events: Events, frame: CellTable) -> NDArray[np.float64]:
    return np.maximum(events.charge, 0) * frame.weight[events.cell]


def _layer_shares(events: Events, frame: CellTable) -> NDArray[np.float64]:
    """Returns the share of the energy in each layer: (n, n_layers); NaN for empty events."""
    row = events.event * frame.n_layers + frame.layer[events.cell]
    energy = np.bincount(row, _energies(events, frame), len(events) * frame.n_layers).reshape(len(events), frame.n_layers)
    total = energy.sum(axis=1, keepdims=True)
    return energy / np.where(total > 0, total, np.nan)


def _across(true: Events, decoded: Events, frame: CellTable, both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the transport between the images of each layer, mm: (n, n_layers); 0 in layers without energy on one side."""
    # One row per cell with energy on either side; what both have in the same cell may stay there (triangle inequality).
    n_cells = frame.hierarchy.n_cells()
    keys = [events.event * n_cells + events.cell for events in (true, decoded)]
    key, at = np.unique(np.concatenate(keys), return_inverse=True)
    row = key // n_cells * frame.n_layers + frame.layer[key % n_cells]
    images = np.zeros((2, len(key)))
    for image, places, events in zip(images, np.split(at, [len(keys[0])]), (true, decoded), strict=True):
        image[places] = _energies(events, frame)
    n_rows = both.size
    sums = [np.bincount(row, image, n_rows) for image in images]
    surplus = images[0] / np.where(sums[0] > 0, sums[0], 1)[row] - images[1] / np.where(sums[1] > 0, sums[1], 1)[row]
    xy = MM_PER_CM * np.asarray(frame.xy_cm)[key % n_cells]
    result = np.zeros(n_rows)
    edges = np.searchsorted(row, np.arange(n_rows + 1))
    # One problem per layer: exact transport comes in no batches.
    for layer in np.flatnonzero(np.nan_to_num(both.ravel()) > 0):
        cells = slice(edges[layer], edges[layer + 1])
        result[layer] = carried(surplus[cells], _Distances(xy[cells]))
    return result.reshape(both.shape)


@dataclass(frozen=True)
class _Distances:
    """Distances between points: (n, 2)."""

    xy: NDArray[np.float64]

    def __call__(self, source: NDArray[np.intp], sink: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.linalg.norm(self.xy[source][:, None] - self.xy[sink], axis=-1)
