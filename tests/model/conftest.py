"""Models are built and compiled once; the tests that share them leave them as they are."""

from __future__ import annotations

import pytest

from hgcae.events import Events
from hgcae.model.autoencoder import Autoencoder
from model.toys import autoencoder, plain_settings, shares_settings, showers


@pytest.fixture(scope="session")
def events() -> Events:
    return showers()


@pytest.fixture(scope="session")
def shares() -> Autoencoder:
    return autoencoder(shares_settings())


@pytest.fixture(scope="session")
def plain() -> Autoencoder:
    return autoencoder(plain_settings())


@pytest.fixture(params=["shares", "plain"])
def model(request: pytest.FixtureRequest) -> Autoencoder:
    """Either of the two."""
    return request.getfixturevalue(request.param)
