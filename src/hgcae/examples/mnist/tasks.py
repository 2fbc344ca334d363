"""The example as a graph of luigi tasks: data, training, figures; a task whose files are there is done.

`Figures` needs `Train`, which needs `Data`; `Original` needs `Figures`; `Scan` and `Comparison` need several `Train`.
"""

from __future__ import annotations

import json
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args

import luigi
import numpy as np

from hgcae.examples.mnist import data, figures, references, training
from hgcae.examples.mnist.settings import Architecture, Cost, ExampleSettings
from hgcae.outputs import atomic_path, claimed
from hgcae.plots import animate, cost_figure
from hgcae.settings import fingerprint
from hgcae.store.results import HEADER, read_results, write_results
from hgcae.train.checkpoint import read_history

PREFIX = "MNIST_example"
"""How the names of all figures begin."""


class SettingsParameter(luigi.Parameter[ExampleSettings]):
    """Settings of an autoencoder as a parameter of a task; JSON where luigi wants text."""

    def parse(self, x: str) -> ExampleSettings:
        """Reads JSON."""
        return ExampleSettings.load(json.loads(x))

    def serialize(self, x: ExampleSettings) -> str:
        """Writes JSON."""
        return x.model_dump_json()


class Step(luigi.Task):
    """A step with the folders of its files.

    Parameters: `workflow`, folder of data and trainings; `output_dir`, folder of figures.
    """

    workflow: luigi.Parameter[str] = luigi.Parameter()
    output_dir: luigi.Parameter[str] = luigi.Parameter()

    @property
    def folders(self) -> dict[str, str]:
        """The folders, to give to other steps."""
        return {"workflow": self.workflow, "output_dir": self.output_dir}

    @property
    def title(self) -> str:
        """What it does, for people."""
        return self.task_family

    @property
    def figures_dir(self) -> Path:
        """Folder of figures."""
        return Path(self.output_dir)


class Data(Step):
    """The images, as one npz file whatever they come from."""

    source: luigi.Parameter[str] = luigi.Parameter()

    @property
    def title(self) -> str:
        """What it does, for people."""
        return f"data: {self.source}"

    def output(self) -> Any:
        """`data_SOURCE.npz`; a file is known by its path, size and time."""
        source, name = Path(self.source), self.source
        if source.is_file():
            status = source.stat()
            name = fingerprint([str(source.resolve()), status.st_size, status.st_mtime_ns])
        return luigi.LocalTarget(str(Path(self.workflow) / f"data_{Path(name).name}.npz"))

    def run(self) -> None:
        """Gets them."""
        data.load(self.source).save(Path(self.output().path))


@cache
def _digits(path: str) -> data.Digits:
    return data.Digits.saved(Path(path))


class Train(Step):
    """One autoencoder, trained to the end."""

    settings: luigi.Parameter[ExampleSettings] = SettingsParameter()

    @property
    def title(self) -> str:
        """What it does, for people."""
        s = self.settings
        kind = "quantised " * s.quantised + s.architecture
        return f"training: {s.ndim} dimensions, {kind}, {s.cost.replace('_', ' ')}, {s.epochs} epochs"

    @property
    def folder(self) -> Path:
        """Folder of the training."""
        return Path(self.workflow) / self.settings.name

    def requires(self) -> Any:
        """The images."""
        return Data(source=self.settings.data, **self.folders)

    def output(self) -> Any:
        """`result.json`, written last."""
        return luigi.LocalTarget(str(self.folder / "result.json"))

    @property
    def digits(self) -> data.Digits:
        """The images, read once for all steps."""
        return _digits(self.requires().output().path)

    def run(self) -> None:
        """Trains, or resumes after the last finished epoch."""

        def tell(row: Mapping[str, Any]) -> None:
            epoch, share = row["epoch"], row["epoch"] / self.settings.epochs
            # Both are functions of the worker that runs the step.
            if self.set_progress_percentage is not None:
                self.set_progress_percentage(100 * share)
            if self.set_status_message is not None:
                self.set_status_message(f"epoch {epoch}: {row['loss_test']:.5f}")
            if epoch in self.settings.pictures:
                self.trigger_event(luigi.Event.PROGRESS, self, row)

        result_path = Path(self.output().path)
        with claimed(result_path):
            result = training.train(self.settings, self.digits, self.folder, tell)
            write_results(result_path, "example", result)

    def result(self) -> dict[str, Any]:
        """What was found."""
        return read_results(self.output().path, "example")

    def history(self) -> list[dict[str, Any]]:
        """The rows of all epochs."""
        return read_history(self.folder)

    def decoded(self, epoch: int) -> np.ndarray[Any, Any]:
        """The shown test images as decoded after an epoch."""
        return training.read_decoded(self.folder, epoch)


