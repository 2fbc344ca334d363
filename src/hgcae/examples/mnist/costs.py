"""Cost functions: how far decoded images are from true ones, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hgcae.examples.mnist.settings import PIXELS


def squared_error(true: Any, decoded: Any) -> Any:
    """Returns the mean squared difference of the pixels of each image: (n, 28, 28) twice to (n,)."""
    return jnp.mean((true - decoded) ** 2, axis=(1, 2))


def cross_entropy(true: Any, decoded: Any) -> Any:
    """Returns the mean cross entropy [nat] of the pixels, each taken as the probability of ink."""
    safe = jnp.clip(decoded, _SMALL, 1 - _SMALL)
    return -jnp.mean(true * jnp.log(safe) + (1 - true) * jnp.log(1 - safe), axis=(1, 2))


def structural_similarity(true: Any, decoded: Any) -> Any:
    """Returns the mean structural similarity of each pair of images, 1 where they are equal.

    Z. Wang et al., IEEE Trans. Image Process. 13 (2004) 600, doi:10.1109/TIP.2003.819861, eqs. 13 to 17, with their constants and window,
    for a range of pixels of 1. The window is the product of two bands, so that each local mean is two matrix products.
    """
    mean_x, mean_y = _local_mean(true), _local_mean(decoded)
    variance_x = _local_mean(true**2) - mean_x**2
    variance_y = _local_mean(decoded**2) - mean_y**2
    covariance = _local_mean(true * decoded) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    contrast = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return jnp.mean(luminance * contrast, axis=(1, 2))


def _local_mean(images: Any) -> Any:
    return _BAND @ images @ _BAND.T


def _band(size: int, window: int = 11, width: float = 1.5) -> NDArray[np.float32]:
    """Returns the matrix that averages a line of pixels under a Gaussian at every place where it fits: (size - window + 1, size)."""
    weight = np.exp(-0.5 * ((np.arange(window) - window // 2) / width) ** 2)
    places = size - window + 1
    band = np.zeros((places, size), dtype=np.float32)
    row = np.arange(places)[:, None]
    band[row, row + np.arange(window)] = weight / weight.sum()
    return band


_SMALL = 1e-6
_C1, _C2 = 0.01**2, 0.03**2
_BAND = _band(PIXELS)

COSTS: Mapping[str, Callable[[Any, Any], Any]] = {
    "squared_error": squared_error,
    "cross_entropy": cross_entropy,
    "structural_similarity": lambda true, decoded: 1 - structural_similarity(true, decoded),
}
"""What a training minimises, by name; functions of images in [0, 1], (n, 28, 28) twice to (n,)."""

MERITS: Mapping[str, Callable[[Any, Any], Any]] = COSTS | {"structural_similarity": structural_similarity}
"""What is reported of an image, by name."""
