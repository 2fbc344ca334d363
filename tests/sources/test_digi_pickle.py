"""The original program's pickle: what it holds is read and written exactly."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from contracts.events import assert_same, assert_same_values, sparse_events
from contracts.source import WrittenSourceContract
from hgcae import store
from hgcae.errors import DataFormatError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.sources import digi_pickle
from hgcae.sources.digi_pickle import DigiPickle

GOLDEN = Path(__file__).parents[1] / "golden"
MODULE = PROTOTYPE.rooted("MODULE")


def dump(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def plain(path: Path) -> Any:
    """What other programs read."""
    return pickle.loads(path.read_bytes())  # noqa: S301  our own file


def read(path: Path, hierarchy: Hierarchy = PROTOTYPE) -> Events:
    return Events.concatenate(list(DigiPickle().read(path, hierarchy)))


class TestContract(WrittenSourceContract):
    source = DigiPickle()

    def events(self) -> Events:
        dense = np.zeros((4, 3, 4, 4), dtype=np.float32)
        dense[0, 1, 2, 3], dense[2, 0, 0, 0], dense[3] = 7.5, 0.1, 2
        return Events.from_dense(dense, MODULE, columns={"meta": np.arange(8.0).reshape(4, 2)})


@pytest.mark.parametrize("numpy", [1, 2])
@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_both_numpy_generations(numpy, protocol):
    """Files that NumPy 1.26.4 and 2.4.6 wrote."""
    events = read(GOLDEN / f"digi-numpy{numpy}-protocol{protocol}.pickle")
    digi = np.zeros((3, 3, 4, 4), dtype="<f4")
    digi[0, 1, 2, 3], digi[0, 2, 0, 0], digi[2, 0, 0, 1] = 2.5, 1024, 0.125
    meta = np.zeros(3, dtype=[("energy_gev", "<f8"), ("pdg", "<i4"), ("impact_cm", "<f4", (2,))])
    meta["energy_gev"], meta["pdg"], meta["impact_cm"] = [10.5, 200.0, 0.25], [11, 22, -211], [[1, 2], [3, 4], [5, 6]]
    assert_same(events, Events.from_dense(digi, MODULE, columns={"meta": meta}))


@pytest.mark.parametrize("level", PROTOTYPE.names)
def test_the_root_is_found_from_the_shape(tmp_path, level):
    root = PROTOTYPE.rooted(level)
    digi = np.zeros((2, *root.shape), dtype=np.uint8)
    digi.reshape(2, -1)[:, 5] = [1, 2]
    events = read(dump(tmp_path / "a.pickle", {"digi": digi}))
    assert (events.hierarchy, events.cell.tolist(), events.charge.tolist()) == (root, [5, 5], [1, 2])
    assert not events.columns


def test_levels_of_another_detector(tmp_path):
    hierarchy = Hierarchy.of(ROC=(4, 4), MODULE=3, STAGE2=28)
    path = dump(tmp_path / "a.pickle", {"digi": np.ones((1, 28, 3, 4, 4))})
    assert read(path, hierarchy).hierarchy == hierarchy
    with pytest.raises(DataFormatError, match=r"digi: found float64 \(1, 28, 3, 4, 4\), expected .*\(n, 3, 4, 4\) MODULE"):
        read(path)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("pickle")


META_TYPES: list[Any] = ["f4", ">f8", "i1", "(3,)f4", "(2,2)>i2", [("a", "f4"), ("b", ">i8", (2,))]]
META_TYPES.append({"names": ["x"], "formats": ["u2"], "offsets": [3], "itemsize": 7})


@st.composite
def contents(draw):
    """What a pickle of three ROCs may hold."""
    dtype = draw(st.sampled_from(["f2", "f4", "f8", ">f4", "i2", ">i4", "u1", "u8", "?"]))
    values = st.booleans() if dtype == "?" else st.integers(0, 100)
    content = {"digi": np.asarray(draw(arrays.arrays(dtype, (3, 4, 4), elements=values)), order=draw(st.sampled_from("CF")))}
    if draw(st.booleans()):
        meta = np.dtype(draw(st.sampled_from(META_TYPES)))
        content["meta"] = draw(arrays.arrays(meta.base, (3, *meta.shape)))
    return content


@given(content=contents(), protocol=st.integers(0, 5))
def test_pickle_to_parquet_to_pickle_is_exact(scratch, content, protocol):
    dump(scratch / "a.pickle", content, protocol)
    store.write(scratch / "b.parquet", DigiPickle().read(scratch / "a.pickle"))
    DigiPickle().write(scratch / "c.pickle", store.Reader(scratch / "b.parquet").chunks(2))
    found = plain(scratch / "c.pickle")
    assert list(found) == list(content)
    for name, values in content.items():
        # Below protocol 5, NumPy itself swaps the bytes of foreign byte orders when it reads.
        expected = plain(dump(scratch / "e.pickle", values))
        assert found[name].dtype == expected.dtype
        assert_same_values(found[name], values)


@given(events=sparse_events(hierarchies=(MODULE,), truth=False, column_types=("f4",)))
def test_any_columns_become_meta(scratch, events):
    DigiPickle().write(scratch / "d.pickle", [events])
    found = plain(scratch / "d.pickle")
    np.testing.assert_array_equal(found["digi"], events.to_dense())
    if "meta" in events.columns:
        np.testing.assert_array_equal(found["meta"], events.columns["meta"])
    elif events.columns:
        for name, values in events.columns.items():
            np.testing.assert_array_equal(found["meta"][name], values)
    else:
        assert set(found) == {"digi"}


def simulated(per_event: list[int]) -> Events:
    n = sum(per_event)
    particles: dict[str, Any] = {name: np.arange(n) + 100.0 * i for i, name in enumerate(PARTICLE_COLUMNS) if name != "shower_max_x0"}
    particles["pdg"] = np.full(n, 11, dtype=np.int32)
    offsets = np.concatenate([[0], np.cumsum(per_event)]).astype(np.int64)
    dense = np.ones((len(per_event), 4, 4), dtype=np.int32)
    return Events.from_dense(
        dense, PROTOTYPE.rooted("ROC"), particles=particles, particle_offsets=offsets, columns={"event": np.arange(len(per_event))}
    )


def test_truth_becomes_meta_in_the_documented_order(tmp_path):
    DigiPickle().write(tmp_path / "a.pickle", simulated([1, 1, 1]).chunks(2))
    meta = plain(tmp_path / "a.pickle")["meta"]
    assert (meta.shape, meta.dtype) == ((3, 11), np.float64)
    assert list(PARTICLE_COLUMNS)[:2] == ["pdg", "energy_gev"]
    assert meta[:, 0].tolist() == [11, 11, 11]
    assert meta[:, 1].tolist() == [100, 101, 102]
    assert np.isnan(meta[:, list(PARTICLE_COLUMNS).index("shower_max_x0")]).all()


def test_truth_of_pairs_lies_side_by_side(tmp_path):
    DigiPickle().write(tmp_path / "a.pickle", [simulated([2, 2])])
    meta = plain(tmp_path / "a.pickle")["meta"]
    assert meta.shape == (2, 22)
    assert meta[1, [1, 12]].tolist() == [102, 103]
    DigiPickle().write(tmp_path / "b.pickle", [simulated([0, 0])])
    assert set(plain(tmp_path / "b.pickle")) == {"digi"}


def test_truth_of_unlike_events_cannot_be_written(tmp_path):
    with pytest.raises(DataFormatError, match="truth of event 2: found 3 particles, expected 1, as in event 0"):
        DigiPickle().write(tmp_path / "a.pickle", [simulated([1, 1]), simulated([3])])
    assert not list(tmp_path.iterdir())


def test_conversion_in_pieces(tmp_path, monkeypatch):
    digi = np.arange(10 * 16, dtype=np.float32).reshape(10, 4, 4)
    path = dump(tmp_path / "a.pickle", {"digi": digi, "meta": np.arange(10)})
    monkeypatch.setattr(digi_pickle, "CHUNK_BYTES", 3 * 64)
    chunks = list(DigiPickle().read(path))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(Events.concatenate(chunks).to_dense(), digi)
    assert chunks[3].columns["meta"].tolist() == [9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "pickle: found a list, expected a dictionary"),
        ({}, "found a dictionary of nothing, expected one of 'digi' and, perhaps, 'meta'"),
        ({"digi": np.ones((1, 4, 4)), "extra": 1}, "found a dictionary of 'digi', 'extra'"),
        ({"digi": [[1]]}, "digi: found list, expected an array of real numbers"),
        ({"digi": np.ones((4, 4))}, r"digi: found float64 \(4, 4\)"),
        ({"digi": np.ones((1, 4, 5))}, r"digi: found float64 \(1, 4, 5\), expected .*\(n, 4, 4\) ROC, "),
        ({"digi": np.zeros((1, 4, 4), [("a", "f4")])}, "digi: found .*, expected an array of real numbers"),
        ({"digi": np.array(3.0)}, r"digi: found float64 \(\)"),
        ({"digi": np.ones((2, 4, 4)), "meta": np.ones(3)}, r"meta: found float64 \(3,\), expected an array of 2 rows"),
        ({"digi": np.ones((2, 4, 4)), "meta": np.array(1.0)}, "meta: found float64"),
        ({"digi": np.ones((2, 4, 4)), "meta": [1, 2]}, "meta: found list"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    with pytest.raises(DataFormatError, match=message):
        read(dump(tmp_path / "a.pickle", content))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, -np.inf])
def test_charges_that_are_none_are_refused(tmp_path, monkeypatch, value):
    digi = np.ones((6, 3, 4, 4))
    digi[4, 2, 1, 3] = value
    monkeypatch.setattr(digi_pickle, "CHUNK_BYTES", 3 * 48 * 8)
    with pytest.raises(DataFormatError, match=rf"digi\[4, 2, 1, 3\]: found {value}, expected a charge: a finite number of at least 0"):
        read(dump(tmp_path / "a.pickle", {"digi": digi}))
