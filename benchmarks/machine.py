"""What every result says about where it was measured."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.parallel import usable_cores

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("hgcae", "jax", "keras", "hgq2", "numpy", "numba", "onnxruntime")


def cpu_name() -> str:
    """Returns the processor's name, or the architecture where it is not told."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """Returns the versions of what takes part."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Returns processor, cores and date."""
    return {"cpu": cpu_name(), "cores": usable_cores(), "date": dt.datetime.now(dt.UTC).date().isoformat()}


def matmul_peak_gflops(precision: str = "float32") -> float:
    """Measures the best rate of a large matrix product on the first device (JAX), in 10^9 operations per second."""
    import jax
    import jax.numpy as jnp

    # Large enough for a GPU, small enough for two cores.
    n = 2048 if jax.devices()[0].platform == "cpu" else 16_384
    x = jnp.asarray(np.random.default_rng(0).normal(size=(n, n)), dtype=precision)
    product = jax.jit(lambda a: a @ a)
    product(x).block_until_ready()
    best = min(timed(lambda: product(x).block_until_ready()) for _ in range(7))
    return 2 * n**3 / best / 1e9


def timed(action: Any) -> float:
    """Returns the wall-clock seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def peak_rss_gib() -> float:
    """Returns the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def write(name: str, result: dict[str, Any]) -> Path:
    """Writes a result with versions and machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "versions": versions(), **result}, indent=1) + "\n", encoding="utf-8")
    return path
