"""An encoder as plain integers: all that an implementation in hardware or in another language needs to give the same codes.

`docs/integers.md` says what is computed with them, step by step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hgcae.coding.sums import ROOTS
from hgcae.integer.encoder import ConservingTables, IntegerEncoder
from hgcae.integer.network import Affine


def describe(encoder: IntegerEncoder, children: int) -> dict[str, Any]:
    """Returns the numbers of an encoder as plain values, under the names that `docs/integers.md` uses.

    Args:
        encoder: The encoder, see `LevelModel.integer_encoder`.
        children: Children of a unit.

    Returns:
        `kind` (conserving or plain), `children`, `tables` (sums, thresholds, weights, positions and scales before the network), `layers`
        (`kernel` (n_out, n_in), `bias` and `shift` (n_out,), `low`, `high`), `input` (its `bits`, `fraction`, `signed`).
    """
    conserving = isinstance(encoder.tables, ConservingTables)
    tables = {name: _plain(value) for name, value in encoder.tables._asdict().items() if name != "n_inputs"}
    if conserving:
        tables["roots"] = ROOTS.tolist()
    first = encoder.network.first
    return {
        "kind": "conserving" if conserving else "plain",
        "children": children,
        "tables": tables,
        "input": {"bits": first.bits, "fraction": first.fraction, "signed": first.signed},
        "layers": [_layer(layer) for layer in encoder.network.layers],
    }


def _layer(layer: Affine) -> dict[str, Any]:
    return {name: _plain(value) for name, value in layer._asdict().items()}


def _plain(value: Any) -> Any:
    """Returns numbers as Python has them, whole ones as integers: floats here hold integers or powers of two."""
    array = np.asarray(value)
    whole = array.astype(np.int64)
    return (whole if np.array_equal(whole, array) else array).tolist()
