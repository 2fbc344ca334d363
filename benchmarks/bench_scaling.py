"""What training costs against occupancy, and what memory it takes against the number of events.

    python benchmarks/bench_scaling.py [--quick]

Occupancy: electrons of one energy after the other; a straight line is fitted to the time of an event over its occupied ROCs. Memory: the
lowest level of the `l1` preset learns from files of 1,000 to 100,000 electrons, each in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import machine
import numpy as np
import samples
import typer
from bench_train import BATCH, EMPTY_SHARE, train
from rich.console import Console
from rich.table import Table

from hgcae import store
from hgcae.model.presets import l1_preset, original_preset
from hgcae.simulate import SimulateSettings, simulate

CHILD = """
import sys
from pathlib import Path
import machine
from hgcae.train.run import RunSettings, prepare
from hgcae.train.schedule import Schedule, Stage
stage = Stage(loss_level="ROC", trains=("ROC",), epochs=2, batch=256, sampling="charge", steps=400, learning_rate=1e-3)
shard = int(sys.argv[3]) or None
prepare(RunSettings(input=sys.argv[1], schedule=Schedule(stages=(stage,)), shard_events=shard), Path(sys.argv[2])).run()
print(machine.peak_rss_gib(), end="")
"""


def occupancy(quick: bool) -> dict[str, Any]:
    """Times the steps of several levels on electrons of one energy each and fits a line to each level."""
    energies = (1, 20, 100, 500) if quick else (1, 5, 20, 50, 100, 200, 350, 500)
    bins = [samples.electrons(2 * BATCH, energy, energy) for energy in energies]
    rocs = [len(events.units("ROC")[0]) / len(events) for events in bins]
    kinds = {
        "original ROC, exact": (original_preset, "ROC", {}),
        "original MODULE, exact": (original_preset, "MODULE", {}),
        "original STAGE2, sampled": (original_preset, "STAGE2", {"empty_share": EMPTY_SHARE}),
        "l1 ROC, exact": (l1_preset, "ROC", {}),
    }
    result: dict[str, Any] = {"energies_gev": energies, "rocs_per_event": rocs, "lines": {}}
    for kind, (preset, level, options) in kinds.items():
        model = samples.model_for(preset, bins[-1])
        ms = [1e3 / train(model, events, level, 2 if quick else 5, **options)["events_per_s"] for events in bins]
        slope, intercept = np.polyfit(rocs, ms, 1)
        r2 = float(np.corrcoef(rocs, ms)[0, 1] ** 2)
        result["lines"][kind] = {"ms_per_event": ms, "us_per_roc": 1e3 * slope, "intercept_ms": intercept, "r2": r2}
        print(f"  {kind}: {1e3 * slope:.1f} us per ROC + {intercept:.2f} ms per event, R2 = {r2:.3f}", flush=True)
    return result


def memory(quick: bool) -> list[dict[str, Any]]:
    """Trains on files of growing length: with shards of 250 events, and with the default ones of two million charges."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (1000, 10_000) if quick else (1000, 10_000, 100_000):
            path = Path(folder) / f"{n}.parquet"
            store.write(path, simulate(SimulateSettings(), n, workers=2))
            for shard in (250, 0):
                command = [sys.executable, "-c", CHILD, str(path), str(Path(folder) / f"run{n}-{shard}"), str(shard)]
                out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parent).stdout
                rows.append({"events": n, "shard_events": shard or None, "peak_rss_gib": float(out)})
                print(f"  {n:,} events, {shard or 'default'} in a shard: {float(out):.2f} GiB", flush=True)
            path.unlink()
    return rows


def draw(result: dict[str, Any]) -> Path:
    """Draws cost against occupancy and memory against events."""
    from matplotlib.figure import Figure

    from hgcae.plots.style import COLOURS, save, styled

    with styled():
        figure = Figure(figsize=(10, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        rocs = np.array(result["occupancy"]["rocs_per_event"])
        for (kind, line), colour in zip(result["occupancy"]["lines"].items(), COLOURS, strict=False):
            name = f"{kind}: {line['us_per_roc']:.0f} µs/ROC + {line['intercept_ms']:.1f} ms"
            left.plot(rocs, line["ms_per_event"], "o", color=colour, label=name)
            left.plot([0, rocs.max()], [line["intercept_ms"], line["intercept_ms"] + line["us_per_roc"] * rocs.max() / 1e3], color=colour)
        left.set(
            xlabel="occupied ROCs per event",
            ylabel="training step [ms/event]",
            xlim=(0, None),
            ylim=(0, 1.4 * max(max(line["ms_per_event"]) for line in result["occupancy"]["lines"].values())),
        )
        left.legend(fontsize=7)
        for shard, colour in ((250, COLOURS[0]), (None, COLOURS[1])):
            rows = [row for row in result["memory"] if row["shard_events"] == shard]
            name = "default shards" if shard is None else f"shards of {shard} events"
            right.plot([row["events"] for row in rows], [row["peak_rss_gib"] for row in rows], "o-", color=colour, label=name)
        right.set(
            xlabel="events in the file",
            ylabel="peak memory [GiB]",
            xscale="log",
            ylim=(0, 1.4 * max(row["peak_rss_gib"] for row in result["memory"])),
        )
        right.legend(fontsize=7)
        return save(figure, machine.RESULTS / "scaling.png")


def main(quick: Annotated[bool, typer.Option(help="Fewer energies, at most 10,000 events.")] = False) -> None:
    """Measures cost against occupancy and memory against the number of events."""
    result = {"batch": BATCH, "empty_share": EMPTY_SHARE, "occupancy": occupancy(quick), "memory": memory(quick)}
    table = Table("trained", "µs per occupied ROC", "ms per event besides", "R²")
    for kind, line in result["occupancy"]["lines"].items():
        table.add_row(kind, f"{line['us_per_roc']:.1f}", f"{line['intercept_ms']:.2f}", f"{line['r2']:.3f}")
    Console().print(table)
    print(machine.write("scaling", result))
    print(draw(result))


if __name__ == "__main__":
    typer.run(main)
