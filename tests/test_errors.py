"""The errors: one family, and messages that say where to look."""

from __future__ import annotations

import pickle

import pytest

import hgcae
from hgcae import errors


@pytest.mark.parametrize("name", ["BitExactError", "DataFormatError", "GeometryError", "MissingToolError", "SettingsError", "WorkerError"])
def test_every_error_is_caught_as_one_family(name):
    assert issubclass(getattr(errors, name), errors.HgcaeError)
    assert getattr(hgcae, name) is getattr(errors, name)


def test_a_format_error_names_file_place_finding_and_expectation():
    error = errors.DataFormatError("module.csv", "line 7, CALQ_3", "-2", "a charge of 0 or more")
    assert str(error) == "module.csv: line 7, CALQ_3: found -2, expected a charge of 0 or more"
    assert (error.source, error.where, error.found, error.expected) == ("module.csv", "line 7, CALQ_3", "-2", "a charge of 0 or more")


def test_a_long_message_loses_its_middle():
    for error in (errors.SettingsError("a" + "x" * 10_000 + "b"), errors.DataFormatError("a", "b", "x" * 10_000, "b")):
        assert len(str(error)) < 2000
        assert str(error)[0] == "a"
        assert str(error)[-1] == "b"
        assert " ... " in str(error)


@pytest.mark.parametrize(("name", "near"), [("MODUL", "MODULE"), ("module", "MODULE"), ("xyz", None), (None, None), ("x" * 10**6, None)])
def test_the_nearest_known_name(name, near):
    message = errors.unknown("level", name, ["ROC", "MODULE"])
    assert message.startswith("unknown level ")
    assert "expected one of ROC, MODULE" in message
    assert message.endswith("(did you mean MODULE?)") == (near is not None)


def test_a_format_error_survives_the_way_between_processes():
    error = errors.DataFormatError("a.parquet", "row group 2", "x", "y")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(again) == str(error)
    assert again.where == "row group 2"
