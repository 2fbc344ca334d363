# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/levels.md from the results of several seeds of one training: `make docs-levels`."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from refresh import DOCS, markdown

from hgcae.evaluate import read_results
from hgcae.evaluate.quantities import ESTIMATED
from hgcae.evaluate.table import lookup

Result = Mapping[str, Any]


class Figure(NamedTuple):
    """A column of the table: how it is read, what was aimed at for each level, and how it is printed."""

    name: str
    read: Callable[[Result], float]
    aims: Mapping[str, float]
    form: str


def _barycentre(level: Result) -> float:
    """Returns the root mean square shift of barycentres per axis at 50 to 500 GeV, mm."""
    bins = [b for b in level["position"]["barycentre_shift"]["per_axis"]["bins"] if b["low_gev"] >= 50 and b["n"]]
    return math.sqrt(sum(b["n"] * b["rms"] ** 2 for b in bins) / sum(b["n"] for b in bins))


def _linearity(level: Result) -> float:
    """Returns the largest deviation of the mean decoded energy from the uncompressed one in any bin of true energy."""
    return max(abs(b["mean"] - 1) for b in level["energy"]["decoded_over_uncompressed"]["bins"] if b["mean"] is not None)


def _axis(level: Result) -> float:
    axis = level["position"]["truth_axis"]
    return axis["decoded"]["per_axis"]["above"]["rms"] / axis["uncompressed"]["per_axis"]["above"]["rms"]


LEVELS = ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2")
FIGURES = (
    Figure(
        "σ(E) / uncompressed",
        lambda level: lookup(level, "energy", "truth", "decoded", "resolution_ratio", "above", "ratio"),
        dict(zip(LEVELS, (1.005, 1.005, 1.01, 1.01, 1.015), strict=True)),
        ".4f",
    ),
    Figure("barycentre [mm]", _barycentre, dict(zip(LEVELS, (0.2, 0.3, 0.4, 0.6, 0.8), strict=True)), ".3f"),
    Figure(
        "layer error",
        lambda level: lookup(level, "layers", "profile_error", "above", "mean"),
        dict(zip(LEVELS, (0.003, 0.004, 0.005, 0.007, 0.06), strict=True)),
        ".2%",
    ),
    Figure(
        "L1 of cells",
        lambda level: lookup(level, "events", "l1", "CELL"),
        dict(zip(LEVELS, (0.05, 0.09, 0.12, 0.16, 0.20), strict=True)),
        ".3f",
    ),
    Figure("linearity", _linearity, dict.fromkeys(LEVELS, 0.003), ".2%"),
    Figure("true axis / uncompressed", _axis, {"STAGE2": 1.10}, ".3f"),
)


LIMITS = """## What limits it

* **STAGE2, profile in depth.** One code of 72 bits stands for 30 layers and all that is in them. Principal components of the layers'
  shares, not quantised and with nothing left for the plane of the layers, keep 7.7 % with five numbers and 6.5 % with seven (the same
  sample, measured apart); 6 % would take more numbers than a code has. The mean of 12 other showers of the same truth, which knows all
  parameters of the shower but not its fluctuations, is 17 % off (1 to 500 GeV): the code does send fluctuations of this shower.
* **STAGE2, trigger cells.** The L1 of that mean of other showers is .25 (1 to 500 GeV): an L1 of .20 lies below what the truth tells. It
  would take the fluctuations of about 500 charged cells in 72 bits.
* **Lower levels, trigger cells.** The error grows at each level by what its 8 numbers do not hold of its children's 24 and more; the share
  of the lowest level is fixed by the front end's network (two hidden layers of 32 and 24, 8-bit weights) and by the length of its training:
  .065 in the demo's 3,000 steps, .058 in 15,000.
* **Barycentres.** Every decoder sets the barycentre that was sent, so what is left is, of STAGE2, .35 mm of the code (.23 mm from steps of
  eleven bits, .26 mm from what STAGE1 sends) and what trigger cells cannot follow: the sixteen cells of a ROC have no barycentre of their
  own, and the smallest are dropped at the end (seed 1: .35 mm down to the ROCs, .55 mm of the cells).
* **Energy and pT heads.** They are as wide as the code's sum makes them: it has a width of .20 % (.15 % of them from its steps), and
  1.448 ⊕ .20 = 1.462 %. The energy's quotient lies within its statistical error of one, that of pT two errors above.
* **Direction heads.** From the interaction point the angle is the barycentre over its distance: .35 mm are .11 mrad, and .5 X0 of depth
  are .1 % of the angle. The depth is no limit any more: beside an earlier code without it, the uncompressed one gave .93 10⁻³ (seed 1).

Tried, each at the same bits, with what it gave:

* charge sums as cube roots instead of square roots: layer error of the sums alone .336 → .278 % at ROC, width of the energy .155 → .10 %;
* the loss of children's codes with measured sensitivities, and the layers' shares six times as heavy: STAGE2 in 3,000 steps 16.1 → 11.5 %
  layer error, L1 .64 → .51; a weight of 25 gives 9.4 % but an L1 of .72;
* the last third of a stage with charges of the strongest units: STAGE1 L1 .33 → .23 in the longest experiment (8,000 + 1,500 steps), STAGE2
  .51 → .41;
* equal parts of nine bits at STAGE2, layers not shifted to the barycentre that was sent (seed 1, before and after, all else equal): σ(E)
  1.016 → 1.001, barycentre 1.46 → .87 mm, layer error 9.3 → 8.9 %, L1 .408 → .401, true axis 2.00 → 1.63, heads: pT 1.49 → 1.47 %, η 1.66
  → 1.21 10⁻³, φ 1.67 → 1.27 mrad, impact 1.38 → 1.04 mm;
* barycentres of units (cells tilted, layers shifted, a depth in the code; the demo's length): L1 at TRIPLET, STAGE1, STAGE2 and
  barycentre at STAGE2 are .188, .380, .571, 1.37 mm as decoded; .183, .491, .606, .61 mm by shifts; .194, .397, .546, 1.58 mm by tilts;
  .186, .368, .545, .84 mm by both, as it is done. Shifts of no more than what exceeds half a step of the code: the loss of STAGE1's
  children .76 → .93;
* finer steps at STAGE2 (13 bits for each coordinate of the plane, 11 for the sum, 7 for the others; the demo's length, only that level
  anew): the code's barycentre .354 → .288 mm, but that of cells .68 → .71 mm and heads as before: energy 1.42 → 1.43 %, η .88 → .91 10⁻³,
  φ 1.25 → 1.24 mrad;
* third instead of second degree for the direction heads: η 1.20 → 1.14 10⁻³; boosted trees 1.23;
* the same weight for STAGE1 (1, 2, 6 for its children's shares): L1 .36, .39, .44 in the demo's length, so only layers weigh more.
"""


