"""What `import hgcae` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import hgcae

NETWORKS = ("hgq", "jax", "keras")
IMPORTS = {
    "hgcae": (*NETWORKS, "luigi", "matplotlib", "numba", "pyarrow", "scipy", "sklearn", "typer"),
    "hgcae.cli": (*NETWORKS, "matplotlib", "numba", "pyarrow", "scipy"),
    "hgcae.coding.sums": (*NETWORKS, "luigi", "matplotlib"),
    "hgcae.integer.encoder": (*NETWORKS, "luigi", "matplotlib"),
    "hgcae.codec": (*NETWORKS, "luigi", "matplotlib"),
    "hgcae.evaluate": (*NETWORKS, "luigi", "matplotlib"),
    "hgcae.plots": (*NETWORKS, "hgcae.model", "hgcae.train", "tkinter"),
    "hgcae.plots.report": (*NETWORKS, "plotly"),
}
"""Modules, and packages that importing them does not load."""


@pytest.fixture(scope="module")
def loaded() -> dict[str, list[str]]:
    """All modules that are loaded when each of `IMPORTS` has been imported, one after the other in one process."""
    script = (
        "import importlib, json, sys\n"
        f"print(json.dumps({{name: importlib.import_module(name) and sorted(sys.modules) for name in {list(IMPORTS)}}}))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize(("name", "heavy"), IMPORTS.items())
def test_imports_stay_light(loaded, name, heavy):
    """What modules import by name is checked by import-linter; this is what they load."""
    assert name in loaded[name]
    assert not set(heavy) & set(loaded[name])


def test_all_names_everything_public_and_nothing_else():
    public = {name for name, value in vars(hgcae).items() if not name.startswith("_") and not isinstance(value, types.ModuleType)}
    assert public - {"annotations", "TYPE_CHECKING"} == set(hgcae.__all__)
    assert dir(hgcae) == sorted([*hgcae.__all__, "__version__"])
    assert len(set(hgcae.__all__)) == len(hgcae.__all__)


def test_objects_print_in_one_line(tmp_path):
    detector = hgcae.Detector.load("prototype")
    assert repr(detector) == "Detector(prototype, 30 layers, 82,080 trigger cells)"
    events = hgcae.Events.from_dense(np.eye(16).reshape(16, 4, 4), hgcae.Hierarchy.of(ROC=(4, 4)))
    assert repr(events) == "Events(16 x ROC, 16 charges)"
    assert repr(replace(events, detector=detector.identity)) == "Events(16 x ROC, 16 charges, detector prototype)"


def test_what_is_written_is_read(tmp_path):
    events = hgcae.Events.from_dense(np.eye(16).reshape(16, 4, 4), hgcae.Hierarchy.of(ROC=(4, 4)))
    hgcae.write(tmp_path / "rocs.parquet", events)
    np.testing.assert_array_equal(hgcae.read(tmp_path / "rocs.parquet").to_dense(), events.to_dense())


def test_every_public_name_is_documented():
    for name in hgcae.__all__:
        assert getattr(hgcae, name).__doc__, name


def test_the_citation_names_the_version():
    citation = yaml.safe_load((Path(hgcae.__file__).parents[2] / "CITATION.cff").read_text())
    assert citation["version"] == hgcae.__version__


def test_the_version_is_that_of_the_distribution():
    assert hgcae.__version__ == importlib.metadata.version("hgcae")
