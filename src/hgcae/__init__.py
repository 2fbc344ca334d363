"""hgcae: hierarchical quantised autoencoders for the CMS HGCAL trigger.

Light to import: nothing here loads keras, jax or matplotlib. `load` does, when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hgcae.errors import BitExactError, DataFormatError, GeometryError, HgcaeError, MissingToolError, SettingsError, WorkerError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy, Level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from hgcae.events import DigiKind
    from hgcae.model.autoencoder import Autoencoder

__version__ = "0.1.0"
__all__ = [
    "BitExactError",
    "DataFormatError",
    "Detector",
    "Events",
    "GeometryError",
    "HgcaeError",
    "Hierarchy",
    "Level",
    "MissingToolError",
    "SettingsError",
    "WorkerError",
    "load",
    "read",
    "write",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def load(path: str | Path) -> Autoencoder:
    """Loads a saved model: the folder that `hgcae train` wrote (or its `model` folder).

    Raises:
        DataFormatError: There is none, or it is damaged or of an older version.
    """
    from hgcae.model import files

    return files.load(path)


def read(path: str | Path, digi: DigiKind | None = None) -> Events:
    """Reads all events of a file: hgcae's Parquet, a pickle of `digi` and `meta`, or a csv of CMS modules.

    Args:
        path: The file.
        digi: Whether a pickle holds codes or charges; None: whole numbers up to 127 are codes.

    Raises:
        DataFormatError: The format is unknown, or the file is not as it should be.
    """
    from hgcae.sources import read_events

    return Events.concatenate(list(read_events(path, digi=digi)))


def write(path: str | Path, events: Events, provenance: Mapping[str, Any] | None = None) -> None:
    """Writes events in the format that the ending of the name says, whole or not at all.

    Args:
        path: The file: .parquet (hgcae's own), .pickle or .csv.
        events: The events.
        provenance: What made them; only Parquet keeps it.

    Raises:
        DataFormatError: The format is unknown or cannot hold the events.
    """
    from hgcae.sources import write_events

    write_events(path, [events], provenance)
