"""What a code of ranked cells is made of, in plain numbers, and what compiled code needs of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.arrays import from_plain, to_plain
from hgcae.codec.ranked.blocks import Blocks
from hgcae.coding.prefix import PrefixCodes
from hgcae.coding.sums import LARGEST_SUM, SumCode
from hgcae.errors import SettingsError

SUM_BITS = 9
GROUPS = (3, 5, 8)
"""Ranks, counted from 0, at which the next of four sets of address codes begins."""
CONTEXTS = 8
"""Quantisers of a rank, chosen by the share of the rank before it."""
STORED_WIDTH = 5
"""Widest quantiser that is fitted; wider ones cut its steps into equal parts."""
MOST_WIDTH = 10
"""Most bits of a share."""
SHARE_BITS = 16
"""Bits behind the point of decoded shares."""
LOG_BITS = 10
"""Bits behind the point of logarithms, and bits of a charge that they see."""
LOG = np.array([round((1 << LOG_BITS) * math.log2(1 + i / (1 << LOG_BITS))) for i in range(1 << LOG_BITS)], dtype=np.int64)
"""Logarithm to base 2 of 1 + i / 1024, in steps of 1/1024."""
COST_BITS = 16
"""Bits behind the point of expected errors."""


class KernelTables(NamedTuple):
    """Constants of compiled code; see `RankedTables` for their meaning.

    Args:
        most: Largest number of cells sent.
        address_bits: Bits of a whole address.
        thresholds: Smallest charge sum of each code 1, 2, ...: sixteenths.
        sums: Sum of each code, sixteenths.
        group: Set of address codes of each rank.
        size: Cells of a block.
        block: Block of each cell, looked up because a division takes as long as the rest of an address.
        inner: Its number in the block.
        place: See `Blocks`.
        near: See `Blocks`.
        mode_length: Bits of each mode 2 (n - 1) + complete.
        mode_word: Its word.
        mode_first: See `PrefixCodes`.
        mode_place: The same.
        mode_symbol: The same.
        length: Of addresses, by group x block size + cell of the strongest in its block.
        word: The same.
        first: The same.
        at: The same.
        symbol: The same.
        limits: Largest difference of logarithms of each code but the last, of width w from place 2^w - 1: (ranks, contexts, 2^11).
        shares: Decoded shares, same shape.
        edges: Shares at which the next context of a rank begins: (ranks, contexts - 1).
        widths: Bits of each share, by number of shares and bits left: (most + 1, bits + 1, most).
        cost: Expected error as a share of the charge, by the same.
    """

    most: int
    address_bits: int
    thresholds: NDArray[np.int64]
    sums: NDArray[np.int64]
    group: NDArray[np.int64]
    size: int
    block: NDArray[np.int64]
    inner: NDArray[np.int64]
    place: NDArray[np.int64]
    near: NDArray[np.int64]
    mode_length: NDArray[np.int64]
    mode_word: NDArray[np.int64]
    mode_first: NDArray[np.int64]
    mode_place: NDArray[np.int64]
    mode_symbol: NDArray[np.int64]
    length: NDArray[np.int64]
    word: NDArray[np.int64]
    first: NDArray[np.int64]
    at: NDArray[np.int64]
    symbol: NDArray[np.int64]
    limits: NDArray[np.int32]
    shares: NDArray[np.int32]
    edges: NDArray[np.int64]
    widths: NDArray[np.int64]
    cost: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RankedTables:
    """The numbers of a code of ranked cells; ranks count from 0, the strongest.

    Args:
        blocks: Where cells lie relative to the strongest.
        bits: Most bits of a payload.
        maximum: Largest charge sum that does not saturate, ADC counts.
        modes: Word lengths of the modes 2 (n - 1) + complete, for n from 1: (2 most,).
        addresses: Word lengths of places relative to the strongest cell, for each group of ranks and each cell of a block: (4, size,
            symbols of `blocks`).
        levels: Decoded shares, in 2^-16, falling, of all widths from 0 to 5 one behind the other: (most, contexts, 63).
        edges: Shares, in 2^-16, rising: of so many or more the share before a rank must be for the next context: (most, contexts - 1).
        order: Rank that gets each further bit, by number of shares from 1: (most, bits); -1 = none can use it.
        cost: Expected error as a share of the charge, in 2^-16, by number of shares and bits left for them: (most + 1, bits + 1).
        profile: How likely charge that is not sent lies where, relative to the strongest cell: (size, symbols - 1), any scale.

    Raises:
        SettingsError: Numbers that do not fit together.
    """

    blocks: Blocks
    bits: int
    maximum: float
    modes: NDArray[np.int64]
    addresses: NDArray[np.int64]
    levels: NDArray[np.int64]
    edges: NDArray[np.int64]
    order: NDArray[np.int64]
    cost: NDArray[np.int64]
    profile: NDArray[np.int64]

    def __post_init__(self) -> None:
        most, blocks = self.most, self.blocks
        shapes = {
            "modes": (2 * most,),
            "addresses": (len(GROUPS) + 1, blocks.size, blocks.symbols),
            "levels": (most, CONTEXTS, (2 << STORED_WIDTH) - 1),
            "edges": (most, CONTEXTS - 1),
            "order": (most, self.bits),
            "cost": (most + 1, self.bits + 1),
            "profile": (blocks.size, blocks.symbols - 1),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                msg = f"code of ranked cells: {name}: found shape {getattr(self, name).shape}, expected {shape}"
                raise SettingsError(msg)
        least = SUM_BITS + int(self.modes.max(initial=0)) + self.address_bits
        inside = (self.levels > 0).all() and (self.levels < 1 << SHARE_BITS).all() and (self.profile >= 0).all() and (self.modes > 0).all()
        bounded = (self.order >= -1).all() and (self.order < np.arange(1, most + 1)[:, None]).all() and (self.cost >= 0).all()
        if not (0 < self.maximum <= LARGEST_SUM and inside and bounded and (self.cost <= 1 << COST_BITS).all() and self.bits >= least):
            msg = f"code of ranked cells: found {self.bits} bits and tables, expected at least {least} bits and numbers in their ranges"
            raise SettingsError(msg)

    @property
    def most(self) -> int:
        """Largest number of cells that are sent."""
        return len(self.modes) // 2

    @property
    def address_bits(self) -> int:
        """Bits of the number of a cell in its unit."""
        return (self.blocks.cells - 1).bit_length()

    def kernel(self) -> KernelTables:
        """Returns the constants of compiled code."""
        code, most = SumCode(self.maximum, SUM_BITS), self.most
        modes = PrefixCodes.of(self.modes[None])
        addresses = PrefixCodes.of(self.addresses.reshape(-1, self.blocks.symbols))
        limits, shares = _quantisers(self.levels)
        return KernelTables(
            most=most,
            address_bits=self.address_bits,
            thresholds=code.thresholds.astype(np.int64),
            sums=code.table.astype(np.int64),
            group=np.searchsorted(GROUPS, np.arange(most), side="right"),
            size=self.blocks.size,
            block=np.arange(self.blocks.cells) // self.blocks.size,
            inner=np.arange(self.blocks.cells) % self.blocks.size,
            place=self.blocks.place,
            near=self.blocks.near,
            mode_length=modes.length[0],
            mode_word=modes.word[0],
            mode_first=modes.first,
            mode_place=modes.place,
            mode_symbol=modes.symbol,
            length=addresses.length,
            word=addresses.word,
            first=addresses.first,
            at=addresses.place,
            symbol=addresses.symbol,
            limits=limits,
            shares=shares,
            edges=self.edges,
            widths=_widths(self.order, self.bits),
            cost=self.cost,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns plain values."""
        arrays = {field.name: to_plain(getattr(self, field.name)) for field in fields(self) if field.name not in _PLAIN}
        return {"blocks": self.blocks.get_config(), "bits": self.bits, "maximum": self.maximum, **arrays}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Returns the tables of what `get_config` returned; errors of any kind where it is not that."""
        values = dict(config)
        blocks, bits, maximum = Blocks.from_config(values.pop("blocks")), int(values.pop("bits")), float(values.pop("maximum"))
        return cls(blocks, bits, maximum, **{name: from_plain(value, name).astype(np.int64) for name, value in values.items()})


_PLAIN = ("blocks", "bits", "maximum")


def logarithm(x: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the logarithms to base 2 of positive integers in steps of 1/1024, of their first eleven bits only: (...) int64."""
    values = np.asarray(x, dtype=np.int64)
    exponent = np.frexp(values.astype(np.float64))[1] - 1
    mantissa = np.where(exponent > LOG_BITS, values >> np.maximum(exponent - LOG_BITS, 0), values << np.maximum(LOG_BITS - exponent, 0))
    return (exponent.astype(np.int64) << LOG_BITS) + LOG[mantissa & ((1 << LOG_BITS) - 1)]


