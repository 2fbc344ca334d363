"""The original hierarchical autoencoder in TensorFlow and QKeras, written from its layer table; runs in an environment of its own.

    python tf_qkeras.py TASK.json SAMPLE.npz RESULT.json

TASK.json has `levels`, the children of a unit of each level by its name, lowest first (ROC: 16), `latent`, `batch`, and one of

    steps   levels to train alone, the levels below frozen, and how many steps: {"levels": ["ROC", ...], "count": 50}
    stages  a schedule, one after the other: [{"level": "STAGE2", "trains": ["ROC", ...], "epochs": 1}, ...]

`seconds` of processor time, where they are given, end a schedule after the epoch that exceeds them. SAMPLE.npz holds `train` and `test`
(events, ..., 4, 4), and the initial weights of every network as `LEVEL/encoder/I` and `LEVEL/decoder/I`; without them, each network draws
its own as the original did (`seed` of the task). Batches pass in the order of the sample, every time. RESULT.json is written anew after
every epoch, and weights beside it, as they are given, if the task says `"weights": true`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import qkeras
import tensorflow as tf
from tensorflow import keras

WEIGHT, RELU, NUMBER = "quantized_bits(9,6)", "quantized_relu(9,6)", "quantized_bits(9,6)"
LEARNING_RATE = 1e-4


def encoder(children: int, latent: int, lowest: bool) -> keras.Model:
    """Quantised: three convolutions at the lowest level, then dense layers."""
    dense = {"kernel_quantizer": WEIGHT, "bias_quantizer": WEIGHT}
    x = first = keras.Input((4, 4, 1) if lowest else (children, latent))
    if lowest:
        for _ in range(3):
            x = qkeras.QActivation(RELU)(qkeras.QConv2D(64, (2, 2), **dense)(x))
    x = keras.layers.Flatten()(x)
    for width in (128, 256) if lowest else (32, 64, 128, 256):
        x = qkeras.QActivation(RELU)(qkeras.QDense(width, **dense)(x))
    return keras.Model(first, qkeras.QActivation(NUMBER)(qkeras.QDense(latent, **dense)(x)))


def decoder(children: int, latent: int, lowest: bool) -> keras.Model:
    """Not quantised: transposed convolutions at the lowest level, linear dense layers above."""
    x = first = keras.Input((latent,))
    if lowest:
        for width in (256, 128):
            x = keras.layers.Dense(width, activation="relu")(x)
        x = keras.layers.Reshape((1, 1, 128))(x)
        for _ in range(2):
            x = keras.layers.Conv2DTranspose(64, 3, activation="relu")(x)
        x = keras.layers.Conv2D(64, 2, activation="relu")(x)
        return keras.Model(first, keras.layers.Conv2D(1, 1, activation="relu")(x))
    for width in (256, 128, 64, 32):
        x = keras.layers.Dense(width)(x)
    x = keras.layers.Dense(children * latent)(x)
    return keras.Model(first, keras.layers.Reshape((children, latent))(x))


class Original:
    """All networks, and what a step does.

    Args:
        task: See the module.
        arrays: Initial weights, where they are given.
    """

    def __init__(self, task: dict, arrays: dict[str, np.ndarray]) -> None:
        keras.utils.set_random_seed(task.get("seed", 0))
        self.levels = list(task["levels"])
        self.nets = {}
        for i, (level, children) in enumerate(task["levels"].items()):
            pair = encoder(children, task["latent"], i == 0), decoder(children, task["latent"], i == 0)
            for kind, model in zip(("encoder", "decoder"), pair, strict=True):
                if f"{level}/{kind}/0" in arrays:
                    # Convolutions may come as dense kernels over windows: the same numbers in the same order.
                    model.set_weights([arrays[f"{level}/{kind}/{j}"].reshape(w.shape) for j, w in enumerate(model.weights)])
            self.nets[level] = pair

    def weights(self) -> dict[str, np.ndarray]:
        """Returns all weights by the names of the sample."""
        pairs = [
            (f"{level}/{kind}", net) for level, nets in self.nets.items() for kind, net in zip(("encoder", "decoder"), nets, strict=True)
        ]
        return {f"{name}/{i}": w for name, net in pairs for i, w in enumerate(net.get_weights())}

    def encode(self, digi: tf.Tensor, level: str) -> tf.Tensor:
        """Returns the codes of all units of a level: (units, latent)."""
        x = tf.reshape(digi, (-1, 4, 4, 1))
        for name in self.levels[: self.levels.index(level) + 1]:
            net = self.nets[name][0]
            x = net(tf.reshape(x, (-1, *net.input_shape[1:])))
        return x

    def loss(self, digi: tf.Tensor, level: str) -> tf.Tensor:
        """Returns the mean squared error of what is decoded from the codes of a level."""
        x = self.encode(digi, level)
        for name in reversed(self.levels[: self.levels.index(level) + 1]):
            net = self.nets[name][1]
            x = net(tf.reshape(x, (-1, *net.input_shape[1:])))
        return tf.reduce_mean(tf.square(tf.reshape(x, tf.shape(digi)) - digi))

    def stage(self, level: str, trains: list[str]) -> tuple:
        """Returns the compiled step and the compiled loss of a stage, with an optimiser of its own."""
        weights = [v for name in trains for net in self.nets[name] for v in net.trainable_variables]
        optimiser = keras.optimizers.Adam(LEARNING_RATE)
        optimiser.build(weights)

        @tf.function(reduce_retracing=True)
        def step(digi: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss = self.loss(digi, level)
            optimiser.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        return step, tf.function(lambda digi: self.loss(digi, level), reduce_retracing=True)


def batches(digi: np.ndarray, size: int) -> Iterator[tf.Tensor]:
    """Yields the sample in order; the last batch may be smaller."""
    for start in range(0, len(digi), size):
        yield tf.constant(digi[start : start + size], dtype=tf.float32)


def levels_alone(task: dict, arrays: dict[str, np.ndarray]) -> Iterator[dict]:
    """Trains levels alone, each from the initial weights; yields losses, speed, and codes of the first batch before and afterwards."""
    found = {}
    for level in task["steps"]["levels"]:
        model = Original(task, arrays)
        step, _ = model.stage(level, [level])
        given = list(batches(arrays["train"], task["batch"]))
        codes = [model.encode(given[0], level).numpy().tolist()]
        losses, seconds = [], []
        for i in range(task["steps"]["count"]):
            begin = time.perf_counter()
            losses.append(float(step(given[i % len(given)])))
            seconds.append(time.perf_counter() - begin)
        codes.append(model.encode(given[0], level).numpy().tolist())
        # The first step also traces and plans.
        speed = task["batch"] / float(np.median(seconds[1:]))
        found[level] = {"losses": losses, "first_step_s": seconds[0], "step_s": seconds[1:], "events_per_s": speed, "codes": codes}
        print(f"  {level}: {speed:.2f} events/s", flush=True)
        yield {"levels": found}


def schedule(task: dict, arrays: dict[str, np.ndarray]) -> Iterator[dict]:
    """Trains stage after stage; yields the history after each epoch."""
    model, history, begin = Original(task, arrays), [], time.process_time()
    size = task["batch"]
    for stage in task["stages"]:
        step, loss = model.stage(stage["level"], stage["trains"])
        for _ in range(stage["epochs"]):
            start, cpu = time.perf_counter(), time.process_time()
            train = [float(step(batch)) for batch in batches(arrays["train"], size)]
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            tests = [len(batch) * float(loss(batch)) for batch in batches(arrays["test"], size)]
            test = sum(tests) / len(arrays["test"])
            row = {"epoch": len(history) + 1, "loss_level": stage["level"], "trains": stage["trains"], "steps": len(train)}
            history.append(row | {"loss_train": float(np.mean(train)), "loss_test": float(test), "seconds": seconds, "cpu_seconds": cpu})
            print(f"  epoch {len(history)} {stage['level']}: {np.mean(train):.5f} {test:.5f} {seconds:.1f} s", flush=True)
            yield {"history": history, "weights": model.weights() if task.get("weights") else {}}
            if time.process_time() - begin > task.get("seconds", np.inf):
                return


def main(task_file: str, sample: str, result: str) -> None:
    """Does a task and writes what was measured."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    with np.load(sample) as file:
        arrays = dict(file)
    versions = {"tensorflow": tf.__version__, "qkeras": qkeras.__version__, "python": sys.version.split()[0]}
    for found in (levels_alone if "steps" in task else schedule)(task, arrays):
        weights = found.pop("weights", None)
        if weights:
            np.savez(Path(result).with_suffix(".npz"), **weights)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        Path(result).write_text(json.dumps({"versions": versions, "peak_rss_gib": peak} | found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
