"""The compiled step: equal to dense evaluation, unbiased where it samples, the same on several devices."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.sparse import Tree
from hgcae.train.batches import Batch, Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage
from model.toys import MODULE, STACK, autoencoder, cell_xy, conserving_settings, plain_settings, showers

EVENTS = {
    "showers": lambda hierarchy: showers(hierarchy, 8),
    "empty": lambda hierarchy: Events.from_dense(np.zeros((4, *hierarchy.shape), dtype=np.int32), hierarchy),
    "full": lambda hierarchy: Events.from_dense(np.random.default_rng(0).integers(1, 300, (4, *hierarchy.shape)), hierarchy),
}
MODELS = {"plain": plain_settings, "conserving": conserving_settings}


def dense_batch(events: Events, hierarchy: Hierarchy, level: str, trains: tuple[str, ...], model: Autoencoder) -> Batch:
    """Every unit is encoded, whether it holds charge or not; row 0, the empty unit, stands for nothing."""
    base = trains[0]
    x = events.to_dense().reshape(-1, 16).astype(np.float32)
    for name in hierarchy.names[: hierarchy.names.index(base)]:
        above = hierarchy.names[hierarchy.names.index(name) + 1]
        x = model.run("encode", name, x).reshape(-1, hierarchy.level(above).children, model.level(name).latent)
    x = np.concatenate([np.zeros_like(x[:1]), x])
    links, n = [], len(x) - 1
    for name in hierarchy.names[hierarchy.names.index(base) + 1 : hierarchy.names.index(level) + 1]:
        rows = 1 + np.arange(n, dtype=np.int32).reshape(-1, hierarchy.level(name).children)
        links.append(np.concatenate([np.zeros_like(rows[:1]), rows]))
        n = len(rows)
    target = events.to_dense().reshape(n, -1).astype(np.float32)
    return Batch(x, links, [], np.concatenate([np.zeros_like(target[:1]), target]), np.append(0, np.ones(n)).astype(np.float32))


def loss_and_gradient(loop: StageLoop, batch: Batch) -> tuple[float, list[np.ndarray]]:
    compiled = jax.jit(jax.value_and_grad(loop._mean_loss), compiler_options={"xla_backend_optimization_level": 0})
    loss, gradient = compiled(loop._weights, loop._constants, batch)
    return float(loss), [np.asarray(g) for g in gradient]


@pytest.mark.parametrize(
    ("sample", "root", "level", "joint"),
    [
        ("showers", "MODULE", "ROC", True),
        ("showers", "MODULE", "MODULE", True),
        ("showers", "STACK", "MODULE", True),
        ("showers", "STACK", "STACK", True),
        ("showers", "STACK", "STACK", False),
        ("full", "STACK", "STACK", True),
        ("empty", "STACK", "STACK", True),
    ],
)
@pytest.mark.parametrize("kind", MODELS)
def test_loss_and_gradient_equal_dense_evaluation(kind, sample, root, level, joint):
    hierarchy = {"MODULE": MODULE, "STACK": STACK}[root]
    events = EVENTS[sample](hierarchy)
    model = autoencoder(MODELS[kind](hierarchy), hierarchy)
    trains = hierarchy.names[: hierarchy.names.index(level) + 1] if joint else (level,)
    stage = Stage(loss_level=level, trains=trains, epochs=1, batch=len(events))
    lower = hierarchy.below(trains[0])
    tree = Tree.build(events, trains[0], level, None if lower is None else model.encode_events(events, lower))
    (sparse,) = Batches(stage, tree, hierarchy).draw(np.random.default_rng(0), 1)
    loop = StageLoop(model, stage, trains[0], LossSettings(), cell_xy(hierarchy))
    dense = dense_batch(events, hierarchy, level, trains, model)
    if kind == "conserving":
        # The loss of an empty unit is that of nothing against nothing; it is not part of what this kind learns from.
        sparse.weight[0] = 1e-3
        dense.weight[~dense.target.any(axis=1)] = 0
        dense.weight[0] = 1e-3
    (found, found_gradient), (expected, expected_gradient) = (loss_and_gradient(loop, batch) for batch in (sparse, dense))
    assert found == pytest.approx(expected, rel=1e-5)
    for a, b in zip(found_gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * max(np.abs(b).max(), 1e-6))
    assert any(g.any() for g in expected_gradient) or sample == "empty"


def test_the_sampled_loss_is_exact_on_average():
    events = showers(STACK, 6)
    model = autoencoder(plain_settings())
    exact = Stage(loss_level="STACK", trains=("STACK",), epochs=1, batch=6)
    tree = Tree.build(events, "STACK", "STACK", model.encode_events(events, "MODULE"))

    def losses(stage: Stage, n: int) -> np.ndarray:
        loop = StageLoop(model, stage, "STACK", LossSettings(), None)
        return np.array([loop.test([batch]) for batch in Batches(stage, tree, STACK).draw(np.random.default_rng(4), n)])

    (expected,) = losses(exact, 1)
    found = losses(exact.model_copy(update={"empty_share": 0.2}), 300)
    assert found.std() > 0
    # Five standard errors of the mean.
    assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(len(found)) + 1e-6 * expected


TWO_DEVICES = """
import jax, numpy as np
from hgcae.model.sparse import Tree
from hgcae.train.batches import Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage
from model.toys import MODULE, autoencoder, cell_xy, plain_settings, conserving_settings, showers

events = showers(MODULE, 12)
for settings, sampling in ((plain_settings, "events"), (conserving_settings, "charge")):
    weights = []
    for devices in (1, 2):
        model = autoencoder(settings(MODULE), MODULE)
        stage = Stage(loss_level="MODULE", trains=("ROC", "MODULE"), epochs=1, batch=8, sampling=sampling, steps=5, learning_rate=1e-3)
        loop = StageLoop(model, stage, "ROC", LossSettings(), cell_xy(MODULE), devices)
        batches = Batches(stage, Tree.build(events, "ROC", "MODULE", None), MODULE, devices)
        losses = [float(loop.step(loop.place(batch))) for batch in batches.draw(np.random.default_rng(2), 5)]
        loop.store_weights()
        weights.append([np.array(v.value) for level in model.levels.values() for v in level.weights])
        print(devices, losses, {len(w.devices()) for w in loop._weights})
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)
print("equal on", len(jax.devices()), "devices")
"""


@pytest.mark.slow
def test_two_devices_learn_what_one_does():
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    result = subprocess.run([sys.executable, "-c", TWO_DEVICES], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "equal on 2 devices" in result.stdout
    assert "{2}" in result.stdout, "the weights are not on both devices"
