"""Strict, frozen settings: YAML in and out, overrides from the command line, and a fingerprint that names what made a file."""

from __future__ import annotations

import copy
import hashlib
import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hgcae.errors import DataFormatError, SettingsError, nearest
from hgcae.reading.files import read_regular
from hgcae.reading.plain_yaml import MOST_BYTES, parse_yaml

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 200
"""How a wrong value is shown: not whole, where it is long."""


class Settings(BaseModel):
    """Base of every settings class: immutable; an unknown key or a number that is not finite is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def load(cls, values: Mapping[str, Any], source: object = "settings") -> Self:
        """Validates plain values.

        Raises:
            SettingsError: Names the source, the key, what was found and what is wrong with it.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            # An unknown key explains why a known one is missing.
            first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
            key = ".".join(str(part)[:100] for part in _place(values, first["loc"], first["type"])) or "top level"
            if first["type"] == "extra_forbidden":
                known = list(dict.fromkeys(_keys(cls, first["loc"][:-1])))
                hint = nearest(first["loc"][-1], known) or f"expected one of {', '.join(known)}"
                msg = f"{source}: unknown key {key}, {hint}"
            else:
                value = "" if isinstance(first["input"], Mapping) else f" (found {_SHORT.repr(first['input'])})"
                msg = f"{source}: {key}: {first['msg']}{value}"
            raise SettingsError(msg) from None

    @classmethod
    def from_yaml(cls, path: str | Path, overrides: Sequence[str] = ()) -> Self:
        """Reads a YAML file, then applies `key.subkey=value` overrides (values are parsed as YAML)."""
        return cls.load(override(read_yaml(path), overrides), source=path)

    def to_yaml(self) -> str:
        """Returns the settings as YAML; `from_yaml` reads the same settings back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def fingerprint(self) -> str:
        """Returns 16 hexadecimal digits that identify these settings (SHA-256 of their canonical JSON)."""
        return fingerprint(self.model_dump(mode="json"))


def _place(values: Any, path: Sequence[int | str], kind: str) -> Iterator[int | str]:
    """Yields the keys that lead to a fault: those of the values, without the names of alternatives that pydantic puts between them."""
    for i, part in enumerate(path, 1):
        if isinstance(values, list | tuple):
            values = dict(enumerate(values))
        keys = values if isinstance(values, Mapping) else None
        if keys is not None and part in keys:
            values = values[part]
            yield part
        elif keys is None or (kind == "missing" and i == len(path)):
            yield part


def _keys(settings: type[BaseModel], place: Sequence[int | str]) -> Iterator[str]:
    """Yields the keys that settings know at a place: names of groups, numbers of entries, tags of alternatives."""
    groups = [settings]
    for part in place:
        fields = [group.model_fields[part] for group in groups if part in group.model_fields]
        if fields:
            groups = [group for field in fields for group in _groups(field.annotation)]
    for group in groups:
        yield from group.model_fields


def _groups(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the classes of settings in a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _groups(part)


def fingerprint(values: object) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of `values` written as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping, see `hgcae.reading.plain_yaml`.

    Raises:
        SettingsError: The file cannot be read, is not YAML of plain values, or does not hold a mapping.
    """
    try:
        values = parse_yaml(read_regular(path, MOST_BYTES).decode("utf-8"))
    except DataFormatError as error:
        raise SettingsError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        raise SettingsError(msg) from None
    except ValueError as error:
        msg = f"{path}: is not YAML of plain values: {error}"
        raise SettingsError(msg) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        msg = f"{path}: found a {type(values).__name__} at the top, expected key: value pairs"
        raise SettingsError(msg)
    return values


def overlaid(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of plain values with changes laid over them: groups one by one, everything else whole."""
    both = {key: (values.get(key), change) for key, change in changes.items()}
    new = {key: overlaid(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new for key, (old, new) in both.items()}
    return copy.deepcopy({**values, **new})


def override(values: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Returns a copy of `values` with `key.subkey=value` assignments applied; values are parsed as YAML."""
    result = copy.deepcopy(dict(values))
    for assignment in assignments:
        key, sign, text = assignment.partition("=")
        if not sign or not key:
            msg = f"{assignment!r}: expected KEY=VALUE"
            raise SettingsError(msg)
        *parents, last = key.split(".")
        node = result
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                msg = f"{assignment!r}: {parent} is not a group of settings"
                raise SettingsError(msg)
        try:
            node[last] = parse_yaml(text)
        except ValueError as error:
            msg = f"{assignment!r}: the value is not YAML of plain values: {error}"
            raise SettingsError(msg) from None
    return result
