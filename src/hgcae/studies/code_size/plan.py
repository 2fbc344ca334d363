"""Which sizes of codes are tried: levels, numbers, bits, samples, seeds; and the events they are tried on.

A point is a level, a size of its code (numbers, bits, whether two of the numbers are the barycentre), a sample and a seed. All points of a
level and a sample see the same events and the same codes of the level below, which are made once and kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from hgcae.geometry.detector import Detector
from hgcae.settings import Settings, fingerprint
from hgcae.simulate import GunSettings, SimulateSettings, simulate
from hgcae.store import Reader, write
from hgcae.studies.code_size.frozen import FrozenModel

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
        path = sample_path(folder, sample, part)
        how = simulation(settings, sample, detector, part)
        told = {"detector": detector.fingerprint(), "events": n}
        provenance = {"program": "hgcae scan dimension", "settings": how.model_dump(mode="json"), **told}
        if not path.exists() or Reader(path).provenance != provenance:
            write(path, simulate(how, n, workers=workers, progress=progress, detector=detector), provenance)


def sample_path(folder: Path, sample: str, part: str) -> Path:
    """Returns where the training or test events of a sample lie."""
    return folder / "samples" / f"{sample}-{part}.parquet"
