"""What `import hgcae` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import hgcae

HEAVY = ("hgq", "jax", "keras", "luigi", "matplotlib", "numba", "pyarrow", "scipy", "sklearn", "typer")


def test_importing_the_package_loads_nothing_heavy():
    script = f"import sys, hgcae; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["hgcae.codec", "hgcae.coding.sums", "hgcae.integer.encoder"])
def test_codes_and_codecs_load_no_network_and_no_plots(name):
    """What they import by name is checked by import-linter; this is what they load."""
    heavy = ("hgq", "jax", "keras", "luigi", "matplotlib")
    script = f"import sys, {name}; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


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
