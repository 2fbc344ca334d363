"""Events: sparse and dense agree, subsets and sums are those of the dense tensor, and damage is found where it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hgcae import DataFormatError, Events, GeometryError, Hierarchy
from hgcae.events import ragged_take

HIERARCHY = Hierarchy.of(ROC=(2, 2), MODULE=3, STAGE2=2)
N_CELLS = 24


@st.composite
def dense_charges(draw, min_events: int = 0) -> np.ndarray:
    """Charges (n, *HIERARCHY.shape) of which about a half are zero."""
    shape = (draw(st.integers(min_events, 5)), *HIERARCHY.shape)
    dtype = draw(st.sampled_from([np.int32, np.float32, np.float64]))
    return draw(hnp.arrays(dtype, shape, elements=st.one_of(st.just(0), st.integers(1, 2**20))))


def with_truth(dense: np.ndarray, seed: int = 0) -> Events:
    """Events with a column of scalars, one of rows, and zero to three particles each."""
    rng = np.random.default_rng(seed)
    ends = np.concatenate([[0], np.cumsum(rng.integers(0, 4, len(dense)))])
    return Events.from_dense(
        dense,
        HIERARCHY,
        columns={"number": np.arange(len(dense)), "meta": rng.normal(size=(len(dense), 3))},
        particles={"energy_gev": rng.uniform(1, 100, ends[-1]), "pdg": rng.choice([11, 22], ends[-1])},
        particle_offsets=ends,
        detector=("toy", "0123"),
    )


def assert_same(a: Events, b: Events) -> None:
    """Checks that two sets of events hold the same values."""
    assert a.hierarchy.to_dict() == b.hierarchy.to_dict()
    assert a.detector == b.detector
    assert a.columns.keys() == b.columns.keys()
    assert a.particles.keys() == b.particles.keys()
    pairs = [(a.offsets, b.offsets), (a.cell, b.cell), (a.charge, b.charge)]
    pairs += [(a.columns[name], b.columns[name]) for name in a.columns]
    pairs += [(a.particles[name], b.particles[name]) for name in a.particles]
    assert (a.particle_offsets is None) == (b.particle_offsets is None)
    if a.particle_offsets is not None and b.particle_offsets is not None:
        pairs.append((a.particle_offsets, b.particle_offsets))
    for left, right in pairs:
        np.testing.assert_array_equal(left, right, strict=True)


@given(dense_charges())
def test_dense_round_trip(dense):
    events = Events.from_dense(dense, HIERARCHY)
    np.testing.assert_array_equal(events.to_dense(), dense, strict=True)
    assert len(events) == len(dense)
    np.testing.assert_array_equal(events.counts, np.count_nonzero(dense.reshape(len(dense), N_CELLS), axis=1))
    np.testing.assert_array_equal(np.bincount(events.event, minlength=len(events)), events.counts)
    assert (events.offsets.dtype, events.cell.dtype) == (np.int64, np.int32)


@given(dense_charges(min_events=1), st.data())
def test_a_subset_is_the_subset_of_the_dense_tensor(dense, data):
    events = with_truth(dense)
    key = data.draw(
        st.one_of(
            st.slices(len(dense)),
            st.lists(st.integers(0, len(dense) - 1), max_size=6),
            hnp.arrays(bool, len(dense)),
        )
    )
    part = events[key].validate()
    numbers = np.arange(len(dense))[key]
    np.testing.assert_array_equal(part.to_dense(), dense[numbers])
    np.testing.assert_array_equal(part.columns["number"], numbers)
    np.testing.assert_array_equal(part.columns["meta"], events.columns["meta"][numbers])
    for row, number in enumerate(numbers):
        for name in events.particles:
            np.testing.assert_array_equal(particles_of(part, row, name), particles_of(events, number, name))


def particles_of(events: Events, number: int, name: str) -> np.ndarray:
    """One column of the particles of one event."""
    ends = events.particle_offsets
    assert ends is not None
    return events.particles[name][ends[number] : ends[number + 1]]


def test_a_number_gives_one_event():
    events = with_truth(np.arange(3 * N_CELLS).reshape(3, *HIERARCHY.shape))
    assert_same(events[1], events[1:2])
    assert_same(events[-1], events[2:3])
    assert [int(event.columns["number"][0]) for event in events] == [0, 1, 2]
    with pytest.raises(IndexError):
        events[3]


@given(dense_charges(min_events=1), st.integers(1, 6))
def test_chunks_joined_are_the_whole(dense, size):
    events = with_truth(dense)
    chunks = list(events.chunks(size))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert_same(Events.concatenate(chunks), events)


@given(dense_charges(min_events=1), dense_charges(min_events=1))
def test_joined_events_are_the_joined_tensors(a, b):
    joined = Events.concatenate([Events.from_dense(a, HIERARCHY), Events.from_dense(b, HIERARCHY)])
    np.testing.assert_array_equal(joined.validate().to_dense(), np.concatenate([a, b]))
    assert joined.particle_offsets is None


@pytest.mark.parametrize(
    "change",
    [
        {"hierarchy": Hierarchy.of(ROC=4, MODULE=3, STAGE2=2)},
        {"columns": {}},
        {"detector": ("other", "0123")},
        {"particles": {}},
        {"particle_offsets": None, "particles": {}},
    ],
    ids="-".join,
)
def test_events_of_different_kinds_are_not_joined(change):
    events = with_truth(np.ones((2, *HIERARCHY.shape)))
    for pair in ([events, replace(events, **change)], [replace(events, **change), events]):
        with pytest.raises(GeometryError, match="cannot be joined"):
            Events.concatenate(pair)


def test_the_true_energy_is_the_sum_over_the_particles_of_an_event():
    events = with_truth(np.ones((4, *HIERARCHY.shape)), seed=5)
    assert events.true_energy_gev is not None
    expected = [particles_of(events, number, "energy_gev").sum() for number in range(4)]
    np.testing.assert_allclose(events.true_energy_gev, expected, rtol=1e-12)
    assert replace(events, particles={}, particle_offsets=None).true_energy_gev is None


@given(dense_charges(), st.sampled_from(HIERARCHY.names))
def test_unit_sums_are_those_of_the_dense_tensor(dense, level):
    rows = dense.reshape(len(dense), HIERARCHY.n_units(level), HIERARCHY.n_cells(level)).astype(np.float64)
    events = Events.from_dense(dense, HIERARCHY)
    sums = events.unit_sums(level)
    np.testing.assert_allclose(sums, rows.sum(axis=-1), rtol=1e-12)
    assert sums.dtype == np.float64
    weight = np.linspace(0.1, 2.4, N_CELLS)
    np.testing.assert_allclose(events.unit_sums(level, weight), (rows * weight.reshape(rows.shape[1:])).sum(axis=-1), rtol=1e-12)


@given(dense_charges(), st.sampled_from(HIERARCHY.names))
def test_units_are_the_occupied_rows_of_the_dense_tensor(dense, level):
    sub, event, unit = Events.from_dense(dense, HIERARCHY, detector=("toy", "0")).units(level.lower())
    rows = dense.reshape(len(dense), HIERARCHY.n_units(level), HIERARCHY.n_cells(level))
    expected = np.nonzero(rows.any(axis=-1))
    np.testing.assert_array_equal((event, unit), expected)
    np.testing.assert_array_equal(sub.validate().to_dense().reshape(len(sub), rows.shape[-1]), rows[expected])
    assert sub.hierarchy.root == level
    assert sub.detector == ("toy", "0")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_ragged_rows_are_taken_as_from_a_list_of_lists(counts, data):
    offsets = np.concatenate([[0], np.cumsum(counts)])
    rows = [list(range(a, b)) for a, b in pairwise(offsets)]
    index = data.draw(st.lists(st.integers(0, len(counts) - 1), max_size=8))
    pick, ends = ragged_take(offsets, np.array(index, dtype=int))
    assert [pick[a:b].tolist() for a, b in pairwise(ends)] == [rows[i] for i in index]


class TestValidate:
    """Three events with cells 1, 5, 9 | none | 0, 23, charges 1..5, and a particle in the first and the last."""

    EVENTS = Events(
        HIERARCHY,
        offsets=np.array([0, 3, 3, 5]),
        cell=np.array([1, 5, 9, 0, 23], dtype=np.int32),
        charge=np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
        columns={"number": np.arange(3)},
        particles={"pdg": np.array([11, 22])},
        particle_offsets=np.array([0, 1, 1, 2]),
    )

    def test_sound_events_come_back_as_they_are(self):
        assert self.EVENTS.validate() is self.EVENTS

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"offsets": np.array([1, 3, 3, 5])}, "offsets: found 3 events, 5 cells, 5 charges"),
            ({"offsets": np.array([0, 3, 3, 4])}, "offsets: found 3 events"),
            ({"offsets": np.array([0, 3, 2, 5])}, "offsets: found 3 events"),
            ({"offsets": np.array([], dtype=np.int64)}, "offsets: found -1 events"),
            ({"charge": np.ones(4)}, "offsets: found 3 events, 5 cells, 4 charges"),
            ({"cell": np.array([1, 5, 9, 0, 24])}, "event 2, entry 1: found 24, expected a cell index below 24"),
            ({"cell": np.array([-1, 5, 9, 0, 23])}, "event 0, entry 0: found -1, expected a cell index below 24"),
            ({"cell": np.array([1, 5, 5, 0, 23])}, "event 0, entry 2: found 5, expected each cell once, in increasing order"),
            ({"cell": np.array([1, 5, 9, 7, 2])}, "event 2, entry 1: found 2, expected each cell once, in increasing order"),
            ({"charge": np.array([1.0, np.nan, 3.0, 4.0, 5.0])}, "event 0, entry 1: found nan, expected a finite positive charge"),
            ({"charge": np.array([1.0, 2.0, 3.0, np.inf, 5.0])}, "event 2, entry 0: found inf, expected a finite positive charge"),
            ({"charge": np.array([1.0, 2.0, 0.0, 4.0, 5.0])}, r"event 0, entry 2: found 0\.0, expected a finite positive charge"),
            ({"charge": np.array([1, 2, 3, 4, -5])}, "event 2, entry 1: found -5, expected a finite positive charge"),
            (
                {"hierarchy": Hierarchy(HIERARCHY.levels, {"MODULE": (1,)})},
                "event 2, entry 1: found 23, expected a trigger cell that exists",
            ),
            ({"columns": {"number": np.arange(4)}}, "column number: found 4 rows, expected 3, one per event"),
            ({"particles": {"pdg": np.array([11])}}, "particle column pdg: found 1 rows, expected 2, one per particle"),
            ({"particle_offsets": None}, "particle column pdg: found 2 rows, expected 0"),
            ({"particle_offsets": np.array([0, 1, 2])}, "particle offsets: found 3 numbers, expected 4 that rise from 0"),
            ({"particle_offsets": np.array([0, 2, 1, 2])}, "particle offsets: found 4 numbers, expected 4 that rise from 0"),
        ],
    )
    def test_damage_is_named_with_its_place(self, change, message):
        with pytest.raises(DataFormatError, match=message) as error:
            replace(self.EVENTS, **change).validate("run.parquet")
        assert str(error.value).startswith("run.parquet: ")
        assert error.value.source == "run.parquet"


class TestFromDense:
    @pytest.mark.parametrize("shape", [(2, 3, 2, 2), (5, 24), (24,), (1, 2, 3, 2, 2, 1)])
    def test_another_shape_is_refused(self, shape):
        with pytest.raises(DataFormatError, match=r"file\.npz: shape: found .*expected \(n, 2, 3, 2, 2\) for the root STAGE2"):
            Events.from_dense(np.ones(shape), HIERARCHY, "file.npz")

    @pytest.mark.parametrize("dtype", [complex, object, "U3"])
    def test_what_is_no_number_is_refused(self, dtype):
        with pytest.raises(DataFormatError, match="dtype: found .*expected real numbers"):
            Events.from_dense(np.ones((1, *HIERARCHY.shape)).astype(dtype), HIERARCHY)

    @pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
    def test_what_is_no_charge_is_refused(self, value):
        dense = np.zeros((2, *HIERARCHY.shape))
        dense[1, 1, 2, 0, 1] = value
        with pytest.raises(DataFormatError, match="event 1, entry 0: found .*expected a finite positive charge"):
            Events.from_dense(dense, HIERARCHY)
