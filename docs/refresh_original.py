# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/original.md from the results of `benchmarks/bench_original.py`: `make docs-original`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refresh import DOCS, markdown

Row = Mapping[str, Any]
AUTHORS = 3.41
"""The original authors' own loss at STAGE2, on events of theirs."""


def same(result: Row) -> str:
    """How far losses and codes of single steps are from the reference's."""
    rows = [
        [
            name,
            f"{row['losses'][0]:.5f}",
            f"{row['losses'][-1]:.5f}",
            f"{row['largest_loss_difference']:.1e}",
            *map(share, row["differing_codes"]),
            f"{row['of_the_peer_itself']:.1e}",
        ]
        for name, row in result["levels"].items()
    ]
    head = [
        "level",
        "first loss",
        "last loss",
        "largest difference of losses",
        "other numbers in codes, before",
        "after",
        "TF with and without oneDNN",
    ]
    return f"""## The same step by step

{result["steps"]} steps of batch size {result["batch"]} at every level, the levels below frozen, from the same weights. The aim is 1e-5.
hgcae is compared with TensorFlow's own kernels (`TF_ENABLE_ONEDNN_OPTS=0`). With those of oneDNN, which add float32 numbers in other
orders, the same program follows another course; the last column says how far it is from itself. In that case weights of ROC differ in
the eighth decimal after two steps and in the fifth after three.

{markdown(head, rows)}"""


def share(part: float) -> str:
    """Returns a share as text."""
    return "none" if part == 0 else f"{part:.1e}"


def course(result: Row) -> str:
    """The course of a short training by both."""
    pairs = list(zip(result["reference"]["history"], result["hgcae"], strict=True))
    rows = [
        [
            str(mine["epoch"]),
            mine["loss_level"],
            f"{theirs['loss_test']:.4f}",
            f"{mine['loss_test']:.4f}",
            f"{100 * abs(mine['loss_test'] / theirs['loss_test'] - 1):.2f} %",
            f"{theirs['seconds']:.0f}",
            f"{mine['seconds']:.0f}",
        ]
        for theirs, mine in pairs
    ]
    worst = max(abs(mine["loss_test"] / theirs["loss_test"] - 1) for theirs, mine in pairs)
    head = ["epoch", "loss at", "TF + QKeras", "hgcae", "apart", "TF + QKeras [s]", "hgcae [s]"]
    return f"""## A short training from the same weights

96 electrons of 1 to 500 GeV (`hgcae simulate`, seed 3) in codes, batch 8, trained by `train_experimental_cnn.py` and by the reference:
test loss of 16 events after every epoch. A decoder that returns nothing has {result["zero"]:.4f}; of six samples this one was chosen
because that is close to the first loss that was seen of the original program, 3.70. The two differ by at most
{100 * worst:.2f} %. Both compile in the first epoch of a stage.

{markdown(head, rows)}"""


def long(result: Row) -> str:
    """The long training by hgcae."""
    history = result["history"]
    rows = [
        [str(r["epoch"]), r["loss_level"], ", ".join(r["trains"]), f"{r['loss_test']:.4f}", seconds(r), f"{r['step']:,}"] for r in history
    ]
    *_, last = [r["loss_test"] for r in history if r["loss_level"] == "STAGE2"]
    verdict = "below" if last < AUTHORS else "not below"
    return f"""## 4,000 electrons

The original table, shortened: batch 4, an epoch each for the joint stages, then each level alone; at STAGE1 and STAGE2 the loss of a step
decodes 3 % of the empty ROCs, weighted (`empty_share`), so that it is the exact one on average; test losses are exact. A decoder that
returns nothing has {result["zero"]:.4f} on the 16 test events.

{markdown(["epoch", "loss at", "learns", "test loss", "CPU s", "steps so far"], rows)}

The last loss at STAGE2 is {last:.4f}, {verdict} the {AUTHORS} that the original authors reached on events of their own (falling from
3.63)."""


