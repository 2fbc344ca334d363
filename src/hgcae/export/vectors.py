"""Test vectors of an encoder: units as an implementation sees them, the integers it has to find, and the bits it has to send."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import CodeFormat
from hgcae.coding.bitpack import pack
from hgcae.outputs import atomic_path

CORNERS = 4
"""Units at the ends of the ranges: empty, one child at its largest, all children at their largest, all at their smallest."""


@dataclass(frozen=True)
class Inputs:
    """What an encoder takes.

    Args:
        names: Names of the numbers of a child, e.g. (`charge`,) or (`sum`, `barycentre x`, ...).
        low: Smallest integer of each: (k,).
        high: Largest integer of each: (k,).
        children: Children of a unit.
        sums: Whether a child whose first number is zero is empty, so that all its numbers are.
    """

    names: tuple[str, ...]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    children: int
    sums: bool

    def corners(self) -> NDArray[np.int64]:
        """Returns the `CORNERS` units at the ends of the ranges: (4, children, k)."""
        units = np.zeros((CORNERS, self.children, len(self.names)), dtype=np.int64)
        units[1, 0] = self.high
        units[2] = self.high
        units[3] = self.low
        return self._possible(units)

    def drawn(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Returns random units (n, children, k): a random share of the children is occupied, first numbers are drawn by their logarithm."""
        units = rng.integers(self.low, self.high + 1, (n, self.children, len(self.names)))
        units[..., 0] = np.floor(np.exp(rng.uniform(0, np.log(self.high[0] + 1), (n, self.children)))).astype(np.int64)
        units[rng.random((n, self.children)) > rng.random((n, 1))] = 0
        return self._possible(units)

    def _possible(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        return units * (units[..., :1] > 0) if self.sums else units


@dataclass(frozen=True)
class Vectors:
    """Test vectors of the encoder of one level.

    Args:
        units: Integers of the children: (n, children, k).
        integers: Integers of the code, signed: (n, latent).
        format: How they are written.
        names: Names of the numbers of the code.
    """

    units: NDArray[np.int64]
    integers: NDArray[np.int64]
    format: CodeFormat
    names: tuple[str, ...]

    def write(self, folder: Path, inputs: Inputs, description: Mapping[str, Any]) -> None:
        """Writes `encoder.json`, `inputs.csv`, `integers.csv` and `packed.hex`, each whole or not at all.

        Args:
            folder: Folder of the files.
            inputs: What the columns of `inputs.csv` are.
            description: The encoder, see `hgcae.export.description.describe`, and where it comes from.
        """
        columns = [f"child {child} {name}" for child in range(inputs.children) for name in inputs.names]
        packed = pack(self.integers - self.format.lowest, self.format.widths)
        contents: dict[str, Iterator[str]] = {
            "inputs.csv": _csv(columns, self.units.reshape(len(self.units), -1)),
            "integers.csv": _csv(self.names, self.integers),
            "packed.hex": (row.tobytes().hex() for row in packed),
            "encoder.json": iter([json.dumps(description)]),
        }
        for name, lines in contents.items():
            with atomic_path(folder / name) as path, path.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)


def _csv(names: Sequence[str], rows: NDArray[np.int64]) -> Iterator[str]:
    yield ",".join(names)
    for row in rows.tolist():
        yield ",".join(map(str, row))
