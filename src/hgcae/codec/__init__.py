"""Codecs: charges of units of trigger cells to packed bits and back, one contract for units of any level.

`base` holds the contract, `registry` all codecs of modules by name, `simple` the simple codes for units of any level, `events` what whole
events become behind a codec.
"""

from __future__ import annotations

from hgcae.codec.base import FieldsCodec, FitOptions, ModuleCodec, Payload, UnitCodec
from hgcae.codec.registry import CODECS, Entry, codec_from_config, make_codec, register

__all__ = [
    "CODECS",
    "Entry",
    "FieldsCodec",
    "FitOptions",
    "ModuleCodec",
    "Payload",
    "UnitCodec",
    "codec_from_config",
    "make_codec",
    "register",
]
