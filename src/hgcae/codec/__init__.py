"""Codecs of silicon modules: one small module each, one way to make any of them again from its configuration.

A codec joins all comparisons with one line in `CODECS` and one in `hgcae.train.module_codecs.FACTORIES`, which makes codecs from charges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgcae.codec.base import ModuleCodec, Payload
from hgcae.codec.cms import CmsCodec
from hgcae.codec.econ_ae import EconAutoencoderCodec
from hgcae.codec.econt import BestChoiceCodec, RepeaterCodec, SuperCellCodec, ThresholdSumCodec
from hgcae.codec.hierarchy import HierarchyCodec
from hgcae.codec.latent import LatentCodec
from hgcae.codec.lattice import LatticeCodec
from hgcae.codec.mean import MeanCodec
from hgcae.codec.pca import PcaCodec
from hgcae.errors import SettingsError, unknown

_CONVENTIONAL = (MeanCodec, PcaCodec, LatticeCodec, BestChoiceCodec, ThresholdSumCodec, SuperCellCodec, RepeaterCodec)
_LEARNED = (CmsCodec, EconAutoencoderCodec, LatentCodec, HierarchyCodec)

CODECS: Mapping[str, type[ModuleCodec]] = {codec.name: codec for codec in (*_CONVENTIONAL, *_LEARNED)}
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