class Figures(Step):
    """Pictures of test images through the training, the cost, and a film of the pictures."""

    settings: luigi.Parameter[ExampleSettings] = SettingsParameter()

    @property
    def title(self) -> str:
        """What it does, for people."""
        return f"figures: {self.figures_dir / self.settings.name}"

    def requires(self) -> Any:
        """The training."""
        return Train(settings=self.settings, **self.folders)

    def output(self) -> Any:
        """`MNIST_example_epochN.png`, `MNIST_example_cost.png`, `MNIST_example.gif` and `.mp4`."""
        names = [f"_epoch{epoch}.png" for epoch in self.settings.pictures] + ["_cost.png", ".gif", ".mp4"]
        folder = self.figures_dir / self.settings.name
        return {name: luigi.LocalTarget(str(folder / f"{PREFIX}{name}")) for name in names}

    def run(self) -> None:
        """Draws them."""
        train: Train = self.requires()
        digits, path = train.digits, {name: Path(target.path) for name, target in self.output().items()}
        true = digits.x_test[digits.shown()]
        history = train.history()
        loss = {row["epoch"]: f", test {row['loss_level']} {row['loss_test']:.4f}" for row in history}
        for epoch in self.settings.pictures:
            title = f"{self.settings.ndim} dimensions, epoch {epoch}{loss.get(epoch, '')}"
            figures.digits_figure(true, train.decoded(epoch), path[f"_epoch{epoch}.png"], title, digits.name)
        cost_figure(history, path["_cost.png"], digits.name)
        frames = [path[f"_epoch{epoch}.png"] for epoch in self.settings.pictures]
        for suffix in (".gif", ".mp4"):
            animate(frames, path[suffix], fps=3)


class Original(Step):
    """The files of the original example (tasks/example.py of github.com/dpwinter/TPG-autoencoder-workflows@2905e6b), by their names."""

    settings: luigi.Parameter[ExampleSettings] = SettingsParameter()

    @property
    def title(self) -> str:
        """What it does, for people."""
        return f"files of the original: {self.figures_dir / self.settings.name}"

    def requires(self) -> Any:
        """Training and figures."""
        return Figures(settings=self.settings, **self.folders)

    def output(self) -> Any:
        """`data/MNIST_train.npy`, `data/MNIST_test.npy`, and in `models/NDIM` `cost.pdf`, `anim.mp4` and the two networks."""
        folder = self.figures_dir / self.settings.name
        paths = {"train": folder / "data" / "MNIST_train.npy", "test": folder / "data" / "MNIST_test.npy"}
        for name in ("cost.pdf", "anim.mp4", "model_encoder.keras", "model_decoder.keras"):
            paths[name] = folder / "models" / str(self.settings.ndim) / name
        return {name: luigi.LocalTarget(str(path)) for name, path in paths.items()}

    def run(self) -> None:
        """Writes them."""
        drawn: Figures = self.requires()
        train: Train = drawn.requires()
        digits, path = train.digits, {name: Path(target.path) for name, target in self.output().items()}
        for name, images in (("train", digits.x_train), ("test", digits.x_test)):
            with atomic_path(path[name]) as temporary:
                np.save(temporary, images)
        cost_figure(train.history(), path["cost.pdf"], digits.name)
        with atomic_path(path["anim.mp4"]) as temporary:
            shutil.copyfile(drawn.output()[".mp4"].path, temporary)
        network = training.load(train.folder, self.settings, digits)
        for name, model in (("model_encoder.keras", network.encoder), ("model_decoder.keras", network.decoder)):
            with atomic_path(path[name]) as temporary:
                model.save(temporary)


