from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.compiled import stateless
from hgcae.train import losses
from hgcae.train.losses import ChildLoss, LossSettings, MultiScaleLoss, squared_error
from model.toys import MODULE, STACK, WEIGHT, autoencoder, cell_xy, conserving_settings, plain_settings, showers


@dataclass
class Perfect:
    """A level whose states say which unit of which event they stand for, so that its decoder can look up the truth."""

    hierarchy: Hierarchy
    name: str
    charge: np.ndarray
    decoded_rows: list[int]

    @property
    def children(self) -> int:
        return self.hierarchy.level(self.name).children

    def state(self, code: Any) -> Any:
        return code

    def decode(self, state: Any, present: Any = None) -> Any:
        self.decoded_rows.append(len(state))
        unit, event = np.asarray(state[:, 1], dtype=int), np.asarray(state[:, 2], dtype=int)
        lower = self.hierarchy.below(self.name)
        size = 1 if lower is None else self.hierarchy.n_cells(lower)
        sums = self.charge.reshape(len(self.charge), -1, self.children, size).sum(axis=3)[event, unit]
        if present is not None:
            sums = sums * np.asarray(present)
        if lower is None:
            return jnp.asarray(sums)
        index = unit[:, None] * self.children + np.arange(self.children)
        return jnp.stack([sums, index, np.repeat(event[:, None], self.children, axis=1)], axis=2)


def perfect(decoded: np.ndarray, hierarchy: Hierarchy, weight: np.ndarray | None = None) -> tuple[Any, np.ndarray, list[int]]:
    """A stand-in for a model whose decoders return `decoded` (n, n_cells), codes for it, and what was decoded."""
    rows: list[int] = []
    levels = {name: Perfect(hierarchy, name, decoded, rows) for name in hierarchy.names}
    calibration = Calibration({}, 1.0, root_weight=None if weight is None else tuple(weight))
    model = SimpleNamespace(hierarchy=hierarchy, calibration=calibration, level=levels.__getitem__, levels=levels)
    code = np.stack([decoded.sum(axis=1), np.zeros(len(decoded)), np.arange(len(decoded))], axis=1)
    return model, code, rows


def charges(hierarchy: Hierarchy, n: int = 8) -> np.ndarray:
    return showers(hierarchy, n).to_dense().reshape(n, -1).astype(np.float32)


