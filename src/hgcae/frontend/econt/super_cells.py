"""Super trigger cells: sums of 4 or 16 consecutive trigger cells with the address of the largest, or (coarse cells) without it.

Fields of a module, without the 4-bit header: the addresses of all super cells, then their sums. Formats, by the register `stc_type`:

==== ===== ===== ======= ==== =======================
type name  cells address sum  sums by links 1, 2, ...
==== ===== ===== ======= ==== =======================
0    STC4B 4     2 bits  5E4M 2, 5, 8, 11, 12
1    STC16 16    4 bits  5E4M 2, 3
2    CTC4A 4     none    4E3M 4, 8, 12
3    STC4A 4     2 bits  4E3M 3, 6, 10, 12
4    CTC4B 4     none    5E4M 3, 6, 10, 12
==== ===== ===== ======= ==== =======================

Of equal charges the last has the address. Sums of 4E3M count 2^drop; sums of 16 cells count 4, as the reference vectors have it.

Source: ASICBlocks/supertriggercell.py and Formatter.py of github.com/cmantill/ECONT_Emulator; CTC4B, which that does not have: its 9-bit
sums in TPGBEDataformat.hh of github.com/indra-ehep/hgcal10glinkreceiver, as many as fit.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.coding.bitpack import get, put
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E4M, FloatCode
from hgcae.errors import SettingsError
from hgcae.frontend.econt.cells import Encoded, checked_charges, checked_payload, effective_drop, float_code
from hgcae.geometry.module import N_CELLS

SuperCellName = Literal["STC4B", "STC16", "CTC4A", "STC4A", "CTC4B"]


class SuperCellFormat(NamedTuple):
    """A format of super trigger cells.

    Attributes:
        size: Trigger cells in a sum.
        address_bits: Bits of the address of the largest; 0 = not sent.
        code: Float code of a sum.
        drops: Whether the register's number of low bits is dropped from a sum before it is encoded.
        shift: Low bits that are always dropped from a sum.
        sums_of_links: Sums sent over 1, 2, ... links; over more links nothing is sent.
    """

    size: int
    address_bits: int
    code: FloatCode
    drops: bool
    shift: int
    sums_of_links: tuple[int, ...]

    def n_sums(self, links: int) -> int:
        """Returns the number of sums sent over `links` links; 0 for more links than the format has."""
        return self.sums_of_links[links - 1] if links <= len(self.sums_of_links) else 0

    def bits(self, links: int) -> int:
        """Returns the bits of a module's fields."""
        return self.n_sums(links) * (self.address_bits + self.code.bits)


FORMATS: dict[str, SuperCellFormat] = {
    "STC4B": SuperCellFormat(4, 2, FLOAT_5E4M, False, 0, (2, 5, 8, 11, 12)),
    "STC16": SuperCellFormat(16, 4, FLOAT_5E4M, False, 2, (2, 3)),
    "CTC4A": SuperCellFormat(4, 0, FLOAT_4E3M, True, 0, (4, 8, 12)),
    "STC4A": SuperCellFormat(4, 2, FLOAT_4E3M, True, 0, (3, 6, 10, 12)),
    "CTC4B": SuperCellFormat(4, 0, FLOAT_5E4M, False, 0, (3, 6, 10, 12)),
}
"""Formats by name, in the order of the register `stc_type`."""


def super_cell_format(name: str, links: int) -> SuperCellFormat:
    """Returns the format called `name`.

    Raises:
        SettingsError: There is no such format, or it is not made for so many links.
    """
    if name not in FORMATS:
        msg = f"stc_type: found {name!r}, expected one of {', '.join(FORMATS)}"
        raise SettingsError(msg)
    made = FORMATS[name]
    if not 1 <= links <= len(made.sums_of_links):
        msg = f"links: found {links}, expected 1 to {len(made.sums_of_links)} for {name}"
        raise SettingsError(msg)
    return made


