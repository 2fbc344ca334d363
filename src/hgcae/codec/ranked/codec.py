"""The strongest cells of a unit of any level, by rank: addresses relative to the strongest, charges relative to what is left.

A payload says the charge sum, how many cells n are sent and whether they are all that have charge, the number of the strongest cell, for
each further one a word of a prefix code for where it lies relative to the strongest, and for each cell its share of the charge that is not
yet sent, by a quantiser of its rank that depends on the share before. Of a unit that is sent completely, the last share is one and is not
sent. Words and quantisers are tables, counted from training units and part of the configuration. How many bits each share has follows
from n and the bits that are left, so the budget is used up and nothing says how.

The encoder ranks the cells and takes the n of the least expected loss, from prefix sums and tables; no image is built and nothing is
divided: the share of a charge is a difference of logarithms. All of it, and the decoder up to the charge that is left over, is integer
arithmetic. That charge is spread over cells that were not sent: the likeliest around the strongest, and so many that each has about a third
of the smallest charge sent; for those sent are the strongest. Or it is dropped.

The quantiser of a share follows from the one before, as charges fall: that takes 5 to 7 % off the error at equal bits. The same bits for
all shares instead of those that help most would add a third.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from typing_extensions import override

from hgcae.codec.base import FitOptions, Payload, UnitCodec, budget, checked_charges, checked_data, training_charges
from hgcae.codec.ranked.blocks import Blocks
from hgcae.codec.ranked.fit import fit_tables
from hgcae.codec.ranked.kernels import decode_units, encode_units, spread_rests
from hgcae.codec.ranked.tables import RankedTables
from hgcae.coding.sums import UNITS
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.parallel import in_order, usable_cores

_MODULE = Hierarchy.of(ROC=(4, 4), MODULE=3)
_PIECE = 4096


class RankedCodec(UnitCodec):
    """Sends the strongest cells of a unit, by rank.

    Args:
        tables: What was counted from training units.
        spread: Whether charge that is not sent is spread over the other cells, so that the sum of the unit is kept; else it is dropped.
    """

    name = "ranked"

    def __init__(self, tables: RankedTables, spread: bool = True) -> None:
        self.tables, self.spread = tables, bool(spread)
        self.cells = tables.blocks.cells
        self._kernel = tables.kernel()
        self._likely = np.argsort(-tables.profile, axis=1, kind="stable")

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:  # noqa: ARG003 - nothing is random
        """Returns the code of modules at a number of ECON-T links, fitted to training charges (n, 48).

        Raises:
            SettingsError: See `hgcae.codec.base.budget`, or there is no charge.
        """
        bits = budget(links, cls.name)
        return cls(fit_tables(csr_matrix(training_charges(train, cls.name)), bits, Blocks.of(_MODULE)))

    @classmethod
    def of_units(cls, train: Events, bits: int, seed: int = 1) -> Self:  # noqa: ARG003 - nothing is random
        """Returns the code of units of any level, fitted to training units.

        Args:
            train: Units with whole charges, each an event.
            bits: Most bits of a payload.
            seed: Not used.

        Raises:
            DataFormatError: No charge.
            SettingsError: Too few bits.
        """
        return cls(fit_tables(train.to_sparse(), bits, Blocks.of(train.hierarchy)))

    @property
    @override
    def max_bits(self) -> int:
        return self.tables.bits

    @override
    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes units, see `UnitCodec.encode`, on all cores; a sum above the largest of training is sent as that."""
        dense = checked_charges(charges, self.cells, self.name)
        row, cell = np.nonzero(dense)
        return self.encode_sparse(np.searchsorted(row, np.arange(len(dense) + 1)), cell, dense[row, cell])

    def encode_sparse(
        self, offsets: NDArray[np.int64], cell: NDArray[np.integer], charge: NDArray[np.int64], workers: int | None = None
    ) -> Payload:
        """Encodes units given by their charged cells.

        Args:
            offsets: Where the cells of each unit begin, and the end: (n + 1,).
            cell: Numbers of cells, each once in a unit, rising.
            charge: Their charges, ADC counts, whole.
            workers: Threads; None = one for each core. Payloads do not depend on them.
        """
        n = len(offsets) - 1
        data, bits = np.zeros((n, -(-self.max_bits // 8)), dtype=np.uint8), np.zeros(n, dtype=np.int64)
        cells = cell.astype(np.int64)

        def piece(start: int) -> None:
            end = min(start + _PIECE, n)
            encode_units(offsets[start : end + 1], cells, charge, data[start:end], bits[start:end], self.max_bits, self._kernel)

        _in_pieces(piece, n, workers)
        return Payload(data, bits)

    @override
    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, cells), see `UnitCodec.decode`.

        Raises:
            DataFormatError: A payload that no unit has: the row is named.
        """
        cells, charges, count, rest = self.decode_sparse(payload)
        dense = np.zeros((len(cells), self.cells))
        there = np.arange(self.tables.most) < count[:, None]
        row = np.nonzero(there)[0]
        dense[row, cells[there]] = charges[there] / UNITS
        if self.spread:
            spread_rests(cells, count, rest / UNITS, dense, self._likely, self.tables.profile, self._kernel)
        return dense

    def decode_sparse(
        self, payload: Payload, workers: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Returns what payloads say, as integers.

        Args:
            payload: Payloads.
            workers: Threads; None = one for each core.

        Returns:
            Numbers of cells (n, most) and their charges in sixteenths of an ADC count, of which the first (n,) count; and the charge that
            lies in other cells, in sixteenths (n,).

        Raises:
            DataFormatError: A payload that no unit has: the row is named.
        """
        data, bits = checked_data(payload, self.name)
        n, most = len(data), self.tables.most
        # Room behind the longest payload spares the kernel a check at every field.
        wide = np.zeros((n, -(-self.max_bits // 8) + 16), dtype=np.uint8)
        wide[:, : data.shape[1]] = data[:, : wide.shape[1]]
        cells, charges = np.zeros((n, most), dtype=np.int64), np.zeros((n, most), dtype=np.int64)
        count, rest, good = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.bool_)

        def piece(start: int) -> None:
            at = slice(start, start + _PIECE)
            given = wide[at], bits[at]
            decode_units(*given, cells[at], charges[at], count[at], rest[at], good[at], self.max_bits, self._kernel)

        _in_pieces(piece, n, workers)
        if not good.all():
            raise DataFormatError(self.name, f"payload {int(np.argmin(good))}", "bits that no unit has", "a payload of this codec")
        return cells, charges, count, rest

    @override
    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "spread": self.spread, **self.tables.get_config()}

    @override
    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        values = {key: value for key, value in config.items() if key != "name"}
        try:
            return cls(spread=values.pop("spread"), tables=RankedTables.from_config(values))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            msg = f"codec {cls.name}: {error}"
            raise SettingsError(msg) from None


def _in_pieces(piece: Callable[[int], None], n: int, workers: int | None) -> None:
    """Calls a function for where each piece of n units begins, on threads where there is more than one piece."""
    threads = usable_cores() if workers is None else workers
    for _ in in_order(piece, ((start,) for start in range(0, n, _PIECE)), threads if threads > 1 and n > _PIECE else 0):
        pass
