"""What JAX compiles: the actions of a level on any number of rows, and the folder that keeps compiled programs for other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae import stopping
from hgcae.model.level import LevelModel
from hgcae.model.runtime import neutral

BLOCKS = (512, 8192)
"""Rows that are encoded or decoded in one call, padded to the next of these; bounds memory and the number of compiled shapes."""


class CompiledLevel:
    """A level whose actions are compiled once for each number of rows in `BLOCKS`.

    Args:
        level: The level; its weights may change between calls.
    """

    def __init__(self, level: LevelModel) -> None:
        self._level = level
        self._known: dict[str, Callable[..., Any]] = {}

    @neutral()
    def run(self, action: str, x: NDArray[Any], *more: NDArray[Any]) -> NDArray[np.float32]:
        """Applies `encode`, `state`, `code` or `decode` to rows `x` (n, ...) and to further arrays of n rows, in blocks."""
        variables = self._level.variables
        if action not in self._known:
            self._known[action] = jax.jit(partial(stateless, variables, getattr(self._level, action)))
        compiled, values = self._known[action], [v.value for v in variables]
        parts = []
        for start in range(0, max(len(x), 1), BLOCKS[-1]):
            stopping.check()
            block = [array[start : start + BLOCKS[-1]] for array in (x, *more)]
            n = len(block[0])
            size = next(size for size in BLOCKS if size >= n)
            padded = [np.concatenate([b, np.zeros((size - n, *b.shape[1:]), b.dtype)]) for b in block]
            parts.append(np.asarray(compiled(values, *padded))[:n])
        return np.concatenate(parts)


def stateless(variables: Sequence[keras.Variable], function: Callable[..., Any], values: Sequence[Any], *args: Any) -> Any:
    """Calls `function(*args)` with `variables` standing for `values`: the pure form that JAX compiles and differentiates."""
    with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
        return jnp.asarray(function(*args))


def keep_compiled(folder: Path) -> None:
    """Lets JAX keep all that it compiles in a folder, unless it keeps it elsewhere already: the next process only reads it.

    To build a model compiles dozens of little programs, so none is too short to be kept.
    """
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
