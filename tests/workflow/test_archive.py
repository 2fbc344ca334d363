"""A model as one file."""

from __future__ import annotations

import pytest

from contracts.sealed import damaged
from hgcae.errors import DataFormatError
from hgcae.workflow.archive import check_archive, write_archive


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    (folder / "weights.npz").write_bytes(bytes(range(256)))
    return folder


def test_the_same_model_is_the_same_bytes(folder, tmp_path):
    for name in "ab":
        write_archive(folder, tmp_path / f"{name}.zip")
        (folder / "model.json").touch()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert check_archive(tmp_path / "a.zip") == ["model.json", "weights.npz"]


def test_damage_is_found(folder, tmp_path):
    write_archive(folder, tmp_path / "a.zip")
    for content in damaged((tmp_path / "a.zip").read_bytes(), every=7):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(DataFormatError, match="an archive of a model"):
            check_archive(tmp_path / "a.zip")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(DataFormatError, match="an archive of a model"):
        check_archive(tmp_path / "a.zip")
