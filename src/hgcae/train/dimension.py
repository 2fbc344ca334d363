"""One level trained again and again on the codes of frozen lower levels: what a scan of its code's size is made of.

A point of the scan is a level, a size of its code (numbers, bits, whether two of the numbers are the barycentre), a sample and a seed. All
points of a level and a sample see the same events and the same codes of the level below, which are made once and kept on disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry.detector import Detector, detector_of
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.presets import ConservingSettings
from hgcae.model.sparse import Codes, Tree
from hgcae.parallel import ahead
from hgcae.settings import Settings, fingerprint
from hgcae.simulate import GunSettings, SimulateSettings, simulate
from hgcae.store import Reader, write
from hgcae.store.arrays import read_arrays, write_arrays
from hgcae.train.batches import Batches
from hgcae.train.loop import StageLoop
from hgcae.train.losses import LossSettings
from hgcae.train.schedule import Stage, l1_schedule
from hgcae.train.sensitivity import sensitivity

_SENSITIVITY_EVENTS = 200

SAMPLES = {
    "electron": GunSettings(particles=("e-",)),
    "photon": GunSettings(particles=("gamma",)),
    "pion": GunSettings(particles=("pi-", "pi+")),
    "pair": GunSettings(particles=("e-",), count=(2, 2), separation_cm=10.0),
}
"""The events that are scanned by default; a pair is two electrons whose impacts are 10 cm apart."""


Numbers = Annotated[int, Field(ge=1)]
Bits = Annotated[int, Field(ge=2, le=16)]


class Grid(Settings):
    """Which sizes of a code are tried."""

    latent: tuple[Numbers, ...] = Field(default=(1, 2, 3, 4, 5, 6, 8, 12, 16), description="Numbers, all at `top_bits`.")
    bits: tuple[Bits, ...] = Field(default=(3, 4, 5, 6, 7, 8), description="Bits of each number, all with `at_latent` numbers.")
    corners: tuple[tuple[Numbers, Bits], ...] = Field(default=((4, 6), (6, 6), (16, 4), (16, 6)), description="Further numbers and bits.")
    learned: tuple[Numbers, ...] = Field(
        default=(3, 4, 8), description="Numbers at which a code without explicit barycentre is tried, too."
    )
    at_latent: Numbers = 8
    top_bits: Bits = 9
    seeds: int = Field(default=3, ge=1, description="Trainings of every size, from other random numbers.")

    def sizes(self) -> list[tuple[int, int, bool]]:
        """Returns numbers, bits and whether two of the numbers are the barycentre, without repetition; below three they cannot be."""
        plain = [(d, self.top_bits) for d in self.latent] + [(self.at_latent, b) for b in self.bits] + list(self.corners)
        sizes = [(d, b, d >= 3) for d, b in plain] + [(d, self.top_bits, False) for d in self.learned]
        return list(dict.fromkeys(sizes))


class LowerGrid(Grid):
    """The same for lower levels, more sparsely."""

    latent: tuple[Numbers, ...] = (1, 2, 3, 4, 6, 8, 12)
    bits: tuple[Bits, ...] = (5, 7)
    corners: tuple[tuple[Numbers, Bits], ...] = ()
    learned: tuple[Numbers, ...] = ()


class ScanSettings(Settings):
    """What `hgcae scan dimension` does."""

    samples: dict[str, GunSettings] = Field(default=SAMPLES, min_length=1, description="Events by name: what the gun shoots.")
    levels: tuple[str, ...] | None = Field(default=None, description="Levels that are scanned, the root first; default all.")
    root: Grid = Field(default=Grid(), description="Sizes of the code of the root.")
    others_root: Grid | None = Field(default=None, description="The same for all samples but the first; none = as for the first.")
    lower: LowerGrid = Field(default=LowerGrid(), description="Sizes of the codes of lower levels.")
    others_lower: LowerGrid | None = Field(default=None, description="The same for all samples but the first; none = as for the first.")
    n_train: int = Field(default=6000, ge=10, description="Events to train on, of each sample.")
    n_test: int = Field(default=2000, ge=10, description="Other events, to evaluate on.")
    epochs: float = Field(default=3, gt=0, description="Length of a training, in epochs of the level's stage of the preset l1.")
    copies: int = Field(default=12, ge=1, description="Showers of the same truth whose mean is the fluctuation floor.")
    intrinsic_points: int = Field(default=1000, ge=100, description="Events (or units) whose intrinsic dimension is estimated.")
    seed: int = Field(default=20, ge=0, description="Start of the random numbers of the samples.")

    @field_validator("samples")
    @classmethod
    def _names(cls, samples: dict[str, GunSettings]) -> dict[str, GunSettings]:
        if bad := [name for name in samples if not name.isidentifier()]:
            msg = f"{bad[0]!r} is no name for a file: use letters, digits and _"
            raise ValueError(msg)
        return samples


class PointSettings(Settings):
    """Everything that decides the result of a point; its fingerprint names its file."""

    base: str = Field(description="Checksum of the base model.")
    sample: str
    sample_fingerprint: str
    level: str
    latent: int
    bits: int
    barycentre: bool
    depth: bool
    seed: int
    epochs: float
    evaluation: str = Field(description="Fingerprint of how it is evaluated.")

    @property
    def size(self) -> tuple[int, int, bool]:
        """Numbers, bits, and whether two of the numbers are the barycentre."""
        return self.latent, self.bits, self.barycentre


@dataclass(frozen=True)
class FrozenModel:
    """The trained model whose lower levels stay as they are, with its detector.

    Raises:
        SettingsError: The model cannot be scanned: its codes hold no sums, or it is not one of whole events of a known detector.
    """

    model: Autoencoder
    checksum: str
    detector: Detector

    @classmethod
    def load(cls, run: Path) -> FrozenModel:
        """Loads the model of a run."""
        model = files.load(run)
        detector = detector_of(model.detector, run)
        if detector is None or detector.hierarchy != model.hierarchy:
            msg = f"{run}: holds a model of {model.hierarchy.root} units of no known detector, expected one of whole events"
            raise SettingsError(msg)
        if not model.conserves_charge:
            msg = f"{run}: holds a model of the preset {model.settings.preset}, expected one whose codes hold sums (l1)"
            raise SettingsError(msg)
        return cls(model, files.model_fingerprint(model), detector)


def plan(settings: ScanSettings, base: FrozenModel, evaluation: str) -> list[PointSettings]:
    """Returns the points of a scan, those of the same sample and level together, first seeds first.

    Raises:
        SettingsError: An unknown level.
    """
    hierarchy = base.model.hierarchy
    names = settings.levels or hierarchy.names[::-1]
    levels = [hierarchy.level(name).name for name in names]
    points = []
    for level, sample in product(levels, settings.samples):
        first, others = (settings.root, settings.others_root) if level == hierarchy.root else (settings.lower, settings.others_lower)
        grid = first if others is None or sample == next(iter(settings.samples)) else others
        made = sample_fingerprint(settings, sample, base.detector)
        chosen: Any = base.model.settings.levels[level]
        for seed, (latent, bits, wanted) in product(range(1, grid.seeds + 1), grid.sizes()):
            # A level whose children's places are unknown has none.
            barycentre = wanted and level in base.model.frames
            points.append(
                PointSettings(
                    base=base.checksum,
                    sample=sample,
                    sample_fingerprint=made,
                    level=level,
                    latent=latent,
                    bits=bits,
                    barycentre=barycentre,
                    depth=barycentre and chosen.depth and latent > 3,
                    seed=seed,
                    epochs=settings.epochs,
                    evaluation=evaluation,
                )
            )
    return list(dict.fromkeys(points))


def simulation(settings: ScanSettings, sample: str, detector: Detector, part: str) -> SimulateSettings:
    """Returns how the training or test events (`train`, `test`) of a sample are simulated."""
    return SimulateSettings(detector=detector.name, gun=settings.samples[sample], seed=2 * settings.seed + (part == "test"))


def sample_fingerprint(settings: ScanSettings, sample: str, detector: Detector) -> str:
    """Identifies the events of a sample."""
    parts = [simulation(settings, sample, detector, part).model_dump(mode="json") for part in ("train", "test")]
    return fingerprint([parts, settings.n_train, settings.n_test, detector.fingerprint()])


def make_sample(
    settings: ScanSettings, sample: str, detector: Detector, folder: Path, workers: int = 1, progress: Callable[[int], None] | None = None
) -> None:
    """Simulates the events of a sample, unless the folder holds them already."""
    for part, n in (("train", settings.n_train), ("test", settings.n_test)):
        path = _sample_path(folder, sample, part)
        how = simulation(settings, sample, detector, part)
        told = {"detector": detector.fingerprint(), "events": n}
        provenance = {"program": "hgcae scan dimension", "settings": how.model_dump(mode="json"), **told}
        if not path.exists() or Reader(path).provenance != provenance:
            write(path, simulate(how, n, workers=workers, progress=progress, detector=detector), provenance)


def _sample_path(folder: Path, sample: str, part: str) -> Path:
    return folder / "samples" / f"{sample}-{part}.parquet"


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
        events = Reader(_sample_path(folder, sample, part)).read()
        path = folder / "codes" / f"{sample}-{part}-{lower}.npz"
        parts.append((events, None if lower is None else known_codes(base, events, lower, path)))
    return parts


def known_codes(base: FrozenModel, events: Events, level: str, path: Path) -> Codes:
    """Returns the codes of a frozen level: those in the file, or new ones, which are put there."""
    content = zlib.crc32(events.cell.tobytes()), zlib.crc32(events.charge.tobytes())
    made = {"made": fingerprint([base.checksum, level, len(events), *content])}
    # What is damaged, or of other events, is made again.
    with suppress(FileNotFoundError, DataFormatError):
        header, arrays = read_arrays(path, *_CODES)
        if header == made:
            return Codes(level, len(events), **arrays)
    lower = base.model.hierarchy.below(level)
    below = None if lower is None else known_codes(base, events, lower, path.with_name(path.name.replace(f"-{level}.", f"-{lower}.")))
    codes = base.model.encode_events(events, level, below)
    write_arrays(path, *_CODES, made, {"event": codes.event, "unit": codes.unit, "code": codes.code, "empty": codes.empty})
    return codes


_CODES = ("codes of a frozen level", 1)
