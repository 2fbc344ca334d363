"""What an autoencoder is made of: a hierarchy of levels, each an encoder and a decoder, with what they were made from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.calibration import Calibration
from hgcae.model.compiled import CompiledLevel
from hgcae.model.conserving import ConservingLevel
from hgcae.model.frames import Frame
from hgcae.model.heads import Heads
from hgcae.model.initial import initialise
from hgcae.model.level import LevelModel
from hgcae.model.plain import PlainLevel
from hgcae.model.presets import ConservingSettings, ModelSettings, PlainSettings, check_levels
from hgcae.model.runtime import neutral
from hgcae.model.training_data import TrainingData


class Assembly:
    """Levels of an autoencoder; `Autoencoder` runs them.

    Args:
        hierarchy: Levels; the root is what the model was trained on.
        settings: Widths, formats and latent dimensions.
        calibration: Ranges of the sums.
        frames: Positions of the children of each level, see `hgcae.model.frames`; empty where they are unknown.
        seed: Seed of the initial weights.
        detector: Name and fingerprint of the detector, None where unknown.

    Raises:
        SettingsError: The settings describe other levels than the hierarchy.
    """

    @neutral()
    def __init__(
        self,
        hierarchy: Hierarchy,
        settings: ModelSettings,
        calibration: Calibration,
        frames: Mapping[str, Frame],
        seed: int = 0,
        detector: tuple[str, str] | None = None,
    ) -> None:
        check_levels(settings, hierarchy)
        self.hierarchy, self.settings, self.calibration, self.detector = hierarchy, settings, calibration, detector
        self.frames = dict(frames)
        self.heads = Heads()
        self.trained_on: TrainingData | None = None
        self.levels: dict[str, LevelModel] = {}
        below: Any = None
        for level in hierarchy.levels:
            chosen = settings.levels[level.name]
            if isinstance(chosen, PlainSettings):
                below = PlainLevel(level.name, level.shape, chosen, below)
            else:
                below = self._conserving_level(level.name, level.children, chosen, below)
            self.levels[level.name] = below
        initialise(self.levels.values(), seed)
        self._compiled = {name: CompiledLevel(level) for name, level in self.levels.items()}

    def __repr__(self) -> str:
        """Levels with the bits of their codes, in one line."""
        levels = ", ".join(f"{name} {self.bits_per_unit(name)} bits" for name in self.hierarchy.names)
        return f"{type(self).__name__}({levels}{f', detector {self.detector[0]}' if self.detector else ''})"

    def _conserving_level(self, name: str, children: int, settings: ConservingSettings, below: ConservingLevel | None) -> ConservingLevel:
        weight = self.calibration.root_weight if name == self.hierarchy.root else None
        child_weight = None if weight is None else np.asarray(weight)
        maximum, lsb = self.calibration.maximum[name], self.calibration.lsb
        return ConservingLevel(name, children, settings, below, self.frames.get(name), maximum, lsb, child_weight)

    @neutral()
    def with_level(self, name: str, settings: ConservingSettings, seed: int, maximum: float | None = None) -> Self:
        """Returns a model with a new, untrained level above the lower levels of this one, which both models share.

        Upper levels are left out, because they were made for other children; so such a model lives in memory only. Heads are not fitted.

        Args:
            name: The level; it and all below it keep their sums.
            settings: Its settings.
            seed: Seed of its initial weights.
            maximum: Range of its sums, ADC counts (weighted at the root); None = as in this model.
        """
        name, model = self.level(name).name, copy.copy(self)
        if maximum is not None:
            model.calibration = replace(self.calibration, maximum={**self.calibration.maximum, name: maximum})
        lower = self.hierarchy.names[: self.hierarchy.index(name)]
        model.settings = self.settings.model_copy(update={"levels": {**self.settings.levels, name: settings}})
        model.levels = {n: self.levels[n] for n in lower}
        # What lower levels have compiled serves all models that stand on them.
        model._compiled = {n: self._compiled[n] for n in lower}  # noqa: SLF001 - a copy of this model
        below: Any = model.levels[lower[-1]] if lower else None
        model.levels[name] = model._conserving_level(name, self.hierarchy.level(name).children, settings, below)  # noqa: SLF001
        model._compiled[name] = CompiledLevel(model.levels[name])  # noqa: SLF001
        model.heads = Heads()
        initialise([model.levels[name]], seed)
        return model

    @property
    def conserves_charge(self) -> bool:
        """Whether codes carry charge sums (`l1`), so that empty units decode to nothing."""
        return all(isinstance(level, ConservingLevel) for level in self.levels.values())

    def bits_per_unit(self, level: str) -> int:
        """Returns the exact number of bits of the code of one unit of a level."""
        return self.level(level).bits_per_unit

    def level(self, name: str) -> LevelModel:
        """Returns the encoder and decoder of a level."""
        return self.levels[self.hierarchy.level(name).name]

    def run(self, action: str, name: str, x: NDArray[Any], *more: NDArray[Any]) -> NDArray[np.float32]:
        """Applies `encode`, `state`, `code` or `decode` of a level to any number of rows, see `CompiledLevel.run`."""
        return self._compiled[self.level(name).name].run(action, x, *more)
