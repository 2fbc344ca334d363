"""Ways of merging neighbouring units, and their training: what `hgcae scan merge` compares.

A variant is the settings of the levels up to the last that is sent, and the stages that train them. Stages are kept in folders named by
what decides them, so variants with the same beginning share it: their common lower levels are trained once for each seed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings, l1_preset
from hgcae.settings import fingerprint
from hgcae.store import Reader
from hgcae.store.results import read_results_file, write_results_file
from hgcae.train.run import Split
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.trainer import Trainer, TrainSettings

CALIBRATION_EVENTS = 2000
"""Events that give the ranges of sums; they have 20 % of headroom."""
MONITOR_EVENTS = 100
"""Events at the end of the training sample on which only the loss is watched."""


@dataclass(frozen=True)
class Variant:
    """One way of merging.

    Args:
        name: Its name in the table.
        question: Which of the questions it answers: merge, training, bits.
        text: What it is, in a few words.
        levels: Settings of the levels, lowest first; the last one is sent.
        stages: What is trained when.
    """

    name: str
    question: str
    text: str
    levels: Mapping[str, ConservingSettings]
    stages: tuple[Stage, ...]

    @property
    def sent(self) -> str:
        """The level whose codes leave the detector."""
        return list(self.levels)[-1]

    def bits_per_event(self, hierarchy: Hierarchy) -> int:
        """Returns the bits of an event: all units of the level that is sent, occupied or not."""
        return self.levels[self.sent].bits_per_unit * hierarchy.n_units(self.sent)

    def link_bits(self) -> dict[str, int]:
        """Returns the bits of a code on its way from each level to the next, and of the one that is sent."""
        return {name: level.bits_per_unit for name, level in self.levels.items()}

    def settings(self, seed: int, data: str) -> dict[str, Any]:
        """Returns what decides the outcome, as plain values; their fingerprint names the point."""
        return {**_decisive(self.levels, self.stages, seed, data), "name": self.name}


def variants(hierarchy: Hierarchy, length: float = 1.0) -> tuple[Variant, ...]:
    """Returns all variants; the first is what the package does, to which the others are compared.

    Args:
        hierarchy: Levels of the detector, ROC, MODULE and TRIPLET lowest.
        length: Factor on the steps of all stages.
    """
    preset = l1_preset(hierarchy).levels
    roc, module, triplet = (level for level in list(preset.values())[:3] if isinstance(level, ConservingSettings))
    first, second, third = (_alone(name, length) for name in hierarchy.names[:3])
    # Without a third stage, the second gets its time as well.
    longer = second.model_copy(update={"epochs": second.epochs * 2})
    staged = (first, second, third)
    cut = (first, second, third.model_copy(update={"epochs": 1}))
    upper, lower = ("MODULE", "TRIPLET"), ("ROC", "MODULE", "TRIPLET")

    def merged(name: str, question: str, text: str, stages: Sequence[Stage] = staged, **changes: Mapping[str, object]) -> Variant:
        levels = {"ROC": roc, "MODULE": module, "TRIPLET": triplet}
        levels = {level: each.model_copy(update=changes.get(level, {})) for level, each in levels.items()}
        return Variant(name, question, text, levels, tuple(stages))

    def flat(name: str, text: str, **changes: object) -> Variant:
        return Variant(name, "merge", text, {"ROC": roc, "MODULE": module.model_copy(update=changes)}, (first, longer))

    return (
        merged("merged", "merge", "ROC, module, triplet; each level alone"),
        flat("flat 4 x 6", "no triplets: sum, barycentre, one number of each module", latent=4, bits=6),
        flat("flat 3 x 8", "no triplets: sum and two numbers of each module", latent=3, bits=8, barycentre=False),
        merged("joint", "training", "module and triplet in one stage", (first, _joint(upper, length, 1.0))),
        merged("joint, all", "training", "ROC, module and triplet in one stage", (_joint(lower, length, 1.5),)),
        merged(
            "charges last",
            "training",
            "each alone, the triplet at last through charges",
            (*cut, _fine(upper[1:], length)),
        ),
        merged("staged + joint", "training", "each alone, then both together", (*cut, _fine(upper, length))),
        merged("ROC 4 x 9", "bits", "narrow codes inside: 36 bits of a ROC", ROC={"latent": 4}),
        merged("ROC 12 x 9", "bits", "wide codes inside: 108 bits of a ROC", ROC={"latent": 12}),
        merged("module 4 x 9", "bits", "narrow codes inside: 36 bits of a module", MODULE={"latent": 4}),
        merged("module 12 x 9", "bits", "wide codes inside: 108 bits of a module", MODULE={"latent": 12}),
        merged("triplet 6 x 12", "bits", "fewer, finer numbers", TRIPLET={"latent": 6, "bits": 12}),
        merged("triplet 12 x 6", "bits", "more, coarser numbers", TRIPLET={"latent": 12, "bits": 6}),
        merged("triplet 18 x 4", "bits", "many, very coarse numbers", TRIPLET={"latent": 18, "bits": 4}),
        flat("flat 8 x 9", "no triplets, three times the bits"),
        merged("merged 24 x 9", "merge", "triplets at three times the bits", TRIPLET={"latent": 24}),
    )


def _alone(name: str, length: float) -> Stage:
    """Returns the stage of a level that learns alone, as in the schedule of `l1`: about equal times each."""
    steps, rate, compare = {"ROC": (1000, 6e-3, "cells"), "MODULE": (600, 6e-3, "cells"), "TRIPLET": (900, 8e-3, "children")}[name]
    values = _STAGE | {"steps": max(1, round(steps * length)), "batch": 256, "learning_rate": rate, "compare": compare}
    return Stage(loss_level=name, trains=(name,), **values)


def _joint(trains: tuple[str, ...], length: float, times: float) -> Stage:
    """Returns the stage of levels that learn together through charges; `times` the steps that take as long as theirs alone."""
    values = _STAGE | {"steps": max(1, round(_JOINT_STEPS * times * length)), "batch": 128, "learning_rate": 4e-3, "strongest": 4}
    return Stage(loss_level=trains[-1], trains=trains, **values)


def _fine(trains: tuple[str, ...], length: float) -> Stage:
    return _joint(trains, length, 0.5).model_copy(update={"epochs": 1, "learning_rate": 1e-3})


_STAGE: dict[str, Any] = {"epochs": 2, "decay": True, "sampling": "charge"}
_JOINT_STEPS = 300
"""Steps of 128 triplets in an epoch that take as long as an epoch of modules and one of triplets alone, roughly."""


@dataclass(frozen=True)
class StageCache:
    """What trains variants: sample, detector, and the folder in which stages are kept.

    Args:
        train: Parquet file of training events of the detector.
        detector: The detector.
        folder: Where the stages lie.
    """

    train: Path
    detector: Detector
    folder: Path

    def stages_of(self, variant: Variant, seed: int) -> tuple[str, ...]:
        """Returns the names of the stages of a variant, first to last; equal names are equal work."""
        data = self.data_fingerprint()
        return tuple(
            fingerprint(_decisive(_levels_of(variant, number), variant.stages[:number], seed, data))
            for number in range(1, len(variant.stages) + 1)
        )

    def data_fingerprint(self) -> str:
        """Identifies the training sample."""
        reader = Reader(self.train)
        return fingerprint([len(reader), reader.content_fingerprint, self.detector.fingerprint()])

    def trained(self, variant: Variant, seed: int, stages: int | None = None) -> tuple[Autoencoder, float]:
        """Returns the trained model of a variant and the processor seconds that all its stages took; trains what is not yet there.

        Args:
            variant: The variant.
            seed: Start of the random numbers.
            stages: Only so many of its stages; None = all.

        Raises:
            HgcaeError: The folder is damaged, or a variant cannot be trained.
        """
        seconds = 0.0
        weights: dict[str, Any] = {}
        names = self.stages_of(variant, seed)[:stages]
        for number, name in enumerate(names, 1):
            folder = self.folder / name
            if not (folder / "stage.json").exists():
                model = self._model(_levels_of(variant, number), seed)
                _check_lower(model, weights, _levels_of(variant, number - 1) if weights else {}, self.folder / names[number - 2])
                files.set_weight_arrays(model, files.weight_arrays(model) | weights)
                self._train(model, variant.stages[number - 1], seed, folder)
            weights = files.load_weights(folder)
            seconds += _seconds(folder / "stage.json")
        model = self._model(_levels_of(variant, len(names)), seed)
        files.set_weight_arrays(model, weights, self.folder / names[-1])
        return model, seconds

    def _train(self, model: Autoencoder, stage: Stage, seed: int, folder: Path) -> None:
        start, reader = time.process_time(), Reader(self.train)
        edge = max(1, len(reader) - min(MONITOR_EVENTS, len(reader) // 5))
        xy = root_xy_cm(self.detector.hierarchy, self.detector)
        options = TrainSettings(schedule=Schedule(stages=(stage,)), seed=seed)
        sample, monitor = Split(reader, 0, edge), Split(reader, edge, len(reader))
        trainer = Trainer(model, options, sample, monitor.take(0, len(monitor)), xy, folder, self.data_fingerprint())
        trainer.train_stages()
        done = {"cpu_seconds": time.process_time() - start, "loss_test": trainer.history[-1]["loss_test"]}
        write_results_file(folder / "stage.json", done)

    def _model(self, levels: Mapping[str, ConservingSettings], seed: int) -> Autoencoder:
        """Returns a fresh model of the levels; lower ones start alike whatever stands above them."""
        whole = self.detector.hierarchy
        hierarchy = whole.rooted(list(levels)[-1])
        xy = root_xy_cm(whole, self.detector)
        calibration = _calibration(self.train, self.data_fingerprint())
        settings = ModelSettings(preset="merging", levels={**levels})
        return Autoencoder(hierarchy, settings, calibration, frames(hierarchy, xy), seed, self.detector.identity)


@lru_cache(maxsize=1)
def _calibration(path: Path, fingerprint: str) -> Calibration:  # noqa: ARG001 - another sample at the same place is measured again
    reader = Reader(path)
    return Calibration.measure(Split(reader, 0, min(len(reader), CALIBRATION_EVENTS)).chunks())


def _check_lower(model: Autoencoder, weights: Mapping[str, Any], levels: Mapping[str, ConservingSettings], folder: Path) -> None:
    """Checks that the weights of a finished stage are all those of its levels: only what lies above them starts anew.

    Raises:
        DataFormatError: Some are missing or left over.
    """
    expected = {key for key in files.weight_arrays(model) if key.split("/")[0] in levels}
    if set(weights) != expected:
        difference = sorted(set(weights) ^ expected)
        raise DataFormatError(folder, "weights", f"a difference in {', '.join(difference[:3])}", f"all of {', '.join(levels)}")


def _seconds(path: Path) -> float:
    """Reads the processor seconds of a stage."""
    return float(read_results_file(path, "the seconds of a stage; remove its folder to train it again")["cpu_seconds"])


def _levels_of(variant: Variant, number: int) -> dict[str, ConservingSettings]:
    """Returns the levels that the first stages of a variant need."""
    names = list(variant.levels)
    top = max(names.index(stage.loss_level) for stage in variant.stages[:number])
    return {name: variant.levels[name] for name in names[: top + 1]}


def _decisive(levels: Mapping[str, ConservingSettings], stages: Sequence[Stage], seed: int, data: str) -> dict[str, Any]:
    return {
        "model": files.VERSION,
        "levels": {name: level.model_dump(mode="json") for name, level in levels.items()},
        "stages": [stage.model_dump(mode="json") for stage in stages],
        "seed": seed,
        "data": data,
    }
