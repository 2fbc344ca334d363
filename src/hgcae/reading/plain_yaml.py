"""YAML: plain values in which each key stands once and each number means what it looks like."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

MOST_BYTES = 2**20
"""A detector of 50 layers has 8,000."""
MOST_NODES = 100_000
"""Values, those behind aliases and merge keys counted wherever they are used."""
MOST_DEPTH = 50
"""Groups within groups."""
_TOO_DEEP = f"found more than {MOST_DEPTH} groups within one another"
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map")}
_MERGE = _TAG + "merge"
_AMBIGUOUS = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")
"""Numbers that YAML 1.1 reads in base 8 or 60: 010 is 8, and 1:30 is 90."""


class _Loader(yaml.SafeLoader):
    """Makes plain values; a date is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, pattern) for tag, pattern in rules if tag in _PLAIN or tag == _MERGE]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes as the base class does, but not deeper than `MOST_DEPTH`."""
        if self.depth > MOST_DEPTH:
            raise ValueError(_TOO_DEEP)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def check(self, node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
        """Returns how many values a node stands for, and how many groups within one another, once all of it is found to be in order."""
        if id(node) in known:
            return known[id(node)]
        if node.tag not in _PLAIN:
            self._fail(node, f"the type {node.tag.removeprefix(_TAG)!r}; only plain values are read")
        size, height = 1, 0
        if isinstance(node, yaml.ScalarNode):
            if node.tag in {_TAG + "int", _TAG + "float"} and _AMBIGUOUS.fullmatch(node.value):
                self._fail(node, f"{node.value}, in YAML a number in base 8 or 60; put text in quotes, write numbers in base 10")
        else:
            known[id(node)] = MOST_NODES, 0  # a group within itself has no end
            below = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
            if isinstance(node, yaml.MappingNode):
                self._check_keys(node)
                below = [part for part in below if part.tag != _MERGE]
            for part in below:
                more, inner = self.check(part, known)
                size, height = size + more, max(height, 1 + inner)
                if size > MOST_NODES:
                    self._fail(node, f"more than {MOST_NODES} values, or a group within itself")
                if height > MOST_DEPTH:
                    raise ValueError(_TOO_DEEP)
        known[id(node)] = size, height
        return size, height

    def _check_keys(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail(key, "a group as key")
            name = "<<" if key.tag == _MERGE else self.construct_object(key)
            if name in seen:
                self._fail(key, f"the key {name!r} twice")
            seen.add(name)

    def _fail(self, node: yaml.Node, what: str) -> None:
        msg = f"line {node.start_mark.line + 1}: found {what}"
        raise ValueError(msg)


def parse_yaml(text: str) -> Any:
    """Returns the plain values in a YAML text: numbers, truth values, text, lists and mappings; None if there is nothing in it.

    Raises:
        ValueError: Not YAML, more than one document, another type of value, a key twice in a mapping, a number that may be misread, or
            more than `MOST_NODES` values or `MOST_DEPTH` groups within one another.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        loader.check(node, {})
        return loader.construct_document(node)
    except (yaml.YAMLError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        # A value whose tag promises another kind (!!bool 3) ends wherever PyYAML's conversion does.
        raise ValueError(" ".join(str(error).split())) from None
