"""The results of `hgcae stress`."""

from __future__ import annotations

from pathlib import Path

from hgcae.evaluate import stress_table
from hgcae.store.results import read_results
from pages import Collected, table


def collect(folder: Path) -> Collected:
    """Reads `stress.json` and `stress.png`."""
    results = read_results(folder / "stress.json", "robustness")
    values = {
        "command": "make docs-robustness",
        **{key: results[key] for key in ("date", "versions", "n_events", "seed")},
        "cases": table(["disturbance", "what"], [[f"`{case['name']}`", case["what"]] for case in results["cases"]]),
        "undisturbed": table(*stress_table(results)),
        "input": table(*stress_table(results, "input")),
    }
    return Collected(values, {"stress.png": folder / "stress.png"})
