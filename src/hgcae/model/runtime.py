"""Keras and JAX as models need them, whatever the user's machine or program has set.

A model is trained, encodes and decodes on Keras' JAX backend with Keras' and JAX' own defaults: pixels before channels, float32, compiled,
without fast mathematics. `~/.keras/keras.json`, `KERAS_*`, `JAX_*` and `XLA_FLAGS` could change each of these. What only chooses hardware,
or where compiled programs are kept, stays the user's.

* Where this process has not imported Keras or JAX, `load` imports them without those settings.
* Where a program has imported them and has settings of its own, those stay for the program; `neutral` puts them aside while a model is
  built, runs or learns.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any

from hgcae.errors import SettingsError
from hgcae.parallel import environment

_HARDWARE = re.compile(
    r"JAX_(PLATFORMS|PLATFORM_NAME|NUM_CPU_DEVICES|\w+_VISIBLE_DEVICES|COMPILATION_CACHE_(DIR|MAX_SIZE)|PERSISTENT_CACHE_\w+)"
)
"""Variables of JAX that choose devices, or where compiled programs are kept."""
_HARMLESS = re.compile(
    r"(--xla_force_host_platform_device_count|intra_op_parallelism_threads|--xla_gpu_autotune_level)=\d+"
    r"|--xla_(cpu_multi_thread_eigen|gpu_deterministic_ops)=(true|false)"
    r"|--xla_gpu_cuda_data_dir=\S+"
)
"""Flags of XLA that divide work or find the hardware's libraries; all others could change numbers."""

_JAX = {
    "enable_x64": False,
    "disable_jit": False,
    "debug_nans": False,
    "debug_infs": False,
    "default_matmul_precision": None,
    "numpy_rank_promotion": "allow",
    "numpy_dtype_promotion": "standard",
    "softmax_custom_jvp": False,
}
"""Contexts of JAX and what they are by default."""


def load() -> None:
    """Imports JAX and Keras with its JAX backend, without the settings of the user's machine.

    Raises:
        SettingsError: They cannot be imported so, or this program has imported Keras with another backend.
    """
    variables: dict[str, str | None] = {name: None for name in os.environ if name.startswith(("JAX_", "KERAS_")) and not _kept(name)}
    _harmless_flags_only()
    keras_is_new = "keras" not in sys.modules
    with environment({**variables, "KERAS_BACKEND": "jax"}):
        try:
            import jax  # noqa: F401 - Keras imports it, but in no order that is documented
            import keras
        except (AttributeError, TypeError, ValueError) as error:
            msg = f"Keras and JAX cannot be imported with the settings of keras.json and JAX_*: {error}"
            raise SettingsError(msg) from None
    if keras.backend.backend() != "jax":
        msg = f"this program has imported Keras with the backend {keras.backend.backend()}; models of hgcae need jax: set KERAS_BACKEND=jax"
        raise SettingsError(msg)
    if keras_is_new:
        for function, value, _ in _keras_settings():
            function(value)


@contextmanager
def neutral() -> Iterator[None]:
    """Puts settings of Keras and JAX that are not their defaults aside for a while; also decorates a function.

    Raises:
        SettingsError: The devices that the user asks for are not there.
    """
    import jax

    _check_devices()
    with ExitStack() as stack:
        for name, value in _JAX.items():
            if getattr(jax.config, f"jax_{name}") != value:
                stack.enter_context(getattr(jax, name)(value))
        for function, value, now in _keras_settings():
            if now != value:
                stack.callback(function, now)
                function(value)
        yield


def _keras_settings() -> list[tuple[Any, Any, Any]]:
    """Returns what sets each of Keras' settings, its default, and what it is now."""
    from keras import config

    return [
        (config.set_floatx, "float32", config.floatx()),
        (config.set_epsilon, 1e-7, config.epsilon()),
        (config.set_image_data_format, "channels_last", config.image_data_format()),
        (config.set_dtype_policy, "float32", config.dtype_policy().name),
    ]


def _kept(name: str) -> bool:
    return name == "KERAS_HOME" or _HARDWARE.fullmatch(name) is not None


def _harmless_flags_only() -> None:
    """Drops flags of XLA that could change numbers, or that XLA does not know, which ends the process.

    XLA reads them when it is first used, so they are dropped for good; processes that are started from here would do the same.

    Raises:
        SettingsError: This program has imported JAX already, so they may have been read.
    """
    flags = os.environ.get("XLA_FLAGS", "").split()
    kept = [flag for flag in flags if _HARMLESS.fullmatch(flag)]
    if kept == flags:
        return
    if "jax" in sys.modules:
        changing = " ".join(flag for flag in flags if flag not in kept)
        msg = f"XLA_FLAGS: {changing} may change what a model decodes; unset it, or import hgcae.model before jax"
        raise SettingsError(msg)
    os.environ["XLA_FLAGS"] = " ".join(kept)


@cache
def _check_devices() -> None:
    import jax

    try:
        jax.devices()
    except RuntimeError as error:
        msg = f"JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}: {error}"
        raise SettingsError(msg) from None
