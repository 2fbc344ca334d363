"""The original network: QKeras' arithmetic, and a reference by TensorFlow and QKeras that `benchmarks/reference.py` wrote."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.coding.fixedpoint import FixedPoint
from hgcae.model.files import weight_arrays
from hgcae.model.original import Quantised, QuantisedDense, scaled_arrays, scaled_kernel
from hgcae.model.sparse import Tree
from hgcae.train.batches import Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage

ROOT = Path(__file__).parents[2]
WEIGHT = FixedPoint(bits=9, integer=6)
RELU = FixedPoint(bits=9, integer=6, signed=False)


def reference() -> Any:
    """The program that wrote the golden file, for the model and the events that it took."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "benchmarks" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    return module


REFERENCE = reference()
GOLDEN = json.loads(REFERENCE.GOLDEN.read_text(encoding="utf-8"))
NAMES = REFERENCE.SMALL.names


@pytest.fixture(scope="module")
def events():
    found = REFERENCE.small_events()
    assert REFERENCE.digest({"digi": REFERENCE.dense(REFERENCE.small_model(), found)}) == GOLDEN["digi"]
    return found


@pytest.fixture
def model():
    found = REFERENCE.small_model()
    assert REFERENCE.digest(weight_arrays(found)) == GOLDEN["weights"], "NumPy draws other numbers: write the golden file anew"
    return found


class TestReference:
    def test_codes(self, model, events):
        for name in NAMES:
            codes = model.encode_events(events[: REFERENCE.BATCH], name).dense(REFERENCE.SMALL)
            expected = np.array(GOLDEN["alone"][name]["codes"], dtype=np.float32)
            np.testing.assert_array_equal(codes.reshape(expected.shape), expected, err_msg=name)
            assert len(np.unique(expected)) > 5, name

    @pytest.mark.slow
    @pytest.mark.parametrize("level", NAMES)
    def test_a_level_alone(self, model, events, level):
        loop, batches = self.stage(model, events, level, (level,))
        losses = [float(loop.step(batch)) for batch in batches.draw(np.random.default_rng(0), REFERENCE.STEPS)]
        np.testing.assert_allclose(losses, GOLDEN["alone"][level]["losses"], rtol=1e-5)
        assert losses[3] < losses[0], "nothing was learned"

    @pytest.mark.parametrize("level", [pytest.param(name, marks=[] if name == "TRIPLET" else pytest.mark.slow) for name in NAMES])
    def test_all_levels_together(self, model, events, level):
        """Two epochs of two steps, and the loss of the test events after each."""
        loop, batches = self.stage(model, events[2:], level, NAMES[: NAMES.index(level) + 1])
        _, tests = self.stage(model, events[:2], level, NAMES[: NAMES.index(level) + 1])
        for expected in GOLDEN["joint"][level]:
            losses = [float(loop.step(batch)) for batch in batches.draw(np.random.default_rng(0), 2)]
            assert np.mean(losses) == pytest.approx(expected["loss_train"], rel=1e-5)
            assert loop.test(list(tests.draw(np.random.default_rng(0), 1))) == pytest.approx(expected["loss_test"], rel=1e-5)

    def stage(self, model, events, level, trains):
        stage = Stage(loss_level=level, trains=trains, epochs=1, batch=REFERENCE.BATCH)
        lower = model.hierarchy.below(trains[0])
        tree = Tree.build(model.digi(events), trains[0], level, None if lower is None else model.encode_events(events, lower))
        return StageLoop(model, stage, trains[0], LossSettings(), None), Batches(stage, tree, model.hierarchy)


