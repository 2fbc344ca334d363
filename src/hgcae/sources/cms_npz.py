"""Whole simulated CMS events as NumPy archives (`.npz`): every trigger cell of both endcaps, read as modules or as events.

The archive holds two tables. The trigger cells that occur in any event: `tc_plane` (0 to 32, see `PLANE_WEIGHT_MEV`; -1 = none),
`tc_side` (-1 or 1), `tc_u`, `tc_v` (hexagonal lattice of the modules; -99 = scintillator), `tc_slot` (CALQ number in the module, see
`hgcae.geometry.module`) and `tc_pos` (cm), with `plane_absz` (cm). And the entries of the events: `tc_index` (row of the first table),
`tc_energy` (GeV) and `tc_offsets`. Other arrays are not read.

**Charges.** The energy of a trigger cell is its charge times the layers' dE/dx weight over the charge and the thickness correction of a
MIP. The charge is a whole number of `COUNT_FC`, so the energy is a whole multiple of a quantum that plane and sensor fix:
`quantum_gev`. A module's sensor is the one whose quantum divides all energies of the module in the file; if several do (few, round
energies), the one with the largest quantum, because a smaller one would rarely give only such energies. Modules that no quantum divides
are left out. In the electromagnetic planes of the archive known to us, exactly one fits every module.

**Left out**: scintillator, the planes of `UNSOLVED_PLANES`, entries without energy (among them all that lie a centimetre off
their plane). Cells that share a module and a slot are added.

Source of the format: github.com/erdemyigit/hgcal_npz@5ad1728e (positions and float energies; plane, side, u, v and slot are derived
from the positions). That energies are such multiples was found on the data; the constants are those of CMSSW.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.reading.files import open_regular
from hgcae.reading.npz import read_npz
from hgcae.sources.base import Source

N_PLANES = 33
EM_PLANES = 13
"""Planes of the electromagnetic part, the first ones; the others are hadronic."""
UNSOLVED_PLANES = (15, 17)
"""Planes whose modules and slots could not be told from the positions of their cells."""
LATTICE = 12
"""Largest magnitude of the lattice coordinates u and v."""

HIERARCHY = Hierarchy.of(ROC=(4, 4), MODULE=3, LAYER=(2 * LATTICE + 1,) * 2, ENDCAP=N_PLANES, EVENT=2)
"""A whole event: (side, plane, u + 12, v + 12, roc, row, column), side 0 at negative z. Most places of the (u, v) square have no module."""

COUNT_FC = 8 * 100 / 1024
"""Unit of the charges: the least significant bit of the ADC, 100 fC / 1024, after the three lowest bits are dropped (CMSSW, HGCalVFE)."""
SENSORS_UM = (120, 200, 300)
MIP_FC = np.array([2.06, 3.43, 5.15])
"""Charge of a MIP in each sensor. Source: CMSSW, HGCAL_chargeCollection of the V10 geometry and later."""
_CORRECTION = np.array([[0.75, 0.76, 0.75], [0.85, 0.85, 0.84]])
"""Thickness correction of each sensor in the electromagnetic and hadronic planes. Source: CMSSW, HGCalRecHit_cfi."""
PLANE_WEIGHT_MEV = np.array(
    [8.894541] + [21.875814] * 4 + [21.865764, 21.875814] + [21.876338] * 7
    + [83.906398] + [51.444192] * 10 + [69.513118] + [87.582044] * 5 + [87.214571, 86.888309]
)  # fmt: skip
"""Energy that a MIP in a plane stands for, MeV: the dE/dx weights of CMSSW's V10 geometry, with those of the layers that are not read out
for the trigger added to the next. Source: CMSSW, dEdX.weights in HGCalRecHit_cfi and layerWeights of the trigger primitives; the file's
geometry has two electromagnetic layers less than these weights, so plane 13 is hadronic with an electromagnetic weight."""

_TABLE: Mapping[str, tuple[str, int, int]] = {
    "tc_plane": ("iu", -1, N_PLANES - 1),
    "tc_side": ("i", -1, 1),
    "tc_u": ("i", -LATTICE, LATTICE),
    "tc_v": ("i", -LATTICE, LATTICE),
    "tc_slot": ("i", -1, module.N_CELLS - 1),
}
"""Columns of the table of trigger cells: kinds of numbers, lowest and highest value."""
_NO_MODULE = -99
MOST_EVENTS = 2**17
"""Events of an archive, which may be empty and then take no bytes."""
_FIRST_BYTES = 256
_CHUNK = 10
"""Events whose modules are split at a time."""


class CmsNpz(Source):
    """Reads archives of CMS trigger cells."""

    name = "CMS npz"
    suffixes = (".npz",)

    def sniff(self, path: Path) -> bool:
        """Returns whether a file begins like an archive of arrays."""
        with path.open("rb") as stream:
            first = stream.read(_FIRST_BYTES)
        return first.startswith(b"PK\x03\x04") and b".npy" in first

    def read(self, path: str | Path, hierarchy: Hierarchy = PROTOTYPE) -> Iterator[Events]:
        """Yields whole events of the levels `HIERARCHY`; or modules, if the root of `hierarchy` is MODULE.

        A module is one that holds charge in an event. Its columns: `event`, `side` (-1 or 1), `layer` (plane), `u`, `v`, `sensor_um`, and
        `n_cells`, how many trigger cells it has (48 unless it is cut; see `_n_cells`). See also `Source.read`; needs memory for all events.
        """
        as_modules = hierarchy.root == "MODULE"
        if (as_modules and hierarchy.shape != module.SHAPE) or hierarchy.root == "ROC":
            found = f"the root {hierarchy.root} {hierarchy.shape}"
            raise DataFormatError(path, "hierarchy", found, f"MODULE {module.SHAPE}, or a larger root for whole events")
        events, sensor = _events(_load(path), path)
        if not as_modules:
            yield events
            return
        n_cells = _n_cells(events.cell)
        for first in range(0, max(len(events), 1), _CHUNK):
            yield _modules(events[first : first + _CHUNK], first, sensor, n_cells)


def quantum_gev(plane: NDArray[np.integer]) -> NDArray[np.float64]:
    """Returns the energy of one charge count for each sensor of `SENSORS_UM` in planes (...): (..., 3), GeV."""
    mip = MIP_FC * _CORRECTION[(np.asarray(plane) >= EM_PLANES).astype(int)]
    return COUNT_FC / mip * PLANE_WEIGHT_MEV[plane][..., None] / 1000


def _load(path: str | Path) -> dict[str, NDArray[Any]]:
    """Reads and checks the arrays.

    Raises:
        DataFormatError: Damaged, or an array is missing or of another kind, shape or range.
    """
    names = (*_TABLE, "tc_index", "tc_energy", "tc_offsets")
    with open_regular(path, is_zip=True) as stream:
        arrays = read_npz(stream, path, names)
    for name in names:
        if name not in arrays or arrays[name].ndim != 1 or arrays[name].dtype.kind not in "iuf":
            found = f"{arrays[name].dtype} {arrays[name].shape}" if name in arrays else "nothing"
            raise DataFormatError(path, name, found, "an array of numbers (n,)")
    n_cells, n_entries = len(arrays["tc_plane"]), len(arrays["tc_index"])
    for name, (kinds, low, high) in _TABLE.items():
        values = arrays[name]
        if len(values) != n_cells or values.dtype.kind not in kinds:
            raise DataFormatError(path, name, f"{values.dtype} {values.shape}", f"whole numbers ({n_cells},)")
        _check(path, name, (values >= low) & (values <= high) | ((values == _NO_MODULE) & (low == -LATTICE)), values, f"{low} to {high}")
    _check(path, "tc_side", arrays["tc_side"] != 0, arrays["tc_side"], "-1 or 1")
    offsets, index, energy = arrays["tc_offsets"], arrays["tc_index"], arrays["tc_energy"]
    rises = offsets.dtype.kind in "iu" and len(offsets) > 0 and bool((offsets[1:] >= offsets[:-1]).all())
    if not rises or offsets[0] != 0 or offsets[-1] != n_entries or len(energy) != n_entries:
        found = f"{len(offsets)} offsets, {n_entries} indices, {len(energy)} energies"
        raise DataFormatError(path, "tc_offsets", found, "offsets that rise from 0 to the number of entries")
    if len(offsets) > MOST_EVENTS + 1:
        raise DataFormatError(path, "tc_offsets", f"{len(offsets) - 1} events", f"at most {MOST_EVENTS}")
    if index.dtype.kind not in "iu":
        raise DataFormatError(path, "tc_index", str(index.dtype), "whole numbers")
    _check(path, "tc_index", (index >= 0) & (index < n_cells), index, f"a row below {n_cells}")
    _check(path, "tc_energy", np.isfinite(energy) & (energy >= 0), energy, "a finite energy of at least 0")
    return arrays


def _check(path: str | Path, name: str, good: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
    if not good.all():
        at = int(np.argmin(good))
        raise DataFormatError(path, f"{name}[{at}]", str(values[at]), expected)


def _events(arrays: Mapping[str, NDArray[Any]], path: str | Path) -> tuple[Events, NDArray[np.int8]]:
    """Returns all events, and the number of the sensor of each module (n_modules,), see `_sensors`."""
    cell = _flat_cells(arrays)[arrays["tc_index"]]
    keep = np.flatnonzero((cell >= 0) & (arrays["tc_energy"] > 0))
    cell, energy = cell[keep], arrays["tc_energy"][keep].astype(np.float64)
    offsets = arrays["tc_offsets"].astype(np.int64)
    event = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[keep]
    quanta = quantum_gev(np.arange(N_PLANES))[cell // HIERARCHY.n_cells("LAYER") % N_PLANES]
    sensor = _sensors(cell // module.N_CELLS, energy, quanta)
    chosen = sensor[cell // module.N_CELLS].astype(np.intp)
    count = np.rint(energy / quanta[np.arange(len(cell)), chosen])
    key = event * HIERARCHY.n_cells() + cell
    good = chosen >= 0
    order = np.argsort(key[good], kind="stable")
    key, count = key[good][order], count[good][order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    charge = np.add.reduceat(count, first) if len(first) else count
    if charge.max(initial=0) > np.iinfo(np.int32).max:
        raise DataFormatError(path, "tc_energy", f"{charge.max():.6g} counts", "a charge below 2^31 counts")
    key = key[first]
    starts = np.searchsorted(key, np.arange(len(offsets)) * HIERARCHY.n_cells()).astype(np.int64)
    return Events(HIERARCHY, starts, (key % HIERARCHY.n_cells()).astype(np.int32), charge.astype(np.int32)).validate(path), sensor


def _flat_cells(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Returns the flat index in `HIERARCHY` of each row of the table of trigger cells, -1 for those left out."""
    plane, side, u, v, slot = (arrays[name].astype(np.int64) for name in _TABLE)
    use = (plane >= 0) & (slot >= 0) & (u != _NO_MODULE) & (v != _NO_MODULE) & ~np.isin(plane, UNSOLVED_PLANES)
    place = (np.where(use, value, 0) for value in ((side + 1) // 2, plane, u + LATTICE, v + LATTICE, slot))
    shape = (*HIERARCHY.unit_shape("MODULE"), module.N_CELLS)
    return np.where(use, np.ravel_multi_index(tuple(place), shape), -1)


def _sensors(unit: NDArray[np.int64], energy: NDArray[np.float64], quanta: NDArray[np.float64]) -> NDArray[np.int8]:
    """Returns which sensor each module has: (n_modules,), -1 where none fits or there is no charge.

    Args:
        unit: Module of each entry: (n,).
        energy: (n,) GeV.
        quanta: Energy of a count for each sensor: (n, 3) GeV, in decreasing order.
    """
    n_units = HIERARCHY.n_units("MODULE")
    charged = np.bincount(unit, minlength=n_units) > 0
    sensor = np.full(n_units, -1, dtype=np.int8)
    for number in reversed(range(len(SENSORS_UM))):
        count = energy / quanta[:, number]
        # Energies are stored with 24 bits, weights are known to 1e-6; other quanta miss by halves and fifths.
        misses = np.abs(count - np.rint(count)) > 1e-5 * count + 1e-3
        sensor[charged & (np.bincount(unit, misses, n_units) == 0)] = number
    return sensor


def _n_cells(cell: NDArray[np.int32]) -> NDArray[np.int64]:
    """Returns how many trigger cells each module has, from the cells with charge in any event: (n_modules,).

    Far from the beam a cell may stay empty in all events. In the electromagnetic part the sides are alike, so are the sixths of a plane,
    and the outer edge only grows from plane to plane: so a module has as many cells as were seen in any of its images, here or in front.
    """
    seen = np.zeros(HIERARCHY.n_cells(), dtype=bool)
    seen[cell] = True
    found = seen.reshape(*HIERARCHY.unit_shape("MODULE"), module.N_CELLS).sum(axis=-1)
    u, v = np.indices(found.shape[2:]) - LATTICE
    images = found[:, :EM_PLANES].max(axis=0)
    most = images
    for _ in range(5):
        u, v = u - v, u  # 60 degrees further
        inside = (np.abs(u) <= LATTICE) & (np.abs(v) <= LATTICE)
        most = np.maximum(most, np.where(inside, images[:, np.where(inside, u, 0) + LATTICE, np.where(inside, v, 0) + LATTICE], 0))
    found[:, :EM_PLANES] = np.where(found[:, :EM_PLANES] > 0, np.maximum.accumulate(most, axis=0), 0)
    return found.ravel()


def _modules(chunk: Events, first: int, sensor: NDArray[np.int8], n_cells: NDArray[np.int64]) -> Events:
    """Splits events into their modules, with what is known about each.

    Args:
        chunk: Some of the events.
        first: Number of the first of them.
        sensor: Number of the sensor of each module: (n_modules,).
        n_cells: Trigger cells of each module: (n_modules,).
    """
    units, event, index = chunk.units("MODULE")
    side, plane, u, v = np.unravel_index(index, HIERARCHY.unit_shape("MODULE"))
    columns = {
        "event": event + first,
        "side": 2 * side - 1,
        "layer": plane,
        "u": u - LATTICE,
        "v": v - LATTICE,
        "sensor_um": np.array(SENSORS_UM)[sensor[index]],
        "n_cells": n_cells[index],
    }
    return replace(units, columns={name: values.astype(np.int32) for name, values in columns.items()})
