"""Compiled steps are kept between the runs of a session, also those of other processes: the same step is compiled only once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

OPTIONS = {"jax_compilation_cache_dir": None, "jax_persistent_cache_min_compile_time_secs": 0.0, "jax_persistent_cache_min_entry_size_bytes": -1}


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment that lets another process use the same folder."""
    chosen = OPTIONS | {"jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled"))}
    before = {name: getattr(jax.config, name) for name in chosen}
    for name, value in chosen.items():
        jax.config.update(name, value)
    yield {name.upper(): str(value) for name, value in chosen.items()}
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"
