"""The results of `benchmarks/bench_original.py`."""

from __future__ import annotations

import json
from pathlib import Path

from pages import Collected

UNUSED = {
    *("stage", "step_s", "first_pass_s", "compilations", "gflops", "peak_rss_gib"),
    *("events_per_s", "rocs_per_s", "loss_train", "learning_rate"),
}
"""What is measured of an epoch or a level and not on the page."""


def collect(folder: Path) -> Collected:
    """Reads `original.json`; of the losses of single steps the page prints the first and the last."""
    text = (folder / "original.json").read_text(encoding="utf-8")
    result = json.loads(text, object_hook=lambda found: {key: value for key, value in found.items() if key not in UNUSED})
    for level in result["same"]["levels"].values():
        level["losses"] = [level["losses"][0], level["losses"][-1]]
    zero, l1 = result["levels"].pop("zero"), result.pop("l1")
    histories = {"hgcae": result["long"], "reference": result["long_reference"], "l1": l1}
    spent = {name: sum(row.get("cpu_seconds") or 0 for row in part["history"]) for name, part in histories.items()}
    result["levels"] = {"zero": zero, "losses": result["levels"], "cpu_seconds": spent}
    return Collected({"command": "make docs-original", **result.pop("machine"), **result})
