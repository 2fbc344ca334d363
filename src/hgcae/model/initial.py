"""Initial weights of encoders and decoders, drawn from a seed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hgcae.model.conserving import ConservingLevel
from hgcae.model.layers import Convolution
from hgcae.model.level import LevelModel
from hgcae.model.plain import PlainLevel

_LAST_GAIN = 0.2
"""Factor on the initial weights of the last layers of `conserving` encoders and decoders."""


def initialise(levels: Iterable[LevelModel], seed: int) -> None:
    """Draws encoder kernels from He's normal, decoder kernels from Glorot's uniform distribution; biases are zero.

    These are the defaults of QKeras and Keras: at plain levels exactly, the normal distribution cut off at two standard deviations.
    """
    rng = np.random.default_rng(seed)
    for level in levels:
        for model, quantised in ((level.encoder, True), (level.decoder, False)):
            kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
            pixels = {id(layer.kernel): layer.pixels for layer in model.layers if isinstance(layer, Convolution)}
            for variable in model.trainable_variables:
                shape = tuple(variable.shape)
                if len(shape) == 1:
                    values = np.zeros(shape, dtype=np.float32)
                elif quantised:
                    values = _he_normal(rng, shape, cut=isinstance(level, PlainLevel))
                else:
                    values = _glorot_uniform(rng, shape, pixels.get(id(variable), 1))
                # Numbers of a conserving code live in [-1, 1): the last layer starts well inside, where their gradient is not cut.
                gain = _LAST_GAIN if isinstance(level, ConservingLevel) and variable is kernels[-1] else 1.0
                variable.assign(gain * values)


def _he_normal(rng: np.random.Generator, shape: tuple[int, ...], cut: bool) -> NDArray[np.float32]:
    """Draws a kernel (..., n_in, n_out); if `cut`, as Keras does it: nothing beyond two standard deviations, the variance restored."""
    values = rng.standard_normal(shape)
    if cut:
        while (beyond := np.abs(values) > 2).any():
            values[beyond] = rng.standard_normal(int(beyond.sum()))
        values /= _CUT_DEVIATION
    return (np.sqrt(2 / np.prod(shape[:-1])) * values).astype(np.float32)


_CUT_DEVIATION = 0.87962566103423978
"""Standard deviation of a normal distribution that is cut off at twice its own."""


def _glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], pixels: int) -> NDArray[np.float32]:
    """Draws a kernel (..., n_in, n_out); `pixels` of a window are part of `n_in`, and each output goes to as many windows."""
    field = int(np.prod(shape[:-2]))
    limit = np.sqrt(6 / (field * shape[-2] + pixels * field * shape[-1]))
    return rng.uniform(-limit, limit, shape).astype(np.float32)
