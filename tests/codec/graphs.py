"""Writes TensorFlow graphs, byte by byte, for the tests of their reader."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(key: int, value: int) -> bytes:
    return varint(key << 3) + varint(value)


def text(key: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(key << 3 | 2) + varint(len(data)) + data


def shape(sizes: Sequence[int]) -> bytes:
    return b"".join(text(2, number(1, size)) for size in sizes)


def tensor(values: np.ndarray) -> bytes:
    values = np.asarray(values)
    kind, dtype = (1, "<f4") if values.dtype.kind == "f" else (3, "<i4")
    content = text(4, values.astype(dtype).tobytes()) if values.ndim else number(7, int(values))
    return number(1, kind) + text(2, shape(values.shape)) + content


def node(name: str, op: str, inputs: Sequence[str] = (), **attributes: bytes) -> bytes:
    pairs = [text(5, text(1, key) + text(2, value)) for key, value in attributes.items()]
    return text(1, text(1, name) + text(2, op) + b"".join(text(3, given) for given in inputs) + b"".join(pairs))


def constant(name: str, values: np.ndarray) -> bytes:
    return node(name, "Const", dtype=number(6, 1), value=text(8, tensor(values)))


def spatial(stride: int, padding: str = "SAME") -> dict[str, bytes]:
    strides = text(1, text(3, b"".join(varint(n) for n in (1, stride, stride, 1))))
    return {"strides": strides, "padding": text(2, padding), "data_format": text(2, "NHWC")}


def huge(size: int) -> bytes:
    """A convolution with one weight, of an image of size x size pixels."""
    start = node("input", "Placeholder", shape=text(7, shape((-1, size, size, 1)))) + constant("kernel", np.ones((1, 1, 1, 1)))
    layer = node("layer", "Conv2D", ["input", "kernel"], **spatial(1)) + constant("bias", np.ones(1))
    return start + layer + node("biased", "BiasAdd", ["layer", "bias"]) + node("output", "Relu", ["biased"])


def encoder(kernel: np.ndarray, bias: np.ndarray, dense: np.ndarray, dense_bias: np.ndarray, padding: str = "SAME") -> bytes:
    """A convolution of 4 x 4 x 3 images, and a dense layer."""
    return b"".join(
        [
            node("input", "Placeholder", shape=text(7, shape((-1, 4, 4, 3)))),
            constant("kernel", kernel),
            constant("bias", bias),
            node("kernel/read", "Identity", ["kernel"]),
            node("conv", "Conv2D", ["input", "kernel/read"], **spatial(1, padding)),
            node("add", "BiasAdd", ["conv", "bias"]),
            node("relu", "Relu", ["add"]),
            constant("flat", np.array([-1, 128], dtype=np.int32)),
            node("reshape", "Reshape", ["relu", "flat"]),
            constant("dense", dense),
            constant("dense_bias", dense_bias),
            node("matmul", "MatMul", ["reshape", "dense"], transpose_a=number(5, 0), transpose_b=number(5, 0)),
            node("dense_add", "BiasAdd", ["matmul", "dense_bias"]),
            node("out", "Relu", ["dense_add"]),
            text(4, number(1, 22)),  # the versions, which nobody asks for
        ]
    )


def decoder(dense: np.ndarray, dense_bias: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> bytes:
    """A dense layer whose 16 x channels outputs are an image, and a transposed convolution to 4 x 4 x 3."""
    sizes = [4, 4, kernel.shape[-1]]
    return b"".join(
        [
            node("code", "Placeholder", shape=text(7, shape((-1, 16)))),
            constant("dense", dense),
            constant("dense_bias", dense_bias),
            node("matmul", "MatMul", ["code", "dense"]),
            node("dense_add", "BiasAdd", ["matmul", "dense_bias"]),
            node("relu", "Relu", ["dense_add"]),
            node("rows", "Shape", ["relu"]),
            *[constant(f"size{i}", np.array(size, dtype=np.int32)) for i, size in enumerate(sizes)],
            node("shape", "Pack", ["rows", "size0", "size1", "size2"]),
            node("reshape", "Reshape", ["relu", "shape"]),
            constant("kernel", kernel),
            constant("bias", bias),
            node("stack", "Pack", ["rows"]),
            node("up", "Conv2DBackpropInput", ["stack", "kernel", "reshape"], **spatial(1)),
            node("add", "BiasAdd", ["up", "bias"]),
            node("out", "Sigmoid", ["add"]),
        ]
    )


def write_codec(folder: Path, seed: int = 1) -> None:
    """Writes graphs of the published shapes with random weights, for all links and allocations."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def draw(*sizes: int) -> np.ndarray:
        return rng.normal(0, 0.3, sizes).astype(np.float32)

    for links in (2, 3, 4, 5):
        for allocation in ("PUdriven", "Signaldriven"):
            file = f"{links}eLinks_{allocation}_constantgraph.pb"
            (folder / f"encoder_{file}").write_bytes(encoder(draw(3, 3, 3, 8), draw(8), draw(128, 16), draw(16)))
            (folder / f"decoder_{file}").write_bytes(decoder(draw(16, 128), draw(128), draw(3, 3, 3, 8), draw(3)))