def kernels() -> st.SearchStrategy[np.ndarray]:
    """Filters of very different sizes, on and off the grid, with zeros and with single large weights."""

    def draw(seed: int, n: int, kind: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        kernel = rng.standard_normal((n, 20)) * 10 ** rng.uniform(-9, 2, 20)
        kernel *= [1, 10 ** rng.uniform(-3, 0, (n, 20)), rng.random((n, 20)) < 0.5][kind]
        return np.clip(kernel, -64, 64).astype(np.float32)

    return st.builds(draw, st.integers(0, 2**32), st.integers(1, 300), st.integers(0, 2))


class TestScaledKernel:
    @given(kernels())
    def test_scales_are_those_of_qkeras(self, kernel):
        """The same in float64, written down from QKeras' formulas; sums decide between two powers, so they may disagree at a tie only."""
        x, top, epsilon = np.abs(kernel.astype(np.float64)) / 64, 255, 1e-7
        logs = [np.log2(x.max(axis=0) / top + epsilon)]
        z = x
        for _ in range(5):
            scale = 2.0 ** np.rint(logs[-1])
            z = np.minimum(np.floor(x / scale + 0.5), top)
            logs.append(np.log2((x * z).mean(axis=0) / ((z * z).mean(axis=0) + epsilon) + epsilon))
        clear = (np.abs(np.abs(np.array(logs) % 1) - 0.5) > 1e-4).all(axis=0)
        steps, power = scaled_kernel(kernel, WEIGHT)
        np.testing.assert_array_equal(power[clear], np.rint(logs[-1])[clear] + 6)
        np.testing.assert_array_equal(steps[:, clear], (np.sign(kernel) * z)[:, clear])

    @given(kernels())
    def test_jax_and_numpy_agree(self, kernel):
        kernel = np.resize(kernel, (64, 20))  # one shape, compiled once
        for a, b in zip(COMPILED(kernel), scaled_kernel(kernel, WEIGHT), strict=True):
            np.testing.assert_array_equal(a, b)

    def test_a_filter_without_weights(self):
        steps, power = scaled_arrays(np.zeros((4, 2), dtype=np.float32), WEIGHT, "auto_po2")
        assert not steps.any()
        assert power.tolist() == [-17, -17]

    def test_fixed_steps(self):
        steps, power = scaled_arrays(np.array([[0.3, -0.1, 99.0]], dtype=np.float32), WEIGHT, "fixed")
        assert (steps.tolist(), power.tolist()) == ([[1, 0, 255]], [-2, -2, -2])


COMPILED = jax.jit(lambda kernel: scaled_kernel(kernel, WEIGHT, jnp))


class TestGradients:
    """What QKeras passes on: everything, except what a ReLU cuts off."""

    X = np.array([-100.0, -64.0, -0.2, 0.0, 0.03, 63.75, 63.875, 64.0, 100.0], dtype=np.float32)

    @pytest.mark.parametrize(
        ("form", "expected"), [(WEIGHT, [1.0] * 9), (RELU, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0])], ids=["bits", "relu"]
    )
    def test_of_numbers(self, form, expected):
        layer = Quantised(form)
        np.testing.assert_array_equal(jax.grad(lambda x: layer(x).sum())(self.X), expected)

    def test_values(self):
        np.testing.assert_array_equal(Quantised(WEIGHT)(self.X), [-64, -64, -0.25, 0, 0, 63.75, 63.75, 63.75, 63.75])
        np.testing.assert_array_equal(Quantised(RELU)(self.X), [0, 0, 0, 0, 0, 63.75, 63.875, 63.875, 63.875])

    @pytest.mark.parametrize("scale", ["auto_po2", "fixed"])
    def test_of_weights(self, scale):
        layer = QuantisedDense(2, WEIGHT, scale)
        layer.build((1, 3))
        x = np.array([[1.0, -2.0, 3.0]], dtype=np.float32)

        def total(kernel, bias):
            with keras.StatelessScope(state_mapping=[(layer.kernel, kernel), (layer.bias, bias)]):
                return layer(x).sum()

        kernel = jnp.array([[80.0, 0.1], [-0.2, 0.02], [1e-9, -70.0]])
        for_kernel, for_bias = jax.grad(total, argnums=(0, 1))(kernel, jnp.array([-99.0, 0.1]))
        np.testing.assert_array_equal(for_kernel, np.repeat(x.T, 2, axis=1))
        np.testing.assert_array_equal(for_bias, [1.0, 1.0])


@pytest.mark.parametrize("layer", [Quantised(RELU, name="rounded"), QuantisedDense(3, WEIGHT, "auto_po2", name="dense")])
def test_layers_are_rebuilt_from_their_configuration(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