class TestMultiScale:
    def test_nothing_is_lost_where_all_is_decoded(self):
        target = charges(STACK)
        model, code, _ = perfect(target, STACK, WEIGHT)
        loss = MultiScaleLoss(model, "STACK", LossSettings(), cell_xy(STACK))
        np.testing.assert_allclose(loss(code, target), 0, atol=1e-5)

    def test_a_charge_in_the_wrong_cell(self):
        """From the first cell to its neighbour in the row: wrong in the cells, right in every larger sum."""
        target, decoded = np.zeros((1, 48), np.float32), np.zeros((1, 48), np.float32)
        target[0, 0] = decoded[0, 1] = 70
        settings = LossSettings(root_share=1, absolute=0.1, position_cm=0.5, position=0.3)
        model, code, _ = perfect(decoded, MODULE)
        xy = cell_xy(MODULE)
        distance = np.linalg.norm(xy[1] - xy[0])
        found = MultiScaleLoss(model, "MODULE", settings, xy)(code, target)
        # Two cells differ by the whole: a Hellinger distance of 2, an absolute difference of 2.
        np.testing.assert_allclose(found, 2 + 0.2 + 0.3 * (distance / 0.5) ** 2, rtol=1e-3)
        without = MultiScaleLoss(model, "MODULE", settings, None)(code, target)
        np.testing.assert_allclose(without, 2.2, rtol=1e-3)

    def test_a_charge_in_the_wrong_roc(self):
        """Wrong at every scale: ROCs, cells, and blocks of 2 x 2 cells."""
        target, decoded = np.zeros((1, 48), np.float32), np.zeros((1, 48), np.float32)
        target[0, 0] = decoded[0, 20] = 70
        model, code, _ = perfect(decoded, MODULE)
        found = MultiScaleLoss(model, "MODULE", LossSettings(root_share=1, absolute=0), None)(code, target)
        np.testing.assert_allclose(found, 3 * 2, rtol=2e-3)

    def test_the_scale_of_charges_does_not_matter(self):
        target, decoded = charges(MODULE), np.roll(charges(MODULE), 1, axis=1)
        found = []
        for factor in (1, 50):
            model, code, _ = perfect(factor * decoded, MODULE)
            found.append(np.asarray(MultiScaleLoss(model, "MODULE", LossSettings(), cell_xy(MODULE))(code, factor * target)))
        np.testing.assert_allclose(*found, rtol=1e-4)
        assert found[0][target.sum(axis=1) > 0].min() > 0.01

    def test_the_strongest_are_all_where_others_are_empty(self):
        target = np.zeros((4, 240), np.float32)
        for event in range(4):
            target[event, 48 * event + np.array([3, 20, 21, 40])] = [70, 900, 50, 8]
        decoded = np.roll(target, 1, axis=1)
        results, rows = [], []
        for strongest in (None, 3):
            model, code, decoded_rows = perfect(decoded, STACK)
            results.append(np.asarray(MultiScaleLoss(model, "STACK", LossSettings(), cell_xy(STACK), strongest)(code, target)))
            rows.append(decoded_rows)
        np.testing.assert_allclose(*results, rtol=1e-5)
        assert rows == [[4, 4 * 5, 4 * 15], [4, 4 * 3, 4 * 3]]

    @pytest.mark.parametrize("level", ["MODULE", "STACK"])
    def test_only_the_root_misses_cells(self, level):
        """Decoders of lower units serve all of them, whichever of their cells are missing in one place of the detector."""
        hierarchy = Hierarchy(STACK.levels, {"ROC": (0,), "CELL": (20,)})
        target = charges(STACK)
        target = target * hierarchy.present("CELL") if level == "STACK" else target.reshape(-1, 48)
        model, code, _ = perfect(target, hierarchy)
        for name in hierarchy.names:
            model.levels[name].hierarchy = hierarchy.rooted(level)
        loss = MultiScaleLoss(model, level, LossSettings(), cell_xy(hierarchy.rooted(level)))
        np.testing.assert_allclose(loss(code, target), 0, atol=1e-5)

    def test_many_strongest_are_all(self):
        target = charges(STACK)
        model, code, _ = perfect(np.roll(target, 1, axis=1), STACK)
        every, many = (MultiScaleLoss(model, "STACK", LossSettings(), cell_xy(STACK), strongest)(code, target) for strongest in (None, 15))
        np.testing.assert_array_equal(every, many)

    def test_gradients_are_finite_where_there_is_nothing(self):
        """The first row of every table is the empty unit; it has no weight, but its gradient must be a number."""
        events = showers(MODULE, 8)
        model = autoencoder(conserving_settings(MODULE), MODULE)
        target = events.to_dense().reshape(8, -1).astype(np.float32)
        assert (target.sum(axis=1) == 0).any()
        code = model.encode(events.to_dense(), "MODULE")
        loss = MultiScaleLoss(model, "MODULE", LossSettings(), cell_xy(MODULE))
        variables = [v for level in model.levels.values() for v in level.decoder.trainable_variables]

        def total(values, code):
            return stateless(variables, lambda code: loss(code, target).sum(), values, code)

        gradient = jax.jit(jax.grad(total, argnums=(0, 1)))([v.value for v in variables], code)
        for values in jax.tree.leaves(gradient):
            assert np.isfinite(values).all()
            assert np.any(values)


@pytest.fixture(scope="module")
def plain_model() -> Autoencoder:
    return autoencoder(plain_settings(MODULE), MODULE)


