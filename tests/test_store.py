"""Events survive the disk unchanged, or an error says why not."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import assert_same, sparse_events
from hgcae import store
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry import detector as detectors
from hgcae.geometry.detector import Detector, DetectorSettings
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.store.seal import seal

GOLDEN = Path(__file__).parent / "golden"
MODULE = PROTOTYPE.rooted("MODULE")


def modules(n: int, seed: int = 0, **rest) -> Events:
    """Modules with about five charges each, numbered by the column `number`."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 1000, size=(n, *MODULE.shape)) * (rng.random((n, *MODULE.shape)) < 0.1)
    return Events.from_dense(dense.astype(np.int32), MODULE, columns={"number": np.arange(n)}, **rest)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.parquet"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A file that every hypothesis example replaces."""
    return tmp_path_factory.mktemp("store") / "events.parquet"


@given(events=sparse_events(), chunk=st.integers(1, 4), group=st.integers(1, 5))
def test_round_trip_is_exact(scratch, events, chunk, group):
    with store.Writer(scratch, {"seed": 3}, row_group_events=group) as writer:
        writer.write(events[:0])
        for piece in events.chunks(chunk):
            writer.write(piece)
    reader = store.Reader(scratch)
    assert (len(reader), reader.schema_version, reader.provenance) == (len(events), 1, {"seed": 3})
    assert_same(reader.read(), events)
    np.testing.assert_array_equal(reader.read().to_dense(), events.to_dense())
    assert_same(reader.take(1, 3), events[1:3])
    pieces = list(reader.chunks(chunk))
    assert [len(piece) for piece in pieces if len(piece)] == [len(piece) for piece in events.chunks(chunk)]
    assert all(piece.charge.dtype == events.charge.dtype for piece in pieces)


def test_values_that_their_bytes_cannot_hold_are_refused(path, monkeypatch):
    """Equal values take no bytes, so a small file can claim any number of them."""
    hierarchy = Hierarchy.of(ROC=2**16)
    store.write(path, [Events.from_dense(np.ones((1, 2**16), np.int32), hierarchy)])
    assert len(store.Reader(path).read().cell) == 2**16
    monkeypatch.setattr("hgcae.store.parquet._MOST_VALUES", 1000)
    monkeypatch.setattr("hgcae.store.parquet._MOST_VALUES_PER_BYTE", 10)
    with pytest.raises(DataFormatError, match="row group 0: found 1 rows, 65536 values in .* bytes, expected values that their bytes can"):
        store.Reader(path)


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 5000), (1023, 1025), (4999, 9999), (-3, 5000), (2000, 1000)])
def test_take_gives_the_rows_of_a_slice(path, start, stop):
    events = modules(5000)
    store.write(path, [events])
    assert pq.ParquetFile(path).num_row_groups == 5
    assert_same(store.Reader(path).take(start, stop), events[start:stop])


def test_detector_hierarchy_and_missing_cells_are_kept(path):
    hierarchy = Hierarchy(MODULE.levels, {"ROC": (2,)})
    dense = np.zeros((1, 3, 4, 4))
    dense[0, 0, 0, 0] = 1
    events = Events.from_dense(dense, hierarchy, detector=("prototype", "0123456789abcdef"))
    store.write(path, [events])
    reader = store.Reader(path)
    assert reader.hierarchy == hierarchy
    assert reader.detector == ("prototype", "0123456789abcdef")
    assert_same(reader.read(), events)


def test_memory_does_not_grow_with_the_file(path):
    def peak(n: int) -> int:
        """Highest memory of Python and NumPy, and of Arrow between chunks, bytes."""
        arrow = []
        tracemalloc.start()
        store.write(path, (modules(1024, seed) for seed in range(n) if arrow.append(pa.total_allocated_bytes()) is None))
        arrow.extend(pa.total_allocated_bytes() for _ in store.Reader(path).chunks(500))
        python = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return python + max(arrow) - arrow[0]

    peak(1)  # fills what is cached at first use
    assert peak(16) < 1.3 * peak(4)


def test_other_readers_see_plain_columns(path):
    events = modules(3, particles={"pdg": np.array([11, 22, 11], dtype=np.int32)}, particle_offsets=np.array([0, 2, 2, 3]))
    store.write(path, [events], {"settings": {"seed": 1}})
    table = pq.read_table(path)
    assert str(table.schema.field("cell").type) == "list<element: int32 not null>"
    assert str(table.schema.field("charge").type) == "list<element: int32 not null>"
    assert table["particle_pdg"].to_pylist() == [[11, 22], [], [11]]
    assert table["charge"].to_pylist()[1] == events[1].charge.tolist()
    header = json.loads(table.schema.metadata[b"hgcae"])
    assert (header["format"], header["root"], header["provenance"]) == ("hgcae-events", "MODULE", {"settings": {"seed": 1}})


