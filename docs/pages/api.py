"""The reference of public names: their signatures and the first line of their docstrings, read from the package itself."""

from __future__ import annotations

import importlib
import inspect
from functools import cached_property
from typing import Any

PACKAGES = ("hgcae", "hgcae.store", "hgcae.sources", "hgcae.simulate", "hgcae.codec", "hgcae.evaluate", "hgcae.plots")
MODULES = (
    "hgcae.events",
    "hgcae.geometry.detector",
    "hgcae.geometry.hierarchy",
    "hgcae.model.autoencoder",
    "hgcae.model.files",
    "hgcae.integer.encoder",
    "hgcae.integer.network",
    "hgcae.integer.cost",
    "hgcae.coding.bitpack",
    "hgcae.coding.fixedpoint",
    "hgcae.coding.floatcode",
    "hgcae.coding.sums",
)
"""Modules whose classes and functions are named, besides what packages export."""


def values() -> dict[str, Any]:
    """Returns, for each package and module, its first line and its public names with their own."""
    return {"modules": [_module(name, importlib.import_module(name)) for name in (*PACKAGES, *MODULES)]}


def _module(name: str, module: Any) -> dict[str, Any]:
    names = getattr(module, "__all__", None) or [key for key, value in vars(module).items() if _own(key, value, name)]
    found = [(key, getattr(module, key)) for key in names]
    return {
        "name": name,
        "text": _first_line(module),
        "names": [
            {"name": _call(key, value), "text": _first_line(value), "methods": _methods(value)} for key, value in found if callable(value)
        ],
    }


def _own(key: str, value: Any, module: str) -> bool:
    return not key.startswith("_") and callable(value) and getattr(value, "__module__", "") == module


def _methods(value: Any) -> list[dict[str, str]]:
    """Returns the public methods that a class defines itself; errors and tuples have none to tell."""
    if not inspect.isclass(value) or issubclass(value, Exception | tuple):
        return []
    own = [(key, getattr(value, key)) for key in vars(value) if not key.startswith("_") and inspect.getdoc(getattr(value, key))]
    kinds = (property, cached_property)
    return [
        {"name": _call(key, found), "text": _first_line(found)}
        for key, found in own
        if inspect.isroutine(found) or isinstance(found, kinds)
    ]


def _call(name: str, value: Any) -> str:
    """Returns a name with the names of its arguments."""
    try:
        arguments = [each for each in inspect.signature(value).parameters.values() if each.name not in ("self", "cls")]
    except (TypeError, ValueError):
        return name
    return f"{name}({', '.join(each.name for each in arguments)})"


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").split("\n", 1)[0].replace("|", "\\|")
