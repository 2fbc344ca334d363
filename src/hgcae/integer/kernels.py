"""What the integer path compiles, see `hgcae.integer.encoder`.

Units are encoded in tiles, one array element per unit, so every multiply-add of a weight is a vector instruction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from hgcae.coding.sums import LOG_BITS, ROOT_BITS, WEIGHT_ONE

TILE = 128
"""Units that are encoded together: the numbers of a layer of a tile stay in the processor's nearest caches."""
MATRIX_BITS = 8
"""Bits of the maps between frames behind the point."""
_SHARE_BITS = 11
"""Bits that shares are cut to, next to the leading one."""
_BIASED_ONE = 1023
"""Exponent of 1 in the bits of a float64, which lie above 52 bits of mantissa."""


@njit(cache=True, nogil=True)
def _network(buffers: Any, sizes: Any, kernels: Any, rows: Any, limits: Any) -> int:
    """Runs the layers on a tile; the input lies in buffer 0; returns the buffer of the output."""
    at, row, here = 0, 0, 0
    for layer in range(len(sizes) - 1):
        n_in, n_out = sizes[layer], sizes[layer + 1]
        low, high = limits[layer]
        y = buffers[1 - here, :n_out]
        np.dot(kernels[at : at + n_in * n_out].reshape(n_out, n_in), buffers[here, :n_in], y)
        for j in range(n_out):
            total, bias, scale = y[j], rows[0, row + j], rows[1, row + j]
            for t in range(TILE):
                # To nearest with ties to even, as the processor rounds.
                total[t] = min(max(np.rint((total[t] + bias) * scale), low), high)
        at += n_in * n_out
        row += n_out
        here = 1 - here
    return here


@njit(cache=True, nogil=True)
def encode_plain(x: Any, out: Any, buffers: Any, sizes: Any, kernels: Any, rows: Any, limits: Any, tables: Any) -> None:
    """Fills `out` with the integers of units `x`; `buffers` are scratch space of two layers, `tables` are `PlainTables`."""
    for start in range(0, len(x), TILE):
        n = min(TILE, len(x) - start)
        for t in range(n):
            for i in range(x.shape[1]):
                buffers[0, i, t] = min(max(np.rint(x[start + t, i] * tables.scale[i]), tables.low), tables.high)
        result = buffers[_network(buffers, sizes, kernels, rows, limits)]
        for t in range(n):
            for j in range(out.shape[1]):
                out[start + t, j] = result[j, t]


@njit(cache=True, nogil=True)
def encode_conserving(x: Any, out: Any, buffers: Any, sizes: Any, kernels: Any, rows: Any, limits: Any, tables: Any) -> None:
    """Fills `out` with the integers of units `x`; `buffers` are scratch space of two layers, `tables` are `ConservingTables`."""
    children = len(tables.weight)
    size = x.shape[1] // children
    learned = sizes[-1] if len(sizes) > 1 else 0
    explicit = out.shape[1] - learned
    # Integers held in floats, exactly: sums and moments stay below 2^31.
    share = np.zeros((children, TILE), dtype=np.float64)
    moments = np.zeros((len(tables.position), TILE), dtype=np.float64)
    total = np.zeros(TILE, dtype=np.float64)
    code = np.zeros((len(tables.position), TILE), dtype=np.int64)
    for start in range(0, len(x), TILE):
        n = min(TILE, len(x) - start)
        tile = x[start : start + n]
        _sums(tile, size, share, tables)
        _shares(share, total)
        _features(tile, size, share, total, tables, buffers[0])
        _sum_code(total, tables.thresholds, code[0])
        if explicit > 1:
            np.dot(tables.position, share, moments)
            if len(tables.matrix):
                _add_own(tile, size, share, tables.matrix, moments)
            _barycentre(moments, tables, code)
        result = buffers[_network(buffers, sizes, kernels, rows, limits)]
        for t in range(n):
            # The code of an empty unit is all zero.
            some = code[0, t] > 0
            for k in range(explicit):
                out[start + t, k] = code[k, t] if some else 0
            for k in range(learned):
                out[start + t, explicit + k] = result[k, t] if some else 0


@njit(cache=True, nogil=True)
def _sums(tile: Any, size: int, child: Any, tables: Any) -> None:
    """Fills the weighted sums of the children."""
    for c in range(len(child)):
        row = child[c]
        if len(tables.below):
            for t in range(len(tile)):
                row[t] = tables.below[np.uint64(tile[t, c * size])]
        else:
            for t in range(len(tile)):
                row[t] = np.rint(np.float32(tile[t, c]) * tables.scale)
        weight = tables.weight[c]
        if weight != WEIGHT_ONE:
            for t in range(TILE):
                row[t] = np.floor(row[t] * weight * (1 / WEIGHT_ONE))


