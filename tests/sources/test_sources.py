"""Files of any format by their name, and metrics of what they hold."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae import store
from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources import Source, find_source, read_events, write_events
from hgcae.sources.summary import Summary

MODULE = PROTOTYPE.rooted("MODULE")


def events() -> Events:
    dense = np.zeros((4, 3, 4, 4), dtype=np.int32)
    dense[0, 0, 0, 0], dense[0, 0, 3, 3], dense[0, 2, 1, 1], dense[2, 1, 0, 0] = 3, 97, 12_345, 55
    return Events.from_dense(dense, MODULE, columns={"eta": np.array([1.5, np.nan, 3.0, 2.0])})


@pytest.mark.parametrize("name", ["a.parquet", "a.PARQUET", "a.pickle", "a.pkl", "a.csv"])
def test_a_name_says_the_format(tmp_path, name):
    write_events(tmp_path / name, events().chunks(3), {"seed": 1})
    found = Events.concatenate(list(read_events(tmp_path / name)))
    np.testing.assert_array_equal(found.to_dense(), events().to_dense())
    if name.lower().endswith("parquet"):
        assert store.Reader(tmp_path / name).provenance == {"seed": 1}


def test_unknown_endings(tmp_path):
    for name, found in (("a.root", "the ending '.root'"), ("a", "no ending")):
        with pytest.raises(DataFormatError, match=f"format: found {found}, expected one of .parquet, .pickle, .pkl, .csv"):
            write_events(tmp_path / name, [events()])
    (tmp_path / "a").write_bytes(b"something")
    with pytest.raises(DataFormatError, match="format: found no ending"):
        read_events(tmp_path / "a")


def test_a_format_that_is_only_read_says_so(tmp_path):
    class OnlyRead(Source):
        name = "numbers"
        suffixes = (".numbers",)

        def sniff(self, path):
            return False

        def read(self, path, hierarchy=PROTOTYPE):
            yield events()

    with pytest.raises(DataFormatError, match="format: found numbers, expected a format that hgcae can write"):
        OnlyRead().write(tmp_path / "a.numbers", [events()])


def test_the_format_is_looked_up_before_events_are_made(tmp_path):
    def chunks():
        pytest.fail("nothing may be asked for")
        yield

    with pytest.raises(DataFormatError, match="format"):
        write_events(tmp_path / "a.zip", chunks())


def test_find_source_is_about_foreign_formats():
    with pytest.raises(DataFormatError):
        find_source("a.parquet")


def test_summary_counts_what_passes_by():
    summary = Summary()
    chunks = list(summary.watch(events().chunks(3)))
    np.testing.assert_array_equal(Events.concatenate(chunks).to_dense(), events().to_dense())
    metrics = summary.metrics()
    assert (metrics["events"], metrics["root"], metrics["shape"], metrics["detector"]) == (4, "MODULE", [3, 4, 4], None)
    assert metrics["levels"] == {
        "MODULE": {"units": 1, "occupied": 0.5},
        "ROC": {"units": 3, "occupied": 0.75},
        "trigger cells": {"units": 48, "occupied": 1.0, "most": 3},
    }
    charge = {"dtype": "int32", "min": 3.0, "max": 12345.0, "sum": 12500.0}
    assert metrics["charge"] == {**charge, "percentiles": {"1": 3.0, "16": 3.0, "50": 55.0, "84": 12300.0, "99": 12300.0}}
    assert metrics["columns"] == {"eta": {"dtype": "float64", "min": 1.5, "max": 3.0}}
    assert metrics["truth"] == {}


def test_percentiles_are_good_to_three_digits():
    charge = np.random.default_rng(0).lognormal(3, 2, size=(500, 4, 4))
    summary = Summary()
    for chunk in Events.from_dense(charge, PROTOTYPE.rooted("ROC")).chunks(100):
        summary.add(chunk)
    for percent, value in summary.metrics()["charge"]["percentiles"].items():
        assert value == pytest.approx(np.percentile(charge, float(percent), method="inverted_cdf"), rel=0.005)


@pytest.mark.parametrize("chunks", [[], [events()[:0]], [events()[1:2]]])
def test_summary_of_little(chunks):
    summary = Summary()
    for chunk in chunks:
        summary.add(chunk)
    assert summary.mean_occupied("CELL") == 0
    assert summary.metrics()["events"] == sum(map(len, chunks))


def test_summary_of_truth_ignores_what_is_not_known():
    part = events()
    columns = {"eta": np.full(4, np.nan), "xy": np.arange(8.0).reshape(4, 2), "meta": np.zeros(4, [("a", "f4")])}
    truth = {"pdg": np.array([11, 22, 11], dtype=np.int32)}
    summary = Summary()
    summary.add(Events(part.hierarchy, part.offsets, part.cell, part.charge, columns, truth, np.array([0, 2, 2, 3, 3])))
    metrics = summary.metrics()
    assert metrics["truth"] == {"particles_per_event": {"min": 0.0, "max": 2.0}, "pdg": {"min": 11.0, "max": 22.0}}
    assert metrics["columns"] == {
        "eta": {"dtype": "float64"},
        "xy": {"dtype": "float64 (2,)", "min": 0.0, "max": 7.0},
        "meta": {"dtype": "[('a', '<f4')]"},
    }
