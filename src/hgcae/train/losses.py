"""Losses: how far decoded charges are from the input, seen through all lower decoders.

`squared_error` is the original loss. `MultiScaleLoss` compares square roots of shares at every level from the children of the unit down to
trigger cells, because a trigger needs sums of all sizes, and because raw squared error sees only the few largest cells. `ChildLoss`
compares the codes of the children instead, at a fraction of the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hgcae.model.autoencoder import Autoencoder, present_children
from hgcae.model.compiled import stateless
from hgcae.model.frames import ChildFrame
from hgcae.settings import Settings
from hgcae.train.batches import Pick


class LossSettings(Settings):
    """Weights of the terms of the multi-scale loss."""

    root_share: float = Field(default=1.0, ge=0, description="Squared distance of root shares (Hellinger), at every level.")
    absolute: float = Field(default=0.1, ge=0, description="Absolute difference of shares, at every level.")
    position_cm: float = Field(default=0.5, gt=0, description="Barycentre error that costs as much as a squared distance of 1.")
    position: float = Field(default=0.1, ge=0, description="Weight of the barycentre term.")
    children: float = Field(default=1.0, ge=0, description="Weight of the children's shares where codes are compared.")
    layers: float = Field(
        default=6.0,
        ge=0,
        description="The same where children are the layers of a detector: the shower's profile in depth.",
    )


def squared_error(model: Autoencoder, level: str, code: Any, target: Any, weight: Any, picks: Sequence[Pick] = ()) -> Any:
    """Returns the weighted sum of the mean squared errors per trigger cell, ADC counts or codes squared: a scalar.

    Args:
        model: The autoencoder.
        level: Level of the codes.
        code: Codes (n_codes, latent).
        target: Charges (n, trigger cells), as `Autoencoder.digi` has them, of the units of the codes, or of the lowest that are picked.
        weight: Weight of each of them (n,).
        picks: Which children are decoded, from `level` down; none = all.
    """
    hierarchy, name = model.hierarchy, level
    lowest = hierarchy.names[0]
    state = model.level(level).state(code)
    for pick in picks:
        state = model.level(name).decode(state)[pick.parent, pick.slot]
        name = hierarchy.below(name) or lowest
    while name != lowest:
        state = model.level(name).decode(state)
        state, name = state.reshape(-1, state.shape[-1]), hierarchy.below(name) or lowest
    each = len(state) // len(target)
    variables = model.level(lowest).decoder.variables

    def error(values: list[Any], state: Any, target: Any, weight: Any) -> Any:
        decoded = stateless(variables, model.level(lowest).decode, values, state)
        return jnp.sum(jnp.mean(jnp.square(decoded - target), axis=1) * weight)

    in_blocks: Any = _in_blocks  # the decorator hides its signature
    return in_blocks(error, [v.value for v in variables], state, target.reshape(len(state), -1), jnp.repeat(weight / each, each))


_BLOCK = 512
"""Lowest units that are decoded at a time: what a block computes stays in the processor's caches."""


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _in_blocks(function: Callable[..., Any], values: Any, *rows: Any) -> Any:
    """Adds up `function(values, *rows)` over blocks of rows, in constant memory.

    Each block is differentiated as soon as it is computed, for the sum is linear in the blocks: nothing is kept for, or computed again in,
    a pass back. Gradients reach `values` and the first of the rows.
    """
    total, _ = jax.lax.scan(lambda total, block: (total + function(values, *block), None), 0.0, _blocks_of(rows))
    return total


def _in_blocks_forward(function: Callable[..., Any], values: Any, *rows: Any) -> Any:
    learns = any(value.perturbed for value in jax.tree.leaves(values, is_leaf=_is_primal))
    values, rows = jax.tree.map(lambda primal: primal.value, (values, rows), is_leaf=_is_primal)
    differentiate = jax.value_and_grad(function, argnums=(0, 1) if learns else (1,))

    def step(carry: Any, block: Any) -> Any:
        loss, (*gradient, row_gradient) = differentiate(values, *block)
        return jax.tree.map(jnp.add, carry, (loss, gradient)), row_gradient

    start = (jnp.zeros(()), [jax.tree.map(jnp.zeros_like, values)] if learns else [])
    (total, gradient), row_gradient = jax.lax.scan(step, start, _blocks_of(rows))
    return total, (gradient, row_gradient.reshape(-1, rows[0].shape[-1])[: len(rows[0])], len(rows))


def _in_blocks_backward(function: Callable[..., Any], kept: Any, cotangent: Any) -> Any:  # noqa: ARG001 - JAX passes it
    gradient, row_gradient, n_rows = kept
    values = jax.tree.map(lambda g: g * cotangent, gradient[0]) if gradient else None
    return values, row_gradient * cotangent, *[None] * (n_rows - 1)


_in_blocks.defvjp(_in_blocks_forward, _in_blocks_backward, symbolic_zeros=True)


def _is_primal(value: Any) -> bool:
    return hasattr(value, "perturbed")


