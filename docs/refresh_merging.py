# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/merging.md and its figure from the folder of `hgcae scan merge`: `make docs-merging`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from hgcae.evaluate.borders import REGIONS
from hgcae.evaluate.merging import REFERENCE, border_table, by_variant, markdown, merge_table, relative

DOCS = Path(__file__).parent
QUESTIONS = {
    "merge": "Triplets, or modules alone?",
    "neighbours": "Look at neighbours before merging?",
    "weights": "One network for two levels?",
    "training": "Levels alone, or together?",
    "bits": "More or fewer bits inside, other numbers at equal bits?",
}
AGAINST = {"shared": "joint", "merged 24 x 9": "flat 8 x 9"}
"""What variants are compared with, if not the reference: what is trained alike, or sends as many bits."""
ALSO = ("l1_modules", "layer_error", "barycentre_mm", "energy_width")
"""What a recommended variant must keep within `TOLERANCE`: cells may be gained at the cost of sums, which a trigger needs first."""
TOLERANCE = 0.05
CONFIDENCE = 0.95
"""Differences are called such where Student's distribution, which knows how few the seeds are, excludes zero with this confidence."""


def main(folder: Path) -> None:
    """Reads the results in `folder`."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    points = results["points"]
    shutil.copyfile(folder / "merging.png", DOCS / "figures" / "merging.png")
    settings, first = results["settings"], points[0]
    seeds = sorted({point["seed"] for point in points})
    counts = ", ".join(f"{first['regions'][region]['n_events']:,} {region}" for region in REGIONS[1:])
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    groups = by_variant(points)
    complete = sum(len(group) == len(seeds) for group in groups.values())
    failed = f" {len(results['failures'])} points failed." if results["failures"] else ""
    text = f"""# How are neighbouring units best merged?

Written by `make docs-merging` from the points of a scan of {results["date"]}; {len(groups)} variants, {complete} of them with all
{len(seeds)} seeds ({", ".join(map(str, seeds))}).{failed} {versions}.

## Answer

{answer(points)}

## Table

All showers; figures as in [Evaluation](evaluation.md), energy, barycentre and layers above 20 GeV. Errors: standard errors over seeds (of a
single seed: statistical). "Against merged": L1 of cells over that of `{REFERENCE}` with the same seed and the same showers.

{markdown(*merge_table(points))}

![Merging](figures/merging.png)

Showers across borders. The core of a shower is where the particle's line crosses its mean depth; nearer than
{settings["margin_cm"]:g} cm to a border between two triplets it lies across that, else across one between modules of a triplet, else inside
({counts}).

{markdown(*border_table(points))}

## Method

Variants:

{variants_list(points)}

* **Bits.** All units of the level that is sent count, occupied or not: 570 triplets or 1,710 modules in an event. Codes on the way to it
  (ROC to module, module to triplet) do not count, as if one chip merged; "bits of codes" gives the bits of one code of each level, which
  are those of each link if every level were a chip. What neighbours tell each other is not counted either: the code of a module would go
  to three more triplets, 216 bits beside the 72 to its own.
* **Neighbours.** Eight numbers for each module of a triplet, from a quantised convolution over the codes of its six neighbours in the layer
  (one weight for each number of each direction, ReLU); bit for bit the same in floats and in integers.
* **Shared.** Encoder and decoder of the triplet are those of the module, in its size. Both have three children of eight numbers. Trained as
  `joint` is, with which it is compared.
* **Training.** Sampling, losses and rates as in [Training](training.md). Steps: ROC {steps(groups, "ROC")}, module
  {steps(groups, "MODULE")}, triplet {steps(groups, "TRIPLET")}; without triplets the module takes {steps(groups, "MODULE", "flat 4 x 6")}.
  Joint stages see charges through all decoders, which is dear: at about equal processor time module and triplet together take
  {steps(groups, "MODULE+TRIPLET", "joint")} steps of 128 triplets. Measured processor seconds are in the table; variants with a common
  beginning share it, and its time is counted in each.
* **Sample.** Electrons of 1 to 500 GeV from the interaction point, impacts over the whole flower, noise and threshold on:
  {settings["n_train"]:,} to train on, {settings["n_test"]:,} others to judge; the same for all variants and seeds.

