"""Small archives of CMS events."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hgcae.geometry import module
from hgcae.sources.cms_npz import LATTICE, quantum_gev

MODULES = np.array([(-1, 0, 0, 1, 0), (1, 0, 0, 1, 0), (1, 12, -3, 2, 1), (-1, 20, 5, 5, 2)])
"""Side, plane, u, v and number of the sensor of each module."""


def tables() -> dict[str, np.ndarray]:
    """Every trigger cell of `MODULES`, the first one twice; then one scintillator tile and one cell of an unsolved plane."""
    side, plane, u, v, _ = np.repeat(MODULES, module.N_CELLS, axis=0).T
    slot = np.tile(np.arange(module.N_CELLS), len(MODULES))
    columns = {"tc_plane": (plane, [25, 15]), "tc_side": (side, [1, 1]), "tc_u": (u, [-99, 1]), "tc_v": (v, [-99, 1])}
    columns["tc_slot"] = (slot, [-1, 3])
    return {name: np.concatenate([values[:1], values, more]).astype(np.int8) for name, (values, more) in columns.items()}


def entries(rng: np.random.Generator, n_events: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of `tables`, charges and offsets of events; the second event is empty."""
    n_cells = len(MODULES) * module.N_CELLS + 1
    rows = [np.flatnonzero(rng.random(n_cells) < 0.9) if event != 1 else np.zeros(0, int) for event in range(n_events)]
    counts = [rng.integers(0, 40, len(row)) for row in rows]
    return np.concatenate(rows), np.concatenate(counts), np.concatenate([[0], np.cumsum([len(row) for row in rows])])


def archive(path: Path, rng: np.random.Generator, **replaced: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Writes an archive and returns dense charges (n_events, 4, 48) of `MODULES`, and the arrays' rows."""
    columns, (row, count, offsets) = tables(), entries(rng)
    sensor = np.repeat(MODULES[:, 4], module.N_CELLS)[np.maximum(row - 1, 0)]
    energy = count * quantum_gev(columns["tc_plane"][row].astype(int))[np.arange(len(row)), sensor]
    dense = np.zeros((len(offsets) - 1, len(MODULES) * module.N_CELLS), int)
    np.add.at(dense, (np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), np.maximum(row - 1, 0)), count)
    arrays = columns | {"tc_index": row.astype(np.uint32), "tc_energy": energy.astype(np.float32), "tc_offsets": offsets}
    np.savez_compressed(path, allow_pickle=False, **{name: values for name, values in (arrays | replaced).items() if values is not None})
    return dense.reshape(-1, len(MODULES), module.N_CELLS), row


def place(side: int, plane: int, u: int, v: int) -> tuple[int, int, int, int]:
    """Indices of a module in a whole event."""
    return (side + 1) // 2, plane, u + LATTICE, v + LATTICE
