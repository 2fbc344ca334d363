"""The results of `hgcae physics`, and those next to simple codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.evaluate import physics_tables
from hgcae.store.results import read_results
from pages import Collected, table

PICTURES = ("response", "shapes", "profiles", "separation", "pairs")
AUC_TARGETS = {"MODULE": 0.005, "STAGE2": 0.02}
"""Area under the curve of electrons against pions that may be lost at most."""
SIMPLE = (
    "electron: against the truth",
    "pion: against the truth",
    "energy mover's distance, mean [mm]",
    "electron against pion",
    "two showers: share of events in which both are found",
)
"""Tables that compare the model with simple codes."""


def collect(folder: Path) -> Collected:
    """Reads `physics.json`, the pictures, and `simple/physics.json`."""
    results, simple = read_results(folder / "physics.json", "physics"), read_results(folder / "simple" / "physics.json", "physics")
    tables = physics_tables(simple)
    values = {
        "command": "make docs-physics",
        **_told(results),
        **{key: results["provenance"][key] for key in ("detector", "seed", "energy_gev")},
        "model": results["fingerprints"]["model"],
        "bits": {name: codec["bits_per_event"] for name, codec in results["codecs"].items() if "bits_per_event" in codec},
        **_answers(results),
        "tables": {title: table(*found) for title, found in physics_tables(results).items()},
        "simple": {**_told(simple), "tables": {title: table(*tables[title]) for title in SIMPLE if title in tables}},
    }
    return Collected(values, {f"physics_{name}.png": folder / f"{name}.png" for name in PICTURES})


def _told(results: Mapping[str, Any]) -> dict[str, Any]:
    return {"date": results["date"], "versions": results["versions"], "n_events": results["provenance"]["events"]}


def _answers(results: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the first answers: is the electron still separated from the pion, and are two showers still resolved?"""
    trees, lost = results["separation"]["electron"]["gradient_boosting"], {}
    for level, target in AUC_TARGETS.items():
        if level in trees:
            value, error = trees[level]["auc_lost"], trees[level]["auc_lost_error"]
            lost[level] = {"lost": f"{value:.4f} ± {error:.4f}", "target": target, "missed": value > target}
    pairs = {distance: {name: row["efficiency"]["mean"] for name, row in found.items()} for distance, found in results["pairs"].items()}
    resolved = {}
    for distance in ("5", "10"):
        if distance in pairs:
            whole = pairs[distance]["uncompressed"]
            levels = [name for name in pairs[distance] if name != "uncompressed"]
            blind = next((i for i, name in enumerate(levels) if pairs[distance][name] < whole / 2), len(levels))
            shares = {name: f"{share:.0%}" for name, share in pairs[distance].items()}
            resolved[distance] = {"up_to": levels[:blind][-1:], "everywhere": blind == len(levels), "shares": shares}
    return {
        "lost": lost,
        "resolved": resolved,
        "split": {name: f"{row['two_or_more']['mean']:.1%}" for name, row in results["split"]["electron"].items()},
        "near": {name: f"{share:.0%}" for name, share in pairs.get("2.5", {}).items()},
        "five": {name: f"{row['found']['mean']:.1f}" for name, row in results["multi_particle"].get("five", {}).items()},
    }
