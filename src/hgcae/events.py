"""Events: sparse trigger-cell charges of many events with what is known about them. The one vocabulary for shapes and units.

A charge is stored with the flat index of its trigger cell in the root unit (see `hgcae.geometry.hierarchy`). Charges of detectors simulated
here count tenths of a MIP (the HGCROC's target of 10 ADC counts per MIP); foreign files keep their own counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, GeometryError
from hgcae.geometry.hierarchy import Hierarchy

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


PARTICLE_COLUMNS: Mapping[str, str] = {
    "pdg": "PDG identifier",
    "energy_gev": "total energy, GeV",
    "px_gev": "momentum along x, GeV",
    "py_gev": "momentum along y, GeV",
    "pz_gev": "momentum along z, GeV",
    "eta": "pseudorapidity of the momentum (infinite along the beam)",
    "phi": "azimuth of the momentum, radian",
    "impact_x_cm": "x where the particle enters the front face, cm",
    "impact_y_cm": "y where the particle enters the front face, cm",
    "shower_start_x0": "depth of the first interaction below the front face, along the shower axis, radiation lengths",
    "shower_max_x0": "depth of the maximum of the longitudinal profile, along the shower axis, radiation lengths",
}
"""Truth of each generated particle."""

DEPOSIT_COLUMNS: Mapping[str, str] = {
    "layer_energy_mev": "energy that the particles leave in the silicon of each layer, MeV: (n, layers)",
    "module_energy_mev": "energy that the particles leave in the silicon of each module, MeV: (n, *modules of an event)",
}
"""Per-event columns of true deposits: without noise, threshold, or rounding."""


DigiKind = Literal["codes", "charges"]
"""What the array `digi` of a pickle holds: 4E3M codes of half the ADC counts (see `hgcae.coding.floatcode`), or charges."""


@dataclass(frozen=True)
class DigiFormat:
    """How the array `digi` of a pickle holds the charges of events, kept so that it can be written back as it was.

    Args:
        kind: Codes or charges.
        dtype: NumPy type string of `digi`.
        shape: Shape of a row of `digi`; the trigger cells of an event in C order, whatever it is.
    """

    kind: DigiKind
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Events:
    """Sparse charges of events (or of modules, or of any unit that is the root).

    Args:
        hierarchy: Levels; the root is one event.
        offsets: Start of each event in `cell` and `charge`, and the end of the last: (n + 1,) int64.
        cell: Flat index of each charged trigger cell, increasing within an event: (nnz,) int32.
        charge: Positive charges, ADC counts: (nnz,).
        columns: Per-event values (n, ...), e.g. `meta` of the original program.
        particles: Per-particle truth, see `PARTICLE_COLUMNS`: (n_particles,) each.
        particle_offsets: Start of each event in `particles`, and the end of the last: (n + 1,) int64; None without truth.
        detector: Name and fingerprint of the detector, or None where unknown.
        digi: How the pickle that they came from holds their charges; None for events that came from elsewhere.

    Examples:
        >>> charge = np.zeros((2, 3, 4, 4), dtype=np.int64)
        >>> charge[0, 1, 2, 3], charge[1, 0, 0, :2] = 7, (5, 2)
        >>> events = Events.from_dense(charge, Hierarchy.of(ROC=(4, 4), MODULE=3))
        >>> events
        Events(2 x MODULE, 3 charges)
        >>> events.cell.tolist(), events.charge.tolist(), events.offsets.tolist()
        ([27, 0, 1], [7, 5, 2], [0, 1, 3])
        >>> events.unit_sums("ROC").tolist()
        [[0.0, 7.0, 0.0], [7.0, 0.0, 0.0]]
        >>> rocs, event, unit = events.units("ROC")
        >>> rocs.hierarchy.root, event.tolist(), unit.tolist()
        ('ROC', [0, 1], [1, 0])
        >>> Events.concatenate([events[1:], events[:1]]).charge.tolist()
        [5, 2, 7]
        >>> (events.to_sparse() @ np.ones(48)).tolist()
        [7.0, 7.0]
    """

    hierarchy: Hierarchy
    offsets: NDArray[np.int64]
    cell: NDArray[np.int32]
    charge: NDArray[Any]
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    particles: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    particle_offsets: NDArray[np.int64] | None = None
    detector: tuple[str, str] | None = None
    digi: DigiFormat | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        """What it holds, in one line."""
        known = ["truth"] * (self.particle_offsets is not None) + ([f"detector {self.detector[0]}"] if self.detector else [])
        return f"Events({', '.join([f'{len(self):,} x {self.hierarchy.root}', f'{len(self.cell):,} charges', *known])})"

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of charged cells of each event: (n,)."""
        return np.diff(self.offsets)

    @property
    def event(self) -> NDArray[np.int64]:
        """Event number of each charge: (nnz,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def true_energy_gev(self) -> NDArray[np.float64] | None:
        """Summed true energy of each event's particles, GeV: (n,); None without truth."""
        if self.particle_offsets is None or "energy_gev" not in self.particles:
            return None
        owner = np.repeat(np.arange(len(self)), np.diff(self.particle_offsets))
        return np.bincount(owner, self.particles["energy_gev"], len(self)).astype(np.float64)

    def validate(self, source: object = "events") -> Events:
        """Returns the events unchanged after checking them.

        Raises:
            DataFormatError: Other types than documented; bad offsets or lengths; a cell out of range, repeated or out of order; a charge
                that is NaN, infinite or not positive. The message names the first offending event.
        """
        for name, values, kinds in (("offsets", self.offsets, "iu"), ("cells", self.cell, "iu"), ("charges", self.charge, "biuf")):
            if values.ndim != 1 or values.dtype.kind not in kinds:
                expected = "a row of whole numbers" if kinds == "iu" else "a row of real numbers"
                raise DataFormatError(source, name, f"{values.dtype} {values.shape}", expected)
        n, nnz, n_cells = len(self.offsets) - 1, len(self.cell), self.hierarchy.n_cells()
        if not _delimits(self.offsets, nnz) or len(self.charge) != nnz:
            raise DataFormatError(source, "offsets", f"{n} events, {nnz} cells, {len(self.charge)} charges", "consistent lengths")
        self._check(source, (self.cell < 0) | (self.cell >= n_cells), self.cell, f"a cell index below {n_cells}")
        step = np.diff(self.cell, prepend=-1)
        step[self.offsets[:-1][self.counts > 0]] = 1
        self._check(source, step <= 0, self.cell, "each cell once, in increasing order")
        self._check(source, ~np.isfinite(self.charge) | (self.charge <= 0), self.charge, "a finite positive charge")
        absent = ~self.hierarchy.present("CELL")
        if absent.any():
            self._check(source, absent[self.cell], self.cell, "a trigger cell that exists in this hierarchy")
        for name, values in self.columns.items():
            if len(values) != n:
                raise DataFormatError(source, f"column {name}", f"{len(values)} rows", f"{n}, one per event")
        self._check_particles(source)
        return self

    def _check_particles(self, source: object) -> None:
        ends = np.zeros(len(self) + 1, dtype=np.int64) if self.particle_offsets is None else self.particle_offsets
        total = int(ends[-1]) if len(ends) else 0
        if len(ends) != len(self) + 1 or not _delimits(ends, total):
            raise DataFormatError(source, "particle offsets", f"{len(ends)} numbers", f"{len(self) + 1} that rise from 0")
        for name, values in self.particles.items():
            if len(values) != total:
                raise DataFormatError(source, f"particle column {name}", f"{len(values)} rows", f"{total}, one per particle")

    def _check(self, source: object, bad: NDArray[np.bool_], values: NDArray[Any], expected: str) -> None:
        if bad.any():
            at = int(np.argmax(bad))
            event = int(np.searchsorted(self.offsets, at, side="right")) - 1
            raise DataFormatError(source, f"event {event}, entry {at - int(self.offsets[event])}", str(values[at]), expected)

    def __getitem__(self, key: int | slice | NDArray[Any] | Sequence[int]) -> Events:
        """Returns a subset of events, chosen by a number, a slice, an index array or a mask."""
        # Not from all numbers: a piece of many events must not cost as much as all of them.
        index = np.arange(*key.indices(len(self))) if isinstance(key, slice) else np.atleast_1d(np.arange(len(self))[key])
        particles, particle_offsets = self.particles, self.particle_offsets
        if particle_offsets is not None:
            pick, particle_offsets = ragged_take(particle_offsets, index)
            particles = {name: values[pick] for name, values in particles.items()}
        pick, offsets = ragged_take(self.offsets, index)
        return replace(
            self,
            offsets=offsets,
            cell=self.cell[pick],
            charge=self.charge[pick],
            columns={name: values[index] for name, values in self.columns.items()},
            particles=particles,
            particle_offsets=particle_offsets,
        )

    def chunks(self, size: int) -> Iterator[Events]:
        """Yields the events in pieces of at most `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]

    @classmethod
    def concatenate(cls, parts: Sequence[Events]) -> Events:
        """Joins events of one hierarchy; at least one part.

        Raises:
            GeometryError: The parts differ in hierarchy, detector, form of `digi`, columns or truth.
        """
        first = parts[0]
        if any(_kind(part) != _kind(first) for part in parts[1:]):
            msg = "events of different hierarchies, detectors, columns or truth cannot be joined"
            raise GeometryError(msg)
        truth = [part.particle_offsets for part in parts if part.particle_offsets is not None]
        return replace(
            first,
            offsets=_joined_offsets([part.offsets for part in parts]),
            cell=np.concatenate([part.cell for part in parts]),
            charge=np.concatenate([part.charge for part in parts]),
            columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
            particles={name: np.concatenate([part.particles[name] for part in parts]) for name in first.particles},
            particle_offsets=_joined_offsets(truth) if truth else None,
        )

    @classmethod
    def from_dense(cls, charge: NDArray[Any], hierarchy: Hierarchy, source: object = "array", **rest: Any) -> Events:
        """Builds events from dense charges.

        Args:
            charge: (n, *hierarchy.shape), non-negative; zeros are dropped.
            hierarchy: Levels whose root is one row of `charge`.
            source: Name for error messages.
            **rest: Further fields of `Events`.

        Raises:
            DataFormatError: Another shape, not numbers, or a charge that is negative, NaN or infinite.
        """
        if charge.shape[1:] != hierarchy.shape or charge.ndim < 2:
            expected = f"(n, {', '.join(map(str, hierarchy.shape))}) for the root {hierarchy.root}"
            raise DataFormatError(source, "shape", str(charge.shape), expected)
        if charge.dtype.kind not in "biuf":
            raise DataFormatError(source, "dtype", str(charge.dtype), "real numbers")
        flat = charge.reshape(len(charge), hierarchy.n_cells())
        event, cell = np.nonzero(flat)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(event, minlength=len(flat)))])
        values = flat[event, cell]
        return cls(hierarchy, offsets.astype(np.int64), cell.astype(np.int32), values, **rest).validate(source)

    def to_dense(self) -> NDArray[Any]:
        """Returns the charges as (n, *hierarchy.shape) in the dtype of `charge`."""
        dense = np.zeros((len(self), self.hierarchy.n_cells()), dtype=self.charge.dtype)
        dense[self.event, self.cell] = self.charge
        return dense.reshape(len(self), *self.hierarchy.shape)

    def to_sparse(self) -> csr_matrix:
        """Returns the charges as a sparse matrix (n, n_cells) float64."""
        from scipy.sparse import csr_matrix

        return csr_matrix((self.charge.astype(np.float64), self.cell, self.offsets), shape=(len(self), self.hierarchy.n_cells()))

    def unit_sums(self, level: str, weight: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Returns the charge sums of the units of a level: (n, n_units) float64, dense; optionally with a weight per trigger cell."""
        n_units = self.hierarchy.n_units(level)
        unit = self.cell // self.hierarchy.n_cells(level)
        values = self.charge.astype(np.float64) if weight is None else self.charge * weight[self.cell]
        sums = np.bincount(self.event * n_units + unit, weights=values, minlength=len(self) * n_units)
        return sums.astype(np.float64, copy=False).reshape(len(self), n_units)

    def units(self, level: str) -> tuple[Events, NDArray[np.int64], NDArray[np.int64]]:
        """Splits events into their occupied units of a level.

        Returns:
            The units as `Events` with that level as root (no truth), the event number of each, and its flat index in the event.
        """
        size, n_units = self.hierarchy.n_cells(level), self.hierarchy.n_units(level)
        key = self.event * n_units + self.cell // size
        unique, start = np.unique(key, return_index=True)
        sub = Events(
            self.hierarchy.rooted(level),
            np.append(start, len(key)).astype(np.int64),
            (self.cell % size).astype(np.int32),
            self.charge,
            detector=self.detector,
        )
        return sub, unique // n_units, unique % n_units


def ragged_take(offsets: NDArray[np.int64], index: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the flat positions of the chosen rows of a ragged array, and the offsets of the result.

    Examples:
        >>> places, offsets = ragged_take(np.array([0, 2, 2, 5]), np.array([2, 0]))
        >>> places.tolist(), offsets.tolist()
        ([2, 3, 4, 0, 1], [0, 3, 5])
    """
    counts = offsets[index + 1] - offsets[index]
    new = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.arange(new[-1]) + np.repeat(offsets[:-1][index] - new[:-1], counts), new


def _kind(events: Events) -> tuple[object, ...]:
    """What events must have in common to be joined."""
    return (
        events.hierarchy.to_dict(),
        events.detector,
        events.digi,
        set(events.columns),
        set(events.particles),
        events.particle_offsets is None,
    )


def _delimits(offsets: NDArray[np.int64], total: int) -> bool:
    return len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == total and bool((np.diff(offsets) >= 0).all())


def _joined_offsets(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part) for part in parts]))]).astype(np.int64)
