from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hgcae.codes import Codes
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.coding.sums import UNITS, WEIGHT_ONE
from hgcae.errors import DataFormatError, GeometryError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model import compiled as module
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.conserving import ConservingLevel
from model.toys import MODULE, STACK, WEIGHT, autoencoder, conserving_settings, plain_settings, showers, unpruned

PAIRS = [(level, root) for i, root in enumerate(STACK.names) for level in STACK.names[: i + 1]]


def random_charges(n: int, hierarchy: Hierarchy, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (n, *hierarchy.shape)
    return rng.integers(5, 800, shape) * (rng.random(shape) < 0.2)


class TestDense:
    @pytest.mark.parametrize(("level", "root"), PAIRS)
    def test_codes_have_the_shape_of_their_units_and_are_on_their_grid(self, model, level, root):
        hierarchy = STACK.rooted(root)
        code = model.encode(random_charges(3, hierarchy), level, root=root)
        assert code.shape == (3, *hierarchy.unit_shape(level), model.level(level).latent)
        assert code.dtype == np.float32
        np.testing.assert_array_equal(model.level(level).format.from_integers(model.level(level).format.integers(code)), code)

    @pytest.mark.parametrize(("level", "root"), PAIRS)
    def test_encoding_is_recursive(self, model, level, root):
        x = step = random_charges(3, STACK.rooted(root))
        for name in STACK.names[: STACK.index(level) + 1]:
            step = model.encode(step, name, root=root, recursive=False)
        np.testing.assert_array_equal(step, model.encode(x, level, root=root))

    @pytest.mark.parametrize(("level", "root"), PAIRS)
    def test_decoding_is_recursive(self, model, level, root):
        hierarchy = STACK.rooted(root)
        z = model.encode(random_charges(3, hierarchy), level, root=root)
        model, step, name = unpruned(model), z, level
        while name is not None:
            step, lower = model.decode(step, name, root=root, recursive=False), hierarchy.below(name)
            assert step.shape == (3, *(hierarchy.shape if lower is None else (*hierarchy.unit_shape(lower), model.level(lower).latent)))
            name = lower
        whole = model.decode(z, level, root=root)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, step, rtol=1e-3, atol=1e-3)

    def test_the_root_is_the_default(self, model):
        x = random_charges(2, STACK)
        z = model.encode(x, "STACK")
        np.testing.assert_array_equal(z, model.encode(x, "stack", root="STACK"))
        np.testing.assert_array_equal(model.decode(z, "STACK"), model.decode(z, "STACK", root="STACK"))

    def test_shapes_of_others_are_refused(self, model):
        with pytest.raises(DataFormatError, match="shape"):
            model.encode(random_charges(2, MODULE), "ROC")
        with pytest.raises(GeometryError, match="codes of MODULE: found shape"):
            model.encode(np.zeros((2, 3, 5)), "STACK", recursive=False)
        with pytest.raises(GeometryError, match="codes of STACK: found shape"):
            model.decode(np.zeros((2, 3)), "STACK")
        with pytest.raises(GeometryError, match="unknown level"):
            model.encode(random_charges(2, MODULE), "STACK", root="MODULE")
        with pytest.raises(GeometryError, match="unknown level 'LAYER'"):
            model.encode(random_charges(2, STACK), "LAYER")

    def test_bad_charges_are_refused(self, model):
        x = random_charges(1, STACK).astype(float)
        x[0, 2, 1, 3, 3] = -1
        with pytest.raises(DataFormatError, match="positive"):
            model.encode(x, "STACK")


