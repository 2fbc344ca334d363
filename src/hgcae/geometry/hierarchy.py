"""Levels of the trigger chain and the index arithmetic between them.

A `Hierarchy` is a list of levels from the detector outwards. Each level says how many units of the level below (at the lowest level:
trigger cells) one of its units holds. A tensor whose root is one unit of the top level has the children of the top level first and the
trigger cells last, e.g. (30, 19, 3, 3, 4, 4) for the five levels of the prototype; the flat index of a trigger cell is its C order in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import GeometryError, unknown
from hgcae.settings import fingerprint

MOST_CELLS = 2**27
"""A hundred times the trigger cells of both endcaps; each has a number, a charge and a place in memory."""


@dataclass(frozen=True)
class Level:
    """One level: its name and the shape of the children of one unit, e.g. ROC (4, 4) or STAGE1 (19,)."""

    name: str
    shape: tuple[int, ...]

    @property
    def children(self) -> int:
        """Number of children of one unit."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Hierarchy:
    """Levels from the lowest to the root.

    Args:
        levels: From the lowest (its children are trigger cells) to the root.
        missing: Units that do not exist, by level name: flat indices within the root. All below a missing unit is missing too; the name
            `CELL` lists missing trigger cells.

    Raises:
        GeometryError: No levels, a name that is repeated or not in capitals, a child count below 1, more than `MOST_CELLS` cells, or
            a missing unit out of range.

    Examples:
        >>> hierarchy = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3)
        >>> hierarchy.names, hierarchy.shape
        (('ROC', 'MODULE', 'TRIPLET'), (3, 3, 4, 4))
        >>> hierarchy.n_cells("MODULE"), hierarchy.n_units("ROC"), hierarchy.below("MODULE")
        (48, 9, 'ROC')
        >>> hierarchy.rooted("MODULE").shape
        (3, 4, 4)
    """

    levels: tuple[Level, ...]
    missing: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [level.name for level in self.levels]
        if not names or len(set(names)) < len(names) or "CELL" in names or any(name != name.upper() for name in names):
            msg = f"a hierarchy needs levels with distinct names in capitals, none of them CELL, found {names}"
            raise GeometryError(msg)
        if any(n < 1 for level in self.levels for n in level.shape):
            msg = f"every level needs at least one child, found {[level.shape for level in self.levels]}"
            raise GeometryError(msg)
        if self.n_cells() > MOST_CELLS:
            msg = f"found {self.n_cells()} trigger cells, expected at most {MOST_CELLS}"
            raise GeometryError(msg)
        for name, units in self.missing.items():
            total = self.n_cells() if name == "CELL" else self.n_units(name)
            if any(not 0 <= unit < total for unit in units):
                msg = f"missing units of {name}: found {list(units)}, expected indices below {total}"
                raise GeometryError(msg)

    @classmethod
    def of(cls, **shapes: int | tuple[int, ...]) -> Hierarchy:
        """Builds a hierarchy from `ROC=(4, 4), MODULE=3, ...`, lowest level first."""
        return cls(tuple(Level(name, (s,) if isinstance(s, int) else tuple(s)) for name, s in shapes.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """Level names, lowest first."""
        return tuple(level.name for level in self.levels)

    @property
    def root(self) -> str:
        """Name of the top level."""
        return self.levels[-1].name

    def index(self, name: str) -> int:
        """Returns the position of a level, 0 = lowest; the case of the name does not matter."""
        try:
            return self.names.index(name.upper())
        except ValueError:
            raise GeometryError(unknown("level", name, self.names)) from None

    def level(self, name: str) -> Level:
        """Returns a level by name."""
        return self.levels[self.index(name)]

    def below(self, name: str) -> str | None:
        """Returns the name of the level under `name`, or None under the lowest."""
        index = self.index(name)
        return self.names[index - 1] if index else None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Shape of the trigger cells of one root unit, e.g. (30, 19, 3, 3, 4, 4)."""
        return tuple(n for level in reversed(self.levels) for n in level.shape)

    def n_cells(self, name: str | None = None) -> int:
        """Returns the number of trigger cells in one unit of a level (default: of the root)."""
        last = len(self.levels) if name is None else self.index(name) + 1
        return math.prod(level.children for level in self.levels[:last])

    def n_units(self, name: str) -> int:
        """Returns the number of units of a level in one root unit."""
        return self.n_cells() // self.n_cells(name)

    def unit_shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of the units of a level in one root unit, e.g. (30, 19) for TRIPLET in STAGE2; () for the root."""
        return tuple(n for level in reversed(self.levels[self.index(name) + 1 :]) for n in level.shape)

    def rooted(self, name: str) -> Hierarchy:
        """Returns the hierarchy of one unit of level `name`.

        Units of a level are no longer alike where some of them miss parts, so a sub-hierarchy keeps the missing parts only if it is the
        root.
        """
        if name.upper() == self.root:
            return self
        return Hierarchy(self.levels[: self.index(name) + 1])

    def present(self, name: str) -> NDArray[np.bool_]:
        """Returns which units of a level (or trigger cells, for `CELL`) exist, by flat index within the root: (n_units,) bool."""
        size = 1 if name == "CELL" else self.n_cells(name)
        mask = self._present_cells.reshape(-1, size)
        return np.any(mask, axis=1)

    @cached_property
    def _present_cells(self) -> NDArray[np.bool_]:
        mask = np.ones(self.n_cells(), dtype=bool)
        for name, units in self.missing.items():
            size = 1 if name == "CELL" else self.n_cells(name)
            mask.reshape(-1, size)[list(units)] = False
        return mask

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that identify levels, child counts and missing parts."""
        return fingerprint(self.to_dict())

    def to_dict(self) -> dict[str, object]:
        """Returns plain values from which `from_dict` builds an equal hierarchy."""
        return {
            "levels": [[level.name, list(level.shape)] for level in self.levels],
            "missing": {name: list(units) for name, units in sorted(self.missing.items()) if units},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Hierarchy:
        """Builds a hierarchy from what `to_dict` returned."""
        levels, missing = values["levels"], values.get("missing", {})
        if not isinstance(levels, Iterable) or not isinstance(missing, Mapping):
            msg = f"not a hierarchy: {values}"
            raise GeometryError(msg)
        return cls(
            tuple(Level(str(name), tuple(shape)) for name, shape in levels),
            {str(name): tuple(units) for name, units in missing.items()},
        )


PROTOTYPE = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3, STAGE1=19, STAGE2=30)
"""The five levels of the prototype: 4 x 4 trigger cells, 3 ROCs, 3 modules, 19 triplets, 30 layers; 82,080 trigger cells."""
