"""Simple codes beside a decoding, on the same units: nothing, the mean, principal components whose numbers cost nothing to write exactly.

Codes as packed bits, which take as many as the learned one, come from `hgcae.codec.simple`; the evaluation takes any `Baseline`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.principal import components, principal_axes
from hgcae.coding.ranks import ranks
from hgcae.errors import DataFormatError
from hgcae.evaluate.core.distances import UnitErrors, choose_units, compare, compare_dense
from hgcae.evaluate.core.pieces import MAX_ENTRIES
from hgcae.events import Events


class Baseline(ABC):
    """A simple code for the units of one level, with its reconstruction error."""

    name: str

    @property
    def size(self) -> dict[str, int]:
        """What the code of a unit consists of."""
        return {}

    @abstractmethod
    def errors(self, units: Events) -> UnitErrors:
        """Returns the errors on units; these are never all dense at a time."""


@dataclass(frozen=True)
class LargestCells(Baseline):
    """Keeps the largest cells of a unit with their addresses, as the ECON-T's Best Choice does.

    The kept charges are exact, which favours the baseline.

    Args:
        n: Number of cells kept.
        name: `largest_cells`; or `zero`, which keeps none and is the scale of every error.
    """

    n: int
    name: str = "largest_cells"

    @property
    def size(self) -> dict[str, int]:
        """Number of cells kept."""
        return {"cells": self.n} if self.n else {}

    def decode(self, units: Events) -> Events:
        """Returns the units with all but their `n` largest charges removed; equal ones are kept in the order of their cells."""
        keep = ranks(units.charge, units.offsets) < self.n
        offsets = np.concatenate([[0], np.cumsum(np.minimum(units.counts, self.n))]).astype(np.int64)
        return replace(units, offsets=offsets, cell=units.cell[keep], charge=units.charge[keep])

    def errors(self, units: Events) -> UnitErrors:
        """Returns the errors of the kept cells."""
        return compare(units, self.decode(units))


@dataclass(frozen=True)
class PrincipalComponents(Baseline):
    """Plain principal component analysis; with no axes, the mean of the training units. Decoded charges may be negative.

    Args:
        name: `mean` or `pca`.
        mean: Mean training unit: (n_cells,) ADC.
        axes: Orthonormal leading axes: (k, n_cells).
    """

    name: str
    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def size(self) -> dict[str, int]:
        """Number of components."""
        return {"components": len(self.axes)}

    @classmethod
    def fit(cls, units: Events, k: int, seed: int = 1) -> PrincipalComponents:
        """Fits to units without making them dense; `k` is lowered to what the units allow.

        Raises:
            DataFormatError: No units to fit to.
        """
        rows, n = units.to_sparse(), len(units)
        if n == 0:
            raise DataFormatError(
                source="training units", where=f"level {units.hierarchy.root}", found="no occupied unit", expected="at least one"
            )
        mean = np.asarray(rows.mean(axis=0)).ravel()
        axes = principal_axes(rows, np.ones(n), mean, k, seed) if k else np.zeros((0, len(mean)))
        return cls("pca" if len(axes) else "mean", mean, axes)

    def decode(self, units: Events) -> NDArray[np.float64]:
        """Returns the decoded units, dense: (n, n_cells) ADC."""
        decoded = components(units.to_sparse(), self.mean, self.axes) @ self.axes
        decoded += self.mean
        return decoded

    def errors(self, units: Events) -> UnitErrors:
        """Returns the errors, decoding a few units at a time."""
        step = max(1, MAX_ENTRIES // len(self.mean))
        pieces = list(units.chunks(step)) or [units]
        return UnitErrors.concatenate([compare_dense(piece, self.decode(piece)) for piece in pieces])


def fit_baselines(train: Events, level: str, k: int, *, seed: int = 1, max_units: int = 10_000) -> tuple[Baseline, ...]:
    """Fits the baselines of one level.

    Args:
        train: Training events; they hold units of the level.
        level: Level name.
        k: Numbers in the code of one unit: the number of principal components.
        seed: Chooses the units and starts the iteration.
        max_units: Fit to at most so many occupied units.

    Returns:
        Zero, mean and PCA.
    """
    units, _ = choose_units(train, level, max_units, seed)
    return (ZERO, PrincipalComponents.fit(units, 0, seed), PrincipalComponents.fit(units, k, seed))


ZERO = LargestCells(0, "zero")
"""Decodes nothing: the scale of every error."""
