"""What all points of a sample and a level share, and the training of one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import Codes
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import root_xy_cm
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.presets import ConservingSettings
from hgcae.model.sparse import Tree
from hgcae.parallel import ahead
from hgcae.store import Reader
from hgcae.studies.code_size.frozen import FrozenModel, known_codes
from hgcae.studies.code_size.plan import PointSettings, sample_path
from hgcae.train.batches import Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage, l1_schedule
from hgcae.train.sensitivity import sensitivity

_SENSITIVITY_EVENTS = 200


@dataclass(frozen=True)
class LevelData:
    """What all points of a sample and a level share.

    Args:
        base: The frozen lower levels.
        level: The level that is trained.
        train: Training events.
        test: Events that are evaluated.
        below: Codes of the level below, of training and test events; None at the lowest level.
        tree: The training units with their children's codes.
        maximum: Range of the level's sums.
        cell_xy: Positions of the trigger cells of the root, cm: (n_cells, 2).
    """

    base: FrozenModel
    level: str
    train: Events
    test: Events
    below: tuple[Codes | None, Codes | None]
    tree: Tree
    maximum: float
    cell_xy: NDArray[np.float64] | None

    @classmethod
    def load(cls, base: FrozenModel, sample: str, level: str, folder: Path) -> LevelData:
        """Reads the events of a sample, and makes or reads the codes of the level below."""
        (train, train_codes), (test, test_codes) = make_codes(base, sample, level, folder)
        model = base.model
        weight = model.calibration.root_weight if level == model.hierarchy.root else None
        maximum = Calibration.measure([train], None if weight is None else np.asarray(weight)).maximum[level]
        tree = Tree.build(train, level, level, train_codes)
        cell_xy = root_xy_cm(model.hierarchy, base.detector)
        return cls(base, level, train, test, (train_codes, test_codes), tree, maximum, cell_xy)

    def encode(self, model: Autoencoder) -> tuple[Codes, Codes]:
        """Returns the codes of the level of the training and the test events."""
        train, test = (model.encode_events(e, self.level, b) for e, b in zip((self.train, self.test), self.below, strict=True))
        return train, test

    def train_level(self, point: PointSettings, progress: Callable[[float], None] = lambda _: None) -> tuple[Autoencoder, float]:
        """Trains the level at a point; returns the model with its heads fitted, and the mean loss of the last tenth of the steps."""
        model = self.base.model.with_level(self.level, self._settings(point), point.seed, self.maximum)
        stage = stage_of(model.hierarchy, self.level, point.epochs)
        lower = model.hierarchy.below(self.level) if stage.compare == "children" else None
        costs = None if lower is None else sensitivity(model, self.train[:_SENSITIVITY_EVENTS], lower)
        loop = StageLoop(model, stage, self.level, LossSettings(), self.cell_xy, sensitivity=costs)
        losses, rng = [], np.random.default_rng(point.seed)
        steps = stage.steps or 1
        batches = Batches(stage, self.tree, model.hierarchy)
        for batch in ahead(map(loop.place, batches.draw(rng, steps))):
            losses.append(loop.step(batch))
            progress(len(losses) / steps)
        loop.store_weights()
        return model, float(np.mean([float(loss) for loss in losses[-max(1, steps // 10) :]]))

    def _settings(self, point: PointSettings) -> ConservingSettings:
        chosen = self.base.model.settings.levels[self.level].model_dump()
        equal = {"sum_bits": None, "position_bits": None}
        changed = {"latent": point.latent, "bits": point.bits, "barycentre": point.barycentre, "depth": point.depth, **equal}
        return ConservingSettings.load(chosen | changed, source=f"point {point.fingerprint()}")


def stage_of(hierarchy: Hierarchy, level: str, epochs: float) -> Stage:
    """Returns the stage of a level in the preset `l1`, of so many epochs, as one: so the learning rate decays over all of them."""
    stage = l1_schedule(hierarchy, len(hierarchy.names)).stages[hierarchy.index(level)]
    return stage.model_copy(update={"epochs": 1, "steps": max(1, round((stage.steps or 1) * epochs))})


def make_codes(base: FrozenModel, sample: str, level: str, folder: Path) -> list[tuple[Events, Codes | None]]:
    """Returns training and test events of a sample, with their codes of the level below `level`; None under the lowest."""
    lower = base.model.hierarchy.below(level)
    parts = []
    for part in ("train", "test"):
        events = Reader(sample_path(folder, sample, part)).read()
        path = folder / "codes" / f"{sample}-{part}-{lower}.npz"
        parts.append((events, None if lower is None else known_codes(base, events, lower, path)))
    return parts
