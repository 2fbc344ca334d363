"""Codecs of silicon modules: one small module each, one way to make any of them again from its configuration.

A codec joins all comparisons with one line in `_HOMES` and one in `hgcae.train.module_codecs.FACTORIES`, which makes codecs from charges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from hgcae.codec.base import ModuleCodec, Payload
from hgcae.errors import SettingsError, unknown

_HOMES = {
    "mean": ("mean", "MeanCodec"),
    "pca": ("pca", "PcaCodec"),
    "pyramid": ("pyramid", "PyramidCodec"),
    "best_choice": ("econt", "BestChoiceCodec"),
    "threshold_sum": ("econt", "ThresholdSumCodec"),
    "super_trigger_cell": ("econt", "SuperCellCodec"),
    "repeater": ("econt", "RepeaterCodec"),
    "cms": ("cms", "CmsCodec"),
    "econ_ae": ("econ_ae", "EconAutoencoderCodec"),
    "latent": ("latent", "LatentCodec"),
    "hierarchy": ("hierarchy", "HierarchyCodec"),
}
"""Module and class of each codec, by its name."""


class _Codecs(Mapping[str, type[ModuleCodec]]):
    """Classes that are imported when they are asked for: one needs Keras, the others do without."""

    def __getitem__(self, name: str) -> type[ModuleCodec]:
        home, codec = _HOMES[name]
        return getattr(import_module(f"hgcae.codec.{home}"), codec)

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


CODECS: Mapping[str, type[ModuleCodec]] = _Codecs()
"""All codecs by name."""

__all__ = ["CODECS", "ModuleCodec", "Payload", "codec_from_config"]


def codec_from_config(config: Mapping[str, Any]) -> ModuleCodec:
    """Returns the codec that `get_config` described.

    Raises:
        SettingsError: The name is unknown, or a value is missing, unknown or wrong.
    """
    name = config.get("name")
    if not isinstance(name, str) or name not in CODECS:
        raise SettingsError(unknown("codec", name, CODECS))
    return CODECS[name].from_config(config)