def long_reference(result: Row, mine: Row) -> str:
    """The beginning of the same training by the reference."""
    rows, before = [], 0
    for their, my in zip(result["history"], mine["history"], strict=False):
        steps = my["step"] - before
        before = my["step"]
        times = [row["cpu_seconds"] / n for row, n in ((their, their["steps"]), (my, steps))]
        losses = [f"{their['loss_test']:.4f} ({their['steps']} steps)", f"{my['loss_test']:.4f} ({steps} steps)"]
        rows.append([str(my["epoch"]), my["loss_level"], *losses, *(f"{time:.2f}" for time in times), f"{times[0] / times[1]:.1f}"])
    head = ["epoch", "loss at", "TF + QKeras", "hgcae", "TF + QKeras [CPU s a step]", "hgcae [CPU s a step]", "quotient"]
    return f"""TensorFlow + QKeras from the same weights, on the first {result["events"]} of the same training events, next to the first
epochs above: its few steps show the time of one, not how far it gets. That both learn the same in the same number of steps is what the
short training shows. Both times include what is compiled. Those of hgcae at STAGE2 and STAGE1 are of the loss that decodes 3 % of the
empty ROCs, TensorFlow decodes all; at the other levels both decode everything.

{markdown(head, rows)}"""


def levels(result: Row, everything: Row) -> str:
    """What each level loses, by who trained it."""
    few = sum(row["steps"] for row in everything["long_reference"]["history"])
    kinds = {
        "original, hgcae": ("hgcae", "long"),
        f"original, TF + QKeras, {few} steps": ("reference", "long_reference"),
        "`l1`, hgcae": ("l1", "l1"),
        "the largest cells (not learned)": ("largest_cells", None),
        "best choice with spread (not learned)": ("best_choice_spread", None),
    }
    rows = []
    for kind, (key, part) in kinds.items():
        spent = "" if part is None else f"{sum(row.get('cpu_seconds') or 0 for row in everything[part]['history']):,.0f}"
        rows.append([kind, *(f"{loss:.3f}" for loss in result[key].values()), spent])
    return f"""### Loss by level

Mean squared error of codes per trigger cell, decoded from each level, of 200 electrons that nobody was trained on; nothing has
{result["zero"]:.3f}. All codes have the same bits, 72 a unit. Charges that are decoded are taken as codes, too; `l1` learns shares of
charge, not codes, and was trained for `--epochs demo`. The reference was stopped after its steps at ROC, so the levels above do not fit
the lower ones yet.

{markdown(["code", *result["hgcae"], "CPU s"], rows)}"""


def seconds(row: Row) -> str:
    """Returns the processor time of an epoch as text."""
    found = row.get("cpu_seconds")
    return "" if found is None else f"{found:.0f}"


def main(arguments: Sequence[str]) -> None:
    """Writes the page."""
    result = json.loads((Path(arguments[0]) / "original.json").read_text(encoding="utf-8"))
    where, versions = result["machine"], result["course"]["reference"]["versions"]
    peers = ", ".join(f"{name} {number}" for name, number in versions.items())
    top = f"""# The original network

Measured on {where["date"]} by `make docs-original`: {where["cores"]} cores ({where["cpu"]}), which others used at the same time, so times
are those of the processor. The network of the original program ([Model](model.md)), trained on 4E3M codes by hgcae and, from a program that
was made from the layer table (`benchmarks/peers/tf_qkeras.py`), by TensorFlow and QKeras ({peers})."""
    parts = {
        "same": same,
        "course": course,
        "long": long,
        "long_reference": lambda part: long_reference(part, result["long"]),
        "levels": lambda part: levels(part, result),
    }
    pieces = [part(result[name]) for name, part in parts.items() if name in result]
    if len(pieces) < len(parts):
        pieces.append(
            f"Not measured yet: {', '.join(name for name in parts if name not in result)} (parts of `benchmarks/bench_original.py`)."
        )
    page = "\n\n".join([top, *pieces])
    (DOCS / "original.md").write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
