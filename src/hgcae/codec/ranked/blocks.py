"""Where cells of a unit lie relative to its strongest: in the same block of cells, in one of the blocks around it, or elsewhere.

A unit of up to 256 cells is one block. In larger ones the modules are blocks, all alike, and a cell is addressed by which neighbour of the
module of the strongest cell it lies in, and its number there; where that fails, by its number in the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hgcae.errors import SettingsError
from hgcae.geometry import module
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_module_xy_cm

MOST_TOGETHER = 256
"""Largest unit that is one block."""
MOST_BLOCKS = 4096
"""Most blocks of a unit: a table holds each next to each."""
_DIRECTIONS = 6
_LAYERS_AROUND = (-1, 1, -2, 2)


class Blocks:
    """Blocks of cells, and which lie around each.

    Args:
        size: Cells of a block.
        near: Number of the block in each place around a block, itself first; -1 = there is none: (blocks, places).

    Raises:
        SettingsError: Blocks that do not exist, or one that is in two places around another.
    """

    def __init__(self, size: int, near: ArrayLike) -> None:
        self.size, self.near = int(size), np.asarray(near, dtype=np.int64)
        n = len(self.near)
        if (
            self.size < 1
            or self.near.ndim != 2
            or not 0 < n <= MOST_BLOCKS
            or (self.near >= n).any()
            or (self.near[:, 0] != np.arange(n)).any()
        ):
            msg = f"blocks: found size {size} and places of shape {self.near.shape}, expected blocks, each first among those around itself"
            raise SettingsError(msg)
        place = np.full((n, n), -1, dtype=np.int64)
        row, column = np.nonzero(self.near >= 0)
        place[row, self.near[row, column]] = column
        if (place >= 0).sum() != len(row):
            msg = "blocks: found a block in two places around another"
            raise SettingsError(msg)
        self.place: NDArray[np.int64] = place
        """Place of a block around another, -1 = none: (blocks, blocks)."""

    @property
    def cells(self) -> int:
        """Cells of a unit."""
        return self.size * len(self.near)

    @property
    def symbols(self) -> int:
        """What an address may be: cells of all blocks around, and at last that the cell is elsewhere."""
        return self.size * self.near.shape[1] + 1

    @classmethod
    def of(cls, unit: Hierarchy) -> Blocks:
        """Returns the blocks of one unit of a level, given as the hierarchy whose root it is."""
        cells = unit.n_cells()
        if cells <= MOST_TOGETHER:
            return cls(cells, [[0]])
        if unit.shape[-3:] != module.SHAPE:
            size = max(unit.n_cells(name) for name in unit.names if unit.n_cells(name) <= MOST_TOGETHER)
            return cls(size, np.arange(cells // size)[:, None])
        modules = cells // module.N_CELLS
        # The largest level whose modules have known positions is a layer; what is above it are layers in depth.
        counts = [unit.n_cells(name) // module.N_CELLS for name in unit.names]
        of_layer = max((n for n in counts if n and unit_module_xy_cm(n) is not None), default=1)
        around = _neighbours(of_layer)
        layers = modules // of_layer
        near = [
            [_in_layer(layer, layers, of_layer, index) for index in around[m]]
            + ([_in_layer(layer + step, layers, of_layer, m) for step in _LAYERS_AROUND] if layers > 1 else [])
            for layer in range(layers)
            for m in range(of_layer)
        ]
        return cls(module.N_CELLS, near)

    @classmethod
    def from_config(cls, config: Sequence[Any]) -> Blocks:
        """Returns the blocks of what `get_config` returned."""
        size, near = config
        return cls(size, near)

    def get_config(self) -> list[Any]:
        """Returns plain values from which `from_config` makes equal blocks."""
        return [self.size, self.near.tolist()]


def _neighbours(modules: int) -> NDArray[np.int64]:
    """Returns each module of a layer and its neighbours by direction, -1 where there is none: (modules, 7)."""
    xy = unit_module_xy_cm(modules)
    near = np.full((modules, 1 + _DIRECTIONS), -1, dtype=np.int64)
    near[:, 0] = np.arange(modules)
    if xy is None or modules == 1:
        return near
    step = xy[None] - xy[:, None]
    distance = np.hypot(step[..., 0], step[..., 1])
    pitch = distance[distance > 0].min()
    here, there = np.nonzero((distance > 0) & (distance < 1.2 * pitch))
    angle = np.arctan2(step[here, there, 1], step[here, there, 0])
    # Six directions, 60 degrees apart: the first is that of any pair.
    direction = np.rint((angle - angle[0]) / (2 * np.pi / _DIRECTIONS)).astype(np.int64) % _DIRECTIONS
    near[here, 1 + direction] = there
    return near


def _in_layer(layer: int, layers: int, modules: int, index: int | np.integer) -> int:
    return layer * modules + int(index) if 0 <= layer < layers and index >= 0 else -1
