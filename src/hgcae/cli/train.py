"""`hgcae train`: a hierarchy of autoencoders from a file of events."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import GeometryError, SettingsError
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.cli.gallery import Gallery
    from hgcae.train.run import RunSettings
    from hgcae.train.trainer import Progress, Trainer


class Preset(StrEnum):
    """Architecture and schedule."""

    L1 = "l1"
    ORIGINAL = "original"


def train(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="RUN", help="Folder of the run; an unfinished one is resumed.  [required]")
    ] = None,
    events: Annotated[str | None, typer.Option("-i", "--input", metavar="FILE", help="Parquet file of events.")] = None,
    root: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="Train on the occupied units of this level, e.g. MODULE.", show_default="whole events"),
    ] = None,
    preset: Annotated[
        Preset | None, typer.Option(help="l1: made for the trigger; original: the original network on 4E3M codes.", show_default="l1")
    ] = None,
    latent: Annotated[int | None, typer.Option(help="Numbers in every code.", show_default="8")] = None,
    bits: Annotated[int | None, typer.Option(help="Bits of every number (l1).", show_default="9")] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="N", help="Length of the schedule: a number, demo or full.", show_default="demo")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Events in a step; l1: units in proportion.", show_default="32; original: 2")] = None,
    devices: Annotated[int | None, typer.Option(help="Devices (GPUs) that share each step.", show_default="1")] = None,
    decoder_precision: Annotated[
        str | None,
        typer.Option(metavar="TYPE", help="Type in which decoders multiply: float32, or bfloat16 for GPUs.", show_default="float32"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Start of the random numbers.", show_default="1")] = None,
    pictures: Annotated[bool, typer.Option(help="Draw input and decoded units after each epoch, and a film of them.")] = True,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print all settings as YAML, the preset's levels and stages too; train nothing.")
    ] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Train encoders and decoders level by level.

    The last tenth of the events (original: the first 16 of a random order) is never trained on; hgcae evaluate uses it. After every
    epoch the run's folder holds a checkpoint, the model, the history (history.jsonl) and the cost figure. A run may be stopped at any
    moment, by Ctrl-C or kill: the same command resumes it, and on a CPU ends with the same weights as a run that was never stopped.

      RUN/run.yaml       all settings, also the preset's; hgcae train --settings RUN/run.yaml -o OTHER repeats the training
      RUN/model/         the model: hgcae.load("RUN")
      RUN/history.jsonl  one line per epoch
      RUN/cost.png       cost against optimisation steps, at the end also as PDF
      RUN/frames/        pictures, joined to RUN/training.mp4 and .gif at the end

    Examples:
      hgcae train -i electrons.parquet -o run
      hgcae train -i ttbar.parquet --root module --epochs 60 -o modules
      hgcae train -i electrons.parquet --preset original --epochs full -o original
      hgcae train -i electrons.parquet --set "levels.MODULE.encoder=[32]" -o narrow
      hgcae train -i electrons.parquet --show-settings
    """
    from hgcae.train.run import RunSettings, resolved

    options = {
        "input": events,
        "root": root,
        "preset": preset,
        "latent": latent,
        "bits": bits,
        "epochs": int(epochs) if epochs is not None and re.fullmatch("[0-9]{1,9}", epochs) else epochs,
        "batch": batch,
        "devices": devices,
        "decoder_precision": decoder_precision,
        "seed": seed,
    }
    chosen = RunSettings.load(console.settings_values(settings, options, assignments), source=settings or "settings")
    if show_settings:
        typer.echo(resolved(chosen).to_yaml(), nl=False)
        return
    if output is None:
        msg = "output: found none, expected -o RUN, the folder of the run"
        raise SettingsError(msg)
    trainer = train_run(chosen, output, pictures=pictures)
    last = trainer.history[-1]
    metrics = {
        "run": str(output),
        "epochs": last["epoch"],
        "steps": last["step"],
        "loss_train": last["loss_train"],
        "loss_test": last["loss_test"],
        "train_seconds": round(sum(row["seconds"] for row in trainer.history), 1),
        "bits_per_unit": {name: trainer.model.bits_per_unit(name) for name in trainer.model.hierarchy.names},
    }
    console.show(metrics, as_json=as_json)


def train_run(settings: RunSettings, folder: Path, *, pictures: bool = True) -> Trainer:
    """Trains (or resumes) a run in a folder with progress bar and pictures; returns the trainer."""
    from hgcae.plots import cost_figure
    from hgcae.train.run import prepare

    with claimed(folder / "checkpoint.npz"):
        trainer = prepare(settings, folder)
        note_unknown(trainer)
        gallery = gallery_of(trainer) if pictures else None

        def on_epoch(row: dict[str, Any]) -> None:
            cost_figure(trainer.history, folder / "cost.png")
            if gallery is not None:
                title = f"epoch {row['epoch']}: decoded from {row['loss_level']}, test loss {row['loss_test']:.4g}"
                gallery.draw(trainer.model, row["loss_level"], folder / "frames" / f"epoch_{row['epoch']:05d}.png", title)

        run_with_progress(trainer, on_epoch)
        cost_figure(trainer.history, folder / "cost.pdf")
        if gallery is not None:
            _animate(folder)
    return trainer


def note_unknown(trainer: Trainer) -> None:
    """Says what a training leaves out, where nothing describes the detector of its events."""
    if trainer.detector is None and trainer.cell_xy is None:
        named = trainer.model.detector
        who = "name no detector" if named is None else f"are of the detector {named[0]} ({named[1]}), which nothing describes"
        left_out = "no positions, no layer weights, no cut on showers that leave it"
        console.note(f"the events {who}: {left_out} (hgcae convert --detector names one)")


def run_with_progress(trainer: Trainer, on_epoch: Callable[[dict[str, Any]], None]) -> None:
    """Trains behind a progress bar; calls a function with the row of each epoch."""
    stages = trainer.settings.schedule.stages
    with console.progress(trainer.epochs, "epochs") as update:

        def on_progress(now: Progress) -> None:
            number, stage = now.stage
            text = f"stage {number}/{len(stages)} {stage.loss_level}, {now.events_per_s:.0f} events/s"
            update(now.epoch - 1 + now.steps_done / now.steps, text)

        trainer.on_progress, trainer.on_epoch = on_progress, lambda _, row: on_epoch(row)
        trainer.run()


def gallery_of(trainer: Trainer) -> Gallery | None:
    """Returns the test units that show a run; None where their shape is unknown."""
    from hgcae.cli.gallery import Gallery
    from hgcae.plots.cells import unit_shapes

    gallery = Gallery.of(trainer.test)
    try:
        unit_shapes(trainer.test.hierarchy.rooted(gallery.level))
    except GeometryError as error:
        console.note(f"no pictures: {error}")
        return None
    return gallery


def _animate(folder: Path) -> None:
    from hgcae.plots import animate

    frames = sorted((folder / "frames").glob("epoch_*.png"))
    for suffix, width in (("mp4", 1400), ("gif", 700)) if frames else ():
        animate(frames, folder / f"training.{suffix}", fps=4, max_frames=200, max_width=width)
