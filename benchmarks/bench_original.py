"""The original network trained by TensorFlow + QKeras and by hgcae, and the default preset, on the same electrons: `make docs-original`.

    python benchmarks/bench_original.py --peer PYTHON -o FOLDER

Parts that are finished are kept: the same command resumes. FOLDER/original.json is what `docs/build.py original` reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import bench_train
import machine
import numpy as np
import reference
import typer

from hgcae import store
from hgcae.cli.original import original_settings
from hgcae.codec.events import sent
from hgcae.codec.simple import fitted
from hgcae.coding.floatcode import DROPPED_BITS, FLOAT_4E3M
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.files import set_weight_arrays
from hgcae.simulate import GunSettings, SimulateSettings, simulate
from hgcae.sources import DigiPickle
from hgcae.train.run import RunSettings, prepare
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.trainer import Trainer

COMMAND = Path(__file__).parents[1] / "train_experimental_cnn.py"
LATENT = 8
COURSE_EVENTS, COURSE_SEED, COURSE_BATCH, COURSE_EPOCHS = 96, 3, 8, 9
LONG_EVENTS, LONG_SEED, LONG_BATCH = 4000, 13, 4
JUDGED_EVENTS, JUDGED_SEED = 200, 14
ALONE = {"ROC": 2, "MODULE": 2, "TRIPLET": 2, "STAGE1": 2, "STAGE2": 4}
"""Epochs of each level alone: 196 to 600 in the original table."""
SIMPLE = ("largest_cells", "best_choice_spread")
"""Simple codes that the networks have to beat."""
EMPTY_SHARE = {"STAGE1": 0.03, "STAGE2": 0.03}


def long_schedule() -> Schedule:
    """Returns the original table, shortened: a joint epoch for each level but the lowest, then each level alone."""
    names = PROTOTYPE.names

    def stage(level: str, trains: tuple[str, ...], epochs: int) -> Stage:
        return Stage(loss_level=level, trains=trains, epochs=epochs, batch=LONG_BATCH, empty_share=EMPTY_SHARE.get(level, 1.0))

    joint = [stage(name, names[: i + 1], 1) for i, name in reversed(list(enumerate(names))) if i]
    return Schedule(stages=(*joint, *(stage(name, (name,), n) for name, n in ALONE.items())))


def sample(folder: Path, n: int, seed: int) -> Path:
    """Returns a file of simulated electrons of 1 to 500 GeV, flat in energy."""
    path = folder / f"electrons{n}-{seed}.parquet"
    if not path.exists():
        settings = SimulateSettings(gun=GunSettings(energy_gev=(1.0, 500.0)), seed=seed)
        store.write(path, simulate(settings, n), {"settings": settings.model_dump(mode="json")})
    return path


def train(trainer: Trainer) -> list[dict[str, Any]]:
    """Trains, from where the folder's training is; returns its history with processor time, by epoch."""
    path = trainer.folder / "seconds.json"
    spent: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    before = time.process_time()

    def on_epoch(_: Trainer, row: dict[str, Any]) -> None:
        nonlocal before
        spent[str(row["epoch"])] = time.process_time() - before
        before = time.process_time()
        path.write_text(json.dumps(spent), encoding="utf-8")
        print(f"  epoch {row['epoch']} {row['loss_level']}: {row['loss_train']:.5f} {row['loss_test']:.5f}", flush=True)

    trainer.on_epoch = on_epoch
    trainer.train_stages()
    return [row | {"cpu_seconds": spent.get(str(row["epoch"]))} for row in trainer.history]


def course(folder: Path, python: Path) -> dict[str, Any]:
    """A short training on a pickle by the original command, and by the reference from the same weights: test losses after every epoch."""
    data, model = folder / "course.pickle", folder / "course"
    DigiPickle("codes").write(data, [store.Reader(sample(folder, COURSE_EVENTS, COURSE_SEED)).read()])
    options = ["--batchSize", str(COURSE_BATCH), "--NEpochs", str(COURSE_EPOCHS), "--GPU", "-1"]
    outputs = ["--modelFile", str(model), "--costFigure", str(folder / "course.png"), "--animFile", str(folder / "course.gif")]
    subprocess.run([sys.executable, COMMAND, "--dataTrain", data, *options, *outputs], check=True)
    trainer = prepare(original_settings(model / "events.parquet", COURSE_BATCH, LATENT), model)
    start = start_of(trainer)
    return {
        "reference": cached(folder / "course-reference.json", lambda: peer(python, start, trainer, COURSE_EPOCHS, COURSE_BATCH)),
        "hgcae": [json.loads(line) for line in (model / "history.jsonl").read_text(encoding="utf-8").splitlines()],
        "zero": zero_loss(trainer.model, trainer.test),
    }


def peer(
    python: Path, model: Autoencoder, trainer: Trainer, epochs: int, batch: int, most: int | None = None, weights: Path | None = None
) -> dict[str, Any]:
    """Runs the reference on a trainer's events and the first epochs of its table."""
    stages, left = [], epochs
    for stage in trainer.settings.schedule.stages:
        n = min(stage.epochs, left)
        left -= n
        stages += [{"level": stage.loss_level, "trains": stage.trains, "epochs": n}] if n else []
    events = trainer.train.take(0, most or len(trainer.train))
    return reference.run(python, model, events, trainer.test, {"batch": batch, "stages": stages}, weights)


