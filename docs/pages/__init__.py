"""The generated pages: a module for each collects its values from results, and its template in docs/templates prints them."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

DOCS = Path(__file__).resolve().parents[1]
TEMPLATES, RESULTS = DOCS / "templates", DOCS / "results"
PAGES = tuple(sorted(path.name.removesuffix(".md.j2") for path in TEMPLATES.glob("*.md.j2")))
"""Names of the pages."""


class Collected(NamedTuple):
    """What a page needs of a folder of results: the values it prints, and its pictures by their name in docs/figures."""

    values: dict[str, Any]
    pictures: Mapping[str, Path] = {}


def collect(page: str, folder: Path) -> Collected:
    """Returns the values and pictures of a page from a folder of results."""
    return importlib.import_module(f"pages.{page}").collect(folder)


def keep(page: str, found: Collected) -> None:
    """Copies the pictures of a page to docs/figures and writes its values, where it has any, to docs/results."""
    for name, source in found.pictures.items():
        shutil.copyfile(source, DOCS / "figures" / name)
    if found.values:
        (RESULTS / f"{page}.json").write_text(dumps(found.values) + "\n", encoding="utf-8")


def kept(page: str) -> dict[str, Any]:
    """Returns the values of a page: those of `benchmarks` are what the benchmarks themselves keep, those of `api` come from the package."""
    if page == "api":
        return importlib.import_module("pages.api").values()
    if page == "benchmarks":
        return {path.stem: _read(path) for path in (DOCS.parent / "benchmarks" / "results").glob("*.json")}
    return _read(RESULTS / f"{page}.json")


def render(page: str, values: Mapping[str, Any]) -> str:
    """Returns the text of a page, made of its template and of values."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"table": markdown, "pairs": pairs, "count": "{:,}".format}
    return re.sub(r"\n{3,}", "\n\n", environment.get_template(f"{page}.md.j2").render(values)).strip() + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Returns headings and rows as a value of a page."""
    return {"head": list(headings), "rows": [list(row) for row in rows]}


def markdown(value: Mapping[str, Any], left: int = 1) -> str:
    """Returns a table as Markdown, with so many columns aligned to the left."""
    head = value["head"]
    lines = [head, ["---"] * left + ["---:"] * (len(head) - left), *value["rows"]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pairs(values: Mapping[str, Any]) -> str:
    """Returns names and values, such as versions, as a list in a sentence."""
    return ", ".join(f"{name} {f'{value:,}' if isinstance(value, int) else value}" for name, value in values.items())


def dumps(value: Any, indent: str = "") -> str:
    """Returns JSON with a line for each value that is short or, like a row of a table, holds no further lists or mappings."""
    line, inner = json.dumps(value, ensure_ascii=False), indent + " "
    items = [*value.items()] if isinstance(value, dict) else [*enumerate(value)] if isinstance(value, list) else []
    if len(line) < 120 or not any(isinstance(part, dict | list) for _, part in items):
        return line
    parts = [inner + (f"{json.dumps(key)}: " if isinstance(value, dict) else "") + dumps(part, inner) for key, part in items]
    return line[0] + "\n" + ",\n".join(parts) + f"\n{indent}{line[-1]}"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
