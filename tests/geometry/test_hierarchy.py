"""Levels and the index arithmetic between them, against numpy's own reshaping."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae import GeometryError, Hierarchy, Level
from hgcae.geometry.hierarchy import PROTOTYPE

NAMES = ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2")
SHAPES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=2).map(tuple), min_size=1, max_size=5)


def build(shapes: list[tuple[int, ...]], missing: dict[str, tuple[int, ...]] | None = None) -> Hierarchy:
    return Hierarchy(tuple(Level(name, shape) for name, shape in zip(NAMES, shapes, strict=False)), missing or {})


@st.composite
def hierarchies(draw) -> Hierarchy:
    """Hierarchies of one to five levels, some with missing units."""
    plain = build(draw(SHAPES))
    missing = {}
    for name in draw(st.sets(st.sampled_from(["CELL", *plain.names]))):
        total = plain.n_cells() if name == "CELL" else plain.n_units(name)
        missing[name] = tuple(sorted(draw(st.sets(st.integers(0, total - 1), max_size=3))))
    return Hierarchy(plain.levels, missing)


@given(SHAPES)
def test_units_of_every_level_are_rows_of_the_reshaped_tensor(shapes):
    hierarchy = build(shapes)
    cells = np.arange(hierarchy.n_cells()).reshape(hierarchy.shape)
    for index, name in enumerate(hierarchy.names):
        inner = [n for shape in reversed(shapes[: index + 1]) for n in shape]
        units = cells.reshape(*hierarchy.unit_shape(name), *inner)
        assert units.shape == hierarchy.shape
        rows = units.reshape(hierarchy.n_units(name), hierarchy.n_cells(name))
        np.testing.assert_array_equal(rows[:, 0] // hierarchy.n_cells(name), np.arange(hierarchy.n_units(name)))
        assert hierarchy.level(name).children == int(np.prod(shapes[index]))
        assert hierarchy.index(name.lower()) == index
        assert hierarchy.below(name) == (hierarchy.names[index - 1] if index else None)
        assert hierarchy.rooted(name).shape == tuple(inner)
    assert hierarchy.unit_shape(hierarchy.root) == ()
    assert hierarchy.n_units(hierarchy.root) == 1


@given(hierarchies())
def test_what_is_below_a_missing_unit_is_missing(hierarchy):
    present = np.ones(hierarchy.n_cells(), dtype=bool)
    for name, units in hierarchy.missing.items():
        size = 1 if name == "CELL" else hierarchy.n_cells(name)
        for unit in units:
            present[unit * size : (unit + 1) * size] = False
    np.testing.assert_array_equal(hierarchy.present("CELL"), present)
    for name in hierarchy.names:
        # A unit exists as long as one of its trigger cells does.
        np.testing.assert_array_equal(hierarchy.present(name), present.reshape(hierarchy.n_units(name), -1).any(axis=1))


@given(hierarchies())
def test_plain_values_round_trip_through_json(hierarchy):
    again = Hierarchy.from_dict(json.loads(json.dumps(hierarchy.to_dict())))
    assert again.to_dict() == hierarchy.to_dict()
    assert again.fingerprint() == hierarchy.fingerprint()
    np.testing.assert_array_equal(again.present("CELL"), hierarchy.present("CELL"))


@given(hierarchies(), hierarchies())
def test_the_fingerprint_tells_hierarchies_apart(a, b):
    assert (a.fingerprint() == b.fingerprint()) == (a.to_dict() == b.to_dict())


def test_the_seed_is_the_five_levels_of_the_prototype():
    assert PROTOTYPE.shape == (30, 19, 3, 3, 4, 4)
    assert [PROTOTYPE.n_units(name) for name in PROTOTYPE.names] == [5_130, 1_710, 570, 30, 1]
    assert [PROTOTYPE.n_cells(name) for name in PROTOTYPE.names] == [16, 48, 144, 2_736, 82_080]
    assert PROTOTYPE.unit_shape("TRIPLET") == (30, 19)
    assert PROTOTYPE.root == "STAGE2"


def test_of_reads_lowest_level_first():
    assert Hierarchy.of(ROC=(4, 4), MODULE=3) == Hierarchy((Level("ROC", (4, 4)), Level("MODULE", (3,))))


def test_a_sub_hierarchy_keeps_missing_parts_only_as_the_root():
    hierarchy = build([(4,), (3,)], {"ROC": (1,)})
    assert hierarchy.rooted("module") is hierarchy
    assert hierarchy.rooted("ROC").missing == {}


@pytest.mark.parametrize(
    ("levels", "missing", "message"),
    [
        ((), {}, r"distinct names in capitals.*\[\]"),
        ((Level("ROC", (4,)), Level("ROC", (3,))), {}, "distinct names"),
        ((Level("roc", (4,)),), {}, r"in capitals.*\['roc'\]"),
        ((Level("CELL", (4,)),), {}, "none of them CELL"),
        ((Level("ROC", (4, 0)),), {}, r"at least one child.*\(4, 0\)"),
        ((Level("ROC", (2**20,)), Level("MODULE", (2**8,))), {}, "found 268435456 trigger cells, expected at most 134217728"),
        ((Level("ROC", (4,)),), {"CELL": (4,)}, r"missing units of CELL: found \[4\], expected indices below 4"),
        ((Level("ROC", (4,)), Level("MODULE", (3,))), {"ROC": (0, -1)}, r"missing units of ROC: found \[0, -1\]"),
        ((Level("ROC", (4,)),), {"MODULE": (0,)}, "unknown level 'MODULE', expected one of ROC"),
    ],
)
def test_what_is_no_hierarchy_is_refused(levels, missing, message):
    with pytest.raises(GeometryError, match=message):
        Hierarchy(levels, missing)


@pytest.mark.parametrize("call", ["level", "below", "n_cells", "n_units", "unit_shape", "rooted", "present"])
def test_an_unknown_level_is_refused_by_name(call):
    with pytest.raises(GeometryError, match="unknown level 'wafer', expected one of ROC, MODULE"):
        getattr(build([(4,), (3,)]), call)("wafer")


def test_plain_values_of_another_kind_are_refused():
    with pytest.raises(GeometryError, match="not a hierarchy"):
        Hierarchy.from_dict({"levels": 3})
