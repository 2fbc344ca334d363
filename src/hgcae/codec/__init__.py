"""Codecs of silicon modules: one small module each, one way to make any of them by its name.

A codec joins all comparisons with one line in `CODECS` and one in `FACTORIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hgcae.codec.base import ModuleCodec, Payload
from hgcae.codec.econt import BestChoiceCodec, RepeaterCodec, SuperCellCodec, ThresholdSumCodec
from hgcae.codec.lattice import LatticeCodec
from hgcae.codec.mean import MeanCodec
from hgcae.codec.pca import PcaCodec
from hgcae.errors import SettingsError

_T = TypeVar("_T")

CODECS: Mapping[str, type[ModuleCodec]] = {
    codec.name: codec for codec in (MeanCodec, PcaCodec, LatticeCodec, BestChoiceCodec, ThresholdSumCodec, SuperCellCodec, RepeaterCodec)
}
"""All codecs by name."""

Factory = Callable[[int, NDArray[np.integer], int], ModuleCodec]
"""Makes a codec from its number of links, training charges (n, 48) and a seed."""

FACTORIES: Mapping[str, Factory] = {
    MeanCodec.name: lambda links, train, _seed: MeanCodec.fit(links, train),
    PcaCodec.name: lambda links, train, _seed: PcaCodec.fit(links, train),
    LatticeCodec.name: LatticeCodec.fit,
    "best_choice": lambda links, _train, _seed: BestChoiceCodec(links),
    "best_choice_low": lambda links, _train, _seed: BestChoiceCodec(links, edge="low"),
    "best_choice_spread": lambda links, _train, _seed: BestChoiceCodec(links, spread=True),
    "best_choice_spread_low": lambda links, _train, _seed: BestChoiceCodec(links, edge="low", spread=True),
    "threshold_sum": lambda links, train, _seed: ThresholdSumCodec.fit(links, train),
    "threshold_sum_spread": lambda links, train, _seed: ThresholdSumCodec.fit(links, train, spread=True),
    "super_trigger_cell": lambda links, _train, _seed: SuperCellCodec(links),
    "repeater": lambda links, _train, _seed: RepeaterCodec(links),
}
"""How the codecs of a comparison are made, by the name that it gives them."""

__all__ = ["CODECS", "FACTORIES", "Factory", "ModuleCodec", "Payload", "codec_from_config", "make_codec"]


def codec_from_config(config: Mapping[str, Any]) -> ModuleCodec:
    """Returns the codec that `get_config` described.

    Raises:
        SettingsError: The name is unknown, or a value is missing, unknown or wrong.
    """
    return _named(CODECS, config.get("name")).from_config(config)


def make_codec(name: str, links: int, train: NDArray[np.integer], seed: int = 1) -> ModuleCodec:
    """Returns a codec of a comparison, fitted to training charges where it needs them.

    Args:
        name: Key of `FACTORIES`.
        links: ECON-T links.
        train: Charges (n, 48).
        seed: Of whatever the fit draws.

    Raises:
        SettingsError: The name is unknown, or the codec is not made for so many links.
    """
    return _named(FACTORIES, name)(links, train, seed)


def _named(table: Mapping[str, _T], name: object) -> _T:
    if name not in table:
        msg = f"codec {name!r}: expected one of {', '.join(table)}"
        raise SettingsError(msg)
    return table[str(name)]
