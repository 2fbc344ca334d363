"""The pyramid codec on modules of crowded CMS events: bit for bit as the slow one, within the links' bits."""

from __future__ import annotations

import numpy as np
import pytest

from codec.test_pyramid import reference, texts
from hgcae.codec.pyramid import PyramidCodec
from hgcae.sources.modules import SAMPLES, ModuleSample, module_sample

BITS = {2: 57, 3: 89, 4: 121, 5: 153}
COMPARED = 300
"""Modules that are encoded slowly at each number of links, several milliseconds each."""


@pytest.fixture(scope="module")
def sample(data_dir) -> ModuleSample:
    if not (data_dir / SAMPLES["events"]).is_file():
        pytest.skip(f"no CMS events at {data_dir / SAMPLES['events']}")
    return module_sample("events", data_dir)


@pytest.mark.parametrize("links", BITS)
def test_every_bit_is_that_of_a_slow_codec(sample, links):
    codec = PyramidCodec.fit(links, sample.train)
    payload = codec.encode(sample.test)
    assert payload.bits.max() <= BITS[links]
    # Other modules for each number of links.
    chosen = np.random.default_rng(links).choice(len(sample.test), COMPARED, replace=False)
    found = texts(type(payload)(payload.data[chosen], payload.bits[chosen]))
    expected = [reference(row.tolist(), links, [(mode.cells, mode.groups) for mode in codec.modes]) for row in sample.test[chosen]]
    assert sum(a != b for a, b in zip(found, expected, strict=True)) == 0
