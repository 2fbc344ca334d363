"""Layers with fixed-point weights and activations, on HGQ2; the only place where quantisers are configured.

All weights start at zero: whoever builds a network draws them (JAX compiles a random initialiser for every shape, a second each).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from hgq.layers import QDense
from hgq.quantizer import QuantizerConfig
from keras import ops

from hgcae.coding.fixedpoint import FixedPoint


def quantiser(form: FixedPoint, place: str) -> QuantizerConfig:
    """Returns the HGQ2 quantiser of a format for a `place`: weight, bias or datalane."""
    return QuantizerConfig(
        "kif",
        place,
        k0=form.signed,
        i0=form.integer,
        f0=form.fraction,
        round_mode="RND_CONV",
        overflow_mode="SAT",
        trainable=False,
        homogeneous_axis=None,
        heterogeneous_axis=(),  # one format for the whole tensor, as the firmware declares it
        ic=None,
        fc=None,
        ir=None,
        fr=None,
    )


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Float layers that are made inside multiply in this type ("float32", "bfloat16"); their weights stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def quantised_dense(
    x: Any,
    units: Sequence[int],
    weight: FixedPoint,
    first: FixedPoint,
    activation: FixedPoint,
    output: FixedPoint,
    name: str,
    last_activation: str | None = None,
) -> Any:
    """Stacks dense layers; ReLU between them, `last_activation` after the last.

    Args:
        x: Keras tensor (..., n).
        units: Widths; the last is the output.
        weight: Format of weights and biases.
        first: Format of the input.
        activation: Format of the hidden activations.
        output: Format of the output.
        name: Prefix of the layer names.
        last_activation: Activation after the last layer; None = none.

    Returns:
        Keras tensor (..., units[-1]) on the grid of `output`.
    """
    last = len(units) - 1
    for i, width in enumerate(units):
        x = QDense(
            width,
            activation=last_activation if i == last else "relu",
            kernel_initializer="zeros",
            kq_conf=quantiser(weight, "weight"),
            bq_conf=quantiser(weight, "bias"),
            iq_conf=quantiser(first if i == 0 else activation, "datalane"),
            oq_conf=quantiser(output, "datalane") if i == last else None,
            enable_oq=i == last,
            enable_ebops=False,
            name=f"{name}_dense{i}",
        )(x)
    return x


def quantised_convolutions(x: Any, filters: Sequence[int], weight: FixedPoint, first: FixedPoint, activation: FixedPoint, name: str) -> Any:
    """Stacks 2 x 2 'valid' convolutions with ReLU; the output is quantised by the layer that takes it.

    Each is a dense layer over its windows: the same product, whose gradient is much faster on CPUs. Kernels are (4 * channels, filters).
    """
    for i, n in enumerate(filters):
        x = QDense(
            n,
            activation="relu",
            kernel_initializer="zeros",
            kq_conf=quantiser(weight, "weight"),
            bq_conf=quantiser(weight, "bias"),
            iq_conf=quantiser(first if i == 0 else activation, "datalane"),
            enable_ebops=False,
            name=f"{name}_conv{i}",
        )(Windows(name=f"{name}_windows{i}")(x))
    return x


def float_dense(x: Any, units: Sequence[int], name: str, last_activation: str | None = None, activation: str | None = "relu") -> Any:
    """Stacks float dense layers; `activation` between them, `last_activation` after the last."""
    last = len(units) - 1
    for i, width in enumerate(units):
        chosen = last_activation if i == last else activation
        x = keras.layers.Dense(width, activation=chosen, kernel_initializer="zeros", name=f"{name}_dense{i}")(x)
    return x


def windows(x: Any) -> Any:
    """Puts the four pixels of each 2 x 2 window of images (n, h, w, channels) side by side: (n, h - 1, w - 1, 4 * channels)."""
    height, width = x.shape[1] - 1, x.shape[2] - 1
    return ops.concatenate([x[:, a : a + height, b : b + width] for a in range(2) for b in range(2)], axis=-1)


@keras.saving.register_keras_serializable(package="hgcae")
class Windows(keras.layers.Layer):
    """The 2 x 2 windows of an image, row by row: (n, h, w, channels) to (n, h - 1, w - 1, 4 * channels)."""

    def call(self, x: Any) -> Any:
        """Puts the four pixels of each window side by side."""
        return windows(x)

    def compute_output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output."""
        n, h, w, channels = input_shape
        return n, h - 1, w - 1, 4 * channels


