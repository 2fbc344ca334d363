"""The integer path: what an encoder computes in hardware, compiled for the processor.

Codes are made here wherever many are made; the float path in `hgcae.model.level` exists to be differentiated. Both give the same codes,
bit for bit, because every number of the float path lies on a grid that float32 holds exactly. Units are encoded in tiles, one array
element per unit, so every multiply-add of a weight is a vector instruction. Sums of products are integers too, but held in floats, which
processors multiply fastest: exactly, because their size is known beforehand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.integer.kernels import TILE, encode_conserving, encode_plain
from hgcae.integer.network import Network
from hgcae.parallel import in_order, usable_cores

_PIECE = 16384
"""Units that a thread encodes at a time."""


class PlainTables(NamedTuple):
    """What a plain encoder needs besides its network: what a step of each input is in steps of the network's, and their limits."""

    scale: NDArray[np.float64]
    low: int
    high: int

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return len(self.scale)


class ConservingTables(NamedTuple):
    """What a conserving encoder needs besides its network; see `hgcae.model.sums` and `hgcae.model.level`.

    Args:
        n_inputs: Inputs of the network.
        scale: Sixteenths in a charge, for the lowest level.
        below: Sum of each code of the level below, sixteenths; empty at the lowest level.
        thresholds: Smallest sum of each code, sixteenths.
        weight: Weight of each child's sum, 64 = 1: (children,).
        scales: Steps of the network's input in a step of roots and of the logarithm.
        numbers: Steps of the network's input in a step of the products of roots with each number of a child, and of the number: (2, k).
        limits: Smallest and largest integer of the encoder's input.
        position: One, and the d coordinates of the children, 2^15 = 1: (1 + d, children); d = 0 where no barycentre is sent.
        matrix: Maps between frames (children, d, 2), 2^8 times the scale of positions over that of numbers; empty where they are not used.
        step: Steps of the barycentre's coordinates, 2^15 = 1: (d,).
        top: Numbers of codes on either side of zero: (d,).
    """

    n_inputs: int
    scale: np.float32
    below: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    weight: NDArray[np.float64]
    scales: NDArray[np.float32]
    numbers: NDArray[np.float32]
    limits: NDArray[np.float32]
    position: NDArray[np.float64]
    matrix: NDArray[np.float64]
    step: NDArray[np.float64]
    top: NDArray[np.float64]


class IntegerEncoder:
    """A whole encoder in integers.

    Args:
        network: The learned part.
        tables: The rest.
    """

    def __init__(self, network: Network, tables: PlainTables | ConservingTables) -> None:
        self.network, self.tables = network, tables
        explicit = len(tables.position) if isinstance(tables, ConservingTables) else 0
        self.latent = explicit + (len(network.layers[-1].bias) if network.layers else 0)
        self._kernel: Any = encode_conserving if explicit else encode_plain
        self._width = max(network.width, tables.n_inputs)
        self._compiled = network.compiled(tables.n_inputs)

    def integers(self, x: NDArray[Any], workers: int | None = 1) -> NDArray[np.int32]:
        """Encodes units.

        Args:
            x: Charges of the children (n, children), or the integers of their codes (n, children, latent).
            workers: Threads; None = one for each core.

        Returns:
            The integers that are sent: (n, latent).
        """
        out = np.empty((len(x), self.latent), dtype=np.int32)

        def piece(start: int) -> None:
            rows = np.ascontiguousarray(x[start : start + _PIECE])
            buffers = np.zeros((2, self._width, TILE), dtype=self._compiled[1].dtype)
            flat = rows.reshape(len(rows), int(np.prod(rows.shape[1:])))
            self._kernel(flat, out[start : start + _PIECE], buffers, *self._compiled, self.tables)

        threads = usable_cores() if workers is None else workers
        for _ in in_order(piece, ((start,) for start in range(0, len(x), _PIECE)), threads if threads > 1 and len(x) > _PIECE else 0):
            pass
        return out
