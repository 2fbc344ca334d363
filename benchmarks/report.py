"""Writes docs/benchmarks.md from the results that lie in benchmarks/results: `make bench` after the benchmarks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from machine import RESULTS

DOCS = Path(__file__).parent.parent / "docs"
COMMANDS = {
    "train": "make bench-peers QUICK=1",
    "scaling": "benchmarks/bench_scaling.py",
    "encode": "benchmarks/bench_encode.py",
    "simulate": "benchmarks/bench_simulate.py",
    "econt": "benchmarks/bench_econt.py",
    "workflow": "benchmarks/bench_workflow.py",
}
Rows = list[list[str]]


def train(result: dict[str, Any]) -> str:
    """The table of training speed beside the peer."""
    theirs, rows = result["peer"]["levels"], []
    kinds = [(name, mode, found) for name, modes in result["levels"].items() for mode, found in modes.items()]
    kinds += [("ROC", kind, result[kind]["ROC"]) for kind in ("dense", "l1")]
    for name, mode, found in kinds:
        other, same = theirs[name], mode in ("exact", "sampled")
        rows.append(
            [
                name,
                mode,
                f"{found['events_per_s']:.1f}",
                f"{other['events_per_s']:.2f}",
                f"{found['events_per_s'] / other['events_per_s']:.1f}",
                f"{found['losses'][-1]:.6g}",
                f"{other['losses'][-1]:.6g}" if same else "",
                f"{100 * found['gflops'] / result['matmul_peak_gflops']:.0f} %",
                str(found["compilations"]),
            ]
        )
    head = ["level", "mode", "events/s", "TF + QKeras", "ratio", "last loss", "theirs", "of matmul peak", "compilations"]
    versions = ", ".join(f"{name} {number}" for name, number in result["peer"]["versions"].items())
    return f"""Batch {result["batch"]}, {result["events"]} electrons of 1 to 500 GeV with {result["rocs_per_event"]:.0f} occupied ROCs each.
Peer: {versions}. `exact` decodes every unit, `sampled` {100 * result["empty_share"]:.0f} % of the empty ROCs, weighted; `dense` is hgcae
with a count in every ROC; `l1` is the other preset. Matrix-product peak: {result["matmul_peak_gflops"]:.0f} GFLOP/s.

{markdown(head, rows)}"""


def scaling(result: dict[str, Any]) -> str:
    """The fitted lines and the memory."""
    shutil.copyfile(RESULTS / "scaling.png", DOCS / "figures" / "scaling.png")
    lines = result["occupancy"]["lines"].items()
    rows = [[kind, f"{line['us_per_roc']:.1f}", f"{line['intercept_ms']:.2f}", f"{line['r2']:.3f}"] for kind, line in lines]
    memory = [[f"{row['events']:,}", str(row["shard_events"] or "default"), f"{row['peak_rss_gib']:.2f}"] for row in result["memory"]]
    return f"""{markdown(["training step", "µs per occupied ROC", "ms per event besides", "R²"], rows)}

{markdown(["events in the file", "events in a shard", "peak memory [GiB]"], memory)}

![Cost](figures/scaling.png)"""


def encode(result: dict[str, Any]) -> str:
    """ROC/s of the encoders."""
    rows = []
    for name, row in result["samples"].items():
        for path, rate in row["rocs_per_s"].items():
            faster = row["rocs_per_s"]["integers"] / rate
            wrong = {"integers": "mismatches", "ONNX Runtime, learned part": "onnx_mismatches"}.get(path)
            rows.append([name, path, f"{rate / 1e6:.2f}", f"{faster:.2f}", str(row[wrong]) if wrong else ""])
    return f"""The `l1` encoder on {result["rocs"]:,} ROCs, charges in, codes out; mismatches against JAX floats.

{markdown(["sample", "path", "million ROC/s", "integers are faster by", "mismatches"], rows)}"""


def simulate(result: dict[str, Any]) -> str:
    """Showers per second."""
    keys = ("particle", "events", "workers", "showers_per_s", "peak_rss_gib")
    rows = [
        [f"{row[k]:.2f}" if k == "peak_rss_gib" else f"{row[k]:,.0f}" if k != "particle" else row[k] for k in keys]
        for row in result["runs"]
    ]
    return markdown(["particle", "events", "workers", "showers/s", "peak memory [GiB]"], rows)


def econt(result: dict[str, Any]) -> str:
    """Modules per second of the ECON-T's formats."""
    rows = [
        [name, kind, f"{row['encode_per_s'] / 1e3:,.0f}", f"{row['decode_per_s'] / 1e3:,.0f}", str(row.get("wrong", ""))]
        for name, kinds in result["samples"].items()
        for kind, row in kinds.items()
    ]
    return markdown(["sample", "format", "encode [1,000 modules/s]", "decode [1,000 modules/s]", "wrong"], rows)


def workflow(result: dict[str, Any]) -> str:
    """Events per second of steps of a workflow with one worker and with two, beside what two cores are worth."""
    rows = []
    for name, by in result["per_s"].items():
        cpu = result["cpu_ms_per_event"].get(name, {})
        spent = [f"{cpu[n]['median']:.2f}" if n in cpu else "" for n in "12"]
        rows.append([name, *(f"{by[n]['median']:,.1f}" for n in "12"), f"{by['ratio']:.2f}", *spent])
    text = f"{result['branches']} branches of {result['events_per_branch']:,} events; the bare loop only counts.\n\n"
    return text + markdown(["step", "1 worker [1/s]", "2 workers [1/s]", "ratio", "CPU ms per event, 1 worker", "2 workers"], rows)


def markdown(head: list[str], rows: Rows) -> str:
    """Returns a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PARTS = {
    "train": ("Training", train),
    "scaling": ("Cost and memory", scaling),
    "encode": ("Encoding", encode),
    "simulate": ("Simulation", simulate),
    "econt": ("ECON-T formats", econt),
    "workflow": ("Workflow", workflow),
}


def main() -> None:
    """Writes the page from all results that are there."""
    parts = ["# Speed\n\nWritten by `benchmarks/report.py` from `benchmarks/results`. Speeds are those of median or best repeats."]
    for name, (title, part) in PARTS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            where = result["machine"]
            made = f"`{COMMANDS[name]}`, {where['date']}, {where['cores']} cores ({where['cpu']})."
            parts.append(f"## {title}\n\n{made}\n\n{part(result)}")
    (DOCS / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
