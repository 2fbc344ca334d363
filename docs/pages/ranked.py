"""Ranked cells beside the levels of a trained model and the strongest cells by enumeration: the results of `hgcae physics`."""

from __future__ import annotations

from pathlib import Path

from hgcae.evaluate import physics_tables
from hgcae.store.results import read_results
from pages import Collected, table

TITLES = (
    "electron: decoded - uncompressed, bias ± width",
    "energy mover's distance, mean [mm]",
    "two showers: share of events in which both are found",
    "showers found",
)


def collect(folder: Path) -> Collected:
    """Reads `physics.json`."""
    results = read_results(folder / "physics.json", "physics")
    tables = physics_tables(results)
    values = {
        "command": "make docs-ranked",
        "date": results["date"],
        "versions": results["versions"],
        "n_events": results["provenance"]["events"],
        "tables": {title: table(*tables[title]) for title in TITLES if title in tables},
    }
    return Collected(values)
