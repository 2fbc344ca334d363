"""Random events, and what it means that two are the same."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy

HIERARCHIES = (
    Hierarchy.of(ROC=(4, 4)),
    Hierarchy.of(ROC=(4, 4), MODULE=3),
    Hierarchy.of(ROC=(2, 2), MODULE=3, LAYER=5, EVENT=7),
    Hierarchy((*Hierarchy.of(ROC=(2, 2), MODULE=2).levels,), {"CELL": (3,)}),
)
CHARGE_TYPES = ("f2", "f4", "f8", ">f4", "i1", "i2", "i4", "i8", ">i2", "u1", "u2", "u4", "u8", "?")
COLUMN_TYPES = (
    *CHARGE_TYPES,
    "(3,)f4",
    "(2,2)i2",
    [("a", "f4"), ("b", ">i2", (2,))],
    {"names": ["x"], "formats": ["u1"], "offsets": [3], "itemsize": 8},
)


def numbers(dtype: np.dtype) -> st.SearchStrategy:
    """Positive finite numbers of a type."""
    if dtype.kind == "b":
        return st.just(True)
    if dtype.kind == "f":
        return st.floats(2.0**-10, 2.0**10, width=16)
    return st.integers(1, min(2**53, int(np.iinfo(dtype).max)))


@st.composite
def sparse_events(draw, hierarchies=HIERARCHIES, charge_types=CHARGE_TYPES, column_types=COLUMN_TYPES, truth=True):
    """Events of a random root and types, with random columns and truth."""
    hierarchy = draw(st.sampled_from(hierarchies))
    n = draw(st.integers(0, 6))
    mask = draw(arrays.arrays(np.bool_, (n, hierarchy.n_cells()), fill=st.just(False))) & hierarchy.present("CELL")
    dtype = np.dtype(draw(st.sampled_from(charge_types)))
    dense = np.zeros(mask.shape, dtype)
    dense[mask] = draw(arrays.arrays(dtype, int(mask.sum()), elements=numbers(dtype), fill=st.nothing()))
    columns = {}
    for name in draw(st.lists(st.sampled_from(["meta", "weight", "z"]), unique=True)):
        kind = np.dtype(draw(st.sampled_from(column_types)))
        columns[name] = draw(arrays.arrays(kind.base, (n, *kind.shape)))
    particles, particle_offsets = {}, None
    if truth and draw(st.booleans()):
        particle_offsets = np.concatenate([[0], np.cumsum(draw(arrays.arrays(np.int64, n, elements=st.integers(0, 3))))]).astype(np.int64)
        particles = {
            name: draw(arrays.arrays(kind, int(particle_offsets[-1]))) for name, kind in (("pdg", np.int32), ("energy_gev", np.float64))
        }
    events = Events.from_dense(
        dense.reshape(n, *hierarchy.shape), hierarchy, columns=columns, particles=particles, particle_offsets=particle_offsets
    )
    np.testing.assert_array_equal(events.to_dense().reshape(dense.shape), dense)
    return events


def assert_same(found: Events, expected: Events) -> None:
    """Checks that two events agree in every value, type and shape."""
    assert found.hierarchy.to_dict() == expected.hierarchy.to_dict()
    assert found.detector == expected.detector
    assert_same_arrays(found, expected, ("offsets", "cell", "charge", "particle_offsets"))
    assert_same_mappings(found.columns, expected.columns)
    assert_same_mappings(found.particles, expected.particles)


def assert_same_arrays(found, expected, names) -> None:
    assert_same_mappings({name: getattr(found, name) for name in names}, {name: getattr(expected, name) for name in names})


def assert_same_mappings(found, expected) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        if values is None:
            assert found[name] is None
            continue
        assert found[name].dtype == values.dtype, name
        assert_same_values(found[name], values)


def assert_same_values(found, expected) -> None:
    """Checks shape and values; NaN is the same as NaN, also in a structure."""
    assert found.shape == expected.shape
    assert found.dtype.names == expected.dtype.names
    if expected.dtype.names is None:
        np.testing.assert_array_equal(found, expected)
    for name in expected.dtype.names or ():
        assert_same_values(found[name], expected[name])
