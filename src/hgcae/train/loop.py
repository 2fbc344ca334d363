"""The compiled step of a stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae.model.autoencoder import Autoencoder
from hgcae.train.batches import Batch
from hgcae.train.losses import LossSettings, MultiScaleLoss, squared_error
from hgcae.train.schedule import Stage


class StageLoop:
    """Weights and optimiser state of a stage on the device, and the compiled step that improves them.

    Args:
        model: The model; its weights are where the stage starts, and stay as they are until `store_weights`.
        stage: What is trained, and how.
        base: Lowest level that learns, whose inputs the batches hold.
        steps: Steps of an epoch.
        loss: Weights of the terms of the loss.
        cell_xy: Position of each trigger cell of the root, cm: (n_cells, 2); None where unknown.
    """

    def __init__(
        self, model: Autoencoder, stage: Stage, base: str, steps: int, loss: LossSettings, cell_xy: NDArray[np.float64] | None
    ) -> None:
        self.model, self.stage = model, stage
        learns = {id(v) for name in stage.trains for v in model.level(name).weights}
        names = model.hierarchy.names
        used = [v for name in names[: names.index(stage.loss_level) + 1] for v in model.level(name).variables]
        self._learning = [v for v in used if id(v) in learns]
        self._frozen = [v for v in used if id(v) not in learns]
        rate: Any = stage.learning_rate
        if stage.decay:
            total = stage.epochs * steps
            warm = min(100, total // 10)
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, total - warm, alpha=0.01, warmup_target=stage.learning_rate, warmup_steps=warm
            )
        self._optimiser = keras.optimizers.Adam(rate, global_clipnorm=1.0 if stage.decay else None)
        self._optimiser.build(self._learning)
        self._weights = [jnp.array(v.value) for v in self._learning]
        self._constants = [v.value for v in self._frozen]
        self._state = [jnp.array(v.value) for v in self._optimiser.variables]
        self._path = names[names.index(base) : names.index(stage.loss_level) + 1]
        self._loss = self._unit_loss(loss, cell_xy)
        self._step = jax.jit(self._step_function, donate_argnums=(0, 1))
        self._test = jax.jit(self._mean_loss)

    def _unit_loss(self, settings: LossSettings, cell_xy: NDArray[np.float64] | None) -> Callable[[Any, Any], Any]:
        level = self.stage.loss_level
        if not self.model.shares:
            return partial(squared_error, self.model, level)
        xy = None if cell_xy is None else cell_xy[: self.model.hierarchy.n_cells(level)]
        return MultiScaleLoss(self.model, level, settings, xy, self.stage.strongest)

    def _mean_loss(self, weights: list[Any], constants: list[Any], base: Any, links: list[Any], target: Any, weight: Any) -> Any:
        with keras.StatelessScope(state_mapping=[*zip(self._learning, weights, strict=True), *zip(self._frozen, constants, strict=True)]):
            code = self.model.level(self._path[0]).encode(base, training=True)
            for name, link in zip(self._path[1:], links, strict=True):
                code = self.model.level(name).encode(code[link], training=True)
            each = self._loss(code, target)
        # Units without weight are padding; their loss may be undefined and must not reach the sum.
        return jnp.where(weight > 0, each * weight, 0).sum() / weight.sum()

    def _step_function(self, weights: list[Any], state: list[Any], constants: list[Any], *batch: Any) -> Any:
        loss, gradient = jax.value_and_grad(self._mean_loss)(weights, constants, *batch)
        weights, state = self._optimiser.stateless_apply(state, gradient, weights)
        return weights, state, loss

    def step(self, batch: Batch) -> Any:
        """Does one optimisation step and returns the loss (on the device)."""
        self._weights, self._state, loss = self._step(
            self._weights, self._state, self._constants, batch.base, batch.links, batch.target, batch.weight
        )
        return loss

    def test(self, batches: list[Batch]) -> float:
        """Returns the mean loss of batches."""
        losses = [self._test(self._weights, self._constants, b.base, b.links, b.target, b.weight) for b in batches]
        return float(np.mean(jax.device_get(losses)))

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last step."""
        for variable, value in zip(self._optimiser.variables, self._state, strict=True):
            variable.assign(value)
        return float(np.asarray(self._optimiser.learning_rate))

    def store_weights(self) -> None:
        """Puts the weights back into the model."""
        for variable, value in zip(self._learning, self._weights, strict=True):
            # A copy, because the next step gives its buffer away.
            variable.assign(np.array(value))

    def optimiser_arrays(self) -> list[NDArray[Any]]:
        """Returns the optimiser's variables."""
        return [np.asarray(value) for value in self._state]

    def set_optimiser(self, arrays: list[NDArray[Any]]) -> None:
        """Takes the optimiser's variables of a checkpoint."""
        self._state = [jnp.asarray(array) for array in arrays]
