"""`meta` of the original program's pickle, as the truth of particles and back.

A row has six numbers for each particle of an event: see `COLUMNS`. The angles are those of the momentum to the beam in the (x, z) and
(y, z) planes, so that momentum and direction follow from them, the energy and the mass that the PDG id stands for.

Source of the columns: github.com/dpwinter/TPG-autoencoder-workflows@02467e3. The unit of the impact point is not documented there.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import Events

COLUMNS = ("pdg", "energy_gev", "angle_x_rad", "angle_y_rad", "impact_x_cm", "impact_y_cm")
"""Columns of `meta`, for each particle."""

_LEAST = COLUMNS.index("impact_x_cm")
"""Files of the original program have at least these; the impact point came later."""


def particles(meta: NDArray[Any] | None, path: str | Path) -> dict[str, NDArray[Any]]:
    """Returns the particle columns (see `hgcae.events.PARTICLE_COLUMNS`) that `meta` holds: (n, particles per event) each.

    Rows of 6 k numbers are k particles, if each six can be one; otherwise the first columns are one, and the others are not read.

    Warns:
        HgcaeWarning: A table of numbers that describes no particles; the result is empty.
    """
    if meta is None or meta.ndim != 2 or meta.shape[1] < _LEAST or meta.dtype.kind not in "iuf" or not len(meta):
        return {}
    width = len(COLUMNS)
    pieces = [meta[:, start : start + width].astype(np.float64) for start in range(0, meta.shape[1], width)]
    known = pieces if meta.shape[1] % width == 0 and all(map(_describe_particles, pieces)) else pieces[:1]
    if not _describe_particles(known[0]):
        msg = f"{path}: meta is kept, but is not read as truth: its first four columns are not PDG id, energy (GeV) and two angles (rad)"
        warnings.warn(msg, HgcaeWarning, stacklevel=2)
        return {}
    columns: dict[str, NDArray[np.float64]] = dict(zip(COLUMNS, np.moveaxis(np.stack(known, axis=1), -1, 0), strict=False))
    impact = {name: columns[name] for name in COLUMNS[_LEAST:] if meta.shape[1] >= width}
    return {"pdg": columns["pdg"].astype(np.int32), "energy_gev": columns["energy_gev"]} | _momenta(columns) | impact


def of_particles(events: Events, path: str | Path) -> NDArray[np.float64] | None:
    """Returns the truth of events as `meta`, NaN for what is not known: (n, 6 x particles per event); None for events without particles.

    Raises:
        DataFormatError: Not every event has as many particles as the first.
    """
    counts = np.diff(events.particle_offsets if events.particle_offsets is not None else np.zeros(len(events) + 1, dtype=np.int64))
    per_event = int(counts[0]) if len(counts) else 1
    if (counts != per_event).any():
        event = int(np.argmax(counts != per_event))
        raise DataFormatError(path, f"truth of event {event}", f"{counts[event]} particles", f"{per_event}, as in event 0, to write `meta`")
    unknown = np.full(per_event * len(counts), np.nan)
    px, py, pz = (events.particles.get(f"{name}_gev", unknown) for name in ("px", "py", "pz"))
    angles = {"angle_x_rad": np.arctan2(px, pz), "angle_y_rad": np.arctan2(py, pz)}
    table = np.stack([(angles | dict(events.particles)).get(name, unknown) for name in COLUMNS], axis=1, dtype=np.float64)
    return table.reshape(len(counts), per_event * len(COLUMNS)) if per_event else None


def _describe_particles(table: NDArray[np.float64]) -> bool:
    """Returns whether the first columns of a table can be PDG id, energy and two angles."""
    from particle import InvalidParticle, Particle, ParticleNotFound

    pdg, energy, angles = table[:, 0], table[:, 1], table[:, 2:_LEAST]
    if not (np.isfinite(table[:, :_LEAST]).all() and (energy > 0).all() and (np.abs(angles) < np.pi / 2).all() and (pdg % 1 == 0).all()):
        return False
    try:
        for each in np.unique(pdg).tolist():
            Particle.from_pdgid(int(each))
    except (InvalidParticle, ParticleNotFound):
        return False
    return True


def _momenta(columns: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Returns momentum, pseudorapidity and azimuth of particles that fly away from the interaction point."""
    from particle import Particle

    ids, which = np.unique(columns["pdg"], return_inverse=True)
    mass_gev = np.array([(Particle.from_pdgid(int(each)).mass or 0.0) / 1000 for each in ids.tolist()])[which].reshape(columns["pdg"].shape)
    momentum = np.sqrt(np.maximum(columns["energy_gev"] ** 2 - mass_gev**2, 0))
    tan_x, tan_y = np.tan(columns["angle_x_rad"]), np.tan(columns["angle_y_rad"])
    pz = momentum / np.sqrt(1 + tan_x**2 + tan_y**2)
    px, py = pz * tan_x, pz * tan_y
    with np.errstate(divide="ignore"):
        # Along the beam the tangents are 0, and the pseudorapidity is infinite.
        eta = np.arcsinh(1 / np.hypot(tan_x, tan_y))
    return {"px_gev": px, "py_gev": py, "pz_gev": pz, "eta": eta, "phi": np.arctan2(py, px)}