def _blocks_of(rows: Sequence[Any]) -> list[Any]:
    """Cuts arrays into blocks, the last padded with zeros: what is padded weighs nothing."""
    n = len(rows[0])
    size = min(_BLOCK, n)
    count = -(-n // size)
    return [jnp.pad(x, ((0, count * size - n), *[(0, 0)] * (x.ndim - 1))).reshape(count, size, *x.shape[1:]) for x in rows]


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

    def __call__(self, code: Any, target: Any) -> Any:
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
            loss += _share_distance(total / norm, true / norm, self.settings)
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

    def _lowest_terms(self, p: Any, t: Any, index: Any) -> Any:
        """The 2 x 2 sums of trigger cells and the barycentre."""
        rows, columns = (*self.model.hierarchy.levels[0].shape, 1)[:2]
        loss = jnp.zeros(len(p))
        if rows % 2 == 0 and columns % 2 == 0:
            loss += _share_distance(_blocks(p, rows, columns), _blocks(t, rows, columns), self.settings)
        if self.cell_xy is None:
            return loss
        xy = jnp.asarray(self.cell_xy, dtype=jnp.float32)[index]
        centre = (t[..., None] * xy).sum(axis=1, keepdims=True) / jnp.maximum(t.sum(axis=1), 1e-6)[:, None, None]
        shift = ((p - t)[..., None] * (xy - centre)).sum(axis=1)
        return loss + self.settings.position * jnp.square(shift / self.settings.position_cm).sum(axis=1)


@dataclass(frozen=True)
class ChildLoss:
    """Loss of units of one level whose children's codes are fixed: how far the decoded codes are from them.

    To second order it is the distance of the trigger cells' shares (Hellinger): that of the children's shares, and the children's own
    distances with the weight of their shares. What lower decoders make of a code is known from `sensitivity`, so a step costs a fraction of
    one with `MultiScaleLoss`; at equal time, it learns more.

    Args:
        model: The autoencoder.
        level: Level of the units, above the lowest.
        settings: Weights of the terms.
        sensitivity: Cost of errors of the children's numbers, see `hgcae.train.sensitivity`: (latent - 1,).
    """

    model: Autoencoder
    level: str
    settings: LossSettings
    sensitivity: NDArray[np.float32]

    def __call__(self, code: Any, children: Any) -> Any:
        """Returns the loss of each unit (n,) from codes (n, latent) and the children's codes (n, children, latent)."""
        level: Any = self.model.level(self.level)
        s = self.settings
        hierarchy = self.model.hierarchy.rooted(self.level)
        present = None
        if hierarchy.missing:
            present = jnp.broadcast_to(present_children(hierarchy, self.level)[0], children.shape[:2])
        found = level.decode(level.state(code), present)
        below: Any = self.model.level(hierarchy.names[-2])
        true = below.state(children.reshape(-1, children.shape[-1])).reshape(children.shape)
        charge = level.relative_weight
        norm = jnp.maximum((true[..., 0] * charge).sum(axis=1, keepdims=True), 1e-6)
        p, t = (state[..., 0] * charge / norm for state in (found, true))
        inside = (jnp.square(found[..., 1:] - true[..., 1:]) * jnp.asarray(self.sensitivity)).sum(axis=2)
        layers = self.model.calibration.root_weight is not None and self.level == self.model.hierarchy.root
        weight = s.layers if layers else s.children
        return weight * _share_distance(p, t, s) + (t * inside).sum(axis=1) + self._position(level.frame, p, t, found, true)

    def _position(self, frame: ChildFrame | None, p: Any, t: Any, found: Any, true: Any) -> Any:
        """The barycentre term: the children's shares with their places in the unit."""
        if frame is None or frame.matrix is None:
            return 0.0
        matrix, centre = jnp.asarray(frame.matrix, dtype=jnp.float32), jnp.asarray(frame.centre, dtype=jnp.float32)
        place, true_place = (centre + jnp.einsum("ckl,ncl->nck", matrix, state[..., 1:3]) for state in (found, true))
        mean = (t[..., None] * true_place).sum(axis=1, keepdims=True)
        # Shares of an empty unit do not add up to one; measured from the true barycentre, they move nothing.
        shift = (p[..., None] * (place - mean) - t[..., None] * (true_place - mean)).sum(axis=1) * frame.radius_cm
        # Squared near zero, linear far from it: a step must not be ruled by the few units that are still far off.
        return self.settings.position * (jnp.sqrt(1 + 2 * jnp.square(shift / self.settings.position_cm).sum(axis=1)) - 1)


def _share_distance(p: Any, t: Any, settings: LossSettings) -> Any:
    """Distance of shares (n, k) of the unit's sum: (n,)."""
    root = jnp.square(jnp.sqrt(p + _EPSILON) - jnp.sqrt(t + _EPSILON)).sum(axis=1)
    return settings.root_share * root + settings.absolute * jnp.abs(p - t).sum(axis=1)


_EPSILON = 1e-7
"""Keeps the gradient of the root finite at empty cells; a share far below one trigger cell's."""


def _blocks(share: Any, rows: int, columns: int) -> Any:
    """Returns the 2 x 2 sums of shares (n, k * rows * columns): (n, k * rows * columns / 4)."""
    grid = share.reshape(len(share), -1, rows // 2, 2, columns // 2, 2)
    return grid.sum(axis=(3, 5)).reshape(len(share), -1)
