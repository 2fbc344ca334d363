"""Payloads and decoded charges of all codecs are those that were written down once: a format does not change by accident.

`tests/golden/codecs-v1.json` was written by `json.dumps(found(), indent=1)`.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from codec import drawn
from contracts.codec import random_modules
from evaluate.toys import random_units
from hgcae.codec import CODECS
from hgcae.codec.events import sent
from hgcae.codec.simple import UNIT_CODECS, fitted
from hgcae.evaluate import fit_baselines
from hgcae.geometry.hierarchy import PROTOTYPE

GOLDEN = Path(__file__).parents[1] / "golden" / "codecs-v1.json"
FITTED = tuple(name for name, entry in CODECS.items() if not entry.needs and not entry.make)
FLOWER = PROTOTYPE.rooted("STAGE1")
BITS = {"ROC": 72, "MODULE": 119, "STAGE1": 72}


def digest(*arrays: np.ndarray) -> str:
    """Of decoded charges seven digits count: the last ones are those of the processor's linear algebra."""
    rounded = [array.astype(np.float32) if array.dtype.kind == "f" else array for array in arrays]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in rounded)).hexdigest()[:16]


def of_modules() -> dict[str, list[str]]:
    result = {}
    for links in (2, 3, 4, 5):
        for name, codec in drawn.codecs(links, FITTED).items():
            payload = codec.encode(random_modules(200, seed=11))
            result[f"{name} {links}"] = [digest(payload.data, payload.bits), digest(codec.decode(payload))]
    return result


def of_units() -> dict[str, list[str]]:
    train, events = random_units(FLOWER, 60, seed=2, occupancy=0.02), random_units(FLOWER, 9, seed=3, occupancy=0.02)
    result = {}
    for level, bits in BITS.items():
        for name in UNIT_CODECS:
            codec = fitted(name, train, level, bits)
            units = events.units(level)[0].to_dense().reshape(-1, codec.cells)
            decoded, _ = sent(events, codec, level)
            result[f"{level} {name}"] = [digest(codec.encode(units).data), digest(decoded.cell, decoded.charge)]
    return result


def of_the_judge() -> dict[str, float]:
    train, events = random_units(FLOWER, 60, seed=2, occupancy=0.02), random_units(FLOWER, 9, seed=3, occupancy=0.02)
    return {
        f"{level} {baseline.name}": baseline.errors(events.units(level)[0]).summary()["mse"]
        for level in BITS
        for baseline in fit_baselines(train, level, 8)
    }


@cache
def golden() -> dict[str, dict[str, list[str]]]:
    return json.loads(GOLDEN.read_text())


def found() -> dict[str, object]:
    return {"modules": of_modules(), "units": of_units(), "judge": of_the_judge()}


def test_modules_are_sent_as_ever():
    assert of_modules() == golden()["modules"]


def test_units_are_sent_as_ever():
    assert of_units() == golden()["units"]


def test_ideal_codes_err_as_ever():
    assert of_the_judge() == pytest.approx(golden()["judge"], rel=1e-9)
