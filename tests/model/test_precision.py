"""Decoders that multiply in bfloat16: the same model, a little rougher; encoders stay exact."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from hgcae.model import files, layers
from hgcae.model.presets import ModelSettings
from model.toys import autoencoder, conserving_settings, plain_settings, showers


@pytest.mark.parametrize("settings", [conserving_settings(), plain_settings()], ids=["conserving", "plain"])
def test_decoders_in_bfloat16(settings):
    rough_settings = ModelSettings.load(
        {"preset": "toy", "levels": {name: level.model_dump() | {"precision": "bfloat16"} for name, level in settings.levels.items()}}
    )
    exact, rough = autoencoder(settings), autoencoder(rough_settings)
    for a, b in zip(files.weight_arrays(exact).values(), files.weight_arrays(rough).values(), strict=True):
        assert b.dtype == np.float32
        np.testing.assert_array_equal(a, b)
    x = showers().to_dense()
    np.testing.assert_array_equal(exact.encode(x, "STACK"), rough.encode(x, "STACK"))
    for name, level in rough.levels.items():
        assert rough.run("decode", name, rough.run("state", name, np.zeros((1, level.latent), np.float32))).dtype == np.float32
    code = exact.encode(x, "ROC").reshape(-1, exact.level("ROC").latent)
    fine, coarse = (model.run("decode", "ROC", model.run("state", "ROC", code)) for model in (exact, rough))
    # bfloat16 has 8 bits of mantissa; a few layers add up to some of their steps.
    assert 0 < np.abs(fine - coarse).max() < 0.03 * np.abs(fine).max()


def test_products_are_in_bfloat16():
    """Not only the settings say so: the compiled decoder holds such products, the encoder none."""
    levels = {name: level.model_dump() | {"precision": "bfloat16"} for name, level in plain_settings().levels.items()}
    level = autoencoder(ModelSettings.load({"preset": "toy", "levels": levels})).level("ROC")
    assert "bf16" in str(jax.make_jaxpr(level.decode)(np.zeros((2, level.latent), np.float32)))
    assert "bf16" not in str(jax.make_jaxpr(level.encode)(np.zeros((2, 16), np.float32)))


def test_the_policy_is_given_back_after_an_error():
    import keras

    before = keras.config.dtype_policy()
    seen = []

    def fails() -> None:
        with layers.precision("bfloat16"):
            seen.append(keras.config.dtype_policy().compute_dtype)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen == ["bfloat16"]
    assert keras.config.dtype_policy() == before
