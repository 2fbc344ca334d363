"""Training of one autoencoder of digits; it may stop at any moment and resumes after its last finished epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from hgcae import stopping
from hgcae.errors import DataFormatError
from hgcae.examples.mnist.costs import COSTS, MERITS
from hgcae.examples.mnist.data import Digits
from hgcae.examples.mnist.networks import Network, build
from hgcae.examples.mnist.references import pca_errors
from hgcae.examples.mnist.settings import ExampleSettings
from hgcae.model.runtime import neutral
from hgcae.store.arrays import read_arrays, write_arrays
from hgcae.train.checkpoint import Checkpoint

_CHUNK = 1000
"""Images that are decoded at a time."""


def train(
    settings: ExampleSettings, digits: Digits, folder: Path, on_epoch: Callable[[dict[str, Any]], None] = lambda _: None
) -> dict[str, Any]:
    """Trains an autoencoder in a folder, from its last finished epoch if there is one.

    The folder keeps `checkpoint.npz`, `history.jsonl` (one row per epoch) and, for pictures, `decoded_EPOCH.npz`: the test images of
    `Digits.shown` as decoded after that epoch, 0 to 255.

    Args:
        settings: The network and its training.
        digits: The images.
        folder: Where it trains.
        on_epoch: Called with the row of each epoch.

    Returns:
        What was found: see `evaluate`.

    Raises:
        SettingsError: The folder holds a training with other settings or images.
        DataFormatError: Its checkpoint is damaged or lost.
    """
    network = build(settings)
    loop = Loop(network, settings, digits.x_train)
    identity = f"{settings.fingerprint()}-{digits.fingerprint()}"
    checkpoint = Checkpoint.load(folder, identity)
    done, history = (0, []) if checkpoint is None else (checkpoint.epoch, list(checkpoint.history))
    if checkpoint is not None:
        loop.restore(checkpoint)
        checkpoint.write_history(folder)
    shown = digits.x_test[digits.shown()]
    if not done:
        _keep_decoded(loop, shown, folder, 0)
    for epoch in range(done + 1, settings.epochs + 1):
        start = time.perf_counter()
        loss_train = loop.epoch(np.random.default_rng([settings.seed, epoch]))
        row = {
            "stage": 1,
            "loss_level": settings.cost.replace("_", " "),
            "epoch": epoch,
            "step": epoch * loop.steps,
            "loss_train": loss_train,
            "loss_test": float(merit(COSTS[settings.cost], digits.x_test, loop.reconstruct(digits.x_test)).mean()),
            "learning_rate": loop.rate(epoch * loop.steps),
            "seconds": round(time.perf_counter() - start, 3),
        }
        history = [*history, row]
        if epoch in settings.pictures:
            _keep_decoded(loop, shown, folder, epoch)
        Checkpoint(identity, epoch, row["step"], loop.weights, loop.optimiser, history).save(folder)
        on_epoch(row)
    return evaluate(loop.reconstruct(digits.x_test), settings, digits) | {
        "weights": sum(values.size for values in loop.weights.values()),
        "train_seconds": round(sum(row["seconds"] for row in history), 1),
    }


def evaluate(decoded: NDArray[np.float32], settings: ExampleSettings, digits: Digits) -> dict[str, Any]:
    """Returns what became of the test images: means with their standard errors, next to a PCA with as many components.

    Args:
        decoded: The test images, encoded and decoded, 0 to 1: (n, 28, 28).
        settings: What decoded them.
        digits: The images.
    """
    pca = pca_errors(digits.x_train, digits.x_test, (settings.ndim,))[settings.ndim]
    own = {name: merit(function, digits.x_test, decoded) for name, function in MERITS.items()}
    return {
        "data": digits.name,
        "n_train": len(digits.x_train),
        "n_test": len(digits.x_test),
        "settings": settings.model_dump(mode="json"),
        **{name: _mean(values) for name, values in own.items()},
        "pca_squared_error": _mean(pca),
        "squared_error_over_pca": float(own["squared_error"].mean() / pca.mean()),
    }


@neutral()
def merit(function: Callable[[Any, Any], Any], true: NDArray[np.uint8], decoded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a cost or merit of each image (n,): true pixels 0 to 255 against decoded ones 0 to 1, (n, 28, 28) both."""
    return np.asarray(jax.jit(function)(true.astype(np.float32) / 255, decoded))


def _mean(values: NDArray[np.floating]) -> dict[str, float]:
    return {"mean": float(values.mean()), "error": float(values.std() / np.sqrt(len(values)))}


