"""What every codec does: whole charges of units of so many trigger cells to packed bits, and back to charges.

    charges (n, cells)  --encode-->  Payload: data (n, n_bytes), bits (n,)  --decode-->  charges (n, cells)

A unit is one of any level: a ROC has 16 cells, a module 48, a layer of the prototype 2,736. A codec is made by its constructor from a
configuration of plain values, or fitted to training charges by a class method; decoding needs the configuration and the sent bits,
nothing else. Codecs with payloads of varying length derive from `UnitCodec`, those with fields of fixed width from `FieldsCodec`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.coding import bitpack
from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError
from hgcae.geometry import module

BUDGETS: Mapping[int, int] = {2: 57, 3: 89, 4: 121, 5: 153}
"""Bits per module for each number of ECON-T links: 32 per link and bunch crossing, less 7."""


class Payload(NamedTuple):
    """Codes of units.

    Args:
        data: Bits of each unit, most significant first, filled up with zeros: (n, n_bytes) uint8.
        bits: How many of them are sent: (n,) int64.
    """

    data: NDArray[np.uint8]
    bits: NDArray[np.int64]


@dataclass(frozen=True)
class FitOptions:
    """What making a codec may use besides training charges.

    Args:
        seed: Start of all random numbers.
        steps: Training steps of a learned codec; the default takes half a minute to a minute on two cores.
        data: Folder of real data, for codecs that CMS trained; None where there is none.
    """

    seed: int = 1
    steps: int = 4000
    data: Path | None = None


class UnitCodec(ABC):
    """One way to send units of some level."""

    name: ClassVar[str]
    """Name in configurations."""
    cells: int = module.N_CELLS
    """Trigger cells of a unit; those of a module where a codec is made for nothing else."""

    def __repr__(self) -> str:
        """The call that makes an equal codec; trained arrays are left out."""
        return f"{type(self).__name__}({', '.join(f'{key}={_shown(value)}' for key, value in self.get_config().items() if key != 'name')})"

    def __eq__(self, other: object) -> bool:
        """Whether both have the same configuration: they encode alike."""
        return isinstance(other, UnitCodec) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.name, self.cells, self.max_bits))

    @property
    @abstractmethod
    def max_bits(self) -> int:
        """Length of the longest payload."""

    @abstractmethod
    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes units.

        Args:
            charges: Charges, for modules in CALQ order, whole numbers of at least 0: (n, cells). More than `LARGEST_CHARGE` counts as
                that, and what a format cannot hold saturates.

        Raises:
            DataFormatError: Another shape, other numbers, or a negative charge.
        """

    @abstractmethod
    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns the charges of units, in the unit of what was encoded: (n, cells).

        Bits behind those sent are not looked at.

        Raises:
            DataFormatError: A payload that the codec cannot have made.
        """

    @abstractmethod
    def get_config(self) -> dict[str, Any]:
        """Returns plain values that JSON can hold, from which `from_config` makes an equal codec."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes a codec from what `get_config` returned, with or without its `name`.

        Raises:
            SettingsError: A value is missing, unknown or wrong.
        """
        try:
            return cls(**{key: value for key, value in config.items() if key != "name"})
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            msg = f"codec {cls.name}: {error}"
            raise SettingsError(msg) from None


class FieldsCodec(UnitCodec):
    """A codec whose payload is the same fields of fixed width for every unit."""

    @property
    @abstractmethod
    def widths(self) -> NDArray[np.int64]:
        """Bits of each field, in the order they are packed: (n_fields,)."""

    @abstractmethod
    def fields(self, charges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the fields (n, n_fields) of charges (n, cells), which have been checked."""

    @abstractmethod
    def rebuild(self, fields: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the charges (n, cells) that fields (n, n_fields) stand for."""

    @property
    @override
    def max_bits(self) -> int:
        """Length of every payload."""
        return int(self.widths.sum())

    @override
    def encode(self, charges: NDArray[np.integer]) -> Payload:
        data = bitpack.pack(self.fields(checked_charges(charges, self.cells, self.name)), self.widths)
        return Payload(data, np.full(len(data), self.max_bits, dtype=np.int64))

    @override
    def decode(self, payload: Payload) -> NDArray[np.float64]:
        return self.rebuild(bitpack.unpack(checked_payload(payload, self.max_bits, self.name), self.widths))


class ModuleCodec(UnitCodec):
    """A codec of silicon modules for a number of ECON-T links.

    Args:
        links: ECON-T links it is meant for.

    Raises:
        SettingsError: Fewer than one link.
    """

    def __init__(self, links: int) -> None:
        if links < 1 or int(links) != links:
            msg = f"codec {self.name}: links: found {links}, expected at least 1"
            raise SettingsError(msg)
        self.links = int(links)

    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None) -> Self:  # noqa: ARG003 - for those that do
        """Makes the codec for a number of links, fitted to training charges (n, 48) where it has something to fit.

        Raises:
            SettingsError: The codec is not made for so many links, or there is nothing to fit to.
            DataFormatError: See `UnitCodec.encode`.
        """
        return cls(links)


def _shown(value: Any) -> str:
    return "..." if isinstance(value, Mapping | list) else repr(value)


def checked_charges(charges: NDArray[Any], cells: int, name: str) -> NDArray[np.int64]:
    """Returns charges to encode as int64, at most `LARGEST_CHARGE`: (n, cells).

    Raises:
        DataFormatError: Another shape, no whole numbers, or one that is negative.
    """
    values = np.asarray(charges)
    if values.ndim != 2 or values.shape[1] != cells or values.dtype.kind not in "iu":
        raise DataFormatError(name, "charges", f"{values.dtype} {values.shape}", f"whole numbers (n, {cells})")
    if (values < 0).any():
        row, cell = np.argwhere(values < 0)[0]
        raise DataFormatError(name, f"charges[{row}, {cell}]", str(values[row, cell]), "at least 0")
    # Before the cast, which turns unsigned numbers of 2^63 and more into negative ones.
    return np.minimum(values, values.dtype.type(min(LARGEST_CHARGE, np.iinfo(values.dtype).max))).astype(np.int64)


def budget(links: int, name: str) -> int:
    """Returns the bits of a module at a number of ECON-T links.

    Raises:
        SettingsError: None are laid down.
    """
    if links not in BUDGETS:
        msg = f"codec {name}: links: found {links}, expected one of {', '.join(map(str, BUDGETS))}"
        raise SettingsError(msg)
    return BUDGETS[links]


def training_charges(train: NDArray[Any], name: str, least: int = 1) -> NDArray[np.int64]:
    """Returns the training modules that have charge: (n, 48).

    Raises:
        SettingsError: Fewer than `least` have.
        DataFormatError: See `checked_charges`.
    """
    charges = checked_charges(train, module.N_CELLS, name)
    charges = charges[charges.any(axis=1)]
    if len(charges) < least:
        msg = f"codec {name}: found {len(charges)} training modules with charge, expected at least {least}"
        raise SettingsError(msg)
    return charges


def checked_data(payload: Payload, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Returns the data of payloads of varying length, and their lengths: (n, n_bytes) uint8, (n,) int64.

    Raises:
        DataFormatError: Other shapes or types, or data that do not hold the bits.
    """
    data, bits = np.asarray(payload.data), np.asarray(payload.bits)
    if data.ndim != 2 or data.dtype != np.uint8 or bits.shape != data.shape[:1] or (bits > 8 * data.shape[-1]).any():
        found = f"data {data.dtype} {data.shape}, bits {bits.shape}"
        raise DataFormatError(name, "payload", found, "data uint8 (n, n_bytes) that hold the bits, bits (n,)")
    return data, bits.astype(np.int64)


def checked_payload(payload: Payload, bits: int, name: str) -> NDArray[np.uint8]:
    """Returns the data of payloads that are all of one length: (n, n_bytes) uint8.

    Raises:
        DataFormatError: Data are too short, or bits of another number are said to be sent.
    """
    data, sent = np.asarray(payload.data), np.asarray(payload.bits)
    short = len(data) > 0 and 8 * data.shape[-1] < bits
    if data.ndim != 2 or data.dtype != np.uint8 or short or sent.shape != data.shape[:1]:
        found = f"data {data.dtype} {data.shape}, bits {sent.shape}"
        raise DataFormatError(name, "payload", found, f"data uint8 (n, {-(-bits // 8)} or more), bits (n,)")
    if (sent != bits).any():
        raise DataFormatError(name, "payload bits", str(sent[sent != bits][0]), str(bits))
    return data
