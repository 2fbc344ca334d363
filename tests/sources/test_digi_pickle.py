"""The original program's pickle: what it holds is read and written exactly."""

from __future__ import annotations

import pickle
from dataclasses import replace
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
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import DEPOSIT_COLUMNS, PARTICLE_COLUMNS, DigiFormat, DigiKind, Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.simulate import SimulateSettings, simulate
from hgcae.sources import digi_pickle
from hgcae.sources.digi_pickle import DigiPickle, with_digi
from hgcae.sources.meta import COLUMNS

GOLDEN = Path(__file__).parents[1] / "golden"
MODULE = PROTOTYPE.rooted("MODULE")


def dump(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def plain(path: Path) -> Any:
    """What other programs read."""
    return pickle.loads(path.read_bytes())  # noqa: S301  our own file


def read(path: Path, hierarchy: Hierarchy = PROTOTYPE, kind: DigiKind | None = "charges") -> Events:
    return Events.concatenate(list(DigiPickle(kind).read(path, hierarchy)))


def as_charges(events: Events, shape: tuple[int, ...] | None = None) -> Events:
    """Events as a pickle of their dense charges gives them."""
    return replace(events, digi=DigiFormat("charges", events.charge.dtype.str, shape or events.hierarchy.shape))


class TestContract(WrittenSourceContract):
    source = DigiPickle("charges")

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
    assert_same(events, as_charges(Events.from_dense(digi, MODULE, columns={"meta": meta})))


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


@pytest.mark.filterwarnings("ignore::hgcae.errors.HgcaeWarning")
@given(content=contents(), protocol=st.integers(0, 5), kind=st.sampled_from(["codes", "charges", None]))
def test_pickle_to_parquet_to_pickle_is_exact(scratch, content, protocol, kind):
    dump(scratch / "a.pickle", content, protocol)
    store.write(scratch / "b.parquet", DigiPickle(kind).read(scratch / "a.pickle"))
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
    assert (meta.shape, meta.dtype) == ((3, 6), np.float64)
    assert COLUMNS == ("pdg", "energy_gev", "angle_x_rad", "angle_y_rad", "impact_x_cm", "impact_y_cm")
    assert meta[:, 0].tolist() == [11, 11, 11]
    assert meta[:, 1].tolist() == [100, 101, 102]
    np.testing.assert_allclose(meta[:, 2], np.arctan([200 / 400, 201 / 401, 202 / 402]))
    np.testing.assert_allclose(meta[:, 3], np.arctan([300 / 400, 301 / 401, 302 / 402]))
    assert meta[:, 4:].tolist() == [[700, 800], [701, 801], [702, 802]]


def test_truth_of_pairs_lies_side_by_side(tmp_path):
    DigiPickle().write(tmp_path / "a.pickle", [simulated([2, 2])])
    meta = plain(tmp_path / "a.pickle")["meta"]
    assert meta.shape == (2, 12)
    assert meta[1, [1, 7]].tolist() == [102, 103]
    DigiPickle().write(tmp_path / "b.pickle", [simulated([0, 0])])
    assert set(plain(tmp_path / "b.pickle")) == {"digi"}


def test_unknown_truth_is_nan(tmp_path):
    events = simulated([1])
    particles = {name: values for name, values in events.particles.items() if not name.startswith("impact")}
    DigiPickle().write(tmp_path / "a.pickle", [replace(events, particles=particles)])
    assert np.isnan(plain(tmp_path / "a.pickle")["meta"][0, 4:]).all()


def test_truth_of_unlike_events_cannot_be_written(tmp_path):
    with pytest.raises(DataFormatError, match="truth of event 2: found 3 particles, expected 1, as in event 0"):
        DigiPickle().write(tmp_path / "a.pickle", [simulated([1, 1]), simulated([3])])
    assert not list(tmp_path.iterdir())


def test_conversion_in_pieces(tmp_path, monkeypatch):
    digi = np.arange(10 * 16, dtype=np.float32).reshape(10, 4, 4)
    path = dump(tmp_path / "a.pickle", {"digi": digi, "meta": np.arange(10)})
    monkeypatch.setattr(digi_pickle, "CHUNK_BYTES", 3 * 64)
    chunks = list(DigiPickle("charges").read(path))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    np.testing.assert_array_equal(Events.concatenate(chunks).to_dense(), digi)
    assert chunks[3].columns["meta"].tolist() == [9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "pickle: found a list, expected a dictionary"),
        ({}, "found a dictionary of nothing, expected 'digi', perhaps 'meta', 'layer_energy', 'module_energy'"),
        ({"digi": np.ones((1, 4, 4)), "extra": 1}, "found a dictionary of 'digi', 'extra'"),
        ({"digi": [[1]]}, "digi: found list, expected an array of real numbers"),
        ({"digi": np.ones((4, 5))}, r"digi: found float64 \(4, 5\)"),
        ({"digi": np.ones((1, 4, 5))}, r"digi: found float64 \(1, 4, 5\), expected .*\(n, 4, 4\) ROC, "),
        ({"digi": np.zeros((1, 4, 4), [("a", "f4")])}, "digi: found .*, expected an array of real numbers"),
        ({"digi": np.array(3.0)}, r"digi: found float64 \(\)"),
        ({"digi": np.ones((2, 4, 4)), "meta": np.ones(3)}, r"meta: found float64 \(3,\), expected an array of 2 rows"),
        ({"digi": np.ones((2, 4, 4)), "meta": np.array(1.0)}, "meta: found float64"),
        ({"digi": np.ones((2, 4, 4)), "meta": [1, 2]}, "meta: found list"),
        ({"digi": np.ones((2, 4, 4)), "layer_energy": np.ones(3)}, r"layer_energy: found float64 \(3,\), expected an array of 2 rows"),
        ({"digi": np.ones((2, 3, 4, 4)), "module_energy": np.ones((2, 3))}, r"module_energy: found .*, expected .*, 1 in each row"),
        (
            {"digi": np.ones((2, 4, 4)), "layer_energy": np.zeros(2, [("a", "f4")])},
            "layer_energy: found .*, expected an array of real numbers",
        ),
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


def four_keys(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """What the original program's successor reads, with events of all codes."""
    codes = np.where(rng.random((n, *PROTOTYPE.shape)) < 0.002, rng.integers(0, 128, (n, *PROTOTYPE.shape)), 0)
    meta = np.stack([np.full(n, 11), rng.uniform(1, 500, n), *rng.normal(0, 0.03, (2, n)), *rng.normal(0, 20, (2, n))], axis=1)
    return {
        "digi": codes.astype(np.float32),
        "meta": meta,
        "layer_energy": rng.random((n, 30)),
        "module_energy": rng.random((n, 30, 19, 3)),
    }


SHAPES = [(-1, *PROTOTYPE.shape), (-1, *PROTOTYPE.shape, 1), (-1, 82_080), (-1, 30, 57, 48), (-1, 19, 3, 3, 4, 4), (-1,)]


@pytest.mark.parametrize("dtype", ["u1", "i8", "f4", "f8"])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_four_keys_come_back(tmp_path, dtype, shape):
    content = four_keys(2, np.random.default_rng(1))
    content["digi"] = content["digi"].astype(dtype).reshape(shape)
    store.write(tmp_path / "b.parquet", DigiPickle("codes").read(dump(tmp_path / "a.pickle", content)))
    events = store.Reader(tmp_path / "b.parquet").read()
    assert (len(events), events.hierarchy) == (2, PROTOTYPE)
    DigiPickle().write(tmp_path / "c.pickle", events.chunks(1))
    found = plain(tmp_path / "c.pickle")
    assert list(found) == list(content)
    for name, values in content.items():
        assert found[name].dtype == values.dtype
        assert_same_values(found[name], values)


def test_codes_are_kept_as_the_charges_they_stand_for(tmp_path):
    codes = np.arange(128, dtype=np.uint8).reshape(8, 4, 4)
    path = dump(tmp_path / "a.pickle", {"digi": codes})
    with pytest.warns(HgcaeWarning, match="digi is taken for 4E3M codes, being whole numbers up to 127"):
        events = read(path, kind=None)
    assert events.digi == DigiFormat("codes", "|u1", (4, 4))
    np.testing.assert_array_equal(events.to_dense(), FLOAT_4E3M.decode(codes, drop=1))
    assert read(path).to_dense().max() == 127


@pytest.mark.parametrize("value", [128, 0.5, 1e6])
def test_what_cannot_be_codes_is_charges(tmp_path, value):
    digi = np.ones((2, 4, 4))
    digi[1, 2, 3] = value
    path = dump(tmp_path / "a.pickle", {"digi": digi})
    events = read(path, kind=None)
    np.testing.assert_array_equal(events.to_dense(), digi)
    with pytest.raises(DataFormatError, match=rf"digi\[1, 2, 3\]: found {value:.1f}, expected a 4E3M code"):
        read(path, kind="codes")


def test_charges_are_written_as_codes(tmp_path):
    charge = np.zeros((1, 4, 4))
    charge[0, 0] = [1, 2.5, 600, 1e15]
    DigiPickle().write(tmp_path / "a.pickle", with_digi([Events.from_dense(charge, PROTOTYPE.rooted("ROC"))], "codes"))
    digi = plain(tmp_path / "a.pickle")["digi"]
    # Halves of whole counts: 0, 1, 300 = (8 + 1) x 32 + 12 in steps of 32, and more than the code holds.
    assert (digi.dtype, digi[0, 0].tolist()) == (np.float32, [0, 1, 49, 127])
    assert read(tmp_path / "a.pickle", kind="codes").charge.tolist() == [2, 608, 507_904]


def test_one_event_without_its_axis_is_not_taken_for_several_in_silence(tmp_path):
    for level in PROTOTYPE.names[1:]:
        root = PROTOTYPE.rooted(level)
        digi = np.full(root.shape, 500.0)
        with pytest.warns(HgcaeWarning, match=rf"digi .* is read as {root.shape[0]} units .*; a single {level} needs an axis of events"):
            events = read(dump(tmp_path / "a.pickle", {"digi": digi}))
        assert len(events) == root.shape[0]
        # The rows of meta say how many events there are.
        events = read(dump(tmp_path / "b.pickle", {"digi": digi, "meta": np.zeros(1)}))
        assert (len(events), events.hierarchy.root) == (1, level)
        events = read(dump(tmp_path / "b.pickle", {"digi": digi, "meta": np.zeros(root.shape[0])}))
        assert len(events) == root.shape[0]


class TestMeta:
    def table(self, n: int = 5) -> np.ndarray:
        rng = np.random.default_rng(2)
        return np.stack([rng.choice([11, -11, 22, 211], n), rng.uniform(1, 9, n), *rng.normal(0, 0.3, (4, n))], axis=1)

    def test_it_is_the_truth(self, tmp_path):
        meta = self.table()
        events = read(dump(tmp_path / "a.pickle", {"digi": np.full((5, 4, 4), 500.0), "meta": meta})).validate()
        truth = events.particles
        np.testing.assert_array_equal(events.columns["meta"], meta)
        np.testing.assert_array_equal(truth["pdg"], meta[:, 0])
        np.testing.assert_array_equal(truth["energy_gev"], meta[:, 1])
        np.testing.assert_allclose(truth["px_gev"] / truth["pz_gev"], np.tan(meta[:, 2]))
        np.testing.assert_allclose(truth["py_gev"] / truth["pz_gev"], np.tan(meta[:, 3]))
        np.testing.assert_array_equal(truth["impact_y_cm"], meta[:, 5])
        momentum = np.sqrt(sum(truth[f"p{axis}_gev"] ** 2 for axis in "xyz"))
        mass = np.where(np.abs(meta[:, 0]) == 211, 0.13957, np.where(np.abs(meta[:, 0]) == 11, 0.000511, 0))
        np.testing.assert_allclose(meta[:, 1] ** 2 - momentum**2, mass**2, atol=1e-6)
        np.testing.assert_allclose(np.tanh(truth["eta"]), truth["pz_gev"] / momentum)

    def test_the_impact_came_later(self, tmp_path):
        events = read(dump(tmp_path / "a.pickle", {"digi": np.full((5, 4, 4), 500.0), "meta": self.table()[:, :4]}))
        assert "eta" in events.particles
        assert not {"impact_x_cm", "impact_y_cm"} & set(events.particles)

    def test_pairs(self, tmp_path):
        meta = np.concatenate([self.table(), self.table()[::-1]], axis=1)
        events = read(dump(tmp_path / "a.pickle", {"digi": np.full((5, 4, 4), 500.0), "meta": meta}))
        assert events.particle_offsets is not None
        assert np.diff(events.particle_offsets).tolist() == [2] * 5
        np.testing.assert_array_equal(events.particles["energy_gev"].reshape(5, 2), meta[:, [1, 7]])

    def test_simulated_truth_comes_back(self, tmp_path):
        settings = SimulateSettings.load({"gun": {"energy_gev": [20, 60], "particles": ["e-", "pi+"], "count": [2, 2]}, "seed": 3})
        (events,) = simulate(settings, 4)
        DigiPickle().write(tmp_path / "a.pickle", [events])
        found = read(tmp_path / "a.pickle")
        for name, values in found.particles.items():
            # Masses differ from those of the simulation in the ninth digit.
            np.testing.assert_allclose(values, events.particles[name], rtol=1e-7)
        for name in DEPOSIT_COLUMNS:
            np.testing.assert_array_equal(found.columns[name], events.columns[name])

    @pytest.mark.parametrize("change", [(0, 12345678), (0, 11.5), (1, -1.0), (1, np.nan), (2, 1.6), (3, np.inf)])
    def test_other_tables_are_kept_as_they_are(self, tmp_path, change):
        meta = self.table()
        meta[3, change[0]] = change[1]
        with pytest.warns(HgcaeWarning, match="meta is kept, but is not read as truth"):
            events = read(dump(tmp_path / "a.pickle", {"digi": np.full((5, 4, 4), 500.0), "meta": meta}))
        assert events.particle_offsets is None
        np.testing.assert_array_equal(events.columns["meta"], meta)
