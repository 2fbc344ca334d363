"""The strongest cells, and the whole charge cut into quanta: the shortest exact code of what a module holds, within a fixed budget.

A payload says the charge, a mode, which n cells are sent, and how K quanta of charge are split between them and what is left over in g
groups of the other cells (none, the module, its 3 ROCs, its 12 blocks of 2 x 2 cells), where it is spread evenly. Cells and splits are
sent as the number of a combination (`hgcae.coding.combinations`), so no bit is spent on what cannot be. The bits of a mode fix K: few
cells, fine quanta. Where one quantum can be one count, the charge is sent in full, too, and what is sent is exact.

The encoder tries eight modes, the one with as many cells as have charge and seven that were chosen in training, and takes the one whose
image is nearest: differences of shares are added up over cells, blocks, and ROCs, which follows the energy mover's distance closely. All
of it is integer arithmetic: a sort, prefix sums, products, and sums of table entries.
Sources: enumerative coding, T. Cover, IEEE Trans. Inf. Theory 19 (1973) 73; pyramid codes, T. Fischer, ibid. 32 (1986) 568; the distance
over scales bounds the mover's distance, P. Indyk, N. Thaper, ICCV workshop on statistical and computational theories of vision (2003).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import comb
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.base import BUDGETS, FitOptions, ModuleCodec, Payload, budget, checked_charges, checked_data, training_charges
from hgcae.codec.pyramid_kernels import BLOCK_WEIGHT, ROC_WEIGHT, SHORT_MODES, Tables, decode_modules, encode_modules, mode_distances
from hgcae.coding import combinations
from hgcae.coding.floatcode import FloatCode
from hgcae.errors import DataFormatError, SettingsError
from hgcae.geometry import module
from hgcae.parallel import in_order, usable_cores

SUM = FloatCode(4, 5)
"""Format of the charge: exact below 64 counts, in steps of at most 1/32 up to 2^20."""
MAIN_MODES = 7
"""Modes with a prefix of three bits; the eighth prefix and four more bits stand for 1 to 16 cells and nothing else."""
_CELLS = (*range(1, 15), *range(16, 30, 2), *range(32, 49, 4))
_GROUPS = (0, 1, 3, 12)
_MOST_QUANTA = 1023
_PIECE = 4096
_FITTED = 6000
"""Modules that the modes are chosen on, at most."""
_SUM_BITS = 33
"""Charges up to here times quanta twice, weights of distances and 2^6 stay below 2^63, see `hgcae.codec.pyramid_kernels`."""


class Mode(NamedTuple):
    """How a module is cut.

    Args:
        cells: Cells that are sent.
        groups: Groups that hold what is left: 0, 1, 3 or 12.
    """

    cells: int
    groups: int

    @property
    def parts(self) -> int:
        """Parts into which the charge is split."""
        return self.cells + self.groups

    def quanta(self, bits: int) -> int:
        """Returns into how many quanta the charge can be split, with that many bits for cells and split; 0 = too few bits.

        Every cell that is sent has one at least.
        """
        left = bits - combinations.width(module.N_CELLS, self.cells)

        def fits(quanta: int) -> bool:
            return combinations.width(quanta - self.cells + self.parts - 1, self.parts - 1) <= left

        low, high = self.cells, _MOST_QUANTA
        if left < 0 or not fits(low):
            return 0
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle) else (low, middle - 1)
        return low


class PyramidCodec(ModuleCodec):
    """Sends the strongest cells, and charge in quanta.

    Args:
        links: ECON-T links: 2 to 5, for at most 57, 89, 121 or 153 bits.
        modes: The seven modes (cells, groups) that compete for every module.

    Raises:
        SettingsError: No bits are laid down for that number of links, or modes that are none.
    """

    name = "pyramid"

    def __init__(self, links: int, modes: Sequence[Sequence[int]]) -> None:
        super().__init__(links)
        bits = budget(links, self.name)
        chosen = [Mode(*map(int, mode)) for mode in modes]
        if len(chosen) != MAIN_MODES or any(mode not in _possible() for mode in chosen):
            msg = f"codec pyramid: modes: found {modes}, expected {MAIN_MODES} pairs of cells (1 to 48) and groups (0, 1, 3 or 12)"
            raise SettingsError(msg)
        self.modes = tuple(chosen)
        self._tables = _tables((*_short(), *chosen), bits)

    @override
    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:
        """Chooses the modes, one after the other, that bring the images of training charges (n, 48) nearest.

        Args:
            links: ECON-T links.
            train: Charges (n, 48).
            options: Seed of the draw of modules.

        Raises:
            SettingsError: See the class, or there is no charge.
        """
        bits = budget(links, cls.name)
        charges = _within(training_charges(train, cls.name))
        charges = charges[np.random.default_rng((options or FitOptions()).seed).permutation(len(charges))[:_FITTED]]
        candidates = [mode for mode in _possible() if mode.quanta(bits - SUM.bits - 3) >= mode.parts] or list(_possible())
        distance = np.full((len(_short()) + len(candidates), len(charges)), 2.0 * (1 + BLOCK_WEIGHT + ROC_WEIGHT))
        mode_distances(charges, distance, _tables((*_short(), *candidates), bits))
        best, chosen = distance[: len(_short())].min(axis=0), []
        rest = distance[len(_short()) :]
        for _ in range(MAIN_MODES):
            index = int(np.minimum(best, rest).mean(axis=1).argmin())
            best = np.minimum(best, rest[index])
            chosen.append(candidates[index])
        return cls(links, chosen)

    @property
    def max_bits(self) -> int:
        """Length of the longest payload."""
        return BUDGETS[self.links]

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `UnitCodec.encode`, on all cores; a charge of 2^20 counts or more is sent as 2^20."""
        charges = _within(checked_charges(charges, self.cells, self.name))
        data = np.zeros((len(charges), -(-self.max_bits // 8)), dtype=np.uint8)
        bits = np.zeros(len(charges), dtype=np.int64)
        for _ in in_order(
            lambda at: encode_modules(charges[at], data[at], bits[at], self._tables), _pieces(len(charges)), _workers(charges)
        ):
            pass
        return Payload(data, bits)

    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, 48), see `UnitCodec.decode`.

        Raises:
            DataFormatError: A mode, a combination or a length that the encoder does not make: the row is named.
        """
        data, bits = checked_data(payload, self.name)
        charges = np.zeros((len(data), module.N_CELLS))
        good = np.zeros(len(data), dtype=np.bool_)
        # No payload is longer than the longest; room for it spares the kernel a check at every field.
        wide = np.zeros((len(data), -(-self.max_bits // 8) + 32), dtype=np.uint8)
        wide[:, : data.shape[1]] = data[:, : wide.shape[1]]
        decode_modules(wide, bits, charges, good, self._tables)
        if not good.all():
            raise DataFormatError(self.name, f"payload {int(np.argmin(good))}", "bits that no module has", "a payload of this codec")
        return charges

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return {"name": self.name, "links": self.links, "modes": [list(mode) for mode in self.modes]}


def _within(charges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns charges whose sums have at most `_SUM_BITS` bits; of larger ones only shares are sent, so they are shifted: (n, 48)."""
    bits = np.frexp(charges.sum(axis=1).astype(np.float64))[1]
    return charges >> np.maximum(bits - _SUM_BITS, 0)[:, None]


@lru_cache(maxsize=1)
def _possible() -> tuple[Mode, ...]:
    return tuple(Mode(cells, groups) for cells in _CELLS for groups in _GROUPS if cells < module.N_CELLS or not groups)


def _short() -> tuple[Mode, ...]:
    return tuple(Mode(cells, 0) for cells in range(1, SHORT_MODES + 1))


def _tables(modes: Sequence[Mode], bits: int) -> Tables:
    """Returns what the compiled code needs: short modes first."""
    codes = np.arange(1 << SUM.bits)
    behind = np.maximum((codes >> SUM.mantissa_bits) - 1, 0)
    low = np.where(codes >> SUM.mantissa_bits > 0, (codes & 31 | 32) << behind, codes)
    quanta = np.zeros((len(modes), len(codes)), dtype=np.int64)
    for i, mode in enumerate(modes):
        left = bits - SUM.bits - (7 if i < SHORT_MODES else 3)
        quanta[i] = np.minimum(mode.quanta(left), low)
        for extra in range(int(behind.max()) + 1):
            # The charge is sent in full where it can be split into single counts.
            whole = (behind == extra) & (low + (1 << extra) - 1 <= mode.quanta(left - extra))
            quanta[i, whole] = -1
    groups = np.zeros((13, module.N_CELLS), dtype=np.int64)
    cell = np.arange(module.N_CELLS)
    roc, row, column = cell // 16, cell % 16 // 4, cell % 4
    groups[3], groups[12] = roc, roc * 4 + row // 2 * 2 + column // 2
    return Tables(
        cells=np.array([mode.cells for mode in modes]),
        groups=np.array([mode.groups for mode in modes]),
        quanta=quanta,
        low=low,
        behind=behind,
        group_of=groups,
        binomials=combinations.table(),
        widths=_widths(),
    )


@lru_cache(maxsize=1)
def _widths() -> NDArray[np.int64]:
    """Returns the bits of the number of a combination (n, k), at most as many as three limbs have."""
    top = combinations.LIMBS * combinations.LIMB_BITS
    shape = (combinations.MOST_THINGS + 1, combinations.MOST_CHOSEN + 1)
    return np.array([[min(max(comb(n, k) - 1, 0).bit_length(), top) for k in range(shape[1])] for n in range(shape[0])], dtype=np.int64)


def _pieces(n: int) -> Iterator[tuple[slice]]:
    return ((slice(start, start + _PIECE),) for start in range(0, n, _PIECE))


def _workers(charges: NDArray[np.int64]) -> int:
    return usable_cores() if len(charges) > _PIECE else 0
