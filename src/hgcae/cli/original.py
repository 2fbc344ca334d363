"""`python train_experimental_cnn.py`: the original training program, by its own options."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import SettingsError
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.train.run import RunSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def train_experimental_cnn(
    data: Annotated[
        Path | None,
        typer.Option(
            "--dataTrain",
            metavar="FILE",
            help="Pickle of digi and meta, or a Parquet file.",
            show_default="$WORKFLOW_DIR/electrons_config1_1_to_500GeV_4Tesla.pickle",
        ),
    ] = None,
    cost: Annotated[
        Path | None,
        typer.Option(
            "--costFigure", metavar="FILE", help="Cost of train and test events, .pdf or .png.", show_default="$OUTPUT_DIR/cost.pdf"
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option("--animFile", metavar="FILE", help="Film of the training, .mp4 or .gif.", show_default="$OUTPUT_DIR/ROC_AE.mp4"),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--modelFile", metavar="DIR", help="Model and history; resumed from.", show_default="$OUTPUT_DIR/model")
    ] = None,
    batch: Annotated[int, typer.Option("--batchSize", min=1, help="Events in a step.")] = 2,
    epochs: Annotated[int, typer.Option("--NEpochs", min=1, help="Epochs, those of earlier starts included.")] = 2000,
    latent: Annotated[int, typer.Option("--LatentDimension", min=1, help="Numbers in every code.")] = 8,
    gpu: Annotated[int, typer.Option("--GPU", help="GPU to train on, if there is one; -1: the processor.")] = 3,
    as_json: console.JsonOption = False,
) -> None:
    """Train the original hierarchical autoencoder on a pickle of digi and meta (one row per event).

    Network, schedule and defaults are the original ones: one epoch each with the loss at STAGE2, STAGE1, TRIPLET and MODULE, then ROC alone
    to epoch 200, MODULE to 500, TRIPLET to 900, STAGE1 to 1400, STAGE2 from there on. The network sees 4E3M codes, 0 to 127, of half the
    ADC counts. Events are put in the order of numpy.random.seed(0) once; the first 16 are for tests (half of them where there are fewer
    than 32). A larger --NEpochs extends a finished training. After every epoch are written:

      modelFile/        the model: hgcae.load("modelFile"); checkpoint.npz, history.jsonl; the events as Parquet
      costFigure        cost against optimisation steps
      animFile_N.png    16 charged and 4 empty units, input and decoded, after epoch N (0: before the training)

    The film of these pictures is made at the end. A training may be stopped at any moment: the same command resumes it.

    Examples:
      python train_experimental_cnn.py
      python train_experimental_cnn.py --dataTrain electrons.pickle --modelFile model --batchSize 32 --LatentDimension 16 --GPU 0
    """
    output = console.output_dir()
    data = data or console.workflow_dir() / "electrons_config1_1_to_500GeV_4Tesla.pickle"
    cost, film, model = cost or output / "cost.pdf", film or output / "ROC_AE.mp4", model or output / "model"
    _check_suffix(cost, (".pdf", ".png"), "--costFigure")
    _check_suffix(film, (".mp4", ".gif"), "--animFile")
    choose_gpu(gpu, os.environ)
    with claimed(model / "checkpoint.npz"):
        figures = run(original_settings(parquet(data, model), batch, latent), epochs, cost, film, model)
    console.show(figures, as_json=as_json)


app.command(help=console.manual(train_experimental_cnn))(train_experimental_cnn)


def _check_suffix(path: Path, known: tuple[str, ...], option: str) -> None:
    if path.suffix not in known:
        msg = f"{option}: found {path}, expected a name that ends in {' or '.join(known)}"
        raise SettingsError(msg)


def choose_gpu(number: int, environment: MutableMapping[str, str]) -> None:
    """Lets JAX see one GPU only, or none for a negative number; has to come before JAX looks for devices."""
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    environment["CUDA_VISIBLE_DEVICES"] = str(number) if number >= 0 else ""
    if number < 0:
        environment["JAX_PLATFORMS"] = "cpu"


def parquet(data: Path, folder: Path) -> Path:
    """Returns a Parquet file of training events: the one that is given, or one in a folder, made of a pickle.

    Raises:
        DataFormatError: The pickle is not as it should be.
    """
    from hgcae.sources import STORE_SUFFIX, read_events
    from hgcae.store import Reader, write

    if data.suffix.lower() == STORE_SUFFIX:
        return data
    status, target = data.stat(), folder / "events.parquet"
    source = {"source": str(data.resolve()), "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    provenance = {"program": f"hgcae {__version__} train_experimental_cnn", **source}
    if not target.exists() or Reader(target).provenance != provenance:
        write(target, read_events(data), provenance)
    return target


def original_settings(events: Path, batch: int, latent: int) -> RunSettings:
    """Returns the settings of the original training on a Parquet file."""
    from hgcae.store import Reader
    from hgcae.train.run import RunSettings
    from hgcae.train.schedule import open_original_schedule

    schedule = open_original_schedule(Reader(events).hierarchy, batch)
    return RunSettings(input=str(events), preset="original", latent=latent, schedule=schedule)


def run(settings: RunSettings, epochs: int, cost: Path, film: Path, folder: Path) -> dict[str, Any]:
    """Trains to an epoch, from where the folder's training is; draws as it goes, and returns where it has got.

    Args:
        settings: Of the training.
        epochs: Number of the last epoch.
        cost: Cost figure.
        film: The film; its pictures lie next to it.
        folder: Of the training.
    """
    import jax

    from hgcae.cli.train import gallery_of, note_unknown, run_with_progress
    from hgcae.plots import animate, cost_figure
    from hgcae.train.run import prepare

    trainer = prepare(settings, folder)
    trainer.last_epoch = epochs
    note_unknown(trainer)
    console.note(f"training on {jax.devices()[0].device_kind}")
    gallery = gallery_of(trainer)
    names = trainer.model.hierarchy.names

    def frame(epoch: int) -> Path:
        return film.with_name(f"{film.stem}_{epoch:04d}.png")

    def draw(level: str, epoch: int) -> None:
        if gallery is not None:
            title = f"latent dim. {trainer.model.level(level).latent}, epoch {epoch}/{epochs}, training stage {level}"
            gallery.draw(trainer.model, level, frame(epoch), title)

    def on_epoch(row: dict[str, Any]) -> None:
        cost_figure(trainer.history, cost)
        draw(row["loss_level"], row["epoch"])
        losses = f"train L2 {row['loss_train']:.5g}, test L2 {row['loss_test']:.5g}"
        console.note(f"phase {row['loss_level']}, epoch {row['epoch']}: {losses}, {row['seconds']:.1f} s")

    if not (folder / "checkpoint.npz").exists():
        draw(names[0], 0)
    run_with_progress(trainer, on_epoch)
    cost_figure(trainer.history, cost)
    last = trainer.history[-1]
    frames = [frame(epoch) for epoch in range(last["epoch"] + 1) if frame(epoch).exists()]
    if frames:
        animate(frames, film, fps=4, max_frames=200, max_width=1400 if film.suffix == ".mp4" else 700)
    return {
        "model": str(folder),
        "epoch": last["epoch"],
        "step": last["step"],
        "level": last["loss_level"],
        "loss_train": last["loss_train"],
        "loss_test": last["loss_test"],
        "batch": settings.schedule.stages[0].batch if settings.schedule else None,
        "bits_per_unit": {name: trainer.model.bits_per_unit(name) for name in names},
    }


def main() -> None:
    """Runs the program."""
    console.run_app(app, "train_experimental_cnn.py")
