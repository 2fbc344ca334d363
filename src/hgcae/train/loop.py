"""The compiled step of a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.runtime import neutral
from hgcae.train.batches import Batch
from hgcae.train.losses import ChildLoss, LossSettings, MultiScaleLoss, squared_error
from hgcae.train.schedule import Stage


class StageLoop:
    """Weights and optimiser state of a stage on the device, and the compiled step that improves them.

    Args:
        model: The model; its weights are where the stage starts, and stay as they are until `store_weights`.
        stage: What is trained, and how.
        base: Lowest level that learns, whose inputs the batches hold.
        loss: Weights of the terms of the loss.
        cell_xy: Position of each trigger cell of the root, cm: (n_cells, 2); None where unknown.
        devices: Devices that share each step, every one with a part of its units and all weights.
        sensitivity: Of the children's numbers, where codes are compared.

    Raises:
        SettingsError: There are fewer devices.
    """

    @neutral()
    def __init__(
        self,
        model: Autoencoder,
        stage: Stage,
        base: str,
        loss: LossSettings,
        cell_xy: NDArray[np.float64] | None,
        devices: int = 1,
        sensitivity: NDArray[np.float32] | None = None,
    ) -> None:
        self.model, self.stage = model, stage
        self._parallel = _data_parallel(devices) if devices > 1 else None
        learns = {id(v) for name in stage.trains for v in model.level(name).weights}
        names = model.hierarchy.names
        # Levels that share networks have the same variables, which count once.
        levels = names[: names.index(stage.loss_level) + 1]
        used = list({id(v): v for name in levels for v in model.level(name).variables}.values())
        self._learning = [v for v in used if id(v) in learns]
        self._frozen = [v for v in used if id(v) not in learns]
        rate: Any = stage.learning_rate
        if stage.decay and stage.steps:
            total = stage.epochs * stage.steps
            warm = min(100, total // 10)
            rate = keras.optimizers.schedules.CosineDecay(
                0.0, total - warm, alpha=0.01, warmup_target=stage.learning_rate, warmup_steps=warm
            )
        self._optimiser = keras.optimizers.Adam(
            rate, beta_2=_BETA_2 if stage.decay else 0.999, global_clipnorm=1.0 if stage.decay else None
        )
        self._optimiser.build(self._learning)
        self._weights = [self._everywhere(v.value) for v in self._learning]
        self._constants = [self._everywhere(v.value) for v in self._frozen]
        self._state = [self._everywhere(v.value) for v in self._optimiser.variables]
        self._path = names[names.index(base) : names.index(stage.loss_level) + 1]
        self._loss = self._loss_of(loss, cell_xy, sensitivity)
        self._step = jax.jit(self._step_function, donate_argnums=(0, 1))
        self._test = jax.jit(self._mean_loss)

    def _loss_of(
        self, settings: LossSettings, cell_xy: NDArray[np.float64] | None, sensitivity: NDArray[np.float32] | None
    ) -> Callable[[Any, Batch], Any]:
        """Returns the weighted sum of the losses of the units of a batch, as a function of codes and batch."""
        model, level = self.model, self.stage.loss_level
        if not model.conserves_charge:
            return lambda code, batch: squared_error(model, level, code, batch.target, batch.weight, batch.picks)
        if sensitivity is not None:
            of_children = ChildLoss(model, level, settings, sensitivity)
            return lambda code, batch: jnp.where(batch.weight > 0, of_children(code, batch.base) * batch.weight, 0).sum()
        xy = None if cell_xy is None else cell_xy[: model.hierarchy.n_cells(level)]
        loss = MultiScaleLoss(model, level, settings, xy, self.stage.strongest)
        # Units without weight are padding; their loss may be undefined and must not reach the sum.
        return lambda code, batch: jnp.where(batch.weight > 0, loss(code, batch.target) * batch.weight, 0).sum()

    def _everywhere(self, value: Any) -> Any:
        """Returns a copy of an array on every device."""
        if self._parallel is None:
            return jnp.array(value)
        layout = keras.distribution.TensorLayout([None] * np.ndim(value), self._parallel.device_mesh)
        return keras.distribution.distribute_tensor(np.asarray(value), layout)

    @neutral()
    def place(self, batch: Batch) -> Batch:
        """Brings a batch to the device, or each of its parts to its own."""
        if self._parallel is None:
            return jax.device_put(batch)
        parallel = self._parallel
        return jax.tree.map(lambda x: keras.distribution.distribute_tensor(x, parallel.get_data_layout(x.shape)), batch)

    def _sums(self, batch: Batch) -> tuple[Any, Any]:
        """Returns the weighted sum of the losses of a part of a step, and of the weights."""
        code = self.model.level(self._path[0]).encode(batch.base, training=True)
        for name, link in zip(self._path[1:], batch.links, strict=True):
            code = self.model.level(name).encode(code[link], training=True)
        return self._loss(code, batch), batch.weight.sum()

    def _mean_loss(self, weights: list[Any], constants: list[Any], batch: Batch) -> Any:
        with keras.StatelessScope(state_mapping=[*zip(self._learning, weights, strict=True), *zip(self._frozen, constants, strict=True)]):
            losses, norms = self._sums(batch) if self._parallel is None else jax.vmap(self._sums)(batch)
        return losses.sum() / norms.sum()

    def _step_function(self, weights: list[Any], state: list[Any], constants: list[Any], batch: Batch) -> Any:
        loss, gradient = jax.value_and_grad(self._mean_loss)(weights, constants, batch)
        weights, state = self._optimiser.stateless_apply(state, gradient, weights)
        return weights, state, loss

    @neutral()
    def step(self, batch: Batch) -> Any:
        """Does one optimisation step and returns the loss (on the device)."""
        self._weights, self._state, loss = self._step(self._weights, self._state, self._constants, batch)
        return loss

    @property
    def compilations(self) -> int:
        """Number of shapes for which the step has been compiled."""
        return self._step._cache_size()  # type: ignore[attr-defined]  # noqa: SLF001 - JAX has no public name for it

    @neutral()
    def test(self, batches: list[Batch]) -> float:
        """Returns the mean loss of batches, over all units that they stand for."""
        losses = [self._test(self._weights, self._constants, self.place(batch)) for batch in batches]
        return float(np.average(jax.device_get(losses), weights=[batch.weight.sum() for batch in batches]))

    @property
    @neutral()
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

    @neutral()
    def set_optimiser(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Takes the optimiser's variables of a checkpoint.

        Raises:
            DataFormatError: They are those of another optimiser, or some are missing.
        """
        found, expected = ([np.shape(array) for array in group] for group in (arrays, self._state))
        if found != expected:
            texts = [f"{len(shapes)} arrays {shapes[:3]}" for shapes in (found, expected)]
            raise DataFormatError(source="checkpoint", where="optimiser", found=texts[0], expected=texts[1])
        self._state = [self._everywhere(array) for array in arrays]


_BETA_2 = 0.99
"""Adam's memory of squared gradients in short stages: some hundred steps instead of a thousand."""


def _data_parallel(devices: int) -> keras.distribution.DataParallel:
    """Returns Keras' distribution over the first devices."""
    found = keras.distribution.list_devices()
    if len(found) < devices:
        msg = f"train: devices: found {len(found)} ({', '.join(found)}), expected at least {devices}"
        raise SettingsError(msg)
    return keras.distribution.DataParallel(devices=found[:devices])
