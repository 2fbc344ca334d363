"""Codes in a file: the words of occupied units, each number in the smallest type that holds it.

This is no codec's bit stream: nothing is packed. It keeps what was computed, exactly, with the fingerprints of what made it;
`docs/workflow.md` describes the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.codes import CodeFormat, Codes
from hgcae.errors import DataFormatError
from hgcae.store.arrays import read_arrays, write_arrays

_FORMAT = ("a file of codes", 3)


def write_codes(path: Path, codes: Codes, made_of: Mapping[str, str], *, compress: bool = False) -> None:
    """Writes codes to a file, which appears whole or not at all.

    Args:
        path: The file.
        codes: The codes.
        made_of: Fingerprints of what they were made from, by name.
        compress: Whether to compress the arrays.
    """
    words = codes.words.astype(np.min_scalar_type(int(codes.words.max(initial=0))))
    plain = {name: getattr(codes.format, name).tolist() for name in ("widths", "lowest", "steps")}
    header = {"level": codes.level, "n_events": codes.n_events, "made_of": dict(made_of), "empty": codes.empty_words.tolist(), **plain}
    write_arrays(path, *_FORMAT, header, {"event": codes.event, "unit": codes.unit, "words": words}, compress=compress)


def read_codes(path: Path) -> tuple[Codes, dict[str, str]]:
    """Reads codes and what they were made from.

    Raises:
        DataFormatError: Damaged, or something else.
        OSError: The file cannot be loaded.
    """
    header, arrays = read_arrays(path, *_FORMAT)
    types: dict[str, Any] = {"widths": np.int64, "lowest": np.int32, "steps": np.float32, "empty": np.int32}
    try:
        lists = {name: np.array(header[name], dtype=dtype) for name, dtype in types.items()}
        empty = lists.pop("empty")
        event, unit, n_events = arrays["event"], arrays["unit"], header["n_events"]
        codes = Codes(header["level"], n_events, event, unit, arrays["words"], CodeFormat(**lists), empty)
        if not (event.dtype == unit.dtype == np.int64 and ((event >= 0) & (event < n_events) & (unit >= 0)).all()):
            msg = "an event or a unit that does not exist"
            raise ValueError(msg)
        return replace(codes, words=codes.words.astype(np.int32)), header["made_of"]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataFormatError(path, "contents", f"{type(error).__name__}: {error}", _FORMAT[0]) from None
