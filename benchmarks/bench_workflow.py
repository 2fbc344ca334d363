"""Throughput of a workflow on one machine: events per second of the steps whose branches are independent, by number of workers.

python benchmarks/bench_workflow.py [--quick]

Everything counts: building the graph, starting a process for each branch, loading packages, reading and writing files.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import machine
import typer
import yaml
from rich.console import Console
from rich.table import Table

HGCAE = [sys.executable, "-c", "from hgcae.cli import main; main()"]
STAGE = {"epochs": 1, "steps": 20, "batch": 64, "sampling": "charge", "learning_rate": 5e-3}
LEVELS = ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2")


def hgcae_run(path: Path, step: str, workers: int) -> tuple[float, int]:
    """Runs a step; returns seconds and files made."""
    start = time.perf_counter()
    command = [*HGCAE, "run", str(path), step, "--workers", str(workers), "--json"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, json.loads(out)["made"]


def burn(processes: int) -> float:
    """Returns loops per second of so many processes that only compute: what the machine itself has to give at this moment."""
    code = "import time\nt = time.perf_counter()\nfor _ in range(30): sum(range(1_000_000))\nprint(30 / (time.perf_counter() - t))"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in running)


def measure(chunk: int, branches: int, workers: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Measures Simulate and Compress for each number of workers, in turn, so that neighbours disturb all alike."""
    rows: dict[str, dict[int, list[float]]] = {name: {n: [] for n in workers} for name in ("Simulate", "Compress", "machine")}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for n in workers:
                rows["machine"][n].append(burn(n))
                # Another seed is another sample, which nobody has made yet.
                path = Path(folder) / "workflow.yaml"
                samples = {
                    "train": {"events": 200, "chunk": 200, "simulate": {"seed": 1}},
                    "test": {"events": chunk * branches, "chunk": chunk, "simulate": {"seed": 1000 + 10 * turn + n}},
                }
                stages = [STAGE | {"loss_level": name, "trains": [name]} for name in LEVELS]
                train = {"sample": "train", "settings": {"schedule": {"stages": stages}}}
                path.write_text(yaml.safe_dump({"samples": samples, "train": train, "compress": {"sample": "test"}}))
                hgcae_run(path, "Train", 1)
                for name in ("Simulate", "Compress"):
                    seconds, made = hgcae_run(path, name, n)
                    if made != branches:
                        msg = f"{name}: made {made} files, expected {branches}"
                        raise RuntimeError(msg)
                    rows[name][n].append(chunk * branches / seconds)
    return {name: {str(n): {"runs": rates, "median": statistics.median(rates)} for n, rates in by.items()} for name, by in rows.items()}


def main(quick: Annotated[bool, typer.Option(help="Fewer events.")] = False) -> None:
    """Measures events/s of Simulate and Compress with 1 and 2 workers, and what 2 bare processes reach."""
    chunk, branches, repeats = (200, 4, 1) if quick else (2000, 8, 3)
    workers = (1, 2)
    load = os.getloadavg()[0]
    steps = measure(chunk, branches, workers, repeats)
    table = Table("step", "1 worker [events/s]", "2 workers [events/s]", "speed-up")
    for name, by in steps.items():
        by["speed_up"] = by["2"]["median"] / by["1"]["median"]
        table.add_row(name, f"{by['1']['median']:.1f}", f"{by['2']['median']:.1f}", f"{by['speed_up']:.2f}")
    Console().print(table)
    print(machine.write("workflow", {"load_before": load, "events_per_branch": chunk, "branches": branches, "steps": steps}))


if __name__ == "__main__":
    typer.run(main)
