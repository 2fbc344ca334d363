"""Settings of the user's machine or program change nothing: codes, decoded charges and training are the same, bit for bit."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hgcae.model.sparse import Tree
from hgcae.train.batches import Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage
from model.toys import MODULE, autoencoder, cell_xy, conserving_settings, plain_settings, showers

TESTS = Path(__file__).parents[1]


def digest() -> str:
    """SHA-256 of what toys encode and decode, and of their weights after a step."""
    events, found = showers(MODULE, 8), hashlib.sha256()
    for settings in (conserving_settings, plain_settings):
        model = autoencoder(settings(MODULE), MODULE)
        codes = model.encode_events(events, "MODULE")
        decoded = model.decode_codes(codes)
        for array in (codes.code, decoded.cell, decoded.charge):
            found.update(array.tobytes())
        stage = Stage(loss_level="ROC", trains=("ROC",), epochs=1, batch=8, sampling="charge", steps=1, learning_rate=1e-3)
        loop = StageLoop(model, stage, "ROC", LossSettings(), cell_xy(MODULE))
        for batch in Batches(stage, Tree.build(events, "ROC", "ROC", None), MODULE).draw(np.random.default_rng(2), 1):
            found.update(np.asarray(loop.step(loop.place(batch))).tobytes())
        loop.store_weights()
        for variable in model.level("ROC").weights:
            found.update(np.asarray(variable.value).tobytes())
    return found.hexdigest()


@contextmanager
def program():
    """Settings that a user's program may make for its own networks; they have to be there after hgcae has run."""
    import jax
    from keras import config

    ours = {
        "jax_enable_x64": True,
        "jax_debug_nans": True,
        "jax_disable_jit": True,
        "jax_numpy_rank_promotion": "raise",
        "jax_numpy_dtype_promotion": "strict",
        "jax_default_matmul_precision": "bfloat16",
    }
    before = {name: getattr(jax.config, name) for name in ours}
    for name, value in ours.items():
        jax.config.update(name, value)
    config.set_image_data_format("channels_first")
    config.set_floatx("float64")
    config.set_epsilon(0.1)
    config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
        assert config.image_data_format() == "channels_first"
        assert (config.floatx(), config.epsilon(), config.dtype_policy().name) == ("float64", 0.1, "mixed_bfloat16")
        assert {name: getattr(jax.config, name) for name in ours} == ours
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        config.set_image_data_format("channels_last")
        config.set_floatx("float32")
        config.set_epsilon(1e-7)
        config.set_dtype_policy("float32")


def run(code: str, folder: Path, variables: dict[str, str], keras_json: str | None = None) -> str:
    """Runs a program in a process with variables and with a keras.json; returns what it prints."""
    (folder / ".keras").mkdir()
    if keras_json is not None:
        (folder / ".keras" / "keras.json").write_text(keras_json)
    plain = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "KERAS_HOME", "XLA_FLAGS")}
    environment = plain | {"HOME": str(folder), "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])} | variables
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plain() -> str:
    return digest()


def test_settings_of_a_program_change_nothing(plain):
    with program():
        assert digest() == plain


KERAS_JSON = {"backend": "torch", "image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.1}
VARIABLES = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_MAX_EPOCHS": "many",
    "KERAS_NNX_ENABLED": "true",
    "JAX_ENABLE_X64": "1",
    "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_DISABLE_JIT": "perhaps",
    "JAX_NUMPY_RANK_PROMOTION": "raise",
    "XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_of_another_version=1 --xla_cpu_multi_thread_eigen=false",
    "OMP_NUM_THREADS": "1",
}


@pytest.mark.parametrize(
    ("variables", "keras_json"), [({"KERAS_BACKEND": ""}, json.dumps(KERAS_JSON)), (VARIABLES, None)], ids=["keras.json", "variables"]
)
def test_settings_of_the_machine_change_nothing(variables, keras_json, plain, tmp_path):
    assert run("from model.test_runtime import digest; print(digest())", tmp_path, variables, keras_json).strip() == plain


@pytest.mark.parametrize(
    ("variables", "keras_json", "before", "says"),
    [
        ({"KERAS_BACKEND": "numpy"}, None, "import keras", "imported Keras with the backend numpy"),
        ({"JAX_PLATFORMS": "abacus"}, None, "", "JAX_PLATFORMS=abacus"),
        ({"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}, None, "import jax", "XLA_FLAGS: --xla_cpu_enable_fast_math=true"),
        ({}, '{"floatx": "float31"}', "", "keras.json"),
    ],
    ids=["backend", "platform", "flags", "keras.json"],
)
def test_what_cannot_be_put_aside_is_said(variables, keras_json, before, says, tmp_path):
    code = f"""{before}
from hgcae.errors import SettingsError
try:
    from hgcae.model.runtime import neutral
    with neutral():
        pass
except SettingsError as error:
    print(error)
"""
    said = run(code, tmp_path, variables, keras_json)
    assert says in said
    assert said.count("\n") == 1
