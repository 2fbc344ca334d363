from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.errors import DataFormatError
from hgcae.store import read_results, write_results
from hgcae.store.results import HEADER, KINDS

CONTENT = {"levels": {"ROC": {"mse": 1e-5, "n": 3}}, "heads": {}, "rows": [1.0, None, "x"]}


def written(path, content=None, kind="evaluation"):
    return write_results(path, kind, CONTENT if content is None else content)


def test_there_and_back(tmp_path):
    before = datetime.now(UTC).date().isoformat()
    content = written(tmp_path / "a.json", CONTENT | {"loss": np.float32(0.5), "n": np.int64(3)})
    assert {key: content[key] for key in content if key not in HEADER} == CONTENT | {"loss": 0.5, "n": 3}
    assert (content["kind"], content["version"]) == ("evaluation", KINDS["evaluation"].version)
    assert before <= content["date"] <= datetime.now(UTC).date().isoformat()
    assert set(content["versions"]) == {"python", "hgcae", "numpy", "scipy", "scikit-learn"}
    assert content["versions"]["numpy"] == np.__version__
    assert read_results(tmp_path / "a.json", "evaluation") == content


def test_what_was_read_can_be_written_again(tmp_path):
    first = written(tmp_path / "a.json", CONTENT | {"date": "2026-01-31"})
    assert first["date"] == "2026-01-31"
    assert written(tmp_path / "b.json", read_results(tmp_path / "a.json", "evaluation")) == first


@given(st.data())
def test_no_other_value_is_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("results") / "a.json"
    content = written(path)
    before = path.read_bytes()
    changed = bytearray(before)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(changed)
    with suppress(DataFormatError):
        # 1e-05 and 1E-05, one bit apart, are the same number.
        assert read_results(path, "evaluation") == content
        assert changed.lower() == before.lower()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"evaluation"}))
def test_results_of_another_kind(tmp_path, kind):
    written(tmp_path / "a.json")
    with pytest.raises(DataFormatError, match=f"kind: found 'evaluation', version 3, expected results of kind '{kind}', version "):
        read_results(tmp_path / "a.json", kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_another_version(tmp_path, kind):
    content = {key: of_type() for key, of_type in KINDS[kind].needs.items()}
    written(tmp_path / "a.json", content, kind)
    assert read_results(tmp_path / "a.json", kind)["kind"] == kind
    written(tmp_path / "a.json", content | {"version": 99}, kind)
    with pytest.raises(DataFormatError, match="version 99, expected"):
        read_results(tmp_path / "a.json", kind)


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, form in KINDS.items() for key in form.needs])
def test_a_key_that_is_missing_or_holds_something_else(tmp_path, kind, key):
    content = {name: of_type() for name, of_type in KINDS[kind].needs.items()}
    for wrong, found in ((content | {key: "text"}, "str"), ({name: content[name] for name in content if name != key}, "NoneType")):
        written(tmp_path / "a.json", wrong, kind)
        with pytest.raises(DataFormatError, match=f"{key}: found {found}, expected {KINDS[kind].needs[key].__name__}"):
            read_results(tmp_path / "a.json", kind)


@pytest.mark.parametrize("end", [0, 10, -3])
def test_a_file_that_ends_early(tmp_path, end):
    written(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes((tmp_path / "a.json").read_bytes()[:end])
    with pytest.raises(DataFormatError, match="content: found no JSON .*, expected results"):
        read_results(tmp_path / "a.json", "evaluation")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "found a list"),
        ("3", "found a int"),
        ("{}", "found no checksum"),
        (json.dumps({"kind": "evaluation", "version": 3, **CONTENT}), "found no checksum"),
        ('{"checksum": "0"}', "checksum: found '0'"),
        ("[" * 100_000, "found no JSON"),
        ('{"a": ' + "1" * 5000 + "}", "found no JSON"),
        ("\xff", "found no JSON"),
    ],
)
def test_other_files(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataFormatError, match=message):
        read_results(tmp_path / "a.json", "evaluation")


def test_nothing_there(tmp_path):
    with pytest.raises(DataFormatError, match="No such file"):
        read_results(tmp_path / "a.json", "evaluation")


def test_metrics_are_finite(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        written(tmp_path / "a.json", {"a": float("nan")})
    assert not list(tmp_path.iterdir())
