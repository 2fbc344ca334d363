# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/dimension.md and its figures from the folder of `hgcae scan dimension`: `make docs-dimension`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hgcae.evaluate.eventwise import FIGURES
from hgcae.evaluate.saturation import answer_table, count, size_table

DOCS = Path(__file__).parent
ROOT = "STAGE2"
SHOWN = ("resolution_ratio", "barycentre_mm", "layer_error", "depth_x0", "cells_l1", "head_energy", "head_impact_mm")
"""Figures of the table of all sizes."""
WHAT = {
    "electron": "single electrons",
    "photon": "single photons, which convert after 9/7 X0 on average",
    "pion": "single charged pions",
    "pair": "two electrons 10 cm apart",
}

METHOD = """## Method

Each point trains one level anew, quantised, on the codes that the frozen lower levels of the base run make; the level's settings are
those of the preset `l1`, except the numbers D of its code and the bits of each, the same for all of them (the preset's root gives its
barycentre two more than nine: steps of nine bits alone shift it by 0.92 mm). A training has the same number of steps at every size, so
the answer is for that length, and for this architecture. Points are judged on events that no training saw, decoded through the frozen
lower levels to trigger cells. Of the D numbers one is the charge sum, from three on two are the barycentre and from four on one is the
mean depth, which is sent of events alone; "learned" codes have the sum only and learn the rest.

* **Plateau**: the mean over seeds at the largest D and the most bits. **Smallest**: the fewest numbers (at the most bits), and the fewest
  bits of all sizes tried, whose mean lies at most 5 % above it.
* **Uncertainty**: the question is asked again of 1,000 resampled scans: seeds drawn with replacement, events resampled, the same for all
  codes, so what all codes share drops out. In brackets the central 68 % of the answers where they differ, then the share that agrees. With
  one seed a training's chance is not in it. Only the sizes that were tried can be an answer. Errors in the tables are standard errors.
* **Fluctuation floor**: the mean of other showers of the same particle (same energy, direction, impact; `hgcae.simulate.mean_shower`),
  scaled to the event's sum, judged as a code is. A code below the floor sends fluctuations of this shower; one near it knows the truth and
  little more. Energy and barycentre of an event are themselves such fluctuations, so there a code may be far below.
* A free shower has seven numbers: energy, depth and shape of its profile, two of impact, two angles. From the interaction point the angles
  follow from the impact, so in these samples there are **five**, and a photon's conversion depth and energy sharing are two more.
* What it takes to be sent: when no code had a depth and decoders did not yet set barycentres, the same scan (of 2026-11-22) asked for
  electrons for 8 numbers for the impact and η, 6 for the layers (error .155 at 16 numbers; now .13 at 4), and 12 for cells. For pions the
  layers were better then, .45 instead of .58 at 8 numbers, in spite of a depth that was 2.5 X0 off instead of 1.8: their profile is not one
  bell that a mean depth places, and in so short a training the decoder does not learn more. No other figure of the tables below is worse
  at 8 numbers by more than its error.
* Figures: energies above 20 GeV; comparisons with the truth for showers two Moliere radii inside the modules (see
  [Evaluation](evaluation.md)). Heads are fitted anew to the codes of each point.
"""


def main(folder: Path) -> None:
    """Reads scan.json in `folder`."""
    found = json.loads((folder / "scan.json").read_text(encoding="utf-8"))
    root = {sample: levels[ROOT] for sample, levels in found["answers"].items() if ROOT in levels}
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    s = found["settings"]
    seconds = ", ".join(f"{level} {value:.0f} s" for level, value in found["cpu_s_per_point"].items()) or "not measured"
    few = s["others_lower"]["seeds"] if s["others_lower"] else s["lower"]["seeds"]
    seeds = "" if few == s["root"]["seeds"] else f" ({few} at lower levels of other samples than {next(iter(found['answers']))})"
    parts = [
        f"""# How many numbers does a shower need?

Written by `make docs-dimension`, which runs `hgcae scan dimension` on the run of the demo and then `docs/refresh_dimension.py`.
Measured on {found["date"]}: {found["points"]} points, {len(found["failed"])} failed; {s["n_train"]:,} events to train on and
{s["n_test"]:,} others to judge, of each sample; length of a training: {s["epochs"]:g} of the level's epochs;
{s["root"]["seeds"]} trainings of every size{seeds}.
Processor time of a point: {seconds}.
Versions: {versions}.""",
        "## Answer\n\n" + (headline(root) if root else "The scan of the root has not been run yet."),
    ]
    for sample, answers in root.items():
        parts.append(f"### {sample}: {WHAT.get(sample, sample)}\n\nThe code of a whole event:\n\n{markdown(*answer_table(answers))}")
    parts += [picture(folder, f"dimension_{ROOT}_{what}", f"Against {what}") for what in ("numbers", "bits")]
    parts.append(METHOD.rstrip())
    if found["meaning"]:
        parts.append(meaning(folder, found))
    if found["intrinsic"]:
        parts.append(intrinsic(found["intrinsic"]))
    parts.append(lower_levels(folder, found["answers"]))
    for sample, answers in root.items():
        parts.append(f"## All sizes, {sample}\n\n{markdown(*size_table(answers, SHOWN))}")
    (DOCS / "dimension.md").write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")


