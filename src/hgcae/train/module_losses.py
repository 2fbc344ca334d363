"""Losses of decoded module images, for training: a distance that charge is carried, seen along many directions, and the telescope loss."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hgcae.geometry import module, supercells

DIRECTIONS = 12
"""Directions along which images are compared, over half a turn."""


@lru_cache(maxsize=1)
def slices() -> NDArray[np.float32]:
    """Returns the matrix whose absolute sum over differences of images is their sliced distance: images (n, 48) @ matrix (48, k).

    In one dimension, the energy mover's distance is the absolute difference of the cumulative sums, integrated. Here that of the cells'
    places along each of `DIRECTIONS` directions, in spacings of sensor cells, averaged: at most the distance in the plane, and linear
    before the absolute value, so that its gradient costs one product (sliced Wasserstein distance; N. Bonneel et al., J. Math. Imaging
    Vis. 51 (2015) 22).
    """
    xy = module.trigger_cell_xy()
    xy = xy * (2 / np.linalg.norm(xy[1] - xy[0]))
    columns = []
    for angle in np.arange(DIRECTIONS) * np.pi / DIRECTIONS:
        place = np.round(xy @ [np.cos(angle), np.sin(angle)], 6)
        edges = np.unique(place)
        columns.append((place[:, None] <= edges[:-1]) * np.diff(edges) / DIRECTIONS)
    return np.concatenate(columns, axis=1).astype(np.float32)


def sliced_distance(true: Any, decoded: Any) -> Any:
    """Returns the sliced distance of images with the sum 1: (n, 48) each to (n,)."""
    return jnp.sum(jnp.abs((true - decoded) @ slices()), axis=1)


def absolute_difference(true: Any, decoded: Any) -> Any:
    """Returns the sum of absolute differences: (n, 48) each to (n,)."""
    return jnp.sum(jnp.abs(true - decoded), axis=1)


def telescope(true: Any, decoded: Any) -> Any:
    """Returns 4 L(cells) + 2 L(2 x 2) + L(4 x 4), L = mean of (y - y')^2 max(y, y') w, of images: (n, 48) each to (n,).

    Source: C. Herwig, github.com/fastmachinelearning/fastml-science@c569d917 (sensor-data-compression/telescope.py).
    """
    total: Any = 0.0
    parts = ((4.0, None, 1.0), (2.0, supercells.sums_matrix(), supercells.weights()), (1.0, supercells.roc_matrix(), 1.0))
    for scale, matrix, weight in parts:
        y, z = (true, decoded) if matrix is None else (true @ jnp.asarray(matrix), decoded @ jnp.asarray(matrix))
        total += scale * jnp.mean(jnp.square(y - z) * jnp.maximum(y, z) * jnp.asarray(weight), axis=1)
    return total