class Summary(Step):
    """Several trainings in one JSON file and one figure."""

    settings: luigi.Parameter[ExampleSettings] = SettingsParameter()
    kind = ""

    @property
    def title(self) -> str:
        """What it does, for people."""
        return f"{self.kind}: {self.output()['png'].path}"

    @abstractmethod
    def trainings(self) -> list[Train]:
        """Returns the trainings."""

    def requires(self) -> Any:
        """The trainings."""
        return self.trainings()

    def output(self) -> Any:
        """`MNIST_example_KIND_NAME.json` and `.png`."""
        name = f"{PREFIX}_{self.kind}_{fingerprint([train.settings.name for train in self.trainings()])[:8]}"
        return {suffix: luigi.LocalTarget(str(self.figures_dir / f"{name}.{suffix}")) for suffix in ("json", "png")}

    def result(self) -> dict[str, Any]:
        """What was found, and where the figure is."""
        found = read_results(self.output()["json"].path, "examples")
        return {"figure": self.output()["png"].path, **found}

    def _write(self, found: dict[str, Any]) -> None:
        write_results(self.output()["json"].path, "examples", found)


class Scan(Summary):
    """The error against the number of dimensions."""

    ndims: luigi.Parameter[tuple[Any, ...]] = luigi.TupleParameter()
    kind = "scan"

    def trainings(self) -> list[Train]:
        """One for each number of dimensions."""
        return [Train(settings=self.settings.model_copy(update={"ndim": n}), **self.folders) for n in self.ndims]

    def run(self) -> None:
        """Collects results, adds the intrinsic dimension where scikit-dimension is installed, and draws."""
        trainings = self.trainings()
        digits = trainings[0].digits
        found = {"data": digits.name, "points": [_point(train) for train in trainings]}
        found["intrinsic"] = references.intrinsic_dimensions(digits.x_train, self.settings.seed) if references.can_estimate() else {}
        figures.scan_figure(found, Path(self.output()["png"].path))
        self._write(found)


class Comparison(Summary):
    """All architectures with all cost functions, at one number of dimensions."""

    kind = "comparison"

    def trainings(self) -> list[Train]:
        """One for each pair."""
        pairs = [(architecture, cost) for architecture in get_args(Architecture) for cost in get_args(Cost)]
        each = [self.settings.model_copy(update={"architecture": architecture, "cost": cost}) for architecture, cost in pairs]
        return [Train(settings=settings, **self.folders) for settings in each]

    def run(self) -> None:
        """Collects results and draws."""
        trainings = self.trainings()
        digits = trainings[0].digits
        found = {"data": digits.name, "points": [_point(train) for train in trainings]}
        decoded = [(_name(train.settings), train.decoded(self.settings.epochs)) for train in trainings]
        figures.comparison_figure(digits.x_test[digits.shown()], decoded, Path(self.output()["png"].path), digits.name)
        self._write(found)


def _name(settings: ExampleSettings) -> str:
    return f"{settings.architecture}\n{settings.cost.replace('_', ' ')}"


def _point(train: Train) -> dict[str, Any]:
    """Returns a result without what is the same for all trainings, and with what differs on top."""
    result = train.result()
    varied = {key: result["settings"][key] for key in ("ndim", "architecture", "cost", "quantised", "epochs")}
    return varied | {key: value for key, value in result.items() if key not in (*HEADER, "settings", "data")}
