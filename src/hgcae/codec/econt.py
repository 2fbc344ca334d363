"""The formats of the ECON-T as codecs: what the trigger of CMS can send today, and the measure of anything new.

Bits are those of a module's fields, without the bunch counter of 4 or 5 bits in front (see `hgcae.frontend.econt`). Charges are the
calibrated ones that the ECON-T chooses from, so low bits are dropped only where `drop` says so.

Source: github.com/cmantill/ECONT_Emulator, as emulated bit for bit in `hgcae.frontend.econt`.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codec.base import FitOptions, ModuleCodec, Payload, checked_charges, checked_payload
from hgcae.coding.bitpack import unpack
from hgcae.coding.floatcode import FLOAT_4E3M, FLOAT_5E3M, LARGEST_CHARGE
from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend import econt
from hgcae.frontend.econt.cells import MAX_DROP, MAX_LINKS, POSTMUX_OF_CALQ
from hgcae.frontend.econt.repeater import BITS as REPEATER_BITS
from hgcae.frontend.econt.super_cells import super_cell_format
from hgcae.frontend.econt.threshold_sum import FEW, HEAD_BITS, MAX_BITS, packet_bits
from hgcae.geometry.module import N_CELLS

Edge = Literal["middle", "low"]
Division = Literal["largest", "equal"]
WHOLE_MODULE = {2: "STC16", 3: "CTC4A", 4: "STC4A", 5: "STC4B"}
"""For each number of links the format of super trigger cells that says most and still covers the whole module."""


class _TriggerCellCodec(ModuleCodec):
    """Sends trigger cells in the format 4E3M.

    Args:
        links: ECON-T links.
        drop: Low bits dropped from every charge.
        edge: What a charge is decoded to: the middle of the step of its code, as the ECON-T's documentation says, or its lower edge.
            Modules of CMS simulation files have gone through 4E3M in the HGCROC already and hold lower edges (16, 18, ... 32, 36, ...):
            with `drop` 0 these come back exactly as "low", and up to 6 % too large as "middle".
        spread: Divide the sum that is sent of all other cells among them in equal parts, instead of leaving it out.

    Raises:
        SettingsError: A value is out of range.
    """

    def __init__(self, links: int, drop: int = 0, edge: Edge = "middle", spread: bool = False) -> None:
        super().__init__(links)
        for name, found, allowed in (
            ("links", links, range(1, MAX_LINKS + 1)),
            ("drop", drop, range(MAX_DROP + 1)),
            ("edge", edge, ("middle", "low")),
        ):
            if found not in allowed:
                expected = ", ".join(map(repr, allowed)) if name == "edge" else f"{allowed[0]} to {allowed[-1]}"
                msg = f"codec {self.name}: {name}: found {found!r}, expected {expected}"
                raise SettingsError(msg)
        self.drop, self.edge, self.spread = int(drop), edge, bool(spread)

    @override
    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None, **settings: Any) -> Self:
        """Returns the codec for a number of links, with further arguments of its constructor."""
        return cls(links, **settings)

    @abstractmethod
    def _sent(self, payload: Payload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns the charges that were sent, middles of their steps, (n, 48), and the sum of all others (n,)."""

    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, 48); cells that were not sent are 0, or have equal parts of what is missing."""
        middles, rest = self._sent(payload)
        charges = middles if self.edge == "middle" else FLOAT_4E3M.lower_edge(middles, self.drop)
        result = charges.astype(np.float64)
        if self.spread:
            # A cell that was sent as zero has nothing left after `drop`, so it is taken for one of the others.
            unsent = middles == 0
            share = rest / np.maximum(unsent.sum(axis=1), 1)
            result += np.where(unsent, share[:, None], 0.0)
        return result

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return {"name": self.name, "links": self.links, "drop": self.drop, "edge": self.edge, "spread": self.spread}


class BestChoiceCodec(_TriggerCellCodec):
    """Sends the largest trigger cells, as many as fit: 4, 6, 9 and 14 over 2, 3, 4 and 5 links, and the sum of the others."""

    name = "best_choice"

    @property
    def max_bits(self) -> int:
        """Length of every payload: 60, 86, 119 and 154 bits over 2, 3, 4 and 5 links."""
        return econt.best_choice_bits(self.links)

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `UnitCodec.encode`."""
        return Payload(*econt.encode_best_choice(checked_charges(charges, self.cells, self.name), self.links, self.drop))

    def _sent(self, payload: Payload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        data = checked_payload(payload, self.max_bits, self.name)
        return econt.decode_best_choice(data, self.links, self.drop), _sum(data, 0) << self.drop


class ThresholdSumCodec(_TriggerCellCodec):
    """Sends the trigger cells above a threshold, and the sum of the others: as many bits as a module needs.

    Args:
        links: ECON-T links it is compared at.
        threshold: Smallest charge that is sent, counts.
        drop: See `BestChoiceCodec`, as for the rest.
        edge: What a charge is decoded to.
        spread: Divide the sum of the others among them.
    """

    name = "threshold_sum"

    def __init__(self, links: int, threshold: int, drop: int = 0, edge: Edge = "middle", spread: bool = False) -> None:
        super().__init__(links, drop, edge, spread)
        if not 1 <= threshold <= LARGEST_CHARGE + 1 or threshold != int(threshold):
            msg = f"codec threshold_sum: threshold: found {threshold}, expected a whole number from 1 to {LARGEST_CHARGE + 1}"
            raise SettingsError(msg)
        self.threshold = int(threshold)

    @override
    @classmethod
    def fit(cls, links: int, train: NDArray[np.integer], options: FitOptions | None = None, **settings: Any) -> Self:
        """Takes the smallest threshold at which modules of training charges (n, 48) have 32 bits per link less 7 in the mean.

        These are the bits that the other codecs have. The buffer of the ECON-T evens out its output over bunch crossings, so the mean of
        a threshold's payload counts, not the largest one.

        Raises:
            SettingsError: There is nothing to fit to.
            DataFormatError: See `UnitCodec.encode`.
        """
        charges = checked_charges(train, cls.cells, cls.name)
        if not len(charges):
            msg = "codec threshold_sum: found no training modules, expected at least 1"
            raise SettingsError(msg)

        def fits(threshold: int) -> bool:
            n = (charges >= threshold).sum(axis=1)
            bits = HEAD_BITS + np.where(n == 0, 0, np.where(n < FEW, 3 + 13 * n, N_CELLS + 7 * n))
            return bool(bits.mean() <= 32 * links - 7)

        return cls(links, 1 + bisect_left(range(1, int(charges.max()) + 1), True, key=fits), **settings)

    @property
    def max_bits(self) -> int:
        """Length of the longest payload, of a module whose cells are all sent."""
        return MAX_BITS

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `UnitCodec.encode`."""
        return Payload(*econt.encode_threshold_sum(checked_charges(charges, self.cells, self.name), self.threshold, self.drop))

    def _sent(self, payload: Payload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        data, bits = np.asarray(payload.data), np.asarray(payload.bits)
        lengths = packet_bits(data)
        if bits.shape != lengths.shape or (bits != lengths).any():
            found = f"{bits.shape}" if bits.shape != lengths.shape else str(bits[bits != lengths][0])
            expected = f"{lengths.shape}" if bits.shape != lengths.shape else str(lengths[bits != lengths][0])
            raise DataFormatError(self.name, "payload bits", found, expected)
        # The sum of the others keeps its low bits.
        return econt.decode_threshold_sum(data, self.drop), _sum(data, 3)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return super().get_config() | {"threshold": self.threshold}


class RepeaterCodec(_TriggerCellCodec):
    """Sends all trigger cells: no choice, only the 4E3M codes. This takes 11 links, whatever number it is compared at."""

    name = "repeater"

    def __init__(self, links: int, drop: int = 0, edge: Edge = "middle") -> None:
        super().__init__(links, drop, edge)

    @property
    def max_bits(self) -> int:
        """Length of every payload."""
        return REPEATER_BITS

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `UnitCodec.encode`."""
        return Payload(*econt.encode_repeater(checked_charges(charges, self.cells, self.name), self.drop))

    def _sent(self, payload: Payload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        data = checked_payload(payload, self.max_bits, self.name)
        return econt.decode_repeater(data, self.drop), np.zeros(len(data), dtype=np.int64)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return {key: value for key, value in super().get_config().items() if key != "spread"}


class SuperCellCodec(ModuleCodec):
    """Sends sums of 4 or 16 neighbouring trigger cells.

    Args:
        links: ECON-T links.
        form: Format, e.g. "STC4B"; by default the one of `WHOLE_MODULE`.
        drop: Low bits dropped from sums in 4E3M.
        division: Decode a sum as the charge of its largest cell, as CMSSW does by default, or of all its cells in equal parts. Coarse cells
            (CTC) do not say which one is largest, so theirs are always divided.

    Raises:
        SettingsError: Unknown format or division, or links that the format is not made for.
    """

    name = "super_trigger_cell"

    def __init__(self, links: int, form: str | None = None, drop: int = 0, division: Division = "largest") -> None:
        super().__init__(links)
        if form is None and links not in WHOLE_MODULE:
            msg = f"codec {self.name}: links: found {links}, expected one of {', '.join(map(str, WHOLE_MODULE))}, or a format that is named"
            raise SettingsError(msg)
        if division not in {"largest", "equal"} or not 0 <= drop <= MAX_DROP:
            msg = f"codec {self.name}: found drop {drop!r}, division {division!r}, expected 0 to {MAX_DROP}, 'largest' or 'equal'"
            raise SettingsError(msg)
        self.form = WHOLE_MODULE[links] if form is None else form
        self.drop = drop
        self.division: Division = division
        self._bits = super_cell_format(self.form, links).bits(links)

    @property
    def max_bits(self) -> int:
        """Length of every payload: 39, 84, 108 and 132 bits over 2, 3, 4 and 5 links."""
        return self._bits

    def encode(self, charges: NDArray[np.integer]) -> Payload:
        """Encodes modules, see `UnitCodec.encode`."""
        neighbours = np.empty_like(checked := checked_charges(charges, self.cells, self.name))
        neighbours[:, POSTMUX_OF_CALQ] = checked
        return Payload(*econt.encode_super_cells(neighbours, self.form, self.links, self.drop))

    def decode(self, payload: Payload) -> NDArray[np.float64]:
        """Returns charges (n, 48)."""
        data = checked_payload(payload, self.max_bits, self.name)
        charges = econt.decode_super_cells(data, self.form, self.links, self.drop, division=self.division)
        return charges[:, POSTMUX_OF_CALQ].astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        """Returns all arguments as plain values."""
        return {"name": self.name, "links": self.links, "form": self.form, "drop": self.drop, "division": self.division}


def _sum(data: NDArray[np.uint8], offset: int) -> NDArray[np.int64]:
    """Returns the module sums in format 5E3M from bit `offset` on; (n,)."""
    return FLOAT_5E3M.decode(unpack(data, np.array([offset, FLOAT_5E3M.bits]))[:, 1])
