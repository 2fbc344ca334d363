"""From input words to charges, and the pieces that all algorithms of the ECON-T share: float codes in compiled code, checks, results.

Order of the cells: an input word carries four trigger cells, the first in its most significant bits; the multiplexer then gives cell i of
the algorithms (`CALQ_i` of the ECON-T) the input `mux[i]`. With the multiplexer at rest that is PreMux order; with `PHYSICS_MUX` the cells
of one super trigger cell are neighbours.

Source: github.com/cmantill/ECONT_Emulator (a copy of dnoonan08/ECONT_Emulator) ASICBlocks/LoadData_ePortRX.py, MuxFixCalib.py; the middle
of the dropped bits is what the reference vectors of github.com/cmantill/econt_test-vectors have.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.coding.floatcode import FLOAT_4E3M, LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError
from hgcae.geometry.module import N_CELLS, PREMUX_OF_CALQ

_CHARGES, _PAYLOAD = "charges", "payload"
N_INPUTS = 12
"""Input words per bunch crossing, one per link from the HGCROCs."""
MAX_LINKS = 13
"""Output links (eTx) of the ECON-T."""
MAX_DROP = 4
"""Most low bits that are dropped; the register's values above it drop none."""
CALIBRATION_BITS = 11
"""Fractional bits of the calibration multipliers."""
ORBIT_HEADER, HEADER = 0x9, 0xA
"""Header of the input words at the start of an orbit and elsewhere."""
ORBIT_BX = 31
"""What the bunch-crossing counter says at the start of an orbit; it counts 1, 2, ... 15, 0, 1, ... from there."""

POSTMUX_OF_CALQ = np.array(
    [31, 30, 27, 26, 28, 29, 24, 25, 19, 18, 23, 22, 16, 17, 20, 21]
    + [15, 14, 11, 10, 12, 13, 8, 9, 3, 2, 7, 6, 0, 1, 4, 5]
    + [47, 46, 43, 42, 44, 45, 40, 41, 35, 34, 39, 38, 32, 33, 36, 37]
)
"""Number after the multiplexer of each cell in CALQ order (`hgcae.geometry.module`) of a low-density module, chosen so that cells of one
super trigger cell are consecutive; (48,). Source: LDM_TC_Mapping.csv, `ECON_TC_Number_PostMux` by `TC_Number`, of ECONT_Emulator."""
PHYSICS_MUX = PREMUX_OF_CALQ[np.argsort(POSTMUX_OF_CALQ)]
"""Multiplexer setting that does this: the input (PreMux number) of each cell after the multiplexer; (48,)."""


class Encoded(NamedTuple):
    """What a format makes of modules: bytes, filled up with zeros, and how many bits count.

    Attributes:
        payload: Packed fields, most significant bit first; (n, bytes) uint8.
        bits: Bits of each module's fields; (n,) int64.
    """

    payload: NDArray[np.uint8]
    bits: NDArray[np.int64]


