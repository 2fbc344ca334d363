"""Throughput of a workflow on one machine: events per second of the steps whose branches are independent, by number of workers.

python benchmarks/bench_workflow.py [--quick]

Everything counts: building the graph, starting a process for each branch, loading packages, reading and writing files.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import machine
import typer
import yaml
from rich.console import Console
from rich.table import Table

HGCAE = [sys.executable, "-m", "hgcae"]
STAGE = {"loss_level": "ROC", "trains": ["ROC"], "epochs": 1, "steps": 1, "batch": 64, "sampling": "charge"}
"""Hardly any training: an encoder takes as long with any weights."""


def hgcae_run(path: Path, step: str, workers: int) -> tuple[float, float, int]:
    """Runs a step; returns seconds, CPU seconds of all its processes, and files made."""
    start, before = time.perf_counter(), children_cpu_s()
    command = [*HGCAE, "run", str(path), step, "--workers", str(workers), "--json"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - start, children_cpu_s() - before, json.loads(out)["made"]


def children_cpu_s() -> float:
    """Returns the CPU seconds of all processes that were started here and have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def burn(processes: int) -> float:
    """Returns loops per second of so many processes that only compute: what the machine itself has to give at this moment."""
    code = "import time\nt = time.perf_counter()\nfor _ in range(30): sum(range(1_000_000))\nprint(30 / (time.perf_counter() - t))"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(process.communicate()[0]) for process in running)


def measure(names: Sequence[str], chunk: int, branches: int, workers: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Measures steps for each number of workers, in turn, so that neighbours disturb all alike."""
    rates: dict[str, dict[int, list[float]]] = {name: {n: [] for n in workers} for name in (*names, "bare loop")}
    cpu: dict[str, dict[int, list[float]]] = {name: {n: [] for n in workers} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for n in workers:
                rates["bare loop"][n].append(burn(n))
                path = write_workflow(Path(folder), chunk, branches, seed=1000 + 10 * turn + n)
                if "Compress" in names:
                    hgcae_run(path, "Train", 1)
                for name in names:
                    seconds, cpu_s, made = hgcae_run(path, name, n)
                    if made != branches:
                        msg = f"{name}: made {made} files, expected {branches}"
                        raise RuntimeError(msg)
                    rates[name][n].append(chunk * branches / seconds)
                    cpu[name][n].append(1000 * cpu_s / (chunk * branches))
    return {"per_s": medians(rates), "cpu_ms_per_event": medians(cpu)}


def write_workflow(folder: Path, chunk: int, branches: int, seed: int) -> Path:
    """Writes a workflow; another seed is another sample, which nobody has made yet."""
    samples = {
        "train": {"events": 100, "chunk": 100, "simulate": {"seed": 1}},
        "test": {"events": chunk * branches, "chunk": chunk, "simulate": {"seed": seed}},
    }
    train = {"sample": "train", "settings": {"schedule": {"stages": [STAGE]}}}
    path = folder / "workflow.yaml"
    path.write_text(yaml.safe_dump({"samples": samples, "train": train, "compress": {"sample": "test"}}))
    return path


def medians(values: dict[str, dict[int, list[float]]]) -> dict[str, Any]:
    """Returns all values and their median, by name and number of workers."""
    return {name: {str(n): {"runs": runs, "median": statistics.median(runs)} for n, runs in by.items()} for name, by in values.items()}


def main(
    quick: Annotated[bool, typer.Option(help="8 branches.")] = False,
    chunk: Annotated[int, typer.Option(help="Events in a branch; 2000 is what a workflow makes by default.")] = 2000,
    branches: Annotated[int, typer.Option(help="Branches of a step: starting the workflow counts, so it should not be all.")] = 24,
    repeats: Annotated[int, typer.Option(help="Repetitions.")] = 1,
    step: Annotated[list[str] | None, typer.Option(help="Simulate or Compress, which needs it. Repeatable.", show_default="both")] = None,
) -> None:
    """Measures events/s and CPU time of Simulate and Compress with 1 and 2 workers, beside 1 and 2 processes that only compute."""
    branches = 8 if quick else branches
    load = os.getloadavg()[0]
    steps = measure(step or ("Simulate", "Compress"), chunk, branches, (1, 2), repeats)
    table = Table("", "1 worker [1/s]", "2 workers [1/s]", "ratio", "CPU ms per event, 1 worker", "2 workers")
    for name, by in steps["per_s"].items():
        one, two = by["1"]["median"], by["2"]["median"]
        by["ratio"] = two / one
        cpu = [f"{steps['cpu_ms_per_event'][name][n]['median']:.2f}" if name in steps["cpu_ms_per_event"] else "" for n in "12"]
        table.add_row(name, f"{one:.1f}", f"{two:.1f}", f"{two / one:.2f}", *cpu)
    Console().print(table)
    print(machine.write("workflow", {"load_before": load, "events_per_branch": chunk, "branches": branches, **steps}))


if __name__ == "__main__":
    typer.run(main)
