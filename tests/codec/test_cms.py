"""CMS's autoencoders: graphs of random weights everywhere, their own graphs where they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from codec import graphs
from contracts.codec import CodecContract, random_modules
from hgcae.codec.base import FitOptions
from hgcae.codec.cms import ALLOCATIONS, CmsCodec, graph_layers
from hgcae.codec.layers import run
from hgcae.codec.registry import CMS_GRAPHS
from hgcae.errors import DataFormatError, SettingsError
from hgcae.evaluate import emd
from hgcae.sources.modules import module_sample


@cache
def fitted(links: int = 3) -> CmsCodec:
    with TemporaryDirectory() as folder:
        graphs.write_codec(Path(folder) / CMS_GRAPHS)
        return CmsCodec.fit(links, random_modules(200, seed=7), FitOptions(data=Path(folder)))


class TestContract(CodecContract):
    def codec(self) -> CmsCodec:
        return fitted()


@pytest.mark.parametrize(("links", "bits"), [(2, 57), (3, 89), (4, 121), (5, 153)])
def test_the_bits_are_those_of_the_links(links, bits):
    assert fitted(links).max_bits == bits


def test_layers_of_a_graph(tmp_path):
    rng = np.random.default_rng(1)
    kernel, bias, dense, dense_bias = (rng.normal(size=s).astype(np.float32) for s in ((3, 3, 3, 8), (8,), (128, 16), (16,)))
    (tmp_path / "graph.pb").write_bytes(graphs.encoder(kernel, bias, dense, dense_bias))
    layers = graph_layers(tmp_path / "graph.pb")
    assert [(layer.kind, layer.activation, layer.matrix.shape) for layer in layers] == [
        ("convolution", "relu", (48, 128)),
        ("dense", "relu", (128, 16)),
    ]
    image = np.zeros((1, 4, 4, 3))
    image[0, 1, 1, 2] = 1
    # What one pixel adds: the kernel, turned around.
    hidden = np.tile(bias, (4, 4, 1)).astype(np.float64)
    hidden[:3, :3] += kernel[::-1, ::-1, 2]
    expected = np.maximum(np.maximum(hidden, 0).reshape(1, -1) @ dense + dense_bias, 0)
    np.testing.assert_allclose(run(layers, image.reshape(1, -1)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "graph",
    [
        graphs.node("x", "Placeholder"),
        graphs.node("x", "Placeholder") + graphs.node("y", "Softplus", ["x"]),
        graphs.node("x", "Placeholder") + graphs.node("y", "MatMul", ["x", "w"]),
        graphs.node("x", "Placeholder") + graphs.constant("w", np.ones((2, 2))) + graphs.node("y", "MatMul", ["x", "w"]),
        graphs.node("x", "Placeholder") + graphs.node("y", "Relu", ["z"]),
        graphs.node("x", "Placeholder") + graphs.node("w", "Identity", ["w"]) + graphs.node("y", "MatMul", ["x", "w"]),
        graphs.node("x", "Placeholder") + graphs.node("v", "Identity", ["w"]) + graphs.node("w", "Identity", ["v"])
        + graphs.node("y", "MatMul", ["x", "w"]),
        graphs.node("x", "Placeholder", shape=graphs.number(3, 7)) + graphs.node("x", "Placeholder"),
        graphs.node("x", "Placeholder", shape=graphs.number(3, 7)) + graphs.constant("w", np.ones((1, 1, 1, 1)))
        + graphs.node("y", "Conv2D", ["x", "w"], **graphs.spatial(1)),
        graphs.huge(2**40), graphs.huge(2**62),
        graphs.encoder(np.ones((3, 3, 3, 8)), np.ones(7), np.ones((128, 16)), np.ones(16)),
        graphs.encoder(np.ones((3, 3, 3, 8)), np.ones(8), np.ones((128, 16)), np.ones(16), padding="VALID"),
    ],
)  # fmt: skip
def test_other_graphs_are_refused(tmp_path, graph):
    (tmp_path / "graph.pb").write_bytes(graph)
    with pytest.raises(DataFormatError, match="graph.pb"):
        graph_layers(tmp_path / "graph.pb")


def test_what_cannot_be_fitted(tmp_path):
    graphs.write_codec(tmp_path)
    for links, allocation, train in ((1, "pu", random_modules()), (2, "none", random_modules()), (2, "pu", np.zeros((3, 48), int))):
        with pytest.raises(SettingsError, match="codec cms"):
            CmsCodec.fit(links, train, FitOptions(data=tmp_path), allocation=allocation)
    with pytest.raises(SettingsError, match="links: found 7"):
        CmsCodec.from_config(fitted().get_config() | {"links": 7})


def test_small_charges_are_dropped():
    codec = fitted()
    decoded = codec.decode(codec.encode(random_modules()))
    assert decoded[decoded > 0].min() >= 0.9 * codec.threshold


@pytest.mark.parametrize("allocation", ALLOCATIONS)
@pytest.mark.parametrize("links", [2, 3, 4, 5])
def test_the_graphs_of_cms_know_the_cells_in_calq_order(data_dir, allocation, links):
    """In any other order that is not the same module turned or mirrored, images are further off: a fact about the graphs."""
    sample = module_sample("events", data_dir)
    test = sample.test[::80]
    codec = CmsCodec.fit(links, sample.train[::200], FitOptions(data=data_dir), allocation=allocation)

    def distance(order: np.ndarray) -> float:
        decoded = np.empty(test.shape)
        decoded[:, order] = codec.decode(codec.encode(test[:, order]))
        return float(np.median(emd(test, decoded)))

    cells, rng = np.arange(48), np.random.default_rng(1)
    by_channel = cells.reshape(3, 16).T.ravel()  # CMSSW's `autoencoder_triggerCellRemap`
    found = distance(cells)
    assert 1.1 < found < {2: 1.75}.get(links, 1.45)
    others = [distance(order) for order in (by_channel, np.argsort(by_channel), rng.permutation(48), rng.permutation(48))]
    assert found < 0.95 * min(others)