class TestSquaredError:
    @pytest.mark.parametrize("level", MODULE.names)
    def test_equals_that_of_dense_decoding(self, plain_model, level):
        unit = MODULE.rooted(level)
        target = charges(MODULE).reshape(-1, unit.n_cells())
        z = plain_model.encode(target.reshape(-1, *unit.shape), level, root=level)
        weight = np.random.default_rng(2).random(len(z)).astype(np.float32)
        found = jax.jit(partial(squared_error, plain_model, level))(z, target, weight)
        expected = np.square(decoded(plain_model, z, level).reshape(target.shape) - target).mean(axis=1)
        np.testing.assert_allclose(found, expected @ weight, rtol=1e-4)
        assert (expected > 1).any()

    def test_gradients_in_blocks(self, monkeypatch):
        """Blocks of three rows, the last of them padded, and a gradient that is asked for values, rows, or both."""
        monkeypatch.setattr(losses, "_BLOCK", 3)
        in_blocks: Any = losses._in_blocks
        rng = np.random.default_rng(3)
        w, x, y = (rng.normal(size=shape) for shape in ((4, 2), (8, 4), (8, 2)))

        def function(values, x, y):
            return (jnp.square(jnp.tanh(x @ values["w"]) - y).sum(axis=1) * (jnp.abs(x).sum(axis=1) > 0)).sum()

        for argnums in ((0,), (1,), (0, 1)):
            found = jax.jit(jax.value_and_grad(lambda v, x: 3 * in_blocks(function, v, x, y), argnums))({"w": w}, x)
            expected = jax.value_and_grad(lambda v, x: 3 * function(v, x, y), argnums)({"w": w}, x)
            jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), found, expected)
        assert in_blocks(function, {"w": w}, x, y) == pytest.approx(float(function({"w": w}, x, y)), rel=1e-5)


def decoded(model: Autoencoder, z: np.ndarray, level: str) -> np.ndarray:
    """Charges, step by step through the dense interface."""
    name: str | None = level
    while name is not None:
        z, name = model.decode(z, name, root=level, recursive=False), model.hierarchy.below(name)
    return z


@pytest.fixture(scope="module")
def shares_model() -> Autoencoder:
    return autoencoder(conserving_settings())


COSTS = np.full(conserving_settings().levels["MODULE"].latent - 1, 2.0, dtype=np.float32)


class TestChildLoss:
    @staticmethod
    def children(shares_model: Autoencoder, n: int = 6) -> np.ndarray:
        events = showers(STACK, n)
        return shares_model.encode_events(events, "MODULE").dense(STACK)

    def test_what_is_decoded_is_no_distance_away(self, shares_model):
        """Children that are what the decoder makes of a code, found again from their states."""
        loss = ChildLoss(shares_model, "STACK", LossSettings(), COSTS)
        code = shares_model.encode_events(showers(STACK, 6), "STACK").code
        decoded = shares_model.run("decode", "STACK", shares_model.run("state", "STACK", code))
        children = shares_model.run("code", "MODULE", decoded.reshape(-1, decoded.shape[-1])).reshape(decoded.shape)
        np.testing.assert_allclose(loss(code, children), 0, atol=1e-3)

    def test_each_term_counts(self, shares_model):
        children = self.children(shares_model)
        code = shares_model.encode_events(showers(STACK, 6), "STACK").code
        none, free = LossSettings(root_share=0, absolute=0, position=0, layers=1), np.zeros(len(COSTS), np.float32)
        for name in ("root_share", "absolute", "position", "numbers"):
            settings, costs = (none, COSTS) if name == "numbers" else (none.model_copy(update={name: 1.0}), free)
            found = np.asarray(ChildLoss(shares_model, "STACK", settings, costs)(code, children[: len(code)]))
            assert (found >= 0).all(), name
            assert found.max() > 1e-3, name
        np.testing.assert_array_equal(ChildLoss(shares_model, "STACK", none, free)(code, children[: len(code)]), 0)

    def test_only_the_layers_of_a_detector_have_a_weight_of_their_own(self, shares_model):
        for level, below, own in (("STACK", "MODULE", "layers"), ("MODULE", "ROC", "children")):
            events = showers(STACK, 6)
            code, children = shares_model.encode_events(events, level).code, shares_model.encode_events(events, below).dense(STACK)
            children = children.reshape(-1, shares_model.level(level).children, children.shape[-1])[: len(code)]
            costs = np.zeros(shares_model.level(below).latent - 1, np.float32)
            for name in ("layers", "children"):
                settings = LossSettings(position=0, children=0, layers=0).model_copy(update={name: 1.0})
                counts = np.asarray(ChildLoss(shares_model, level, settings, costs)(code, children)).max() > 0
                assert counts == (name == own), (level, name)

    def test_gradients_are_finite_where_there_is_nothing(self, shares_model):
        children = np.zeros((3, *self.children(shares_model).shape[1:]), dtype=np.float32)
        gradient = jax.grad(lambda code: ChildLoss(shares_model, "STACK", LossSettings(), COSTS)(code, children).sum())(
            np.zeros((3, shares_model.level("STACK").latent), dtype=np.float32)
        )
        assert np.isfinite(gradient).all()
