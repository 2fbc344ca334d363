"""Losses: how far decoded charges are from the input, seen through all lower decoders.

`squared_error` is the seeds' loss. `MultiScaleLoss` compares square roots of shares at every level from the children of the unit down to
trigger cells, because a trigger needs sums of all sizes, and because raw squared error sees only the few largest cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.model.autoencoder import Autoencoder, present_children
from hgcae.settings import Settings
from hgcae.train.batches import Pick


class LossSettings(Settings):
    """Weights of the terms of the multi-scale loss."""

    root_share: float = Field(default=1.0, ge=0, description="Squared distance of root shares (Hellinger), at every level.")
    absolute: float = Field(default=0.1, ge=0, description="Absolute difference of shares, at every level.")
    position_cm: float = Field(default=0.5, gt=0, description="Barycentre error that costs as much as a squared distance of 1.")
    position: float = Field(default=0.1, ge=0, description="Weight of the barycentre term.")


def squared_error(model: Autoencoder, level: str, code: Any, target: Any, picks: Sequence[Pick] = ()) -> Any:
    """Returns the mean squared error per trigger cell of each unit, ADC counts squared: (n,).

    Args:
        model: The autoencoder.
        level: Level of the codes.
        code: Codes (n_codes, latent).
        target: Charges (n, trigger cells) of the units of the codes, or of the lowest units that are picked.
        picks: Which children are decoded, from `level` down; none = all.
    """
    state, name = model.level(level).state(code), level
    for pick in picks:
        state = model.level(name).decode(state)[pick.parent, pick.slot]
        name = model.hierarchy.below(name) or name
    lower = model.hierarchy.below(name)
    while lower is not None:
        state = model.level(name).decode(state)
        state, name, lower = state.reshape(-1, state.shape[-1]), lower, model.hierarchy.below(lower)
    return jnp.mean(jnp.square(model.level(name).decode(state).reshape(target.shape) - target), axis=1)


@dataclass(frozen=True)
class MultiScaleLoss:
    """Loss of units of one level, for codes with sums.

    Args:
        model: The autoencoder.
        level: Level of the units.
        settings: Weights of the terms.
        cell_xy: Positions of the unit's trigger cells, cm: (n_cells, 2); None = no barycentre term.
        strongest: Decode only so many of the strongest units of each level; None = all.
    """

    model: Autoencoder
    level: str
    settings: LossSettings
    cell_xy: NDArray[np.float64] | None
    strongest: int | None = None

    def __call__(self, code: Any, target: Any, picks: Sequence[Pick] = ()) -> Any:  # noqa: ARG002 - units are cut by strength here
        """Returns the loss of each unit (n,) from codes (n, latent) and charges (n, n_cells)."""
        # Lower units are no longer alike where some miss cells; only the root as a whole knows which.
        model, hierarchy = self.model, self.model.hierarchy.rooted(self.level)
        weight = self._cell_weight()
        weighted = target if weight is None else target * weight
        norm = jnp.maximum(weighted.sum(axis=1, keepdims=True), 1e-6)
        state, index = model.level(self.level).state(code)[:, None], jnp.zeros((len(code), 1), dtype=jnp.int32)
        loss, name = jnp.zeros(len(code)), self.level
        while True:
            level = model.level(name)
            present = jnp.asarray(present_children(hierarchy, name))[index].reshape(-1, level.children) if hierarchy.missing else None
            child = level.decode(state.reshape(-1, state.shape[-1]), present)
            index = (index[..., None] * level.children + jnp.arange(level.children)).reshape(len(code), -1)
            lower = hierarchy.below(name)
            state = child.reshape(*index.shape, *child.shape[2:])
            size = 1 if lower is None else hierarchy.n_cells(lower)
            total = state if lower is None else state[..., 0]
            if weight is not None:
                total = total * jnp.asarray(weight[::size])[index]
            true = jnp.take_along_axis(weighted.reshape(len(code), -1, size).sum(axis=2), index, axis=1)
            loss += self._compare(total / norm, true / norm)
            if lower is None:
                return loss + self._lowest_terms(total / norm, true / norm, index)
            if self.strongest is not None and index.shape[1] > self.strongest:
                _, pick = jax.lax.top_k(true, self.strongest)
                index = jnp.take_along_axis(index, pick, axis=1)
                state = jnp.take_along_axis(state, pick[..., None], axis=1)
            name = lower

    def _cell_weight(self) -> NDArray[np.float32] | None:
        weight = self.model.calibration.root_weight
        if weight is None or self.level != self.model.hierarchy.root:
            return None
        return np.repeat(np.asarray(weight, dtype=np.float32), self.model.hierarchy.n_cells() // len(weight))

    def _compare(self, p: Any, t: Any) -> Any:
        """Distance of shares (n, k) of the unit's sum: (n,)."""
        root = jnp.square(jnp.sqrt(p + _EPSILON) - jnp.sqrt(t + _EPSILON)).sum(axis=1)
        return self.settings.root_share * root + self.settings.absolute * jnp.abs(p - t).sum(axis=1)

    def _lowest_terms(self, p: Any, t: Any, index: Any) -> Any:
        """The 2 x 2 sums of trigger cells and the barycentre."""
        rows, columns = (*self.model.hierarchy.levels[0].shape, 1)[:2]
        loss = jnp.zeros(len(p))
        if rows % 2 == 0 and columns % 2 == 0:
            loss += self._compare(*(_blocks(share, rows, columns) for share in (p, t)))
        if self.cell_xy is None:
            return loss
        xy = jnp.asarray(self.cell_xy, dtype=jnp.float32)[index]
        centre = (t[..., None] * xy).sum(axis=1, keepdims=True) / jnp.maximum(t.sum(axis=1), 1e-6)[:, None, None]
        shift = ((p - t)[..., None] * (xy - centre)).sum(axis=1)
        return loss + self.settings.position * jnp.square(shift / self.settings.position_cm).sum(axis=1)


_EPSILON = 1e-7
"""Keeps the gradient of the root finite at empty cells; a share far below one trigger cell's."""


def _blocks(share: Any, rows: int, columns: int) -> Any:
    """Returns the 2 x 2 sums of shares (n, k * rows * columns): (n, k * rows * columns / 4)."""
    grid = share.reshape(len(share), -1, rows // 2, 2, columns // 2, 2)
    return grid.sum(axis=(3, 5)).reshape(len(share), -1)