class TestEvents:
    @pytest.mark.parametrize("level", STACK.names)
    def test_reconstructed_events_are_events(self, model, events, level):
        decoded = model.reconstruct(events, level, chunk=5).validate()
        assert len(decoded) == len(events)
        assert decoded.particles is events.particles
        assert decoded.detector == ("toy", "0")
        one_by_one = model.decode_codes(model.encode_events(events, level))
        np.testing.assert_array_equal(decoded.cell, one_by_one.cell)
        np.testing.assert_allclose(decoded.charge, one_by_one.charge, rtol=1e-4)

    def test_no_events(self, model, events):
        assert len(model.decode_codes(model.encode_events(events[:0], "STACK"))) == 0
        assert len(model.reconstruct(events[:0], "STACK").validate()) == 0
        for recursive in (True, False):
            x = np.zeros((0, *(STACK.shape if recursive else (5, model.level("MODULE").latent))), np.float32)
            code = model.encode(x, "STACK", recursive=recursive)
            assert code.shape == (0, model.level("STACK").latent)
            assert model.decode(code, "STACK", recursive=recursive).shape == x.shape

    def test_of_another_hierarchy(self, model):
        for other in (Hierarchy.of(ROC=(4, 4), MODULE=2), Hierarchy.of(CHIP=(4, 4), MODULE=3, STACK=5)):
            strange = Events.from_dense(random_charges(2, other), other)
            with pytest.raises(GeometryError, match=r"this model has ROC x 16, MODULE x 3"):
                model.encode_events(strange, other.names[0])
            with pytest.raises(GeometryError, match="this model has"):
                model.reconstruct(strange, other.root)
        with pytest.raises(GeometryError, match="unknown level"):
            model.encode_events(showers(MODULE, 2), "STACK")

    def test_blocks_do_not_matter(self, model, events, monkeypatch):
        whole = [model.encode_events(events, "STACK"), model.reconstruct(events, "ROC")]
        monkeypatch.setattr(module, "BLOCKS", (16, 64))
        np.testing.assert_array_equal(model.encode_events(events, "STACK").code, whole[0].code)
        np.testing.assert_allclose(model.reconstruct(events, "ROC").charge, whole[1].charge, rtol=1e-5)

    def test_the_seed_decides_the_weights(self):
        draw = [files.weight_arrays(autoencoder(conserving_settings(), seed=seed)) for seed in (1, 1, 2)]
        assert all((draw[0][name] == draw[1][name]).all() for name in draw[0])
        assert all((draw[0][name] != draw[2][name]).any() for name in draw[0])


FAULTS = {
    "a cell twice": lambda cell, charge, at: (np.insert(cell, at, cell[at]), np.insert(charge, at, 7)),
    "out of order": lambda cell, charge, at: (np.r_[cell[: at + 1], cell[at] - 1, cell[at + 1 :]], np.insert(charge, at, 7)),
    "before the first": lambda cell, charge, at: (np.r_[-1, cell], np.r_[5, charge]),
    "behind the last": lambda cell, charge, at: (np.r_[cell, STACK.n_cells() + at], np.r_[charge, 5]),
    "negative": lambda cell, charge, at: (cell, np.where(np.arange(len(charge)) == at, -charge, charge)),
    "zero": lambda cell, charge, at: (cell, np.where(np.arange(len(charge)) == at, 0, charge)),
    "not a number": lambda cell, charge, at: (cell, np.where(np.arange(len(charge)) == at, np.nan, charge)),
    "infinite": lambda cell, charge, at: (cell, np.where(np.arange(len(charge)) == at, np.inf, charge)),
    "broken cells": lambda cell, charge, at: (cell + 0.5, charge),
    "charges that are no numbers": lambda cell, charge, at: (cell, charge.astype(str)),
    "complex charges": lambda cell, charge, at: (cell, charge + 1j),
    "too few charges": lambda cell, charge, at: (cell, charge[:-1]),
}
"""What may be wrong with events that somebody builds by hand: new cells and charges of one event, whose entry `at` is hit."""


