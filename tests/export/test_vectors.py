"""Test vectors equal what plain Python computes from the page on the encoder in integers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export.reference import encode
from hgcae.coding.bitpack import unpack
from hgcae.coding.fixedpoint import FixedPoint
from hgcae.coding.sums import SumCode
from hgcae.export.description import describe
from hgcae.export.vectors import CORNERS
from hgcae.integer.encoder import ConservingTables, IntegerEncoder
from hgcae.integer.network import Network
from hgcae.model.autoencoder import Autoencoder
from hgcae.workflow.vectors import write_vectors
from model.toys import autoencoder, conserving_settings, plain_settings, showers

MODELS = {
    "conserving": lambda: autoencoder(conserving_settings()),
    "without barycentre": lambda: autoencoder(conserving_settings(barycentre=False)),
    "plain": lambda: autoencoder(plain_settings()),
}


class Run:
    """What the vectors need of a loaded run."""

    def __init__(self, model: Autoencoder) -> None:
        self.model, self.sample = model, showers()


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Autoencoder:
    return MODELS[request.param]()


def rows(path: Path) -> tuple[list[str], np.ndarray]:
    names, *lines = path.read_text().splitlines()
    return names.split(","), np.array([line.split(",") for line in lines], dtype=np.int64)


@pytest.mark.parametrize("level", ["ROC", "MODULE", "STACK"])
def test_files_hold_what_the_page_says(model, level, tmp_path):
    told = write_vectors(Run(model), level, 60, 5, tmp_path)  # type: ignore[arg-type]
    encoder = json.loads((tmp_path / "encoder.json").read_text())
    columns, inputs = rows(tmp_path / "inputs.csv")
    names, integers = rows(tmp_path / "integers.csv")
    assert (inputs.shape, len(integers)) == ((60, len(columns)), 60)
    assert names == encoder["code"]["names"]
    units = inputs.reshape(60, encoder["children"], -1)
    assert [encode(encoder, unit) for unit in units.tolist()] == integers.tolist()
    assert len(np.unique(integers, axis=0)) > 20, "nearly all codes are alike: nothing was tested"
    packed = np.array([list(bytes.fromhex(line)) for line in (tmp_path / "packed.hex").read_text().split()], dtype=np.uint8)
    np.testing.assert_array_equal(unpack(packed, encoder["code"]["bits"]) + encoder["code"]["smallest"], integers)
    assert packed.shape[1] == told["bytes"] == -(-sum(encoder["code"]["bits"]) // 8)


def test_integers_are_those_of_the_model(model, tmp_path):
    write_vectors(Run(model), "ROC", 40, 5, tmp_path)  # type: ignore[arg-type]
    _, inputs = rows(tmp_path / "inputs.csv")
    code = model.run("encode", "ROC", inputs.astype(np.float32))
    np.testing.assert_array_equal(model.level("ROC").format.integers(code), rows(tmp_path / "integers.csv")[1])


def test_the_same_seed_gives_the_same_files(model, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_vectors(Run(model), "MODULE", 20, seed, tmp_path / name)  # type: ignore[arg-type]
    a, b, c = ((tmp_path / name / "inputs.csv").read_bytes() for name in "abc")
    assert a == b != c
    first = rows(tmp_path / "a" / "inputs.csv")[1]
    assert not first[0].any(), "the first vector is the empty unit"
    assert len(first) == 20 > CORNERS


def test_the_unit_of_the_page():
    place = np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]])
    sums = SumCode(63, 6)
    tables = ConservingTables(
        n_inputs=5,
        scale=np.float32(16),
        below=np.zeros(0),
        thresholds=sums.thresholds.astype(np.float64),
        weight=np.full(4, 64.0),
        scales=np.ones(2, dtype=np.float32),
        numbers=np.zeros((2, 0), dtype=np.float32),
        limits=np.array([-512, 511], dtype=np.float32),
        position=np.concatenate([np.ones((1, 4)), place.T * 2**15]),
        matrix=np.zeros((0, 2, 2)),
        step=np.full(2, 2048.0),
        top=np.full(2, 16.0),
    )
    encoder = IntegerEncoder(Network(FixedPoint(bits=10, integer=1), ()), tables)
    charges = np.array([[0.0, 20, 3, 7]], dtype=np.float32)
    assert encoder.integers(charges).tolist() == [[30, 6, -3]]
    described = describe(encoder, 4)
    assert described["tables"]["thresholds"][:3] == [1, 32, 48]
    assert encode(described, [[0], [20], [3], [7]]) == [30, 6, -3]
