"""Compiled networks are kept, because compiling is most of what the tests of networks do."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Lets JAX keep what it compiles beside pytest's own cache, for all processes and sessions (`pytest --cache-clear` forgets it).

    Gives the environment that lets a program that a test starts use it too. What is found there is what would be compiled: the name of an
    entry holds the program, the options and the versions.
    """
    chosen = {
        "jax_compilation_cache_dir": str(request.config.cache.mkdir("compiled")),  # type: ignore[union-attr]
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in chosen}
    for name, value in chosen.items():
        jax.config.update(name, value)
    yield {name.upper(): str(value) for name, value in chosen.items()}
    for name, value in before.items():
        jax.config.update(name, value)
