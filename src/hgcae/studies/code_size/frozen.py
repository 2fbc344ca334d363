"""The base of a scan: a trained model whose lower levels stay as they are, and its codes of events."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hgcae.codes import Codes
from hgcae.errors import DataFormatError, SettingsError
from hgcae.events import Events
from hgcae.geometry.detector import Detector, detector_of
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.settings import fingerprint
from hgcae.store.codes import read_codes, write_codes


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


def known_codes(base: FrozenModel, events: Events, level: str, path: Path) -> Codes:
    """Returns the codes of a frozen level: those in the file, or new ones, which are put there."""
    content = zlib.crc32(events.cell.tobytes()), zlib.crc32(events.charge.tobytes())
    made = {"made": fingerprint([base.checksum, level, len(events), *content])}
    # What is damaged, or of other events, is made again.
    with suppress(FileNotFoundError, DataFormatError):
        codes, known = read_codes(path)
        if known == made:
            return codes
    lower = base.model.hierarchy.below(level)
    below = None if lower is None else known_codes(base, events, lower, path.with_name(path.name.replace(f"-{level}.", f"-{lower}.")))
    codes = base.model.encode_events(events, level, below)
    write_codes(path, codes, made)
    return codes
