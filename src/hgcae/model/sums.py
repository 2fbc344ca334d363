"""Charge sums, and the integer features that encoders see of them, in JAX.

Everything here is integer arithmetic (or floats that hold integers exactly), so that hardware and software agree bit for bit. Sums count
sixteenths of the LSB, see `hgcae.coding.sums`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hgcae.coding.sums import LOG_BITS, ROOT_BITS, ROOTS, UNITS, WEIGHT_ONE, SumCode


def encode(code: SumCode, total: Any) -> Any:
    """Returns the codes (float32 holding integers) of sums in sixteenths (int32)."""
    return jnp.searchsorted(jnp.asarray(code.thresholds), total, side="right").astype(jnp.float32)


def decode(code: SumCode, number: Any) -> Any:
    """Returns the sums in sixteenths (int32) of codes."""
    return jnp.asarray(code.table)[number.astype(jnp.int32)]


def to_lsb(code: SumCode, number: Any) -> Any:
    """Returns the sums in LSB (float32) of codes, between codes by interpolation."""
    return jnp.interp(number, jnp.arange(2.0**code.bits), jnp.asarray(code.table / UNITS, dtype=jnp.float32))


def from_lsb(code: SumCode, total: Any) -> Any:
    """Returns codes that are not rounded: the inverse of `to_lsb`."""
    return jnp.interp(total, jnp.asarray(code.table / UNITS, dtype=jnp.float32), jnp.arange(2.0**code.bits))


def from_charge(charge: Any, lsb: float) -> Any:
    """Returns charges (ADC counts) as int32 sixteenths of the LSB (ADC counts)."""
    return jnp.round(charge * (UNITS / lsb)).astype(jnp.int32)


def weighted(total: Any, weight: NDArray[np.int32] | None) -> Any:
    """Returns the children's sums (n, children) times their weights, where `WEIGHT_ONE` is one; rounded down to a sixteenth.

    Split in two so that no product leaves 32 bits.
    """
    if weight is None:
        return total
    w = jnp.asarray(weight)
    high, low = total // WEIGHT_ONE, total % WEIGHT_ONE
    return high * w + (low * w) // WEIGHT_ONE


def integer_weights(weight: NDArray[np.float64] | None) -> NDArray[np.int32] | None:
    """Returns weights as fixed-point integers with `WEIGHT_ONE` as one."""
    return None if weight is None else np.maximum(np.round(weight * WEIGHT_ONE), 1).astype(np.int32)


def normalised(total: Any) -> tuple[Any, Any]:
    """Returns the square roots of the children's shares and the logarithm of their sum, for the encoder.

    The shares are divided by the power of two below the sum (a shift, as in the ECON-T autoencoder), cut to 8 bits, and looked up in a
    table of 256 roots. The logarithm is the position of the leading one plus the bits behind it, the usual piecewise linear log2.

    Args:
        total: Sums of the children (n, children) int32.

    Returns:
        Roots (n, children) in [0, 1.42) on a grid of 1/128, and log2(sum) / 16 - 1 (n,); for an empty unit 0 and -1.
    """
    whole = jnp.sum(total, axis=-1)
    exponent = 31 - jax.lax.clz(jnp.maximum(whole, 1))
    root = jnp.asarray(ROOTS / (1 << ROOT_BITS), dtype=jnp.float32)[jnp.clip(_shifted(total, ROOT_BITS - exponent[:, None]), 0, 255)]
    mantissa = _shifted(whole, LOG_BITS - exponent) - (1 << LOG_BITS)
    log = exponent.astype(jnp.float32) + mantissa.astype(jnp.float32) / (1 << LOG_BITS)
    return root, jnp.where(whole > 0, log / 16 - 1, -1.0)


def barycentre(total: Any, position: Any) -> Any:
    """Returns the charge-weighted mean position of the children, in integers.

    Args:
        total: Sums of the children (n, children) int32.
        position: Their d coordinates (children, d) or (n, children, d) int32.

    Returns:
        Means (n, d) int32, rounded; 0 for an empty unit. Shares are cut to 12 bits, so all products stay within 32 bits.
    """
    exponent = 31 - jax.lax.clz(jnp.maximum(jnp.sum(total, axis=-1), 1))
    share = _shifted(total, 11 - exponent[:, None])
    whole = jnp.maximum(jnp.sum(share, axis=1), 1)[:, None]
    moment = jnp.sum(share[..., None] * position, axis=1)
    return (2 * moment + whole) // (2 * whole)


def _shifted(values: Any, left: Any) -> Any:
    """Returns integers shifted left by `left` bits, right where it is negative."""
    return (values << jnp.maximum(left, 0)) >> jnp.maximum(-left, 0)