def input_codes(words: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the 4E3M codes (n, 48) in input words (n, 12), in the order of the inputs."""
    return ((words[:, :, None].astype(np.int64) >> np.array([21, 14, 7, 0])) & 0x7F).reshape(-1, N_CELLS)


def bunch_counter(words: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the bunch-crossing counter (n,) of input words (n, 12): 31 at an orbit header, then the low four bits of the count."""
    row = np.arange(len(words))
    orbit = (words[:, 0].astype(np.int64) >> 28) == ORBIT_HEADER
    since = row - np.maximum.accumulate(np.where(orbit, row, 0))
    return np.where(orbit, ORBIT_BX, since % 16)


def checked_words(words: NDArray[np.integer], source: object, n_words: int, name: str) -> NDArray[np.uint32]:
    """Returns words as (n, n_words) uint32.

    Raises:
        DataFormatError: Another shape, or not 32-bit words.
    """
    array = np.asarray(words)
    if array.ndim != 2 or array.shape[1] != n_words or array.dtype.kind not in "iu":
        raise DataFormatError(source, name, f"{array.dtype} of shape {array.shape}", f"integers of shape (n, {n_words})")
    if array.size and (array.min() < 0 or array.max() >> 32):
        row, column = np.argwhere((array < 0) | (array >> 32 > 0))[0]
        raise DataFormatError(source, f"line {row + 2}, column {name}_{column}", str(array[row, column]), "a 32-bit word")
    return array.astype(np.uint32)


def checked_charges(charges: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns charges of modules as contiguous (n, 48) int64.

    Raises:
        DataFormatError: Another shape, not integers, negative, or beyond what can be summed.
    """
    array = np.asarray(charges)
    if array.ndim != 2 or array.shape[1] != N_CELLS or array.dtype.kind not in "iu":
        raise DataFormatError(_CHARGES, "array", f"{array.dtype} of shape {array.shape}", f"integers of shape (n, {N_CELLS})")
    if array.size and (array.min() < 0 or array.max() > LARGEST_CHARGE):
        raise DataFormatError(_CHARGES, "array", f"{array.min()} to {array.max()}", f"0 to {LARGEST_CHARGE}")
    return np.ascontiguousarray(array, dtype=np.int64)


def checked_payload(payload: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Returns rows of bytes with at least `bits` bits.

    Raises:
        DataFormatError: Not uint8 of shape (n, bytes), or too short.
    """
    array = np.asarray(payload)
    if array.ndim != 2 or array.dtype != np.uint8 or 8 * array.shape[1] < bits:
        raise DataFormatError(_PAYLOAD, "array", f"{array.dtype} of shape {array.shape}", f"uint8 rows of at least {bits} bits")
    return np.ascontiguousarray(array)


def checked_setting(name: str, value: int, low: int, high: int) -> int:
    """Returns `value`.

    Raises:
        SettingsError: It is not within `low` to `high`.
    """
    if not low <= value <= high:
        msg = f"{name}: found {value}, expected {low} to {high}"
        raise SettingsError(msg)
    return value


def effective_drop(drop: int) -> int:
    """Returns how many low bits are dropped before encoding: the register's value, or none where that is above 4."""
    return checked if (checked := checked_setting("drop_lsb", drop, 0, 7)) <= MAX_DROP else 0


def expand(codes: NDArray[np.int64], *, high_density: bool) -> NDArray[np.int64]:
    """Returns the linear charges (...) of 4E3M input codes (...), in ADC counts: the middle of all that the HGCROC gives that code.

    The HGCROC drops 1 bit of a trigger cell in a low-density and 3 in a high-density module; their middle is added where the step of the
    code is a single unit, so that the code 0 is 1 or 4 counts.
    """
    drop = 3 if high_density else 1
    return FLOAT_4E3M.decode(codes, drop) + np.where(codes < 16, 1 << (drop - 1), 0)


def calibrate(charges: NDArray[np.int64], calibration: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns charges (n, 48) times multipliers (48,) in units of 2^-11, cut to integers."""
    return (charges * calibration) >> CALIBRATION_BITS


@njit(cache=True, nogil=True)
def float_code(value: int | np.integer, exponent_bits: int, mantissa_bits: int) -> int | np.integer:
    """Returns the floating-point code of one integer, as `FloatCode.encode` does. Compiled, unchecked."""
    length = 0
    while value >> length:
        length += 1
    exponent = max(length - mantissa_bits, 0)
    if exponent >> exponent_bits:
        return (1 << (exponent_bits + mantissa_bits)) - 1
    mantissa = (value >> max(exponent - 1, 0)) & ((1 << mantissa_bits) - 1)
    return (exponent << mantissa_bits) | mantissa


@njit(cache=True, nogil=True)
def float_value(code: int, mantissa_bits: int) -> int:
    """Returns the value of one floating-point code, as `FloatCode.decode` does. Compiled, unchecked."""
    exponent, mantissa = code >> mantissa_bits, code & ((1 << mantissa_bits) - 1)
    if exponent == 0:
        return mantissa
    value = (mantissa | (1 << mantissa_bits)) << (exponent - 1)
    return value + (1 << (exponent - 2)) if exponent > 1 else value
