"""The layers of the original encoders: QKeras' arithmetic, step by step.

Source: QKeras 0.9 (github.com/google/qkeras), `quantized_bits` and `quantized_relu` in quantizers.py, and what `QDense` and `QConv2D` make
of a kernel's quantiser. Rounding is passed over by gradients; so is saturation, except that of a ReLU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import keras
import numpy as np
from hgq.constraints import MinMax
from numpy.typing import NDArray

from hgcae.coding.fixedpoint import FixedPoint, to_integers
from hgcae.model.layers import Windows

WeightScale = Literal["auto_po2", "fixed"]
"""Steps of a kernel: a power of two for each filter, fitted to its values; or those of its format."""


@keras.saving.register_keras_serializable(package="hgcae")
class Quantised(keras.layers.Layer):
    """QKeras' `QActivation`: `quantized_bits` for a signed format, `quantized_relu` for an unsigned one."""

    def __init__(self, form: FixedPoint | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.form = FixedPoint.model_validate(form)

    def call(self, x: Any) -> Any:
        """Rounds and saturates numbers (...)."""
        _, top = self.form.range
        through = x if self.form.signed else jnp.where(x <= top, jax.nn.relu(x), top)
        return _passed(through, _rounded(x, self.form))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        return {**super().get_config(), "form": self.form.model_dump()}


@keras.saving.register_keras_serializable(package="hgcae")
class QuantisedDense(keras.layers.Dense):
    """QKeras' `QDense`, or its `QConv2D` over windows of the image."""

    def __init__(self, units: int, weight: FixedPoint | dict[str, Any], scale: WeightScale, **kwargs: Any) -> None:
        self.weight, self.scale = FixedPoint.model_validate(weight), scale
        largest = max(1.0, 2.0**self.weight.integer)
        options: dict[str, Any] = {name: MinMax(-largest, largest) for name in ("kernel_constraint", "bias_constraint")}
        options |= {"kernel_initializer": "zeros", **kwargs}
        super().__init__(units, **options)

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002 - rounding is the same
        """Maps (..., n) to (..., units), not rounded."""
        kernel, bias = jnp.asarray(self.kernel), jnp.asarray(self.bias)
        if self.scale == "fixed":
            steps = _rounded(kernel, self.weight)
        else:
            steps = jnp.ldexp(*scaled_kernel(jax.lax.stop_gradient(kernel), self.weight, jnp))
        return jnp.matmul(inputs, _passed(kernel, steps)) + _passed(bias, _rounded(bias, self.weight))

    def get_config(self) -> dict[str, Any]:
        """Configuration from which Keras rebuilds the layer."""
        return {**super().get_config(), "weight": self.weight.model_dump(), "scale": self.scale}


def encoder(
    x: Any,
    convolutions: Sequence[int],
    units: Sequence[int],
    weight: FixedPoint,
    scale: WeightScale,
    formats: Sequence[FixedPoint],
    name: str,
) -> Any:
    """Stacks 2 x 2 'valid' convolutions, as products over their windows, and dense layers.

    Args:
        x: Keras tensor (..., n), an image where there are convolutions.
        convolutions: Their filters.
        units: Widths of the dense layers; the last is the output.
        weight: Format of weights and biases.
        scale: Steps of the kernels.
        formats: Of the input, of what lies between the layers, and of the output.
        name: Prefix of the layer names.

    Returns:
        Keras tensor (..., units[-1]) on the grid of the last format.
    """
    first, hidden, last = formats
    x = Quantised(first, name=f"{name}_input")(x)
    for i, filters in enumerate(convolutions):
        x = QuantisedDense(filters, weight, scale, name=f"{name}_conv{i}")(Windows(name=f"{name}_windows{i}")(x))
        x = Quantised(hidden, name=f"{name}_conv{i}_relu")(x)
    x = keras.layers.Flatten()(x)
    for i, width in enumerate(units):
        x = QuantisedDense(width, weight, scale, name=f"{name}_dense{i}")(x)
        x = Quantised(last if i == len(units) - 1 else hidden, name=f"{name}_dense{i}_rounded")(x)
    return x


def scaled_kernel(kernel: Any, form: FixedPoint, xp: Any = np) -> tuple[Any, Any]:
    """Returns a kernel as integers (n, filters) and the powers of two that each filter's count (filters,): QKeras' `auto_po2`.

    The power is fitted in five rounds of least squares between a filter and its integers. A sum decides between two powers, so it must not
    depend on who adds it up: products are split into integers and rests of 2^-12, and added as such, everywhere alike.

    Args:
        kernel: Weights (n, filters) float32.
        form: Their format; `integer` bits scale the small number that QKeras adds to scales.
        xp: NumPy, or JAX's.
    """
    top = 2 ** (form.bits - 1) - 1
    size = xp.abs(xp.ldexp(kernel, -form.integer))

    def fit(_: Any, found: Any) -> Any:
        power, _ = found
        scaled = xp.minimum(xp.ldexp(size, -power), np.float32(_LARGEST))
        whole = xp.floor(scaled + np.float32(0.5))
        rest = xp.rint((scaled - whole) * np.float32(2**_REST_BITS)).astype(np.int32)
        whole = whole.astype(np.int32)
        steps = xp.minimum(whole, np.int32(top))
        products, rests, squares = ((steps * x).sum(axis=0, dtype=np.int32).astype(np.float32) for x in (whole, rest, steps))
        ratio = (products + rests * np.float32(2.0**-_REST_BITS)) / (squares + np.float32(len(kernel) * 1e-7))
        return _nearest_power(xp.ldexp(ratio, power) + _EPSILON, xp), steps

    power = _nearest_power(xp.max(size, axis=0) * np.float32(2) / np.float32(2 * top) + _EPSILON, xp)
    found = power, xp.zeros(size.shape, dtype=np.int32)
    if xp is np:
        for i in range(_ROUNDS):
            found = fit(i, found)
    else:
        found = jax.lax.fori_loop(0, _ROUNDS, fit, found)
    power, steps = found
    return xp.sign(kernel) * steps.astype(np.float32), power + form.integer


_ROUNDS = 5
_EPSILON = np.float32(1e-7)
"""What Keras adds to denominators and logarithms."""
_REST_BITS = 12
_LARGEST = 2**12
"""Steps of a weight, at most: more than a fit can leave outside the range."""


def _nearest_power(values: Any, xp: Any) -> Any:
    """Returns the integers nearest to the logarithms (base 2) of positive numbers."""
    mantissa, exponent = xp.frexp(values)
    return exponent - (mantissa < np.float32(np.sqrt(0.5))).astype(exponent.dtype)


def _rounded(x: Any, form: FixedPoint) -> Any:
    low, high = form.range
    return jnp.clip(jnp.rint(x * (1 / form.step)) * form.step, low, high)


def _passed(through: Any, values: Any) -> Any:
    """Returns `values`, whose gradient is that of `through`."""
    return jax.lax.stop_gradient(values) + (through - jax.lax.stop_gradient(through))


def scaled_arrays(kernel: NDArray[Any], form: FixedPoint, scale: WeightScale) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns a kernel as integers (n, filters) and the powers of two that each filter's count (filters,)."""
    if scale == "fixed":
        return to_integers(kernel, form), np.full(kernel.shape[-1], -form.fraction)
    steps, power = scaled_kernel(np.asarray(kernel, dtype=np.float32), form)
    return steps.astype(np.int64), power.astype(np.int64)