@pytest.mark.parametrize("name", ["mine", "testbeam"])
def test_a_file_describes_its_detector(path, monkeypatch, name):
    """So that whoever reads it can do without the YAML file that it was made with."""
    plain = Detector.load("testbeam").settings.model_dump(mode="json") | {"name": name}
    own = Detector(DetectorSettings.load(plain))
    store.write(path, [Events.from_dense(np.ones((2, *own.hierarchy.shape)), own.hierarchy, detector=own.identity)])
    monkeypatch.setattr(detectors, "_KNOWN", {})
    reader = store.Reader(path)
    assert reader.detector == reader.read().detector == own.identity
    found = detectors.detector_of(reader.detector, path)
    assert found is not None
    assert found.settings == own.settings


def test_another_description_than_the_fingerprint_says_is_refused(path):
    store.write(path, [modules(2)])
    table = pq.read_table(path)
    header = json.loads(table.schema.metadata[b"hgcae"])
    header["detector"] = {"name": "mine", "fingerprint": "0" * 16, "settings": {"name": "mine"}}
    pq.write_table(table.replace_schema_metadata({b"hgcae": json.dumps(header).encode()}), path)
    seal(path)
    with pytest.raises(DataFormatError, match="detector mine: its settings have the fingerprint"):
        store.Reader(path)


