"""The original hierarchical autoencoder in TensorFlow and QKeras, written from its layer table; runs in an environment of its own.

    python tf_qkeras.py SAMPLE.npz RESULT.json

SAMPLE.npz holds `digi` (events, 30, 19, 3, 3, 4, 4), `batch`, `repeats`, `levels`, and the initial weights of every network as
`LEVEL/encoder/I` and `LEVEL/decoder/I`. Each level is trained alone, the levels below frozen.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import qkeras
import tensorflow as tf
from tensorflow import keras

CHILDREN = {"ROC": 16, "MODULE": 3, "TRIPLET": 3, "STAGE1": 19, "STAGE2": 30}
LEVELS = list(CHILDREN)
# Without alpha=1, QKeras' layers multiply kernels by a power of two of their own for each filter, which no fixed 9-bit format is.
WEIGHT, RELU, NUMBER = "quantized_bits(9,6,alpha=1)", "quantized_relu(9,6)", "quantized_bits(9,6)"


def encoder(level: str, latent: int) -> keras.Model:
    """Quantised: three convolutions at the lowest level, then dense layers."""
    dense = {"kernel_quantizer": WEIGHT, "bias_quantizer": WEIGHT}
    x = first = keras.Input((4, 4, 1) if level == "ROC" else (CHILDREN[level], latent))
    if level == "ROC":
        for _ in range(3):
            x = qkeras.QActivation(RELU)(qkeras.QConv2D(64, (2, 2), **dense)(x))
    x = keras.layers.Flatten()(x)
    for width in (128, 256) if level == "ROC" else (32, 64, 128, 256):
        x = qkeras.QActivation(RELU)(qkeras.QDense(width, **dense)(x))
    return keras.Model(first, qkeras.QActivation(NUMBER)(qkeras.QDense(latent, **dense)(x)))


def decoder(level: str, latent: int) -> keras.Model:
    """Not quantised: transposed convolutions at the lowest level, dense layers above."""
    x = first = keras.Input((latent,))
    if level == "ROC":
        for width in (256, 128):
            x = keras.layers.Dense(width, activation="relu")(x)
        x = keras.layers.Reshape((1, 1, 128))(x)
        for _ in range(2):
            x = keras.layers.Conv2DTranspose(64, 3, activation="relu")(x)
        x = keras.layers.Conv2D(64, 2, activation="relu")(x)
        return keras.Model(first, keras.layers.Conv2D(1, 1, activation="relu")(x))
    for width in (256, 128, 64, 32):
        x = keras.layers.Dense(width, activation="relu")(x)
    x = keras.layers.Dense(CHILDREN[level] * latent)(x)
    return keras.Model(first, keras.layers.Reshape((CHILDREN[level], latent))(x))


def networks(arrays: dict[str, np.ndarray]) -> dict[str, tuple[keras.Model, keras.Model]]:
    """Builds all networks with the given initial weights."""
    latent = arrays["ROC/encoder/11"].shape[0]
    result = {}
    for level in LEVELS:
        pair = encoder(level, latent), decoder(level, latent)
        for kind, model in zip(("encoder", "decoder"), pair, strict=True):
            # Convolutions may come as dense kernels over windows: the same numbers in the same order.
            model.set_weights([arrays[f"{level}/{kind}/{i}"].reshape(w.shape) for i, w in enumerate(model.weights)])
        result[level] = pair
    return result


def train(level: str, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Trains one level on all batches, several times over; returns losses and speed."""
    levels, nets = LEVELS[: LEVELS.index(level) + 1], networks(arrays)
    weights = [*nets[level][0].trainable_variables, *nets[level][1].trainable_variables]
    optimiser = keras.optimizers.Adam(1e-4)
    optimiser.build(weights)

    @tf.function
    def step(digi: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            x = tf.reshape(digi, (-1, 4, 4, 1))
            for name in levels:
                shape = nets[name][0].input_shape[1:]
                x = nets[name][0](tf.reshape(x, (-1, *shape)), training=name == level)
            for name in reversed(levels):
                x = nets[name][1](tf.reshape(x, (-1, *nets[name][1].input_shape[1:])), training=name == level)
            loss = tf.reduce_mean(tf.square(tf.reshape(x, tf.shape(digi)) - digi))
        optimiser.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    batch, digi = int(arrays["batch"]), arrays["digi"]
    losses, seconds = [], []
    for _ in range(int(arrays["repeats"])):
        for start in range(0, len(digi), batch):
            begin = time.perf_counter()
            losses.append(float(step(tf.constant(digi[start : start + batch], dtype=tf.float32))))
            seconds.append(time.perf_counter() - begin)
    # The first step also traces and plans.
    steady = seconds[1:]
    return {"losses": losses, "first_step_s": seconds[0], "step_s": steady, "events_per_s": batch / float(np.median(steady))}


def main(sample: str, result: str) -> None:
    """Trains every level that is asked for and writes what was measured."""
    with np.load(sample) as file:
        arrays = dict(file)
    out: dict[str, object] = {"versions": {"tensorflow": tf.__version__, "qkeras": qkeras.__version__, "python": sys.version.split()[0]}}
    out["levels"] = {}
    for level in arrays["levels"].tolist():
        out["levels"][level] = train(level, arrays)
        print(f"  {level}: {out['levels'][level]['events_per_s']:.2f} events/s", flush=True)
    out["peak_rss_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    Path(result).write_text(json.dumps(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