## Uncertainty

Seeds change initial weights and the order of units, not the sample: errors over seeds say how well a training is repeated, not how well
{settings["n_test"]:,} showers stand for all. With {len(seeds)} seeds an error is itself uncertain by {spread(len(seeds))}; "no difference"
takes that into account ({CONFIDENCE:.0%} confidence, Student's distribution), but not that many variants are compared at a time.
Trainings are short; what a variant would reach in ten times the time is not measured. Parametrised electrons only: no hadrons, no pile-up,
one particle an event.

## Command

```bash
hgcae scan merge -o merging{"" if settings["length"] == 1 else f" --length {settings['length']:g}"}
make docs-merging
```
"""
    (DOCS / "merging.md").write_text(text, encoding="utf-8")


def answer(points: Sequence[Mapping[str, Any]]) -> str:
    """Returns, for each question, what the variants that answer it cost or gain in the L1 of cells, and the best variant of all."""
    groups = by_variant(points)
    budget = groups[REFERENCE][0]["bits_per_event"]
    asked: dict[str, list[str]] = {question: [] for question in QUESTIONS}
    best = (0.0, REFERENCE, 0.0)
    for name, group in groups.items():
        against = AGAINST.get(name, REFERENCE)
        other_bits = [point["bits_per_event"] for point in groups.get(against, [])]
        change = relative(group, groups.get(against, []), "l1_cells")
        if change is None or name == REFERENCE or group[0]["bits_per_event"] not in other_bits:
            continue
        other = "" if against == REFERENCE else f" against `{against}`"
        layer = (relative(group, groups[against], "layer_error") or change)[0]
        asked[group[0]["question"]].append(f"{name} {change[0]:+.1%}{verdict(*change, len(group))}{other}, layer error {layer:+.0%}")
        gain, error = relative(group, groups[REFERENCE], "l1_cells") or (0.0, None)
        if (
            group[0]["bits_per_event"] == budget
            and error is not None
            and gain < best[0]
            and differs(gain, error, len(group))
            and keeps(group, groups[REFERENCE])
        ):
            best = (gain, name, error)
    gain, name, error = best
    if name == REFERENCE:
        why = f"what the package does: nothing that keeps the rest is better with {CONFIDENCE:.0%} confidence"
    else:
        why = f"{-gain:.1%} ± {error:.1%} below `{REFERENCE}`"
    recommended = f"""**Recommended: `{name}`** ({groups[name][0]["text"]}), {why}
in the L1 of cells, at the same {budget:,} bits an event. A variant is only recommended if module sums, layer energies, barycentre and
energy width do not get worse by more than {TOLERANCE:.0%}."""
    lines = [f"* **{QUESTIONS[question]}** {'; '.join(parts)}." for question, parts in asked.items() if parts]
    return f"{recommended} Change of the L1 of cells against `{REFERENCE}`:\n\n" + "\n".join(lines)


def keeps(group: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether no other figure gets much worse."""
    changes = [relative(group, reference, name) for name in ALSO]
    return all(change is not None and change[0] <= TOLERANCE for change in changes)


def verdict(mean: float, error: float | None, seeds: int) -> str:
    """Returns the error of a difference, and whether it is one."""
    if error is None:
        return " (one seed)"
    return f" ± {error:.1%}" + ("" if differs(mean, error, seeds) else " (no difference)")


def differs(mean: float, error: float, seeds: int) -> bool:
    """Returns whether a mean over seeds with its standard error excludes zero."""
    return abs(mean) > float(student.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * error


def variants_list(points: Sequence[Mapping[str, Any]]) -> str:
    """Returns one line for each variant."""
    return "\n".join(f"* `{name}`: {group[0]['text']}" for name, group in by_variant(points).items())


def steps(groups: Mapping[str, Sequence[Mapping[str, Any]]], stage: str, variant: str = REFERENCE) -> str:
    """Returns the steps of a stage of a variant."""
    return f"{groups[variant][0]['steps'][stage]:,}" if variant in groups else "-"


def spread(n: int) -> str:
    """Returns the relative error of a standard error from n values."""
    return f"{(2 * (n - 1)) ** -0.5:.0%}" if n > 1 else "an unknown amount"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
