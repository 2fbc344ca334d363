# ruff: noqa: INP001 - a script, not part of a package
"""Writes the measured section of docs/physics.md and its figures from the folder of `hgcae physics`: `make docs-physics`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refresh import markdown

from hgcae.evaluate import physics_markdown, physics_tables, read_physics

DOCS = Path(__file__).parent
FIGURES = ("response", "shapes", "profiles", "separation", "pairs")
MARK = "## Measured"
"""What stands before this heading is written by hand, what follows by this script."""


def main(folder: Path) -> None:
    """Reads the verdict in `folder`."""
    results = read_physics(folder / "physics.json")
    told = results["provenance"]
    for name in FIGURES:
        shutil.copyfile(folder / f"{name}.png", DOCS / "figures" / f"physics_{name}.png")
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    bits = ", ".join(f"{name} {codec['bits_per_event']:,}" for name, codec in results["codecs"].items() if "bits_per_event" in codec)
    low, high = told["energy_gev"]
    pictures = "\n\n".join(f"![{name.capitalize()}](figures/physics_{name}.png)" for name in FIGURES)
    page = DOCS / "physics.md"
    by_hand = page.read_text(encoding="utf-8").partition(MARK)[0]
    text = f"""{MARK}

On {results["date"]} by `make docs-physics`: a model trained on 16,000 events of one or two electrons, photons or pions (30 epochs),
judged with {told["events"]:,} events of each single particle and half as many of the other samples, {low:g} to {high:g} GeV;
detector {told["detector"]}, seed {told["seed"]}; model {results["fingerprints"]["model"]}. Bits of an event: {bits}. {versions}.

{answers(results)}

{physics_markdown(results)}
{pictures}

{beside_simple_codes(read_physics(folder / "simple" / "physics.json"))}
"""
    page.write_text(by_hand + text, encoding="utf-8")


AUC_AIMS = {"MODULE": 0.005, "STAGE2": 0.02}
"""Area under the curve of electrons against pions that may be lost at most."""


def answers(results: Mapping[str, Any]) -> str:
    """Returns what is asked first: is the electron still told from the pion, and two showers from one?"""
    trees = results["separation"]["electron"]["gradient_boosting"]
    lines = []
    for level, aim in AUC_AIMS.items():
        lost, error = trees[level]["auc_lost"], trees[level]["auc_lost_error"]
        lines.append(
            f"* **Electron against pion** at {level}: AUC lost {lost:.4f} ± {error:.4f}, wanted at most {aim}"
            f"{'' if lost <= aim else ': **missed**'}."
        )
    for distance in ("5", "10"):
        found = {name: row["efficiency"]["mean"] for name, row in results["pairs"][distance].items()}
        whole = found.pop("uncompressed")
        blind = next((name for name, share in found.items() if share < whole / 2), None)
        told = "at every level" if blind is None else f"up to {list(found)[list(found).index(blind) - 1]}"
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found.items())
        lines.append(f"* **Two electrons {distance} cm apart** are told apart {told}: uncompressed {whole:.0%}; {shares}.")
    split = ", ".join(f"{name} {row['two_or_more']['mean']:.1%}" for name, row in results["split"]["electron"].items())
    lines.append(f"* **One electron** is taken for two or more: {split}.")
    near = ", ".join(f"{name} {row['efficiency']['mean']:.0%}" for name, row in results["pairs"]["2.5"].items())
    five = ", ".join(f"{name} {row['found']['mean']:.1f}" for name, row in results["multi_particle"]["five"].items())
    lines.append(
        "* **How levels fail**: a code of a module or triplet merges showers that are near; one of a whole sector or event invents maxima"
        f"\n  where no shower is. Pairs 2.5 cm apart, which cannot be told apart, are found as two: {near}. Showers found of five: {five}."
    )
    lines.append("\nTold apart: both are found in at least half as many events as without compression.")
    return "\n".join(lines)


BESIDE = (
    "electron: against the truth",
    "pion: against the truth",
    "energy mover's distance, mean [mm]",
    "electron against pion",
    "two showers: share of events in which both are found",
)
"""Tables in which simple codes stand beside the model."""


def beside_simple_codes(results: Mapping[str, Any]) -> str:
    """Returns the section on simple codes at the bits of every level."""
    tables = physics_tables(results)
    parts = [
        f"""## Beside simple codes at equal bits

On {results["date"]}, the same model, {results["provenance"]["events"]:,} events of each single particle and half as many of the others.
Behind a level's name stands a simple code with the bits that a unit of the level has, see [Evaluation](evaluation.md)."""
    ]
    parts += [f"**{title[0].upper()}{title[1:]}**\n\n{markdown(*tables[title])}" for title in BESIDE]
    return "\n\n".join(parts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
