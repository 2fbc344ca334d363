"""The command `SetupExampleModel`: the example from data to figures."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import HgcaeError, MissingToolError

if TYPE_CHECKING:
    from hgcae.examples.mnist.tasks import Step


class ArchitectureOption(StrEnum):
    """Networks."""

    DENSE = "dense"
    CONVOLUTIONAL = "convolutional"


class CostOption(StrEnum):
    """Cost functions."""

    SQUARED_ERROR = "squared_error"
    CROSS_ENTROPY = "cross_entropy"
    STRUCTURAL_SIMILARITY = "structural_similarity"


ORIGINAL_BATCH = 32
"""Images in a step of the original example."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def setup_example_model(
    ndim: Annotated[
        list[int], typer.Argument(metavar="NDIM...", help="Numbers in the code; several are also scanned.", show_default=False)
    ],
    source: Annotated[
        str | None, typer.Option("--data", metavar="SOURCE", help="auto, keras, digits, or an npz file.", show_default="auto")
    ] = None,
    architecture: Annotated[ArchitectureOption | None, typer.Option(help="The network.", show_default="dense")] = None,
    cost: Annotated[CostOption | None, typer.Option(help="What training minimises.", show_default="squared_error")] = None,
    quantised: Annotated[bool, typer.Option("--quantised", help="Encoder in fixed-point numbers; code of 8 bits a number.")] = False,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Passes through the images.", show_default="50")] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Images in a step.", show_default="a hundredth of the images, 16 to 128")
    ] = None,
    every: Annotated[int | None, typer.Option(metavar="N", help="Epochs from picture to picture.", show_default="5")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also train all architectures with all cost functions.")] = False,
    original: Annotated[bool, typer.Option("--original", help="Batch 32, and the files of the original example, see below.")] = False,
    central_scheduler: Annotated[
        bool, typer.Option("--central-scheduler", help="Run under luigid, at localhost:8082 or where luigi's configuration says.")
    ] = False,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Encode handwritten digits (28 x 28 x 1) to NDIM numbers, decode them, and draw how the training went.

    Data, training and figures are tasks of a luigi workflow. A task whose files are there is not done again, and a training that was
    stopped resumes after its last finished epoch. Data and trainings lie below $WORKFLOW_DIR (default workflow/), figures below
    $OUTPUT_DIR (default output/), in a folder NDIM, or NDIM-FINGERPRINT where other settings differ from the defaults, too:

      MNIST_example_epochN.png     test images, input and decoded, at epoch 0 and every few epochs
      MNIST_example_cost.png       cost of training and test images
      MNIST_example.gif, .mp4      the pictures as a film

    With several NDIM, MNIST_example_scan_*.png and .json show the error next to PCA and the intrinsic dimension of the images; with
    --compare, MNIST_example_comparison_*.png and .json show all networks and cost functions.

    With --original, steps have 32 images, as in the example this one goes back to (tasks/example.py of TPG-autoencoder-workflows, 50
    epochs as here), and its files are written besides, in the same folder: data/MNIST_train.npy and data/MNIST_test.npy (uint8 images),
    models/NDIM/cost.pdf, anim.mp4, model_encoder.keras and model_decoder.keras. Networks, learning rate and Keras' file format are ours.

    SOURCE keras is MNIST by Keras' own loader, digits the 1,797 smaller images inside scikit-learn, scaled up; auto the first, or the
    second where that cannot be had.

    Examples:
      SetupExampleModel 28
      SetupExampleModel 28 --data mnist.npz --architecture convolutional --quantised
      SetupExampleModel 28 --original
      SetupExampleModel 1 2 4 8 16 32 64 --epochs 20
      luigid --background && SetupExampleModel 28 --central-scheduler
    """
    options = {
        "data": source,
        "architecture": architecture,
        "cost": cost,
        "quantised": quantised or None,
        "epochs": epochs,
        "batch": ORIGINAL_BATCH if original and batch is None else batch,
        "every": every,
    }
    from hgcae.examples.mnist.settings import ExampleSettings

    values = console.settings_values(settings, options, assignments)
    chosen = [ExampleSettings.load(values | {"ndim": n}, settings or "settings") for n in dict.fromkeys(ndim)]
    from hgcae.examples.mnist.tasks import Comparison, Figures, Original, Scan

    folders = {"workflow": str(console.workflow_dir() / "mnist"), "output_dir": str(console.output_dir() / "mnist")}
    each = [Figures(settings=one, **folders) for one in chosen]
    summaries: list[Any] = [Scan(settings=chosen[0], ndims=tuple(one.ndim for one in chosen), **folders)] if len(chosen) > 1 else []
    summaries += [Comparison(settings=one, **folders) for one in chosen] if compare else []
    files = [Original(settings=one, **folders) for one in chosen] if original else []
    run([*each, *files, *summaries], central=central_scheduler)
    found = [{"figures": str(Path(task.output()["_cost.png"].path).parent), **task.requires().result()} for task in each]
    for one in found:
        if chosen[0].data == "auto" and one["data"] != "MNIST":
            console.note(f"MNIST could not be had: these are the {one['data']}; --data mnist.npz takes MNIST from a file")
            break
    if len(found) == 1 and not summaries:
        console.show(found[0], as_json=as_json)
    else:
        shown = {task.kind: task.result() for task in summaries}
        console.show({"trainings": {str(one["settings"]["ndim"]): one for one in found}, **shown}, as_json=as_json)


app.command(help=console.manual(setup_example_model))(setup_example_model)


def run(tasks: Sequence[Step], *, central: bool) -> None:
    """Runs tasks and all they need, and tells on standard error which.

    Args:
        tasks: The tasks.
        central: Whether luigid schedules them, and shows them in its pages; otherwise this process does.

    Raises:
        HgcaeError: What a task found wrong; or luigid does not answer.
    """
    import luigi

    if central:
        _check_luigid()
    config = luigi.configuration.get_config()
    config.set("core", "no_configure_logging", "true")
    # Under luigid, a task that a killed process has left half-done is waited for until luigid has given that process up.
    config.set("worker", "keep_alive", str(central).lower())
    logging.getLogger("luigi-interface").setLevel(logging.CRITICAL)  # failures are told below
    with _told() as failures:
        result: Any = luigi.build(tasks, local_scheduler=not central, detailed_summary=True)
    if failures:
        raise failures[0]
    if not result.scheduling_succeeded:
        msg = f"the workflow did not finish: {' '.join(str(result.one_line_summary).split())}"
        raise HgcaeError(msg)


@contextmanager
def _told() -> Iterator[list[BaseException]]:
    """Tells of steps as they begin, and gives the list of what went wrong."""
    from luigi import Event

    from hgcae.examples.mnist.tasks import Step

    failures: list[BaseException] = []

    def on_start(step: Step) -> None:
        console.note(step.title)

    def on_progress(_: Step, row: Mapping[str, Any]) -> None:
        cost, seconds = row["loss_level"], row["seconds"]
        console.note(f"  epoch {row['epoch']}: {cost} {row['loss_train']:.5f}, test {row['loss_test']:.5f}, {seconds:.1f} s")

    def on_failure(_: Step, error: BaseException) -> None:
        failures.append(error)

    handlers = {Event.START: on_start, Event.PROGRESS: on_progress, Event.FAILURE: on_failure, Event.BROKEN_TASK: on_failure}
    for event, handler in handlers.items():
        Step.event_handler(event)(handler)
    try:
        yield failures
    finally:
        for event, handler in handlers.items():
            Step.remove_event_handler(event, handler)


def _check_luigid() -> None:
    """Checks that somebody listens, because luigi itself would try for minutes."""
    from luigi.interface import core

    where = core()
    try:
        socket.create_connection((where.scheduler_host, where.scheduler_port), timeout=5).close()
    except OSError as error:
        address = f"{where.scheduler_host}:{where.scheduler_port}"
        msg = f"no luigid answers at {address} ({error.strerror or error}); start luigid, or leave out --central-scheduler"
        raise MissingToolError(msg) from None


def main() -> None:
    """Runs the command."""
    console.run_app(app, "SetupExampleModel")
