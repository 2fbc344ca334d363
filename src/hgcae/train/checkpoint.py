"""Checkpoints: everything a run needs to go on as if it had not stopped, in one file that is replaced atomically."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError
from hgcae.model import files
from hgcae.settings import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """State after a whole number of epochs.

    Args:
        fingerprint: Of settings and training data; a run with others cannot resume from it.
        epoch: Number of finished epochs, over all stages.
        step: Number of finished optimisation steps.
        weights: Weights by name.
        optimiser: Variables of the optimiser, in its order.
    """

    fingerprint: str
    epoch: int
    step: int
    weights: dict[str, NDArray[Any]]
    optimiser: list[NDArray[Any]]

    def save(self, path: Path) -> None:
        """Writes the checkpoint."""
        header = np.frombuffer(json.dumps([self.fingerprint, self.epoch, self.step]).encode(), dtype=np.uint8)
        arrays = {f"weights/{k}": v for k, v in self.weights.items()} | {f"optimiser/{i:05d}": v for i, v in enumerate(self.optimiser)}
        with atomic_path(path) as temporary:
            temporary.write_bytes(files.pack({"header": header, **arrays}))

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> Checkpoint:
        """Reads a checkpoint.

        Raises:
            DataFormatError: Damaged (the container carries checksums), or not a checkpoint.
            SettingsError: Made with other settings or data.
        """
        try:
            arrays = files.unpack(path.read_bytes())
            found, epoch, step = json.loads(arrays.pop("header").tobytes())
        except _DAMAGE as error:
            raise DataFormatError(path, "contents", f"{type(error).__name__}: {error}", "a checkpoint of hgcae") from None
        if found != fingerprint:
            msg = f"{path.parent}: holds a run with other settings or other data; choose another folder, or remove this one to start again"
            raise SettingsError(msg)
        weights = {k.removeprefix("weights/"): v for k, v in arrays.items() if k.startswith("weights/")}
        optimiser = [arrays[k] for k in sorted(arrays) if k.startswith("optimiser/")]
        return cls(found, epoch, step, weights, optimiser)


_DAMAGE = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise for a file with any bit changed, or one that holds something else."""