def encode_super_cells(charges: NDArray[np.integer], name: str, links: int, drop: int = 1) -> Encoded:
    """Encodes modules.

    Args:
        charges: Calibrated charges, counts, in an order in which the cells of a super trigger cell are consecutive, see
            `cells.PHYSICS_MUX`; (n, 48).
        name: Format, e.g. "STC4B".
        links: Output links; they set the number of sums. Super cells beyond it are lost.
        drop: Low bits dropped from sums of 4E3M.

    Returns:
        Fields of `super_cell_format(name, links).bits(links)` bits.

    Raises:
        SettingsError: Unknown format, or links that it is not made for.
    """
    checked, made = checked_charges(charges), super_cell_format(name, links)
    bits = made.bits(links)
    payload = np.zeros((len(checked), -(-bits // 8)), dtype=np.uint8)
    fill(checked, *fields(made, links, drop), 0, payload)
    return Encoded(payload, np.full(len(checked), bits))


def decode_super_cells(
    payload: NDArray[np.uint8],
    name: str,
    links: int,
    drop: int = 1,
    offset: int = 0,
    division: Literal["largest", "equal"] = "largest",
) -> NDArray[np.int64]:
    """Returns charges (n, 48) of modules, counts, whose sums are those that were sent.

    Args:
        payload: Rows of bytes; (n, bytes).
        name: Format.
        links: As in encoding.
        drop: As in encoding.
        offset: Bit at which the fields start.
        division: Give a sum to the cell of the address (CMSSW HGCalConcentratorSuperTriggerCellImpl, `superTriggerCell`), or to all cells
            in equal parts, the remainder to the first ones (`equalShare`). Coarse cells have no address, so theirs is always equal.

    Raises:
        SettingsError: Unknown format, or links that it is not made for.
        DataFormatError: Rows that end early.
    """
    made = super_cell_format(name, links)
    rows = checked_payload(payload, offset + made.bits(links))
    n, size, address_bits, _, mantissa_bits, shift = fields(made, links, drop)
    addresses = np.zeros((len(rows), n), dtype=np.int64)
    codes = np.zeros((len(rows), n), dtype=np.int64)
    _read(rows, offset, address_bits, made.code.exponent_bits + mantissa_bits, addresses, codes)
    sums = made.code.decode(codes, shift)[:, :, None]
    cell = np.arange(size)
    if division == "equal" or not address_bits:
        shares = sums // size + (cell < sums % size)
    else:
        shares = np.where(cell == addresses[:, :, None], sums, 0)
    charges = np.zeros((len(rows), N_CELLS), dtype=np.int64)
    charges[:, : n * size] = shares.reshape(len(rows), n * size)
    return charges


def fields(made: SuperCellFormat, links: int, drop: int) -> tuple[int, int, int, int, int, int]:
    """Returns what `fill` wants to know: sums, cells in each, address bits, exponent and mantissa bits, bits dropped."""
    shift = effective_drop(drop) if made.drops else made.shift
    return made.n_sums(links), made.size, made.address_bits, made.code.exponent_bits, made.code.mantissa_bits, shift


@njit(cache=True, nogil=True)
def fill(
    charges: NDArray[np.int64],
    n_sums: int,
    size: int,
    address_bits: int,
    exponent_bits: int,
    mantissa_bits: int,
    drop: int,
    offset: int,
    rows: NDArray[np.uint8],
) -> None:
    """Writes the fields of modules into rows of zeros from bit `offset` on. Compiled, unchecked."""
    width = exponent_bits + mantissa_bits
    for module in range(charges.shape[0]):
        for k in range(n_sums):
            total, largest = np.int64(0), 0
            for i in range(size):
                charge = charges[module, k * size + i]
                total += charge
                if charge >= charges[module, k * size + largest]:
                    largest = i
            put(rows[module], offset + k * address_bits, largest, address_bits)
            at = offset + n_sums * address_bits + k * width
            put(rows[module], at, float_code(total >> drop, exponent_bits, mantissa_bits), width)


@njit(cache=True, nogil=True)
def _read(
    rows: NDArray[np.uint8], offset: int, address_bits: int, width: int, addresses: NDArray[np.int64], codes: NDArray[np.int64]
) -> None:
    n = codes.shape[1]
    for module in range(rows.shape[0]):
        for k in range(n):
            addresses[module, k] = get(rows[module], offset + k * address_bits, address_bits)
            codes[module, k] = get(rows[module], offset + n * address_bits + k * width, width)
