"""Test vectors of a trained encoder: corner cases, units of events, random numbers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae import __version__
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.export.description import describe
from hgcae.export.vectors import CORNERS, Inputs, Vectors
from hgcae.integer.cost import cost
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.files import model_fingerprint
from hgcae.workflow.loaded import LoadedRun

_LARGEST_CHARGE = 65535
"""Largest charge of a vector, ADC counts: the 16 bits of a port."""


def write_vectors(loaded: LoadedRun, level: str, n: int, seed: int, folder: Path) -> dict[str, Any]:
    """Writes the encoder of a level in integers, and test vectors of it; see `hgcae vectors`.

    Args:
        loaded: The run, with the events that units are drawn from.
        level: Name of the level.
        n: Number of vectors, at least `CORNERS`.
        seed: Start of the random numbers.
        folder: Folder of the files.

    Returns:
        What was written: `folder`, `level`, `vectors` by kind, `bits` of a code and `bytes` of a packed one.
    """
    model, rng = loaded.model, np.random.default_rng(seed)
    chosen = model.level(level)
    inputs, encoder, names = inputs_of(model, chosen.name), chosen.integer_encoder(), model.settings.levels[chosen.name].names
    seen = _occupied(loaded, chosen.name)
    real = seen[np.sort(rng.choice(len(seen), min((n - CORNERS) // 2, len(seen)), replace=False))]
    units = np.concatenate([inputs.corners(), real, inputs.drawn(n - CORNERS - len(real), rng)])
    integers = encoder.integers(units[..., 0] if model.hierarchy.below(chosen.name) is None else units).astype(np.int64)
    counts = {"corners": CORNERS, "units of events": len(real), "random": n - CORNERS - len(real)}
    told = {
        "program": f"hgcae {__version__} vectors",
        "model": model_fingerprint(model),
        "level": chosen.name,
        "seed": seed,
        "vectors": counts,
        "cost": asdict(cost(chosen.quantised_network())),
        "code": {"names": names, "bits": chosen.format.widths.tolist(), "smallest": chosen.format.lowest.tolist()},
    }
    made = Vectors(units, integers, chosen.format, names)
    made.write(folder, inputs, told | describe(encoder, inputs.children))
    bits = chosen.bits_per_unit
    return {"folder": str(folder), "level": chosen.name, "vectors": counts, "bits": bits, "bytes": -(-bits // 8)}


def inputs_of(model: Autoencoder, name: str) -> Inputs:
    """Returns what the encoder of a level takes: charges, or the integers of its children's codes."""
    children, lower = model.level(name).children, model.hierarchy.below(name)
    if lower is None:
        largest = _LARGEST_CHARGE if model.settings.digi == "charges" else (1 << FLOAT_4E3M.bits) - 1
        return Inputs(("charge",), np.array([0]), np.array([largest]), children, sums=False)
    below = model.level(lower).format
    high = below.lowest + (1 << below.widths) - 1
    return Inputs(model.settings.levels[lower].names, below.lowest.astype(np.int64), high, children, sums=model.conserves_charge)


def _occupied(loaded: LoadedRun, name: str) -> NDArray[np.int64]:
    """Returns the occupied units of the run's events as the encoder of a level sees them: (n, children, k)."""
    model, events = loaded.model, loaded.sample
    lower, children = model.hierarchy.below(name), model.level(name).children
    if lower is None:
        return np.rint(model.digi(events).units(name)[0].to_dense()).astype(np.int64).reshape(-1, children, 1)
    return model.encode_events(events, lower).children_of(events.hierarchy, name)[0].astype(np.int64)
