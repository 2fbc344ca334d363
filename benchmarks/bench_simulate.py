"""Speed of the simulation: showers per second, and the memory of short and long runs.

python benchmarks/bench_simulate.py [--quick]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import machine
import typer
from rich.console import Console
from rich.table import Table

CHILD = """
import sys, time
import machine
from hgcae import store
from hgcae.simulate import GunSettings, SimulateSettings, simulate
n, workers, particle, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
settings = SimulateSettings(gun=GunSettings(particles=(particle,)))
list(simulate(settings, 64, workers=workers))  # compiled code is loaded
start = time.perf_counter()
store.write(path, simulate(settings, n, workers=workers))
print(n / (time.perf_counter() - start), machine.peak_rss_gib(), end="")
"""


def measure(n: int, workers: int, particle: str) -> dict[str, Any]:
    """Simulates in a process of its own, so that its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", CHILD, str(n), str(workers), particle, str(Path(folder) / "a.parquet")]
        out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent).stdout
    rate, memory = map(float, out.split())
    return {"particle": particle, "events": n, "workers": workers, "showers_per_s": rate, "peak_rss_gib": memory}


def main(quick: Annotated[bool, typer.Option(help="Fewer events.")] = False) -> None:
    """Measures showers/s of electrons and pions, 1 to 500 GeV, written to Parquet."""
    few, many = (500, 2000) if quick else (5000, 50_000)
    rows = [measure(n, workers, particle) for n, workers, particle in ((few, 1, "e-"), (few, 2, "e-"), (many, 2, "e-"), (few, 2, "pi-"))]
    table = Table("particle", "events", "workers", "showers/s", "peak memory [GiB]")
    for row in rows:
        speed, memory = f"{row['showers_per_s']:.0f}", f"{row['peak_rss_gib']:.2f}"
        table.add_row(row["particle"], f"{row['events']:,}", str(row["workers"]), speed, memory)
    Console().print(table)
    print(machine.write("simulate", {"runs": rows}))


if __name__ == "__main__":
    typer.run(main)