def test_golden_file_of_version_1():
    """A file that version 1 of the schema wrote once; it must stay readable."""
    reader = store.Reader(GOLDEN / "events-v1.parquet")
    dense = np.zeros((3, 3, 4, 4), dtype=np.float16)
    dense[0, 1, 2, 3], dense[0, 2, 0, 0], dense[2, 0, 0, 1] = 2.5, 1024, 0.125
    meta = np.array([(10.5, 11), (200, 22), (0.25, -211)], dtype=[("energy_gev", ">f8"), ("pdg", "<i4")])
    expected = Events.from_dense(
        dense,
        MODULE,
        columns={"meta": meta, "vertex_cm": np.arange(9, dtype=np.float32).reshape(3, 3)},
        particles={"pdg": np.array([11, 22, -211], dtype=np.int32), "energy_gev": np.array([10.5, 200, 0.25])},
        particle_offsets=np.array([0, 1, 1, 3]),
        detector=("prototype", "5913ff9aad73bcc2"),
    )
    assert_same(reader.read(), expected)
    assert reader.provenance == {"program": "hgcae 0.1.0", "settings": {"seed": 1}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An undamaged file of three row groups."""
    path = tmp_path_factory.mktemp("damage") / "whole.parquet"
    with store.Writer(path, {"seed": 1}, row_group_events=8) as writer:
        writer.write(modules(20, detector=("d", "f")))
    return path


class TestDamage:
    def outcome(self, path: Path, content: bytes) -> Events | None:
        """What is read from the bytes; None if that is an error about the data."""
        path.write_bytes(content)
        try:
            reader = store.Reader(path)
            events = Events.concatenate(list(reader.chunks(7)))
        except DataFormatError:
            return None
        assert (reader.provenance, reader.detector) == ({"seed": 1}, ("d", "f"))
        return events

    def test_a_flipped_bit_anywhere_is_found(self, whole, path):
        content = whole.read_bytes()
        rng = np.random.default_rng(1)
        harmless = 0
        for position in range(0, len(content), 3):
            damaged = bytearray(content)
            damaged[position] ^= 1 << int(rng.integers(8))
            events = self.outcome(path, bytes(damaged))
            if events is not None:
                assert_same(events, modules(20, detector=("d", "f")))
                harmless += 1
        # Only the four bytes "PAR1" at the start carry nothing.
        assert harmless <= 2

    def test_truncation_anywhere_is_found(self, whole, path):
        content = whole.read_bytes()
        for length in range(0, len(content), 7):
            assert self.outcome(path, content[:length]) is None
        for length in range(len(content) - 20, len(content)):
            assert self.outcome(path, content[:length]) is None

    def test_only_damaged_row_groups_are_lost(self, whole, path):
        content = bytearray(whole.read_bytes())
        content[pq.read_metadata(whole).row_group(1).column(0).data_page_offset + 30] ^= 1
        path.write_bytes(content)
        reader = store.Reader(path)
        assert_same(reader.take(0, 8), modules(20, detector=("d", "f"))[:8])
        with pytest.raises(DataFormatError, match="events 8 to 15: found checksum"):
            reader.take(7, 9)
        with pytest.raises(DataFormatError, match="events 8 to 15: found checksum"):
            reader.verify()


class TestForeignFiles:
    def test_parquet_of_others(self, path):
        pq.write_table(pa.table({"cell": [[1]], "charge": [[1]]}), path)
        with pytest.raises(DataFormatError, match="expected a Parquet file written by hgcae"):
            store.Reader(path)

    def test_sealed_parquet_without_metadata(self, path):
        pq.write_table(pa.table({"cell": [[1]], "charge": [[1]]}), path)
        seal(path)
        with pytest.raises(DataFormatError, match="no hgcae metadata"):
            store.Reader(path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"schema_version": 2}, "found schema version 2, expected schema version 1"),
            ({"charge": "<f8"}, "schema: found"),
            ({"hierarchy": {"levels": []}}, "metadata: found GeometryError"),
            ({"detector": 3}, "metadata: found TypeError"),
            ({"columns": None}, "metadata: found AttributeError"),
        ],
    )
    def test_other_version_or_inconsistent_metadata(self, path, change, message):
        store.write(path, [modules(2)])
        table = pq.read_table(path)
        header = json.loads(table.schema.metadata[b"hgcae"]) | change
        pq.write_table(table.replace_schema_metadata({b"hgcae": json.dumps(header).encode()}), path)
        seal(path)
        with pytest.raises(DataFormatError, match=message):
            store.Reader(path)

    def test_invalid_events(self, path):
        """Well-formed and sealed, but no events: a cell occurs twice."""
        store.write(path, [modules(1)])
        schema = pq.read_schema(path)
        pq.write_table(pa.table([[[5, 5]], [[1, 1]], [0]], schema=schema), path)
        seal(path)
        with pytest.raises(DataFormatError, match=r"event 0, entry 1: found 5, expected each cell once"):
            store.Reader(path).read()

    def test_missing_file(self, path):
        with pytest.raises(FileNotFoundError):
            store.Reader(path)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1PAR1", b"\xff\xff\xff\xffPAR1", b"CALQ_0,CALQ_1\n1,2\n"])
    def test_other_files(self, path, content):
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=r"end of the file|seal"):
            store.Reader(path)


class TestWriting:
    @pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError, DataFormatError("x", "y", "z", "w")])
    @pytest.mark.parametrize("after", [0, 1, 3])
    def test_an_interrupted_write_leaves_nothing(self, path, stop, after):
        path.write_bytes(b"old")

        def chunks():
            for seed in range(after):
                yield modules(1500, seed)
            raise stop

        with pytest.raises(stop if isinstance(stop, type) else type(stop)):
            store.write(path, chunks())
        assert [file.name for file in path.parent.iterdir()] == [path.name]
        assert path.read_bytes() == b"old"

    def test_chunks_must_be_of_one_kind(self, path):
        events = modules(2)
        other = Events.from_dense(events.to_dense().astype(np.float32), MODULE, columns=dict(events.columns))
        with pytest.raises(DataFormatError, match="charge float32, number int64, expected the kind of the first: .* charge int32"):
            store.write(path, [events, other])
        assert not list(path.parent.iterdir())

    def test_chunks_are_needed(self, path):
        with pytest.raises(DataFormatError, match="at least one chunk"):
            store.write(path, [])

    @pytest.mark.parametrize("name", ["cell", "charge", "particle_x"])
    def test_reserved_names(self, path, name):
        with pytest.raises(DataFormatError, match="reserved"):
            store.write(path, [Events.from_dense(np.ones((1, 3, 4, 4)), MODULE, columns={name: np.ones(1)})])

    @pytest.mark.parametrize(
        "values",
        [np.array(["a"]), np.array([1j]), np.array([None]), np.zeros((1, 0)), np.array(["2020"], "M8[Y]"), np.ones(1, np.longdouble)],
    )
    def test_columns_that_are_not_numbers(self, path, values):
        with pytest.raises(DataFormatError, match="column x"):
            store.write(path, [Events.from_dense(np.ones((1, 3, 4, 4)), MODULE, columns={"x": values})])

    def test_invalid_events(self, path):
        bad = Events(MODULE, np.array([0, 1]), np.array([48], dtype=np.int32), np.array([1.0]))
        with pytest.raises(DataFormatError, match="found 48, expected a cell index below 48"):
            store.write(path, [bad])
        assert not list(path.parent.iterdir())
