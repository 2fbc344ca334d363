# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/robustness.md and its figure from the folder of `hgcae stress`: `make docs-robustness`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from hgcae.evaluate import read_stress, stress_table

DOCS = Path(__file__).parent


def main(folder: Path) -> None:
    """Reads `stress.json` and `stress.png` in `folder`."""
    results = read_stress(folder / "stress.json")
    shutil.copyfile(folder / "stress.png", DOCS / "figures" / "stress.png")
    (DOCS / "robustness.md").write_text(page(results), encoding="utf-8")


def page(results: dict[str, Any]) -> str:
    """Returns the page."""
    cases = "\n".join(f"| `{case['name']}` | {case['what']} |" for case in results["cases"])
    return f"""# Robustness

What a trained model does with events unlike those of its training, and with flipped bits in its codes. Written by `make docs-robustness`
from `hgcae stress`: {results["date"]}, {results["n_events"]:,} held-out events of the demo, seed {results["seed"]}.

## Method

| disturbance | what |
|---|---|
{cases}

* **Dead and miscalibrated cells** are drawn once with a seed and are the same in every event. The encoders are not told.
* **Twice the noise**: the showers are simulated again with the same random numbers, only the noise of the digitisation is scaled
  (`digitise.noise_scale`), so every event has its undisturbed twin. The threshold of zero suppression stays at four times the single
  noise, so that a cell without signal passes it with a chance of 2 %: nearly two thousand noise cells in an event.
* **Other particles and energies** have the same impacts and, for particles, the same energies as the held-out electrons. 5 to 20 GeV lies
  inside the range of training (1 to 500 GeV, flat), of which it is 3 %; 500 to 1000 GeV lies outside.
* **Bits** are flipped in the words that are sent. `one_bit`: exactly one in the code of each occupied unit. `flips_P`: each bit of every
  unit of the level with the probability P, empty units included, which may then decode to charge.
* Each level is encoded from the disturbed charges through all lower encoders and decoded again; bits are flipped at the level alone.
* **Figures**: median and sigma_eff of decoded over reference energy, rms shift of the barycentre per axis, and sum over layers of the
  absolute difference over the reference energy, for events above 20 GeV (`energy_5_20`: all); sum over cells of the absolute difference
  over the reference charge, all events. Errors are in `stress.json`.

## Against undisturbed events

The reference is what a perfect detector of this kind would have read; `uncompressed` is the disturbed event itself, not encoded: what the
disturbance alone costs. For other particles, energies and flipped bits nothing is disturbed but the code.

{markdown(*stress_table(results))}

![Robustness](figures/stress.png)

## Against what the encoders saw

The reference is the disturbed event: what the code adds.

{markdown(*stress_table(results, "input"))}
"""


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    """Returns a Markdown table."""
    lines = [headings, ["---", "---"] + ["---:"] * (len(headings) - 2), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
