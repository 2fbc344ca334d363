from __future__ import annotations

from pathlib import Path

import pytest

from examples.mnist.toys import digits


@pytest.fixture(scope="session")
def npz(tmp_path_factory) -> Path:
    """A file of toy digits."""
    path = tmp_path_factory.mktemp("digits") / "toys.npz"
    digits().save(path)
    return path
