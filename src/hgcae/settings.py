"""Strict, frozen settings: YAML in and out, overrides from the command line, and a fingerprint that names what made a file."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from hgcae.errors import SettingsError
from hgcae.outputs import atomic_path  # noqa: F401 - many take it from here


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
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "top level"
            value = "" if isinstance(first["input"], Mapping) else f" (found {first['input']!r})"
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


def fingerprint(values: object) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of `values` written as canonical JSON."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping.

    Raises:
        SettingsError: The file is missing, is not YAML, or does not hold a mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
        raise SettingsError(msg) from None
    except yaml.YAMLError as error:
        msg = f"{path}: is not YAML: {' '.join(str(error).split())}"
        raise SettingsError(msg) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        msg = f"{path}: found a {type(values).__name__} at the top, expected key: value pairs"
        raise SettingsError(msg)
    return values


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
            node[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            msg = f"{assignment!r}: the value is not YAML"
            raise SettingsError(msg) from None
    return result