def main(folder: Path) -> None:
    """Reads the results of all seeds under `folder`."""
    paths = sorted(folder.glob("run*/results.json"))
    results = [read_results(path) for path in paths]
    first = results[0]
    n_events = first["levels"]["ROC"]["n_events"]
    rows = [[name, *(_cell(figure, [r["levels"][name] for r in results], name) for figure in FIGURES)] for name in LEVELS]
    text = f"""# What each level keeps

Measured on {first["date"]} by `make docs-levels`: electrons of 20 to 500 GeV from the interaction point on `prototype`, impacts over the
whole flower, noise and threshold on; preset `l1`, all encoders quantised, 8 numbers and 72 bits per unit (9 each; at STAGE2 10 for the sum,
11 for each coordinate of the barycentre in the plane, 8 for its depth and for what is learned); 24,000 events to train on,
`--epochs full`; {n_events:,} other events judged. {_seeds(results)}
Behind "of" stands what was aimed at; what is missed is marked.

{markdown(["level", *(figure.name for figure in FIGURES)], rows)}

Each row decodes the codes of one level through all lower decoders. σ(E): sigma_eff over mean of the response to the truth, decoded over
uncompressed, showers that do not leave sideways (one training's statistical error is
±{_error(results):.4f}). Barycentre: root mean square shift per axis at 50 to 500 GeV. Layer error and L1 as in
[Evaluation](evaluation.md). Linearity: largest deviation of the mean decoded energy in the bins 20-50-150-500 GeV. True axis: log-weighted
layer centres against the particle's line, root mean square, decoded over uncompressed.

## What the heads read off the code of STAGE2

Width (σ_eff) of the deviation from the truth above 20 GeV, beside that of the uncompressed charges: their sum, calibrated with one factor;
the impact point by a straight line through the log-weighted centres of their layers; directions and pT by the line from the interaction
point to the barycentre, which is where all these electrons come from. Wanted: no wider. Behind the width of heads stands the standard
deviation over seeds, behind the quotient the statistical error of one seed, both estimates resampled together.

{markdown(["quantity", "head of STAGE2", "uncompressed", "quotient"], _heads(results))}

{LIMITS}"""
    (DOCS / "levels.md").write_text(text, encoding="utf-8")


def _seeds(results: list[Result]) -> str:
    n = len(results)
    return f"Mean of {n} seeds of the training, and their standard deviation." if n > 1 else "One seed of the training so far, of three."


def _cell(figure: Figure, levels: list[Result], name: str) -> str:
    values = [figure.read(level) for level in levels]
    mean = statistics.fmean(values)
    text = format(mean, figure.form)
    if len(values) > 1:
        text += f" ± {format(statistics.stdev(values), figure.form)}"
    if name not in figure.aims:
        return text
    aim = figure.aims[name]
    return f"{text} of {format(aim, figure.form)}{'' if mean <= aim else ' **missed**'}"


def _error(results: list[Result]) -> float:
    errors = [
        lookup(r["levels"][name], "energy", "truth", "decoded", "resolution_ratio", "above", "ratio_error")
        for r in results
        for name in LEVELS
    ]
    return statistics.fmean(errors)


def _heads(results: list[Result]) -> list[list[str]]:
    """Returns a row for each quantity: mean width of all seeds, that of the uncompressed charges with its error, the mean quotient."""
    rows = []
    for name, (text, scale, unit) in ESTIMATED.items():
        of_code = [r["heads"]["STAGE2"][name] for r in results]
        widths = [found["above"]["sigma_eff"] for found in of_code]
        quotient, error = (statistics.fmean(found["width_ratio"]["above"][key] for found in of_code) for key in ("ratio", "ratio_error"))
        heads = results[0]["heads"]
        plain = (heads["uncompressed, vertex"].get(name) or heads["uncompressed"][name])["above"]
        seeds = f" ± {scale * statistics.stdev(widths):.2g}" if len(widths) > 1 else ""
        rows.append(
            [
                text,
                f"{scale * statistics.fmean(widths):.3f}{seeds} {unit}",
                f"{scale * plain['sigma_eff']:.3f} ± {scale * plain['sigma_eff_error']:.2g} {unit}",
                f"{quotient:.3f} ± {error:.3f}{'' if quotient <= 1 else ' **missed**'}",
            ]
        )
    return rows


if __name__ == "__main__":
    main(Path(sys.argv[1]))
