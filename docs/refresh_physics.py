# ruff: noqa: INP001 - a script, not part of a package
"""Writes the measured section of docs/physics.md and its figures from the folder of `hgcae physics`: `make docs-physics`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from hgcae.evaluate import physics_markdown, read_physics

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

On {results["date"]} with {told["events"]:,} events of each single particle and half as many of the other samples, {low:g} to {high:g} GeV,
detector {told["detector"]}, seed {told["seed"]}; model {results["fingerprints"]["model"]}. Bits of an event: {bits}. {versions}.

{physics_markdown(results)}
{pictures}
"""
    page.write_text(by_hand + text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