class Loop:
    """Weights, optimiser state and training images on the device, and the compiled step."""

    @neutral()
    def __init__(self, network: Network, settings: ExampleSettings, images: NDArray[np.uint8]) -> None:
        learning = [v for v in network.variables if v.trainable]
        frozen = [(v, v.value) for v in network.variables if not v.trainable]
        self._images = jnp.asarray(images)
        self.batch = min(settings.batch or min(max(len(images) // 100, 16), 128), len(images))
        self.steps = len(images) // self.batch
        total = self.steps * settings.epochs
        warm = min(100, total // 10)
        self._rate: Any = keras.optimizers.schedules.CosineDecay(
            0.0, total - warm, alpha=0.01, warmup_target=settings.learning_rate, warmup_steps=warm
        )
        optimiser = keras.optimizers.Adam(self._rate)
        optimiser.build(learning)
        self._weights = [jnp.array(v.value) for v in learning]
        self._state = [jnp.array(v.value) for v in optimiser.variables]
        cost = COSTS[settings.cost]

        def forward(weights: list[Any], images: Any, training: bool) -> tuple[Any, Any]:
            true = images.astype(jnp.float32) / 255
            with keras.StatelessScope(state_mapping=[*zip(learning, weights, strict=True), *frozen]):
                return true, network(true, training=training)

        def step(weights: list[Any], state: list[Any], images: Any, rows: Any) -> Any:
            value, gradient = jax.value_and_grad(lambda w: jnp.mean(cost(*forward(w, images[rows], True))))(weights)
            weights, state = optimiser.stateless_apply(state, gradient, weights)
            return weights, state, value

        self._step = jax.jit(step, donate_argnums=(0, 1))
        self._decode = jax.jit(lambda weights, images: forward(weights, images, False)[1])

    @neutral()
    def epoch(self, rng: np.random.Generator) -> float:
        """Passes once through the images in random order; returns the mean cost."""
        costs = []
        for rows in rng.permutation(len(self._images))[: self.steps * self.batch].reshape(self.steps, self.batch):
            stopping.check()
            self._weights, self._state, cost = self._step(self._weights, self._state, self._images, rows)
            costs.append(cost)
        return float(np.mean(jax.device_get(costs)))

    @neutral()
    def reconstruct(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Encodes and decodes images (n, 28, 28) of pixels 0 to 255; returns pixels 0 to 1."""
        parts = [np.asarray(self._decode(self._weights, images[i : i + _CHUNK])) for i in range(0, len(images), _CHUNK)]
        return np.concatenate(parts)

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step."""
        return float(np.asarray(self._rate(step)))

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights, the encoder's first."""
        return {f"{i:02d}": np.asarray(value) for i, value in enumerate(self._weights)}

    @property
    def optimiser(self) -> list[NDArray[Any]]:
        """The optimiser's variables."""
        return [np.asarray(value) for value in self._state]

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint."""
        self._weights = [jnp.array(checkpoint.weights[key]) for key in sorted(checkpoint.weights)]
        self._state = [jnp.array(value) for value in checkpoint.optimiser]


def load(folder: Path, settings: ExampleSettings, digits: Digits) -> Network:
    """Returns the network of the last finished epoch of a folder.

    Raises:
        DataFormatError: There is no undamaged checkpoint.
        SettingsError: It was made with other settings or images.
    """
    network = build(settings)
    checkpoint = Checkpoint.load(folder, f"{settings.fingerprint()}-{digits.fingerprint()}")
    if checkpoint is None:
        raise DataFormatError(folder, "checkpoint", "none", "that of a training")
    learning = [v for v in network.variables if v.trainable]
    for variable, key in zip(learning, sorted(checkpoint.weights), strict=True):
        variable.assign(checkpoint.weights[key])
    return network


def _keep_decoded(loop: Loop, images: NDArray[np.uint8], folder: Path, epoch: int) -> None:
    decoded = np.rint(255 * loop.reconstruct(images)).astype(np.uint8)
    write_arrays(_decoded_path(folder, epoch), *_DECODED, {}, {"decoded": decoded}, compress=True)


def read_decoded(folder: Path, epoch: int) -> NDArray[np.uint8]:
    """Returns the shown test images as decoded after an epoch: (n, 28, 28).

    Raises:
        DataFormatError: The file is damaged.
        OSError: There is none.
    """
    return read_arrays(_decoded_path(folder, epoch), *_DECODED)[1]["decoded"]


_DECODED = ("decoded images", 1)


def _decoded_path(folder: Path, epoch: int) -> Path:
    return folder / f"decoded_{epoch:05d}.npz"
