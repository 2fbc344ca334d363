"""CSV files of modules."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import warnings
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import sparse_events
from contracts.source import WrittenSourceContract
from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.sources.calq_csv import CHARGE_COLUMNS, CalqCsv

MODULE = PROTOTYPE.rooted("MODULE")


def modules() -> Events:
    rng = np.random.default_rng(3)
    dense = rng.integers(1, 500, size=(6, *MODULE.shape)) * (rng.random((6, *MODULE.shape)) < 0.2)
    dense[4] = 0
    columns = {"layer": np.arange(6), "eta": rng.normal(size=6)}
    return Events.from_dense(dense.astype(np.int32), MODULE, columns=columns)


class TestContract(WrittenSourceContract):
    source = CalqCsv()

    def events(self) -> Events:
        return modules()


def table(rows, header=CHARGE_COLUMNS) -> str:
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> Events:
        path = tmp_path / "modules.csv"
        path.write_text(text)
        return Events.concatenate(list(CalqCsv().read(path)))

    return read


def test_columns_may_be_in_any_order(read):
    charges = np.arange(48)
    order = np.random.default_rng(1).permutation(48)
    header = ["event", *(CHARGE_COLUMNS[cell] for cell in order), "kind"]
    with pytest.warns(HgcaeWarning, match="modules.csv: left out, .*: kind$"):
        events = read(table([[7, *charges[order], "silicon"]], header))
    np.testing.assert_array_equal(events.to_dense().reshape(48), charges)
    np.testing.assert_array_equal(events.to_dense()[0, 2, 1, 3], module.calq(np.array([2, 1, 3])))
    assert list(events.columns) == ["event"]
    assert events.columns["event"].tolist() == [7]


@pytest.mark.parametrize(
    ("charges", "dtype"),
    [
        ([1, 2], np.int32),
        ([1.0, 2.0], np.int32),
        ([1, 2**31 - 1], np.int32),
        ([1, 2.5], np.float32),
        ([2**31, 0.25], np.float32),
        ([1, 0.1], np.float64),
        ([2**31 + 1], np.float64),
        ([2.0**24 + 1, 0.5], np.float64),
        ([1e300], np.float64),
        ([2**53 + 2, 2**62], np.float64),
    ],
)
def test_the_smallest_type_that_holds_all_charges(read, charges, dtype):
    rows = [[charge] + [0] * 47 for charge in charges]
    events = read(table(rows))
    assert events.charge.dtype == dtype
    assert events.charge.tolist() == charges


def test_the_type_is_that_of_the_whole_file(read):
    """The charge that needs a float stands far behind the first block of the file."""
    rows = [[3] + [0] * 47] * 30_000 + [[0.5] + [0] * 47]
    text = table(rows)
    assert len(text) > 2**20
    events = read(text)
    assert events.charge.dtype == np.float32
    assert len(events) == 30_001


def test_other_columns_are_kept_if_they_are_numbers(read):
    header = [*CHARGE_COLUMNS, "whole", "real", "blank", "text", "late"]
    rows = [[0] * 48 + [1, 1, 1, "a", 1], [0] * 48 + [2, 2.5, "", "b", "x"]]
    with pytest.warns(HgcaeWarning, match="modules.csv: left out, .*: text, late$"):
        columns = read(table(rows, header)).columns
    assert {name: values.dtype for name, values in columns.items()} == {"whole": np.int64, "real": np.float64, "blank": np.float64}
    assert columns["whole"].tolist() == [1, 2]
    assert columns["real"].tolist() == [1, 2.5]
    np.testing.assert_array_equal(columns["blank"], [1, np.nan])


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1", "-2"], np.int64),
        ([str(2**63 - 1), str(-(2**63))], np.int64),
        ([str(2**63 + 7), str(2**64 - 1)], np.uint64),
        ([str(2**53), "", "0.1"], np.float64),
        (["1e300", "-0", "1e-300", "inf", "nan", "5E-324"], np.float64),
        ([" 7", "7 "], np.int64),
        # What would be another value afterwards.
        ([str(2**64 + 1)], None),
        ([str(2**63 + 1), "-1"], None),
        ([str(2**60 + 1), ""], None),
        ([str(2**60 + 1), "0.5"], None),
        ([f"{2**60 + 1}.0", "1"], None),
        (["007"], None),
        (["1", "-00.5"], None),
        (["0x10"], None),
        (["1e400"], None),
        (["1e-400", "1"], None),
        (["True", "False"], None),
        (["1", "one"], None),
    ],
)
def test_other_columns_are_kept_exactly_or_left_out_aloud(read, texts, dtype):
    content = table([[0] * 48 + [text] for text in texts], [*CHARGE_COLUMNS, "other"])
    if dtype is None:
        with pytest.warns(HgcaeWarning, match=": other$"):
            assert not read(content).columns
        return
    values = read(content).columns["other"]
    assert values.dtype == dtype
    expected = [float(text or "nan") if dtype == np.float64 else int(text) for text in texts]
    np.testing.assert_array_equal(values, np.array(expected, dtype))


@given(st.lists(st.integers(-(2**66), 2**66).map(str) | st.just("") | st.floats().map(repr), min_size=1, max_size=4))
def test_no_number_changes_in_silence(scratch, texts):
    scratch.write_text(table([[0] * 48 + [text] for text in texts], [*CHARGE_COLUMNS, "other"]))
    with warnings.catch_warnings(record=True, action="always") as notes:
        columns = Events.concatenate(list(CalqCsv().read(scratch))).columns
    assert len(columns) + len(notes) == 1
    for text, value in zip(texts, columns.get("other", np.empty(0)).tolist(), strict=False):
        if not text or text == "nan":
            assert np.isnan(value)
        else:
            assert value == (int(text) if text.lstrip("-").isdigit() else float(text))


def test_repeated_columns_are_left_out_aloud(read):
    with pytest.warns(HgcaeWarning, match=": a$"):
        assert list(read(table([[0] * 48 + [1, 2, 3]], [*CHARGE_COLUMNS, "a", "b", "a"])).columns) == ["b"]


@pytest.mark.parametrize("header", ["{}", "  {} ", '"{}"', ' "{}"'])
@pytest.mark.parametrize("value", ["{}", " {}", "{}  "])
def test_blanks_around_names_and_numbers(read, header, value):
    rows = [[value.format(cell) for cell in range(48)] + [value.format(9)]]
    events = read(table(rows, [header.format(name) for name in (*CHARGE_COLUMNS, "layer")]))
    assert events.to_dense().ravel().tolist() == list(range(48))
    assert events.columns["layer"].tolist() == [9]


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path, text: path.write_bytes(gzip.compress(text)), "a file compressed by gzip"),
        (lambda path, text: path.write_bytes(bz2.compress(text)), "a file compressed by bzip2"),
        (lambda path, text: path.write_bytes(lzma.compress(text)), "a file compressed by xz"),
        (lambda path, text: path.write_bytes(pa.compress(text, "zstd", asbytes=True)), "a file compressed by zstd"),
        (lambda path, text: zipfile.ZipFile(path, "w").writestr("a.csv", text), "a file compressed by zip"),
        (lambda path, text: os.mkfifo(path), "a pipe"),
    ],
)
def test_what_is_no_plain_file_is_named(tmp_path, make, found):
    make(tmp_path / "modules.csv", table([[1] * 48]).encode())
    with pytest.raises(DataFormatError, match=f"modules.csv: (content|file): found {found}, expected "):
        list(CalqCsv().read(tmp_path / "modules.csv"))


def test_rows_without_charge_stay(read):
    events = read(table([[0] * 48, [1] * 48, [0] * 48]))
    assert events.counts.tolist() == [0, 48, 0]


def test_windows_line_ends_byte_order_mark_and_quotes(read):
    text = table([[5] * 48]).replace("\n", "\r\n").replace("CALQ_3,", '"CALQ_3",')
    assert read("\ufeff" + text).charge.tolist() == [5] * 48


def bad(row: int, cell: int, value: object) -> str:
    rows: list[list[object]] = [[1] * 48 for _ in range(5)]
    rows[row][cell] = value
    return table(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bad(3, 7, -1), "line 5, column CALQ_7: found '-1', expected a charge: a finite number of at least 0"),
        (bad(0, 47, "nan"), "line 2, column CALQ_47: found 'nan'"),
        (bad(4, 0, "inf"), "line 6, column CALQ_0: found 'inf'"),
        (bad(1, 2, "abc"), "line 3, column CALQ_2: found 'abc'"),
        (bad(1, 2, ""), "line 3, column CALQ_2: found ''"),
        (bad(2, 2, "1,1"), "line 4: found 49 fields, expected 48, as in line 1"),
        (bad(2, 2, 2**53 + 1), "line 4, column CALQ_2: found 9007199254740993, expected a charge that a float64 holds exactly"),
        (bad(2, 2, "1e400"), "line 4, column CALQ_2: found '1e400'"),
        (bad(2, 2, "1_0"), "line 4, column CALQ_2: found '1_0'"),
        (bad(2, 2, "x" * 200_000), "line 4: found field larger than field limit"),
        (bad(2, 2, -1).replace("\n", "\n\n"), "line 7, column CALQ_2: found '-1'"),
        (table([[1] * 47], CHARGE_COLUMNS[:47]), "line 1: found none or several of CALQ_47, expected CALQ_0 to CALQ_47, each once"),
        (table([[1] * 49], [*CHARGE_COLUMNS, "CALQ_5"]), "line 1: found none or several of CALQ_5,"),
        (table([[1] * 48]).replace(",", ";"), "line 1: found none of CALQ_0"),
        ("", "line 1: found an empty file"),
        (table([], [*CHARGE_COLUMNS, *map(str, range(10**5))]), "line 1: found 100048 columns, expected at most 10000"),
    ],
)
def test_errors_name_the_place(read, text, message):
    with pytest.raises(DataFormatError, match=f"modules.csv: {message}"):
        read(text)


def test_modules_of_other_shapes_are_refused(tmp_path):
    with pytest.raises(DataFormatError, match=r"found modules of shape \(3, 2, 2\)"):
        list(CalqCsv().read(tmp_path / "modules.csv", Hierarchy.of(ROC=(2, 2), MODULE=3)))
    with pytest.raises(DataFormatError, match=r"found ROC of shape \(4, 4\), expected modules"):
        CalqCsv().write(tmp_path / "modules.csv", [Events.from_dense(np.ones((1, 4, 4)), PROTOTYPE.rooted("ROC"))])
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("csv") / "modules.csv"


@given(events=sparse_events(hierarchies=(MODULE,), column_types=("f8", "i8", "f4"), truth=False))
def test_values_survive(scratch, events):
    CalqCsv().write(scratch, [events])
    found = Events.concatenate(list(CalqCsv().read(scratch)))
    np.testing.assert_array_equal(found.to_dense(), events.to_dense().astype(np.float64))
    for name, values in events.columns.items():
        finite = np.isfinite(values)
        np.testing.assert_array_equal(found.columns[name][finite], values[finite])


@pytest.mark.parametrize(("name", "rows", "charge"), [("electron_pt20_eta15-30_0PU", 17_382, 2_067_682), ("ttbar_0PU", 38_382, 4_083_103)])
def test_real_modules(data_dir, tmp_path, name, rows, charge):
    """CMS simulation, one row per silicon module with charge; rows and sums counted independently with awk."""
    path = data_dir / "cms_modules" / f"{name}.csv"
    chunks = list(CalqCsv().read(path))
    events = Events.concatenate(chunks)
    assert (len(events), int(events.charge.sum()), events.charge.dtype) == (rows, charge, np.int32)
    assert max(map(len, chunks)) < rows
    CalqCsv().write(tmp_path / "copy.csv", chunks)
    assert (tmp_path / "copy.csv").read_bytes() == path.read_bytes()
