"""Speed of the whole schedule of a preset, stage by stage, on whatever devices JAX finds: made for GPUs, works on any machine.

    python benchmarks/bench_schedule.py [--preset l1] [--devices 1] [--precision bfloat16] [--events 4000] [--epochs N]

On a machine with NVIDIA GPUs, install the extra `cuda` first. Reported: events/s (units over their mean number in an event), the seconds of
compilation, the share of a large matrix product's rate in the decoders' precision, and what the steps wait for: a step that takes as long
with a batch that lies ready as with one that must be made first is bound by the device, not by the data.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import jax
import machine
import numpy as np
import typer
from bench_train import step_operations
from rich.console import Console
from rich.table import Table

from hgcae import store
from hgcae.simulate import SimulateSettings, simulate
from hgcae.train.batches import Batch, Batches
from hgcae.train.loop import StageLoop
from hgcae.train.run import RunSettings, prepare
from hgcae.train.trainer import Trainer

READY_STEPS = 30
"""Steps on one batch that lies on the device."""


def stages(trainer: Trainer) -> list[dict[str, Any]]:
    """Trains stage by stage and returns what each epoch's history says, with the operations of a step and its time without data."""
    rows = []
    trainer.run()
    events = trainer.train.take(0, min(len(trainer.train), 500))
    for number, stage in enumerate(trainer.settings.schedule.stages, 1):
        history = [row for row in trainer.history if row["stage"] == number]
        base = stage.trains[0]
        tree = trainer.tree(events, base, stage.loss_level)
        devices = trainer.settings.devices
        loop = trainer.loop(stage, base)
        batch = next(iter(Batches(stage, tree, trainer.model.hierarchy, devices).draw(np.random.default_rng(1), 1)))
        steps = stage.steps or 1
        row = {"loss_level": stage.loss_level, "batch": stage.batch, "epochs": len(history), "first_epoch_s": history[0]["seconds"]}
        row |= {"step_s": history[-1]["seconds"] / steps, "ready_step_s": ready(loop, batch)}
        row |= {"events_per_s": history[-1]["events_per_s"], "compilations": history[-1]["compilations"]}
        if devices == 1 and not trainer.model.conserves_charge:
            row["gflops"] = step_operations(trainer.model, stage.loss_level, batch) / row["step_s"] / 1e9
        rows.append(row)
    return rows


def ready(loop: StageLoop, batch: Batch) -> float:
    """Returns the seconds of a step whose batch lies on the device already."""
    placed = loop.place(batch)
    jax.block_until_ready(loop.step(placed))
    start = time.perf_counter()
    for _ in range(READY_STEPS):
        loss = loop.step(placed)
    jax.block_until_ready(loss)
    return (time.perf_counter() - start) / READY_STEPS


def main(
    preset: Annotated[str, typer.Option(help="l1 or original.")] = "l1",
    devices: Annotated[int, typer.Option(help="Devices that share each step.")] = 1,
    precision: Annotated[str, typer.Option(help="Of the decoders: float32 or bfloat16.")] = "float32",
    events: Annotated[int, typer.Option(help="Electrons, 1 to 500 GeV.")] = 4000,
    epochs: Annotated[int | None, typer.Option(help="Length of the schedule; default that of the demo.")] = None,
    batch: Annotated[int | None, typer.Option(help="Events in a step, see hgcae train.")] = None,
) -> None:
    """Measures the events/s of every stage."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "electrons.parquet"
        store.write(path, simulate(SimulateSettings(), events, workers=2))
        settings = {"input": str(path), "preset": preset, "devices": devices, "decoder_precision": precision, "epochs": epochs or "demo"}
        start = time.perf_counter()
        trainer = prepare(RunSettings.load(settings | ({"batch": batch} if batch else {})), Path(folder) / "run")
        rows = stages(trainer)
        seconds = time.perf_counter() - start
    found = [f"{device.platform} {device.device_kind}" for device in jax.devices()]
    result = {"preset": preset, "devices": found, "used": devices, "precision": precision, "seconds": seconds, "stages": rows}
    result |= {"events": events, "matmul_peak_gflops": machine.matmul_peak_gflops(precision)}
    table = Table("level", "batch", "events/s", "ms a step", "of it data", "first epoch [s]", "compiled", title=", ".join(found))
    for row in rows:
        waits = max(0.0, 1 - row["ready_step_s"] / row["step_s"])
        speed = (f"{row['events_per_s']:.0f}", f"{1e3 * row['step_s']:.2f}", f"{100 * waits:.0f} %")
        table.add_row(row["loss_level"], str(row["batch"]), *speed, f"{row['first_epoch_s']:.1f}", str(row["compilations"]))
    Console().print(table)
    print(machine.write(f"schedule-{preset}-{precision}-{jax.devices()[0].platform}", result))


if __name__ == "__main__":
    typer.run(main)
