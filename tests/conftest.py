"""What all tests share: the folder of real data, and how hypothesis searches."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Keras reads its backend at its first import and JAX looks for accelerators at its first use, so both are told before a test imports them.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

REPOSITORY = Path(__file__).resolve().parents[1]

# Tests build and train the same small models again and again, in processes of their own too: what JAX compiles once serves all of them. The
# name of what is kept holds the program, the options and the versions, so it is what would be compiled.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(REPOSITORY / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Some machines keep no byte code; then every process that a test starts compiles Keras and JAX again, five seconds each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tracing makes millions of objects that live as long as the process does: looking through them for cycles again and again takes a tenth of
# the time.
gc.set_threshold(200_000, 20, 100)

# A shared machine stalls at any moment, so no example has a deadline; in CI the same examples are tried every time.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data, which is not part of the project: `HGCAE_DATA`, by default `../shared/data`."""
    path = Path(os.environ.get("HGCAE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no real data at {path}; set HGCAE_DATA to the folder that holds it")
    return path
