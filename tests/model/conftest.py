"""Models are built and compiled once; the tests that share them leave them as they are."""

from __future__ import annotations

import pytest

from hgcae.events import Events
from hgcae.model.autoencoder import Autoencoder
from model.toys import autoencoder, conserving_settings, plain_settings, showers


@pytest.fixture(scope="session")
def events() -> Events:
    return showers()


@pytest.fixture(scope="session")
def conserving() -> Autoencoder:
    return autoencoder(conserving_settings())


@pytest.fixture(scope="session")
def plain() -> Autoencoder:
    return autoencoder(plain_settings())


@pytest.fixture(params=["conserving", "plain"])
def model(request: pytest.FixtureRequest) -> Autoencoder:
    """Either of the two."""
    return request.getfixturevalue(request.param)