@keras.saving.register_keras_serializable(package="hgcae")
class Convolution(keras.layers.Dense):
    """A 2 x 2 'valid' convolution as a dense layer over its windows: its kernel is (4 * channels, filters)."""

    pixels = 4

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates kernel and bias."""
        super().build((*input_shape[:-1], self.pixels * input_shape[-1]))  # type: ignore[operator]
        self.input_spec = None

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Maps (n, h, w, channels) to (n, h - 1, w - 1, filters)."""
        return super().call(windows(inputs), training=training)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output."""
        n, h, w, _ = input_shape
        return n, h - 1, w - 1, self.units  # type: ignore[operator]


@keras.saving.register_keras_serializable(package="hgcae")
class TransposedConvolution(keras.layers.Layer):
    """A 'valid' transposed convolution with stride 1, written as one product for each row of the output.

    Equal to `keras.layers.Conv2DTranspose` (same weights, same layout). On images of a few pixels the zeros of a kernel that is dense along
    the row cost less than gathering windows, and JAX's own gradient is very slow on CPUs.
    """

    def __init__(self, filters: int, kernel_size: int, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.activation = filters, kernel_size, keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates kernel (k, k, filters, channels) and bias (filters,)."""
        k, channels = self.kernel_size, input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(k, k, self.filters, channels), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Maps (n, h, w, channels) to (n, h + k - 1, w + k - 1, filters)."""
        _, height, width, channels = x.shape
        k, across = self.kernel_size, (width + self.kernel_size - 1) * self.filters
        kernel = ops.transpose(self.kernel, (0, 3, 1, 2))
        # Each input pixel adds its patch to the output at its own place: a dense kernel along the row, for each row of the kernel.
        pixels: Any = x
        dense: Any = ops.stack([ops.pad(kernel, ((0, 0), (0, 0), (j, width - 1 - j), (0, 0))) for j in range(width)], axis=1)
        dense = ops.reshape(dense, (k, width * channels, across))
        rows: list[Any] = []
        for row in range(height + k - 1):
            reach = range(max(0, row - k + 1), min(row, height - 1) + 1)
            given = ops.reshape(pixels[:, reach.start : reach.stop], (-1, len(reach) * width * channels))
            rows.append(ops.matmul(given, ops.concatenate([dense[row - i] for i in reach])))
        out = ops.reshape(ops.concatenate(rows, axis=1), (-1, height + k - 1, width + k - 1, self.filters))
        return self.activation(out + self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output."""
        n, h, w, _ = input_shape
        return n, h + self.kernel_size - 1, w + self.kernel_size - 1, self.filters  # type: ignore[operator]

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        own = {"filters": self.filters, "kernel_size": self.kernel_size, "activation": keras.activations.serialize(self.activation)}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="hgcae")
class EachChild(keras.layers.Layer):
    """Repeats a unit's vector for each child and adds a learned vector that says which child it is: (n, k) to (n, children, k + size)."""

    def __init__(self, children: int, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.children, self.size = children, size

    def build(self, input_shape: tuple[int | None, ...]) -> None:  # noqa: ARG002 - Keras passes it by name
        """Creates the vectors of the children (children, size)."""
        self.embedding = self.add_weight(name="embedding", shape=(self.children, self.size), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Maps (n, k) to (n, children, k + size)."""
        shape: Any = ops.shape(x)
        repeated = ops.broadcast_to(x[:, None], (shape[0], self.children, shape[1]))
        return ops.concatenate([repeated, ops.broadcast_to(self.embedding, (shape[0], self.children, self.size))], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output."""
        return input_shape[0], self.children, (input_shape[-1] or 0) + self.size

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        return {**super().get_config(), "children": self.children, "size": self.size}
