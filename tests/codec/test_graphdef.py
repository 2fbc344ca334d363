"""The reader of frozen graphs, on graphs that the tests write."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec import graphs
from hgcae.codec.graphdef import read_graph
from hgcae.errors import DataFormatError

GOLDEN = bytes.fromhex(
    # node { name: "a" op: "Const" attr { key: "value" value { tensor { dtype: 1 shape { dim { size: 2 } } content: 1.0, -2.5 } } } } }
    "0a290a01611205436f6e73742a1d0a0576616c7565121442120801120412020802" + "22080000803f000020c0"
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.pb"


def test_a_graph_byte_by_byte(path):
    path.write_bytes(GOLDEN)
    (node,) = read_graph(path).values()
    assert (node.name, node.op, node.inputs) == ("a", "Const", ())
    np.testing.assert_array_equal(node.attributes["value"], np.array([1.0, -2.5], dtype=np.float32))


def test_nodes_and_attributes(path):
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    path.write_bytes(
        graphs.node("x", "Placeholder", shape=graphs.text(7, graphs.shape((-1, 4, 4, 3))))
        + graphs.constant("w", weights)
        + graphs.constant("n", np.array(7, dtype=np.int32))
        + graphs.node("y", "Conv2D", ["x", "w"], **graphs.spatial(2), flag=graphs.number(5, 1))
    )
    nodes = read_graph(path)
    assert list(nodes) == ["x", "w", "n", "y"]
    assert nodes["x"].attributes == {"shape": (-1, 4, 4, 3)}
    np.testing.assert_array_equal(nodes["w"].attributes["value"], weights)
    assert nodes["n"].attributes["value"] == 7
    assert nodes["y"].inputs == ("x", "w")
    assert nodes["y"].attributes == {"strides": [1, 2, 2, 1], "padding": "SAME", "data_format": "NHWC"}


@given(cut=st.integers(0, 400), flip=st.integers(0, 400), value=st.integers(0, 255))
def test_damage_is_refused_or_read_as_another_graph(tmp_path_factory, cut, flip, value):
    data = bytearray(graphs.node("x", "Placeholder") + graphs.constant("w", np.ones((5, 5))))
    data[flip % len(data)] = value
    path = tmp_path_factory.mktemp("graph") / "graph.pb"
    path.write_bytes(data[: cut % len(data)])
    # No other error than that of a damaged file.
    with suppress(DataFormatError):
        assert read_graph(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0b",
        b"\xff" * 12,
        graphs.number(1, 3),
        graphs.text(1, graphs.text(1, "a")),
        graphs.text(1, graphs.text(1, b"\xff") + graphs.text(2, "Const")),
        graphs.node("a", "Const", value=graphs.text(8, graphs.number(1, 2))),
        graphs.node("a", "Const", value=graphs.text(8, graphs.number(1, 1) + graphs.text(4, b"abc"))),
        graphs.constant("a", np.array([np.nan])),
        graphs.text(1, graphs.text(1, "a") + graphs.text(2, "Const") + graphs.text(5, graphs.text(1, "value"))),
    ],
)
def test_other_bytes_are_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(DataFormatError, match="expected a TensorFlow graph"):
        read_graph(path)