@njit(cache=True, nogil=True)
def _shares(share: Any, total: Any) -> None:
    """Fills the sum, and turns the children's sums into shares: 2^11 to 2^12 in all, nothing where nothing is."""
    total[:] = 0
    for row in share:
        for t in range(TILE):
            total[t] += row[t]
    power = np.empty(TILE, dtype=np.float64)
    bits = power.view(np.int64)
    for t in range(TILE):
        power[t] = max(total[t], 1.0)
    for t in range(TILE):
        # The exponent of a float is the position of the integer's leading one.
        bits[t] = (2 * _BIASED_ONE + _SHARE_BITS - (bits[t] >> 52)) << 52
    for row in share:
        for t in range(TILE):
            row[t] = np.floor(row[t] * power[t])


@njit(cache=True, nogil=True)
def _features(tile: Any, size: int, share: Any, total: Any, tables: Any, features: Any) -> None:
    """Fills the input of the network, see `ConservingLevel.features`: children's roots, numbers times them, numbers; then the logarithm."""
    children, numbers = len(share), size - 1
    low, high = tables.limits
    to_root, to_log = tables.scales
    root = np.empty(TILE, dtype=np.float32)
    for c in range(children):
        row, feature = share[c], features[c]
        for t in range(TILE):
            # The table's roots, exactly: none lies near the middle between two integers.
            root[t] = np.rint(np.sqrt(np.floor(np.float32(row[t]) * _TO_ROOT) * np.float32(1 << ROOT_BITS)))
            feature[t] = min(max(np.rint(root[t] * to_root), low), high)
        for k in range(numbers):
            to_product, to_number = tables.numbers[0, k], tables.numbers[1, k]
            product, own = features[children + c * numbers + k], features[children * (1 + numbers) + c * numbers + k]
            for t in range(len(tile)):
                number = np.float32(tile[t, c * size + 1 + k])
                product[t] = min(max(np.rint(number * root[t] * to_product), low), high)
                own[t] = min(max(np.rint(number * to_number), low), high)
    bits, feature = total.view(np.int64), features[children * (1 + 2 * numbers)]
    for t in range(TILE):
        # Read as one integer, exponent and mantissa of a float are the piecewise linear logarithm.
        log = (bits[t] >> (52 - LOG_BITS)) - ((_BIASED_ONE + 16) << LOG_BITS)
        feature[t] = min(max(np.rint(np.float32(log) * to_log), low), high)


_TO_ROOT = np.float32(2.0 ** (ROOT_BITS - _SHARE_BITS))
"""What brings a share to the bits of the table of roots."""


@njit(cache=True, nogil=True)
def _sum_code(total: Any, thresholds: Any, code: Any) -> None:
    """Finds the last threshold that each sum reaches: a binary search, all units of the tile in step."""
    code[:] = 0
    step = (len(thresholds) + 1) >> 1
    while step:
        for t in range(TILE):
            code[t] += step if thresholds[np.uint64(code[t] + step - 1)] <= total[t] else 0
        step >>= 1


@njit(cache=True, nogil=True)
def _add_own(tile: Any, size: int, share: Any, matrix: Any, moments: Any) -> None:
    """Adds to the moments how far the barycentres of the children lie from their centres."""
    for c in range(len(share)):
        for k in range(matrix.shape[1]):
            to_x, to_y = matrix[c, k]
            for t in range(len(tile)):
                own = to_x * tile[t, c * size + 1] + to_y * tile[t, c * size + 2]
                moments[k + 1, t] += share[c, t] * np.floor(own * (1 / (1 << MATRIX_BITS)))


@njit(cache=True, nogil=True)
def _barycentre(moments: Any, tables: Any, code: Any) -> None:
    """Fills the rows of the code behind the sum with the barycentre, see `hgcae.model.sums.barycentre`."""
    for k in range(1, len(moments)):
        step, top = tables.step[k - 1], tables.top[k - 1]
        for t in range(TILE):
            w = max(moments[0, t], 1.0)
            # Exact in 64-bit floats: the quotient is below 2^17, and an integer or at least 2^-14 below the next.
            mean = np.floor((2.0 * moments[k, t] + w) / (2.0 * w))
            code[k, t] = min(max(np.floor((2.0 * mean + step) * (0.5 / step)), -top), top - 1)