def long_trainer(folder: Path) -> Trainer:
    """Returns the trainer of the long training by hgcae."""
    path = sample(folder, LONG_EVENTS, LONG_SEED)
    return prepare(RunSettings(input=str(path), preset="original", schedule=long_schedule()), folder / "long")


def long(folder: Path) -> dict[str, Any]:
    """The long training by hgcae."""
    trainer = long_trainer(folder)
    return {"history": train(trainer), "zero": zero_loss(trainer.model, trainer.test)}


def long_reference(folder: Path, python: Path, events: int) -> dict[str, Any]:
    """The first epochs of the long training by the reference, from the same weights, on the first of the same events."""
    trainer, weights = long_trainer(folder), folder / "long-reference.npz"
    found = cached(
        folder / "long-reference.json",
        lambda: peer(python, start_of(trainer), trainer, len(PROTOTYPE.names), LONG_BATCH, events, weights),
    )
    return found | {"events": events}


def start_of(trainer: Trainer) -> Autoencoder:
    """Returns the model of a run of the original preset with its initial weights."""
    return Autoencoder(PROTOTYPE, trainer.model.settings, trainer.model.calibration, {}, trainer.settings.seed)


def default(folder: Path) -> dict[str, Any]:
    """The default preset on the same events."""
    return {"history": train(prepare(RunSettings(input=str(sample(folder, LONG_EVENTS, LONG_SEED))), folder / "l1"))}


def levels(folder: Path) -> dict[str, Any]:
    """Losses by level of other events, of all that were trained."""
    evaluated = store.Reader(sample(folder, JUDGED_EVENTS, JUDGED_SEED)).read()
    mine, weights = files.load(folder / "long"), folder / "long-reference.npz"
    found = {"zero": zero_loss(mine, evaluated), "hgcae": losses(mine.reconstruct, mine, evaluated)}
    theirs = files.load(folder / "long")
    with np.load(weights) as file:
        set_weight_arrays(theirs, {name: _like(theirs, name, array) for name, array in file.items()}, weights)
    l1 = files.load(folder / "l1")
    found |= {"reference": losses(theirs.reconstruct, mine, evaluated), "l1": losses(l1.reconstruct, mine, evaluated)}
    return found | simple_codes(mine, evaluated, store.Reader(sample(folder, LONG_EVENTS, LONG_SEED)).read())


def simple_codes(original: Autoencoder, evaluated: Events, train: Events) -> dict[str, dict[str, float]]:
    """Losses by level of simple codes at the bits of the original, fitted to the same training events."""
    found = {}
    for name in SIMPLE:
        codes = {level: fitted(name, train, level, original.bits_per_unit(level)) for level in PROTOTYPE.names}
        found[name] = losses(lambda events, level, codes=codes: sent(events, codes[level], level)[0], original, evaluated)
    return found


def _like(model: Autoencoder, name: str, array: Any) -> Any:
    """Returns a kernel of the reference in hgcae's shape: convolutions are dense kernels over windows here."""
    level, kind, number = name.split("/")
    return array.reshape(getattr(model.level(level), kind).trainable_variables[int(number)].shape)


def losses(decoded_from: Callable[[Events, str], Events], original: Autoencoder, events: Events) -> dict[str, float]:
    """Returns the mean squared error of the digi of events that were decoded from each level."""
    true = original.digi(events).to_dense().reshape(len(events), -1)
    found = {}
    for name in PROTOTYPE.names:
        total = 0.0
        for first in range(0, len(events), 20):
            decoded = decoded_from(events[first : first + 20], name).to_dense().reshape(-1, true.shape[1])
            whole = np.arange(1 << FLOAT_4E3M.bits)
            codes = np.interp(decoded, FLOAT_4E3M.decode(whole, DROPPED_BITS), whole)
            total += float(np.square(codes - true[first : first + 20]).sum())
        found[name] = total / true.size
    return found


def zero_loss(model: Autoencoder, events: Events) -> float:
    """Returns the loss of a decoder that gives nothing."""
    codes = model.digi(events).charge.astype(np.float64)
    return float(np.square(codes).sum()) / (len(events) * events.hierarchy.n_cells())


def cached(path: Path, make: Any) -> dict[str, Any]:
    """Returns what was written before, or makes and writes it."""
    if not path.exists():
        path.write_text(json.dumps(make()), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def main(
    peer_python: Annotated[Path, typer.Option("--peer", help="Interpreter of an environment that has TensorFlow and QKeras.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of samples, trainings and results.")],
    reference_events: Annotated[int, typer.Option(help="Events of the long sample on which the reference trains.")] = 80,
) -> None:
    """Trains all, compares, and writes FOLDER/original.json, after every part."""
    output.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"machine": machine.machine(), "versions": machine.versions()}
    parts = {
        "same": lambda: cached(output / "same.json", lambda: bench_train.same(peer_python)),
        "course": lambda: course(output, peer_python),
        "long": lambda: long(output),
        "long_reference": lambda: long_reference(output, peer_python, reference_events),
        "l1": lambda: default(output),
        "levels": lambda: levels(output),
    }
    for name, part in parts.items():
        result[name] = part()
        (output / "original.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