def headline(root: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the smallest numbers of all samples, one row each."""
    rows = smallest({(sample,): answers for sample, answers in root.items()}, ["sample"])
    most = [f"{s} {count(max((a[f]['numbers'] for f in a if f != 'cells_l1'), key=lambda n: n['value']))}" for s, a in root.items()]
    return f"""Smallest numbers / smallest bits of the code of an event that keep each figure within 5 % of the plateau; "≥" marks the
largest that was tried, no smaller one being enough:

{rows}

All figures but the cells' own are kept by so many numbers: {", ".join(most)}.
Not every answer is certain: see the tables below. What the codes of lower levels need stands [further down](#lower-levels)."""


def smallest(answers: Mapping[tuple[str, ...], Mapping[str, Any]], head: list[str]) -> str:
    """Returns a table of the smallest numbers and bits of each figure."""
    figures = [figure for figure in FIGURES if any(figure in found for found in answers.values())]
    rows = [
        [*names, *(f"{count(found[f]['numbers'])} / {count(found[f]['bits'])}" if f in found else "-" for f in figures)]
        for names, found in answers.items()
    ]
    return markdown([*head, *figures], rows)


def meaning(folder: Path, found: Mapping[str, Any]) -> str:
    """Returns the section on what the numbers of the base run's code mean."""
    parts = ["## What each number means"]
    moved = next((sample for sample, entry in found["meaning"].items() if "traversal" in entry), None)
    if moved is not None:
        low, high = found["meaning"][moved]["traversal"]["energies_gev"]
        parts.append(
            f"""The {ROOT} code of the base run. Of the {moved} events from {low:.0f} to {high:.0f} GeV, the code nearest to the median is
taken, and each of its numbers is moved over its 5 to 95 % range, the others held: decoded energy by layer (blue to red as the number
grows), and summed over layers."""
        )
        parts.append(picture(folder, f"traversal_{moved}", "Each number moved"))
    parts.append("Rank correlations (Spearman) of the numbers with true and observed quantities, over all energies and impacts:")
    parts += [picture(folder, f"meaning_{sample}", f"Correlations, {sample}") for sample in found["meaning"]]
    return "\n\n".join(part for part in parts if part)


def intrinsic(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the section on intrinsic dimensions."""
    rows, names = [], []
    for sample, by_what in found.items():
        for what, entry in by_what.items():
            if "estimates" not in entry:
                rows.append([sample, what, str(entry["n"]), str(entry["ambient"]), entry["problem"]])
                continue
            names, known = list(entry["estimates"]), entry["control"]
            cells = [f"{number(e)} ({number({**known[k], 'error': None})})" for k, e in entry["estimates"].items()]
            rows.append([sample, what, f"{entry['n']:,}", f"{entry['ambient']:,}", *cells])
    dimension = next((e["control_dimension"] for by_what in found.values() for e in by_what.values() if "control" in e), 7)
    return f"""## Intrinsic dimension

Estimates with scikit-dimension (extra `hgcae[scan]`), in brackets those of a control sample of {dimension} dimensions (or as many as the
space has) of the same size, in a space of the same dimension: what they are off there, they are off here as well. Cells are whole events,
the roots of each cell's share of the energy (the energy itself is divided out); NARROW ones are shot into one centimetre, because showers
that do not overlap are all equally far from each other. Codes are those of units drawn by their charge, spread over their steps. `gride_k`
looks at the k-th and 2 k-th neighbours: the larger k, the less the fluctuations of single cells count. Errors from random halves; "-"
where an estimate would exceed the number of points, many of which are equally far from each other.

{markdown(["sample", "what", "points", "space", *names], rows)}"""


def number(entry: Mapping[str, float | None]) -> str:
    """Returns a figure with its error."""
    value, error = entry["value"], entry["error"]
    return "-" if value is None else f"{value:.1f}" + ("" if error is None else f" ± {error:.1f}")


def lower_levels(folder: Path, answers: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the section on the codes of lower levels."""
    lower = {(sample, level): found for sample, levels in answers.items() for level, found in levels.items() if level != ROOT}
    if not lower:
        return ""
    parts = [
        f"""## Lower levels

The same question of the code of a single unit: smallest numbers / smallest bits of it that keep each figure of the events, decoded from all
its units, within 5 % of the plateau, {max(found[f]["at"][0] for found in lower.values() for f in found)} numbers.

{smallest(lower, ["sample", "level"])}

* One number, the sum, fixes energies, layers and depth. With three, the sum and the barycentre, that of an electron is known to .1 to
  .2 mm up to triplets; learned numbers then improve the cells.
* Cells of electrons gain from every number that was tried up to triplets: there twelve are no plateau, and "≥" is all that is known.
* At STAGE1 (and STAGE2) no more than six or eight numbers help in so short a training, and it is the training that limits the cells: their
  L1 at STAGE1 is .69 here, .42 in the [demo](demo.md), .25 after the training of [Levels](levels.md), always with 8 numbers."""
    ]
    for (sample, level), found in lower.items():
        if sample == next(iter(answers)):
            parts += [f"### {level}, {sample}", markdown(*answer_table(found)), markdown(*size_table(found, SHOWN))]
            parts.append(picture(folder, f"dimension_{level}_numbers", f"Against numbers, {level}"))
    return "\n\n".join(part for part in parts if part)


def picture(folder: Path, name: str, text: str) -> str:
    """Copies a figure of the scan; returns the line that shows it, nothing where there is none."""
    source = folder / f"{name}.png"
    if not source.exists():
        return ""
    shutil.copyfile(source, DOCS / "figures" / source.name)
    return f"![{text}](figures/{source.name})"


def markdown(headings: list[str], rows: list[list[str]]) -> str:
    """Returns a table."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, rule, *rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
