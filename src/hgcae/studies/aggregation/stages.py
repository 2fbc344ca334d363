"""Training of variants, stage by stage.

Stages are kept in folders named by what decides them, so variants with the same beginning share it: their common lower levels are trained
once for each seed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.geometry.detector import Detector
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings
from hgcae.settings import fingerprint
from hgcae.store import Reader
from hgcae.store.results import read_results, write_results
from hgcae.studies.aggregation.variants import Variant, decisive, levels_of
from hgcae.train.run import Split
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.trainer import Trainer, TrainSettings

CALIBRATION_EVENTS = 2000
"""Events that give the ranges of sums; they have 20 % of headroom."""
MONITOR_EVENTS = 100
"""Events at the end of the training sample on which only the loss is watched."""


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
            fingerprint(decisive(levels_of(variant, number), variant.stages[:number], seed, data))
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
                model = self._model(levels_of(variant, number), seed)
                _check_lower(model, weights, levels_of(variant, number - 1) if weights else {}, self.folder / names[number - 2])
                files.set_weight_arrays(model, files.weight_arrays(model) | weights)
                self._train(model, variant.stages[number - 1], seed, folder)
            weights = files.load_weights(folder)
            seconds += _seconds(folder / "stage.json")
        model = self._model(levels_of(variant, len(names)), seed)
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
        write_results(folder / "stage.json", "stage", done)

    def _model(self, levels: Mapping[str, ConservingSettings], seed: int) -> Autoencoder:
        """Returns a fresh model of the levels; lower ones start alike whatever stands above them."""
        whole = self.detector.hierarchy
        hierarchy = whole.rooted(list(levels)[-1])
        xy = root_xy_cm(whole, self.detector)
        calibration = _calibration(self.train, self.data_fingerprint())
        settings = ModelSettings(preset="aggregation", levels={**levels})
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
    return read_results(path, "stage")["cpu_seconds"]
