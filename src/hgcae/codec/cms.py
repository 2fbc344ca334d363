"""CMS's own trained autoencoders of the ECON-T, from the frozen TensorFlow graphs of CMSSW's data package, run without TensorFlow.

What happens around the networks is that of CMSSW's concentrator emulation: charges are divided by the power of two below the module's sum
and rounded to 8 bits behind the point; each of 16 outputs is rounded to 3, 5, 7 or 9 bits for 2 to 5 links; the decoded image is scaled
to the module's sum, and cells below a threshold are dropped. CMSSW keeps the exact sum and does not limit the outputs, which reach 10: here
the sum is sent in the format 5E4M, the charge of dropped cells goes to the others, and outputs saturate at a power of two that is a setting
(`fit` chooses it), so that everything fits the bits of the links.

The cells fill the 4 x 4 x 3 image of row, column and channel in CALQ order. CMSSW's default configuration (`autoencoder_triggerCellRemap`)
makes the ROCs the channels instead, which is not what these graphs were trained with: their images are then as far off as with cells drawn
at random (tests/codec/test_cms.py).
Sources: L1Trigger/L1THGCal HGCalConcentratorAutoEncoderImpl.cc and l1tHGCalConcentratorProducer_cfi.py, github.com/cms-sw/cmssw@3a030ab8;
graphs: github.com/cms-data/L1Trigger-L1THGCal@e47a20bf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.base import FitOptions, training_charges
from hgcae.codec.econ_ae import N_OUTPUTS, OUTPUT_BITS
from hgcae.codec.graphdef import Node, read_graph
from hgcae.codec.images import power_of_two
from hgcae.codec.layers import Layer, network, run
from hgcae.codec.numbers import NumbersCodec
from hgcae.codec.registry import CMS_GRAPHS
from hgcae.coding.floatcode import FLOAT_5E4M
from hgcae.errors import DataFormatError, SettingsError
from hgcae.geometry import module

ALLOCATIONS: Mapping[str, str] = {"pu": "PUdriven", "signal": "Signaldriven"}
"""How links were given to modules when the networks were trained, and how the files call it."""
INPUT_BITS = 8
"""Bits of the input behind the point (`nBitsPerInput`)."""
ZERO_SUPPRESSION = 0.1
"""Threshold of decoded cells (`zeroSuppresionThreshold`), there in transverse MIPs, here in counts."""
INTEGER_BITS = range(-1, 5)
"""Logarithms of the largest output between which `fit` chooses."""

_MOST_INTEGER_BITS = 30
_FITTED = 5000
"""Modules that the range is chosen on, about."""


class CmsCodec(NumbersCodec):
    """Sends the charge in 9 bits and 16 outputs.

    Args:
        links: ECON-T links, 2 to 5.
        encoder: Float layers from the 4 x 4 x 3 image to 16 outputs, or plain values of them.
        decoder: Float layers back, or plain values of them.
        integer_bits: Outputs saturate just below 2^integer_bits.
        threshold: Smallest decoded charge that is kept, counts.

    Raises:
        SettingsError: Layers do not fit, or there are other links.
    """

    name = "cms"

    def __init__(
        self,
        links: int,
        encoder: Sequence[Layer] | Sequence[Mapping[str, Any]],
        decoder: Sequence[Layer] | Sequence[Mapping[str, Any]],
        integer_bits: int,
        threshold: float = ZERO_SUPPRESSION,
    ) -> None:
        if links not in OUTPUT_BITS:
            msg = f"codec cms: links: found {links}, expected one of {', '.join(map(str, OUTPUT_BITS))}"
            raise SettingsError(msg)
        super().__init__(links, N_OUTPUTS, OUTPUT_BITS[links], FLOAT_5E4M)
        self.encoder = network(encoder, module.N_CELLS, N_OUTPUTS, "codec cms: encoder")
        self.decoder = network(decoder, N_OUTPUTS, module.N_CELLS, "codec cms: decoder")
        self.integer_bits, self.threshold = int(integer_bits), float(threshold)
        if abs(self.integer_bits) > _MOST_INTEGER_BITS or not 0 <= self.threshold < np.inf:
            found = f"integer_bits {self.integer_bits}, threshold {self.threshold}"
            msg = f"codec cms: found {found}, expected at most {_MOST_INTEGER_BITS} on either side of 0, and a charge"
            raise SettingsError(msg)

    @override
    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None, *, allocation: str = "pu") -> Self:
        """Reads a graph and chooses the range of its outputs: the one that gives images the least squared error on training charges.

        Args:
            links: ECON-T links, 2 to 5.
            train: Charges (n, 48), of which some are not empty.
            options: Folder of real data, which holds the graphs: `cms_autoencoder/encoder_2eLinks_PUdriven_constantgraph.pb` and so on.
            allocation: Key of `ALLOCATIONS`.

        Raises:
            SettingsError: Other links or another allocation, no module has charge, or the folder is not known.
            DataFormatError: A graph is damaged, or not such a network.
            OSError: A graph cannot be opened.
        """
        if options is None or options.data is None:
            msg = f"codec cms_{allocation}: the folder of real data is not known"
            raise SettingsError(msg)
        if links not in OUTPUT_BITS or allocation not in ALLOCATIONS:
            msg = f"codec cms: found {links} links, allocation {allocation!r}; expected 2 to 5, {' or '.join(ALLOCATIONS)}"
            raise SettingsError(msg)
        # Only one of six ranges is chosen, which takes no large sample.
        charges = training_charges(train[:: max(1, len(train) // _FITTED)], cls.name)
        file = f"{links}eLinks_{ALLOCATIONS[allocation]}_constantgraph.pb"
        layers = [graph_layers(options.data / CMS_GRAPHS / f"{part}_{file}") for part in ("encoder", "decoder")]

        def error(codec: Self) -> float:
            decoded = codec.decode(codec.encode(charges))
            return float(np.mean(((decoded - charges) / charges.sum(axis=1, keepdims=True)) ** 2))

        return min((cls(links, *layers, integer_bits=bits) for bits in INTEGER_BITS), key=error)

    @property
    def step(self) -> float:
        """Step of the outputs."""
        return 2.0 ** (self.integer_bits - self.bits)

    def numbers(self, charges: NDArray[np.int64]) -> NDArray[np.integer]:
        """Returns the outputs of the encoder in steps: (n, 16)."""
        power = np.ldexp(1.0, power_of_two(charges.sum(axis=1)) - INPUT_BITS)
        image = _rounded(charges / power[:, None]) / (1 << INPUT_BITS)
        output = run(self.encoder, image)
        return np.clip(_rounded(output / self.step), 0, (1 << self.bits) - 1).astype(np.int64)

    def images(self, numbers: NDArray[np.int64], total: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns shares of the charge, without cells below the threshold: (n, 48)."""
        image = run(self.decoder, numbers * self.step)
        image /= image.sum(axis=1, keepdims=True)
        kept = image * total[:, None] >= self.threshold
        # A module whose charge is spread so thin that nothing would be left keeps it all.
        return np.where(kept | ~kept.any(axis=1, keepdims=True), image, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values; arrays as in `hgcae.codec.arrays`."""
        layers = {part: [layer.get_config() for layer in getattr(self, part)] for part in ("encoder", "decoder")}
        return {"name": self.name, "links": self.links} | layers | {"integer_bits": self.integer_bits, "threshold": self.threshold}


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounds to the nearest integer, halves up, as C++ does with positive numbers."""
    return np.floor(values + 0.5)


_ACTIVATIONS = {"Relu": "relu", "Sigmoid": "sigmoid"}
_KINDS = {"MatMul": "dense", "Conv2D": "convolution", "Conv2DBackpropInput": "transposed"}
_SHAPES = frozenset({"Const", "Identity", "Placeholder", "Shape", "StridedSlice", "Pack", "Mul"})
"""Operations that hold weights or compute shapes."""


def graph_layers(path: str | Path) -> tuple[Layer, ...]:
    """Returns the layers of a frozen graph in which one follows another.

    Raises:
        DataFormatError: The graph is damaged, or holds something else.
        OSError: The file cannot be opened.
    """
    nodes = read_graph(path)
    layers: list[Layer] = []
    before, image, pending = "", (0, 0), None
    for node in nodes.values():
        if node.op == "Placeholder":
            shape = node.attributes.get("shape")
            before, image = node.name, shape[1:3] if isinstance(shape, tuple) else ()
        if node.op in _SHAPES:
            continue
        if before not in node.inputs:
            raise DataFormatError(path, f"node {node.name}", f"inputs {', '.join(node.inputs[:10])}", f"{before} among them")
        if node.op in _KINDS and pending is None:
            pending = _weights(nodes, node, image, path)
        elif node.op == "BiasAdd" and pending is not None and isinstance(pending, dict):
            pending["bias"] = _constant(nodes, node.inputs[-1], path)
        elif node.op in _ACTIVATIONS and pending is not None and "bias" in pending:
            layers.append(_layer(pending, _ACTIVATIONS[node.op], path))
            pending = None
        elif node.op == "Reshape":
            image = _reshaped(nodes, node, image)
        else:
            raise DataFormatError(path, f"node {node.name}", node.op, "a dense or convolutional layer with bias, then Relu or Sigmoid")
        before = node.name
    if pending is not None or not layers:
        raise DataFormatError(path, "contents", "an unfinished layer" if layers else "no layer", "layers with bias and activation")
    return tuple(layers)


def _weights(nodes: Mapping[str, Node], node: Node, image: tuple[int, ...], path: str | Path) -> dict[str, Any]:
    names = [name for name in node.inputs if name in nodes and nodes[name].op in {"Identity", "Const"}]
    strides, kind = node.attributes.get("strides"), _KINDS[node.op]
    strides = strides if isinstance(strides, list) else [1, 1, 1, 1]
    plain = not node.attributes.get("transpose_a") and not node.attributes.get("transpose_b")
    same = kind == "dense" or (
        node.attributes.get("padding") == "SAME" and node.attributes.get("data_format") == "NHWC" and len(image) == 2
    )
    if not names or not plain or not same or len(strides) != 4 or strides[1] != strides[2]:
        raise DataFormatError(
            path, f"node {node.name}", f"{node.op} with {', '.join(node.attributes)}", "constant weights, padding SAME, equal strides"
        )
    kernel = _constant(nodes, names[-1], path)
    if kind == "dense":
        return {"kernel": kernel, "kind": kind}
    stride = strides[1]
    larger = image if kind == "convolution" else tuple(stride * n for n in image)
    return {"kernel": kernel, "kind": kind, "image": larger, "stride": stride}


def _layer(arguments: Mapping[str, Any], activation: str, path: str | Path) -> Layer:
    try:
        return Layer(**arguments, activation=activation)
    except SettingsError as error:
        raise DataFormatError(path, "a layer", str(error), "weights and biases that fit") from None


def _constant(nodes: Mapping[str, Node], name: str, path: str | Path) -> NDArray[Any]:
    node = nodes.get(name)
    for _ in nodes:  # so that a node that feeds itself comes to an end
        if node is not None and node.op == "Identity" and node.inputs:
            node = nodes.get(node.inputs[0])
    value = None if node is None or node.op != "Const" else node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise DataFormatError(path, f"node {name}", "no constant", "a constant")
    return value


def _reshaped(nodes: Mapping[str, Node], node: Node, image: tuple[int, ...]) -> tuple[int, ...]:
    """Returns height and width that a Reshape gives its input; those before where it makes it flat."""
    shape = nodes.get(node.inputs[-1])
    if shape is None or shape.op != "Pack":
        return image
    sizes = [nodes[name].attributes.get("value") for name in shape.inputs[1:3] if name in nodes]
    return tuple(int(size) for size in sizes if isinstance(size, np.ndarray) and size.ndim == 0)
