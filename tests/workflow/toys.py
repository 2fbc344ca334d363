"""Workflows of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RESULTS = ("simulate", "convert", "train", "evaluate", "scan", "compress", "export", "compare", "report")


def write_workflow(folder: Path, *, events: int = 12, chunk: int = 4, **sections: Any) -> Path:
    """Writes a workflow with a sample of a few electrons of one layer's modules, and further sections; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    sample = {"events": events, "chunk": chunk, "simulate": {"detector": "testbeam", "gun": {"energy_gev": [1, 5]}}}
    resources = {"default": {"cores": 1, "memory_mb": 500, "minutes": 60}}
    path = folder / "workflow.yaml"
    content = {"samples": {"electrons": sample}, "resources": resources} | sections
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def outputs(store: Path) -> dict[str, bytes]:
    """All results in a store: content by path."""
    return {str(path.relative_to(store)): path.read_bytes() for name in RESULTS for path in (store / name).rglob("*") if path.is_file()}
