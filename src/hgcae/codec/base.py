"""What every codec of a silicon module does: integer charges of 48 trigger cells to packed bits, and back to charges.

A codec is made by its constructor from a configuration of plain values, or fitted to training charges by a class method; decoding needs
the configuration and the sent bits, nothing else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.floatcode import LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError
from hgcae.geometry import module


class Payload(NamedTuple):
    """Codes of modules.

    Args:
        data: Bits of each module, most significant first, filled up with zeros: (n, n_bytes) uint8.
        bits: How many of them are sent: (n,) int64.
    """

    data: NDArray[np.uint8]
    bits: NDArray[np.int64]


class ModuleCodec(ABC):
    """One way to send a module.

    Args:
        links: ECON-T links it is meant for.
    """

    name: ClassVar[str]
    """Name in tables and configurations."""

    def __init__(self, links: int) -> None:
        if links < 1 or int(links) != links:
            msg = f"codec {self.name}: links: found {links}, expected at least 1"
            raise SettingsError(msg)
        self.links = int(links)

    def __repr__(self) -> str:
        """The call that makes an equal codec; trained arrays are left out."""
        return f"{type(self).__name__}({', '.join(f'{key}={_shown(value)}' for key, value in self.get_config().items() if key != 'name')})"

    def __eq__(self, other: object) -> bool:
        """Whether both have the same configuration: they encode alike."""
        return isinstance(other, ModuleCodec) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash((self.name, self.links))

    @property
    @abstractmethod
    def max_bits(self) -> int:
        """Length of the longest payload."""

    @abstractmethod
    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules.

        Args:
            charges: Charges in CALQ order, whole numbers of at least 0: (n, 48). More than `LARGEST_CHARGE` counts as that, and what a
                format cannot hold saturates.

        Raises:
            DataFormatError: Another shape, other numbers, or a negative charge.
        """

    @abstractmethod
    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns the charges of modules, in the unit of what was encoded: (n, 48).

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


def _shown(value: Any) -> str:
    return "..." if isinstance(value, Mapping | list) else repr(value)


def checked_charges(charges: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Returns charges to encode as int64, at most `LARGEST_CHARGE`: (n, 48).

    Raises:
        DataFormatError: Another shape, no whole numbers, or one that is negative.
    """
    values = np.asarray(charges)
    if values.ndim != 2 or values.shape[1] != module.N_CELLS or values.dtype.kind not in "iu":
        raise DataFormatError(name, "charges", f"{values.dtype} {values.shape}", f"whole numbers (n, {module.N_CELLS})")
    if (values < 0).any():
        row, cell = np.argwhere(values < 0)[0]
        raise DataFormatError(name, f"charges[{row}, {cell}]", str(values[row, cell]), "at least 0")
    # Before the cast, which turns unsigned numbers of 2^63 and more into negative ones.
    return np.minimum(values, values.dtype.type(min(LARGEST_CHARGE, np.iinfo(values.dtype).max))).astype(np.int64)


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
