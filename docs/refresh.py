# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/demo.md and the pictures of the documentation from the folder of a demo: `make docs`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from hgcae.evaluate import heads_table, read_results, table
from hgcae.evaluate.table import lookup

DOCS = Path(__file__).parent
PICTURES = ("event_MODULE.png", "event_STAGE2.png", "energy.png", "levels.png", "heads.png", "run/cost.png")

PROTOTYPE = {
    "ROC": ("1.00 / 1.00 / 1.00", ".20 / .12 / .07", ".24 %", ".048"),
    "MODULE": ("1.005 / 1.001 / 1.001", ".33 / .20 / .11", ".32 %", ".093"),
    "TRIPLET": ("1.004 / 1.006 / 1.003", ".45 / .29 / .20", ".40 %", ".125"),
    "STAGE1": ("1.003 / 1.005 / 1.004", "1.0 / .76 / .80", ".47 %", ".217"),
    "STAGE2": ("1.013 / 1.010 / 1.009", "1.7 / 1.5 / 1.3", "6.4 %", ".310"),
}
"""What an earlier study found with float networks: resolution ratio and barycentre [mm] at 20-50 / 50-150 / 150-500 GeV, layer error, L1 of
cells; from TRIPLET on for impacts within 30 cm of the centre, below in one module; parallel beam, no noise."""


def main(folder: Path) -> None:
    """Reads the results of the demo in `folder`."""
    results = read_results(folder / "results.json")
    figures = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    for picture in PICTURES:
        shutil.copyfile(folder / picture, DOCS / "figures" / Path(picture).name)
    n_train, n_test = figures["events"]["electrons"], figures["events"]["test"]
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in figures["seconds"].items())
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    text = f"""# What the demo finds

Measured on {results["date"]} by `make demo` on {figures["cores"]} cores, and written here by `make docs`.
Versions: {versions}. Time after the installation: {seconds}; peak memory {figures["peak_rss_gib"]:.2f} GiB.

{n_train:,} electrons to train on and {n_test:,} others to judge, 1 to 500 GeV, from the interaction point, impacts over the whole
flower, noise and threshold on; preset `l1`, all encoders quantised; seed {figures["seed"]}. Each row decodes the codes of one level
through all lower decoders. Energy, barycentre and layers above 20 GeV, decoded against uncompressed.

{markdown(*table(results))}

MSE is over the trigger cells of truly occupied units, PCA with as many components as the code has numbers. Bits of an event count every
unit of the level, occupied or not.

Beside an earlier study with float networks, one seed, about 1.5 minutes of training a level (see `docs/refresh.py` for its conditions,
which were easier: parallel beam, no noise, the lower levels in one module):

{markdown(*comparison(results))}

Estimates of the physics heads against the truth of showers that do not leave the detector sideways, above 20 GeV:

{markdown(*heads_table(results))}

All of this, with events to look at, is on the page `report.html` of the demo's folder; see [Report](report.md).

![Levels](figures/levels.png)

![Energy](figures/energy.png)

![Heads](figures/heads.png)

![Cost](figures/cost.png)

An electron decoded from the codes of its modules, and from the 72 bits of the whole event:

![MODULE](figures/event_MODULE.png)

![STAGE2](figures/event_STAGE2.png)
"""
    (DOCS / "demo.md").write_text(text, encoding="utf-8")


def comparison(results: dict[str, dict[str, dict[str, object]]]) -> tuple[list[str], list[list[str]]]:
    """Returns headings and rows that set this demo beside the earlier study."""
    headings = ["level", "resolution ratio", "study", "barycentre [mm]", "study", "layer error", "study", "L1 cells", "study"]
    rows = []
    for name, level in results["levels"].items():
        measured = [
            f"{lookup(level, 'energy', 'truth', 'decoded', 'resolution_ratio', 'above', 'ratio'):.4f}",
            f"{lookup(level, 'position', 'barycentre_shift', 'per_axis', 'above', 'rms'):.2f}",
            f"{lookup(level, 'layers', 'profile_error', 'above', 'mean'):.2%}",
            f"{lookup(level, 'events', 'l1', 'CELL'):.3f}",
        ]
        rows.append([name, *(text for pair in zip(measured, PROTOTYPE[name], strict=True) for text in pair)])
    return headings, rows


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table."""
    lines = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
