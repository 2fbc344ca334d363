from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluate.toys import toy_showers
from hgcae.events import Events
from hgcae.geometry.detector import Detector


@pytest.fixture(scope="session")
def prototype() -> Detector:
    return Detector.load("prototype")


@pytest.fixture(scope="session")
def testbeam() -> Detector:
    return Detector.load("testbeam")


@pytest.fixture(scope="session")
def showers(prototype: Detector) -> Events:
    return toy_showers(prototype, 60)


@pytest.fixture(scope="session")
def picture():
    """Checks that a picture is drawn: readable, of the expected size if given, with ink on it; returns a digest of its bytes."""

    def check(path: Path, size: tuple[int, int] | None = None) -> str:
        with Image.open(path) as image:
            assert size is None or image.size == size
            grey = np.asarray(image.convert("L"))
        assert grey.min() < 100
        assert grey.max() == 255
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return check