class TestWhatDoesNotBelongToTheModel:
    @pytest.mark.parametrize("fault", FAULTS)
    @given(data=st.data())
    @hypothesis_settings(max_examples=10)
    def test_events_that_are_not_valid(self, conserving, fault, data):
        cells = st.lists(st.integers(0, STACK.n_cells() - 1), min_size=1, max_size=6, unique=True).map(sorted)
        cell = np.array(data.draw(cells))
        at = data.draw(st.integers(0, len(cell) - 1))
        cell, charge = FAULTS[fault](cell, np.arange(5, 5 + len(cell)), at)
        events = Events(STACK, np.array([0, len(cell)]), cell if cell.dtype.kind == "f" else cell.astype(np.int32), charge)
        for level in STACK.names:
            with pytest.raises(DataFormatError):
                conserving.encode_events(events, level)
        with pytest.raises(DataFormatError):
            conserving.reconstruct(events, "ROC")

    @pytest.mark.parametrize("detector", [("toy", "1"), ("other", "0"), ("other", "1")])
    def test_events_of_another_detector(self, model, events, detector):
        other = replace(events, detector=detector)
        for encode in (model.encode_events, model.reconstruct):
            with pytest.raises(GeometryError, match=r"the events are of the detector \w+ \(\d\), this model of toy \(0\)"):
                encode(other, "STACK")

    @pytest.mark.parametrize("detector", [None, ("toy", "0")])
    def test_events_of_its_own_or_of_an_unknown_detector(self, model, events, detector):
        assert len(model.encode_events(replace(events[:2], detector=detector), "ROC").event)

    @pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.uint64, bool])
    @pytest.mark.parametrize("level", STACK.names)
    def test_integers_in_the_place_of_codes(self, model, level, dtype):
        latent = model.level(level).latent
        with pytest.raises(GeometryError, match=rf"codes of {level}: found \w+, expected real numbers.*from_integers"):
            model.decode(np.ones((2, *STACK.unit_shape(level), latent), dtype), level)
        if STACK.below(level):
            below = np.ones((2, *STACK.unit_shape(STACK.below(level)), model.level(STACK.below(level)).latent), dtype)  # type: ignore[arg-type]
            with pytest.raises(GeometryError, match="from_integers"):
                model.encode(below, level, recursive=False)

    def test_integers_made_to_codes_are_decoded(self, model):
        z = model.encode(random_charges(2, STACK), "STACK")
        level = model.level("STACK")
        np.testing.assert_array_equal(model.decode(level.format.from_integers(level.format.integers(z)), "STACK"), model.decode(z, "STACK"))

    def test_codes_of_other_events(self, model, events):
        roc = model.encode_events(events, "ROC")
        for level, chosen in (("STACK", events), ("MODULE", events[:3]), ("ROC", events)):
            with pytest.raises(GeometryError, match=f"codes below {level}: found 12 events at ROC"):
                model.encode_events(chosen, level, roc)

    def test_chunks_make_one_sample(self, model, events):
        expected = model.encode_events(events, "MODULE")
        found = model.encode_stream([events[:4], events[4:]], "module")
        assert (found.level, found.n_events) == ("MODULE", len(events))
        for name in ("event", "unit", "words"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert model.encode_stream([], "MODULE").words.shape == (0, model.level("MODULE").latent)

    def test_codes_of_another_level(self, model, events):
        codes = replace(model.encode_events(events, "ROC"), level="STACK")
        with pytest.raises(GeometryError, match=r"codes of STACK: found numbers of \[.*\] bits, expected \["):
            model.decode_codes(codes)


def coded_sums(level: ConservingLevel, code: np.ndarray) -> np.ndarray:
    return level.sums.table[code[..., 0].astype(int)] / UNITS * level.lsb


def weighted_sums(model: Autoencoder, events: Events, level: str) -> np.ndarray:
    """Sums of units, at the root with the weights as the encoder has them."""
    child_weight = model.levels[level].child_weight  # type: ignore[attr-defined]
    if child_weight is None:
        return events.unit_sums(level)
    return events.unit_sums(level, np.repeat(child_weight / WEIGHT_ONE, events.hierarchy.n_cells(level) // len(child_weight)))


class TestShares:
    @pytest.mark.parametrize("level", STACK.names)
    def test_decoding_keeps_the_coded_sum_of_every_unit(self, conserving, events, level):
        codes = conserving.encode_events(events, level)
        decoded = conserving.decode_codes(codes)
        coded = np.zeros((len(events), STACK.n_units(level)))
        coded[codes.event, codes.unit] = coded_sums(conserving.levels[level], codes.code)
        np.testing.assert_allclose(weighted_sums(conserving, decoded, level), coded, rtol=1e-5)

    @pytest.mark.parametrize("level", STACK.names)
    def test_the_coded_sum_is_that_of_the_charges(self, conserving, events, level):
        """Within half a step of the cube root at every level on the way up, which is longest where all units share the charge alike."""
        codes = conserving.encode_events(events, level)
        true = weighted_sums(conserving, events, level)[codes.event, codes.unit]
        below = {name: STACK.n_cells(level) / STACK.n_cells(name) for name in STACK.names[: STACK.index(level) + 1]}
        steps = sum(n / 2 * (true / n / conserving.levels[name].sums.knee) ** (2 / 3) + 1 for name, n in below.items())
        assert (np.abs(coded_sums(conserving.levels[level], codes.code) - true) <= steps + 0.01 * true).all()

    @pytest.mark.parametrize("level", STACK.names)
    def test_the_empty_stay_empty(self, conserving, events, level):
        decoded = conserving.reconstruct(events, level)
        assert not decoded.unit_sums(level)[events.unit_sums(level) == 0].any()
        assert (decoded.unit_sums(level)[events.unit_sums(level) > 0] > 0).all()
        assert not conserving.encode_events(events, level).empty.any()

    def test_small_charges_are_pruned(self, conserving, events):
        decoded = conserving.reconstruct(events, "STACK")
        smallest = conserving.calibration.smallest_charge
        assert smallest == events.charge.min() == 5
        assert decoded.charge.min() >= 0.6 * smallest
        assert len(unpruned(conserving).reconstruct(events, "STACK").charge) == STACK.n_cells() * (events.counts > 0).sum()

    @pytest.mark.parametrize("level", STACK.names)
    def test_the_barycentre_is_that_of_the_charges(self, conserving, level):
        """Within a step of the number; what is sent of the children adds a step of each level below, and what their sums lose."""
        events = showers(STACK, 40, seed=8)
        codes = conserving.encode_events(events, level)
        cells = cell_positions(conserving, level)
        weight = np.ones(STACK.n_cells()) if level != "STACK" else np.repeat(conserving.levels["STACK"].child_weight, 48)  # type: ignore[attr-defined]
        units = replace(events, charge=events.charge * weight[events.cell]).units(level)[0].to_dense().reshape(len(codes.code), -1)
        true = units @ cells / units.sum(axis=1, keepdims=True)
        error = np.abs(codes.code[:, 1:3] - true)
        names = STACK.names[: STACK.index(level) + 1]
        steps = sum(conserving.levels[name].settings.position.step for name in names)  # type: ignore[attr-defined]
        assert (error <= steps + 0.02 * (len(names) > 1)).all()
        assert np.sqrt(np.square(error).mean()) < steps
        assert np.ptp(true, axis=0).min() > 50 * steps

    @pytest.mark.parametrize("dropped", [0, 200])
    @pytest.mark.parametrize("level", ["MODULE", "STACK"])
    def test_children_have_the_barycentre_that_was_sent(self, conserving, level, dropped):
        """Whatever the code says, and whatever is left: their own barycentres can lie anywhere."""
        chosen, rng = conserving.levels[level], np.random.default_rng(6)
        code = chosen.format.from_words(rng.integers(1, 1 << chosen.format.widths, (64, chosen.latent)))
        given = np.ones((64, chosen.children), dtype=bool), np.full(64, dropped, dtype=np.float32)
        children = conserving.run("decode", level, conserving.run("state", level, code), *given)
        assert (children[..., 0] == 0).any() == (dropped > 0)
        weighted = children[..., 0] * chosen.relative_weight
        frame = chosen.frame
        place = frame.centre + np.einsum("ckl,ncl->nck", frame.matrix, children[..., 1:3])
        mean = (weighted[..., None] * place).sum(axis=1) / weighted.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(mean, code[:, 1:3], atol=1e-5)
        # The children's own positions differ all the same.
        assert np.ptp(children[..., 1:3], axis=1).max(axis=0).min() > 0.01

    def test_layers_have_the_depth_that_was_sent(self, conserving, events):
        stack = conserving.levels["STACK"]
        code = conserving.encode_events(events, "STACK").code
        children = conserving.run("decode", "STACK", conserving.run("state", "STACK", code))
        weighted = children[..., 0] * stack.relative_weight
        found = weighted @ np.array([-0.8, -0.4, 0, 0.4, 0.8]) / weighted.sum(axis=1)
        np.testing.assert_allclose(found, code[:, 3], atol=1e-3)
        charge = (events.to_dense().reshape(len(events), 5, -1).sum(axis=2) * WEIGHT)[events.counts > 0]
        true = charge @ np.array([-0.8, -0.4, 0, 0.4, 0.8]) / charge.sum(axis=1)
        assert np.ptp(true) > 0.5
        # Half a step, and what the sums of the layers lose: steps of a fiftieth at most.
        np.testing.assert_allclose(code[:, 3], true, atol=2.0**-9 + 0.01)

    def test_sums_beyond_the_calibration_saturate(self, conserving, events):
        huge = replace(events, charge=events.charge * 1000)
        codes = conserving.encode_events(huge, "STACK")
        assert codes.code[:, 0].max() == 2**10 - 1
        decoded = conserving.decode_codes(codes).validate()
        top = conserving.levels["STACK"].sums.table[-1] / UNITS  # type: ignore[attr-defined]
        assert weighted_sums(conserving, decoded, "STACK").max() == pytest.approx(top, rel=1e-5)

    @pytest.mark.parametrize("level", STACK.names)
    def test_any_code_can_be_decoded(self, conserving, level):
        """Codes arrive over a link: whatever the bits are, charges are finite and their sum is what the code says."""
        chosen = conserving.levels[level]
        rng = np.random.default_rng(4)
        top = 1 << chosen.format.widths
        words = rng.integers(0, top, (12, STACK.n_units(level), chosen.latent))
        words[:4, :, 1:] *= rng.choice([0, 1], words[:4, :, 1:].shape)
        words[4:8, :, 1:] = (top - 1)[1:]
        code = chosen.format.from_words(words)
        event, unit = (i.ravel() for i in np.indices(code.shape[:2]))
        decoded = conserving.decode_codes(
            Codes(level, 12, event, unit, words.reshape(-1, chosen.latent), chosen.format, -chosen.format.lowest)
        )
        decoded.validate()
        np.testing.assert_allclose(weighted_sums(conserving, decoded, level), coded_sums(chosen, code), rtol=1e-5)  # type: ignore[arg-type]

    def test_charges_need_not_be_whole(self):
        events = showers(MODULE)
        fine = replace(events, charge=events.charge * 0.0137)
        model = autoencoder(conserving_settings(MODULE), MODULE, measured=Calibration.measure([fine]))
        assert model.calibration.lsb == pytest.approx(fine.charge.min() / 32)
        codes = model.encode_events(fine, "MODULE")
        true = fine.unit_sums("MODULE")[codes.event, codes.unit]
        np.testing.assert_allclose(coded_sums(model.levels["MODULE"], codes.code), true, rtol=0.06)  # type: ignore[arg-type]
        decoded = model.decode_codes(codes)
        np.testing.assert_allclose(decoded.charge.sum(), fine.charge.sum(), rtol=0.01)


def cell_positions(model: Autoencoder, level: str) -> np.ndarray:
    """Positions of the cells of a unit in its own frame: (n_cells, 2), from the frames alone."""
    frame, below = model.frames[level], STACK.below(level)
    if below is None:
        return frame.centre
    assert frame.matrix is not None
    own = cell_positions(model, below)
    return (frame.centre[:, None] + np.einsum("ckl,nl->cnk", frame.matrix, own)).reshape(-1, 2)


MISSING = {"MODULE": (3,), "ROC": (1,), "CELL": (5, 37)}


@pytest.mark.parametrize("settings", [conserving_settings(), plain_settings()], ids=["conserving", "plain"])
def test_what_is_missing_gets_no_charge(settings):
    hierarchy = Hierarchy(STACK.levels, MISSING)
    present = hierarchy.present("CELL")
    dense = random_charges(6, STACK).reshape(6, -1) * present
    dense[2] = 0
    events = Events.from_dense(dense.reshape(6, *STACK.shape), hierarchy)
    model = autoencoder(settings, hierarchy)
    decoded = events
    for level in hierarchy.names:
        decoded = model.reconstruct(events, level).validate()
        assert not decoded.to_dense().reshape(6, -1)[:, ~present].any()
    if model.conserves_charge:
        codes = model.encode_events(events, "STACK")
        coded = coded_sums(model.levels["STACK"], codes.code)  # type: ignore[arg-type]
        np.testing.assert_allclose(weighted_sums(model, decoded, "STACK")[codes.event, 0], coded, rtol=1e-5)


class TestPlain:
    def test_empty_units_have_a_code_and_are_decoded(self, plain, events):
        codes = plain.encode_events(events, "MODULE")
        assert codes.empty.any()
        decoded = plain.decode_codes(codes).to_dense()
        rows = plain.decode(plain.encode(events.to_dense(), "MODULE"), "MODULE")
        np.testing.assert_allclose(decoded, rows, rtol=1e-4, atol=1e-5)
        assert (decoded >= 0).all()

    def test_the_settings_of_the_toy_are_used(self, plain):
        assert [plain.bits_per_unit(name) for name in STACK.names] == [36, 45, 54]


@pytest.fixture(scope="module")
def coded() -> Autoencoder:
    return autoencoder(plain_settings().model_copy(update={"digi": "codes"}))


class TestCodesOfCharges:
    """A model that sees 4E3M codes of half the counts gives charges all the same."""

    @pytest.mark.parametrize("dtype", [np.int32, np.float32])
    def test_what_the_network_sees(self, coded, plain, dtype):
        """Charges below 2 counts have the code 0: they are no charges."""
        charge = random_charges(4, STACK).astype(dtype)
        charge[0, 0, 0, 0, 0] = 1
        if dtype == np.float32:
            charge = charge + np.float32(0.9) * (charge > 0)
        events = Events.from_dense(charge, STACK)
        expected = FLOAT_4E3M.encode(charge.astype(np.int64), 1)
        np.testing.assert_array_equal(coded.digi(events).validate().to_dense(), expected)
        as_charges = Events.from_dense(expected, STACK)
        assert plain.digi(as_charges) is as_charges
        for name in STACK.names:
            expected = plain.encode_events(as_charges, name).dense(STACK)
            np.testing.assert_array_equal(coded.encode_events(events, name).dense(STACK), expected, err_msg=name)
            np.testing.assert_array_equal(coded.encode(charge, name), expected, err_msg=name)

    def test_what_is_decoded(self, coded):
        *_, bias = coded.level("ROC").decoder.trainable_variables
        bias.assign([30.5])
        codes = np.random.default_rng(2).uniform(-30, 30, (20, 4)).astype(np.float32)
        numbers = coded.run("decode", "ROC", codes)
        assert len(np.unique(numbers)) > 20
        found = coded.decode(codes, "ROC", "ROC").reshape(numbers.shape)
        np.testing.assert_allclose(found, FLOAT_4E3M.interpolate(numbers, 1), rtol=1e-6)


def test_weights_of_the_root_reach_the_sum(conserving):
    dense = np.zeros((5, *STACK.shape), dtype=np.int64)
    for layer in range(5):
        dense[layer, layer, 1, 2, 2] = 1000
    codes = conserving.encode_events(Events.from_dense(dense, STACK), "STACK")
    sums = coded_sums(conserving.levels["STACK"], codes.code)
    np.testing.assert_allclose(sums / sums[1], WEIGHT, rtol=0.03)
