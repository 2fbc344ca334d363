"""A training loop for one small network whose sample fits into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae import stopping
from hgcae.errors import SettingsError
from hgcae.model.runtime import neutral


@neutral()
def minimise(
    loss: Callable[..., Any], variables: Sequence[Any], rows: Sequence[NDArray[Any]], *, steps: int, batch: int, rate: float, seed: int
) -> None:
    """Trains variables in place: Adam with a short rise of the learning rate, then a cosine to 1 %; gradients are clipped at norm 1.

    Args:
        loss: Loss of each row, a function of as many arrays (batch, ...) as `rows`, and of the variables.
        variables: Keras variables; those that are not trainable stay as they are.
        rows: The sample, arrays of equal length.
        steps: Steps.
        batch: Rows in a step, drawn with replacement.
        rate: Largest learning rate.
        seed: Seed of the draw.

    Raises:
        SettingsError: There is no row.
    """
    if not len(rows[0]):
        msg = "training: found no module with charge, expected at least one"
        raise SettingsError(msg)
    learning = [v for v in variables if v.trainable]
    frozen = [v for v in variables if not v.trainable]
    constants = [v.value for v in frozen]
    warm = min(100, max(1, steps // 10))
    schedule: Any = keras.optimizers.schedules.CosineDecay(0.0, max(steps - warm, 1), alpha=0.01, warmup_target=rate, warmup_steps=warm)
    optimiser = keras.optimizers.Adam(schedule, beta_2=0.99, global_clipnorm=1.0)
    optimiser.build(learning)

    def mean_loss(weights: list[Any], given: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=[*zip(learning, weights, strict=True), *zip(frozen, constants, strict=True)]):
            return jnp.mean(jnp.asarray(loss(*given)))

    @jax.jit
    def step(weights: list[Any], state: list[Any], given: list[Any]) -> Any:
        gradient = jax.grad(mean_loss)(weights, given)
        return optimiser.stateless_apply(state, gradient, weights)

    rng = np.random.default_rng(seed)
    weights, state = [v.value for v in learning], [v.value for v in optimiser.variables]
    for _ in range(steps):
        stopping.check()
        index = rng.integers(0, len(rows[0]), batch)
        weights, state = step(weights, state, [array[index] for array in rows])
    for variable, value in zip(learning, weights, strict=True):
        variable.assign(value)


def draw_weights(variables: Sequence[Any], seed: int, last_gain: float = 1.0) -> None:
    """Draws kernels from He's normal distribution, the last one times a gain, and sets biases to zero."""
    rng = np.random.default_rng(seed)
    kernels = [v for v in variables if v.trainable and len(v.shape) > 1]
    for variable in variables:
        if variable.trainable:
            variable.assign(np.zeros(variable.shape))
    for variable in kernels:
        fan_in = int(np.prod(variable.shape[:-1]))
        gain = last_gain if variable is kernels[-1] else 1.0
        variable.assign(gain * np.sqrt(2 / fan_in) * rng.standard_normal(variable.shape))
