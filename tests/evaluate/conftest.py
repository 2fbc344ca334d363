from __future__ import annotations

import pytest

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
    return toy_showers(prototype, 300)
