"""What `import hgcae` offers, and what it costs."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import types

import pytest

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
    assert len(set(hgcae.__all__)) == len(hgcae.__all__)


def test_every_public_name_is_documented():
    for name in hgcae.__all__:
        assert getattr(hgcae, name).__doc__, name


def test_the_version_is_that_of_the_distribution():
    assert hgcae.__version__ == importlib.metadata.version("hgcae")