def _quantisers(levels: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns limits of the difference of logarithms and decoded shares, for each rank, context and width up to `MOST_WIDTH`.

    A step reaches from the middle between its level and the next to that on its other side; the first begins at 1, the last ends at 0.
    """
    shape = (*levels.shape[:2], 2 << MOST_WIDTH)
    limits, shares = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    one = 1 << SHARE_BITS
    middles = np.zeros(0, dtype=np.int64)
    for width in range(MOST_WIDTH + 1):
        n = 1 << width
        if width <= STORED_WIDTH:
            level = levels[..., n - 1 : 2 * n - 1]
            middle = (level[..., :-1] + level[..., 1:] + 1) >> 1
            middles = middle
        else:
            parts = 1 << (width - STORED_WIDTH)
            ends = np.full((*levels.shape[:2], 1), one), middles, np.zeros((*levels.shape[:2], 1), dtype=np.int64)
            edge = np.concatenate(ends, axis=-1)
            high, low = edge[..., :-1, None], edge[..., 1:, None]
            fine: NDArray[np.int64] = high - (high - low) * np.arange(parts + 1) // parts
            middle = np.concatenate([fine[..., :-1].reshape(*levels.shape[:2], n), ends[2]], axis=-1)
            level = np.maximum((middle[..., :-1] + middle[..., 1:] + 1) >> 1, 1)
            middle = middle[..., 1:-1]
        limits[..., n - 1 : 2 * n - 2] = (SHARE_BITS << LOG_BITS) - logarithm(np.maximum(middle, 1))
        shares[..., n - 1 : 2 * n - 1] = np.minimum(level, one - 1)
    return limits, shares


def _widths(order: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Returns the bits of each share, by number of shares and bits left: (most + 1, bits + 1, most)."""
    most = len(order)
    widths = np.zeros((most + 1, bits + 1, most), dtype=np.int64)
    for number in range(1, most + 1):
        for left in range(bits):
            widths[number, left + 1] = widths[number, left]
            rank = order[number - 1, left]
            if rank >= 0:
                widths[number, left + 1, rank] += 1
    return np.minimum(widths, MOST_WIDTH)
