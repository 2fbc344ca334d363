"""Points of a scan on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.errors import DataFormatError
from hgcae.store.results import read_results, write_results
from hgcae.studies.points import known_point, point_path, read_point, write_point

SETTINGS = {"level": "STAGE2", "latent": 8}
CONTENT = {"metrics": {"layer_error": {"value": 0.25, "replicas": [0.1, None]}}}


def test_round_trip(tmp_path):
    path = write_point(tmp_path, SETTINGS, CONTENT | {"loss": np.float32(0.5)})
    assert path == point_path(tmp_path, SETTINGS)
    assert read_point(path) == {"settings": SETTINGS, "content": CONTENT | {"loss": 0.5}}
    assert known_point(tmp_path, SETTINGS) == (CONTENT | {"loss": 0.5}, None)


def test_other_settings_are_another_file(tmp_path):
    write_point(tmp_path, SETTINGS, CONTENT)
    assert known_point(tmp_path, SETTINGS | {"latent": 4}) == (None, None)


@given(st.data())
def test_damage_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("points")
    path = write_point(folder, SETTINGS, CONTENT)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    path.write_bytes(raw)
    content, problem = known_point(folder, SETTINGS)
    # A changed blank between two fields is not damage.
    assert (content is None and isinstance(problem, DataFormatError)) or content == CONTENT


def test_a_point_under_another_name(tmp_path):
    path = write_point(tmp_path, SETTINGS, CONTENT)
    with pytest.raises(DataFormatError, match="as its name says"):
        read_point(path.rename(tmp_path / "0123456789abcdef.json"))


def test_an_older_version(tmp_path):
    path = write_point(tmp_path, SETTINGS, CONTENT)
    write_results(path, "point", read_results(path, "point") | {"version": 0})
    with pytest.raises(DataFormatError, match="kind"):
        read_point(path)


def test_nothing_there(tmp_path):
    with pytest.raises(DataFormatError, match="No such file"):
        read_point(tmp_path / "x.json")
