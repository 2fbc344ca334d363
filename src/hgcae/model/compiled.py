"""What JAX compiles, kept on disk for other processes."""

from __future__ import annotations

from pathlib import Path

import jax


def keep_compiled(folder: Path) -> None:
    """Lets JAX keep all that it compiles in a folder, unless it keeps it elsewhere already: the next process only reads it.

    To build a model compiles dozens of little programs, so none is too short to be kept.
    """
    if getattr(jax.config, "jax_compilation_cache_dir", None) is None:
        jax.config.update("jax_compilation_cache_dir", str(folder.resolve()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
