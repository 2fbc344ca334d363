"""Checkpoints: everything a run needs to continue as if it had not stopped, in one file that is replaced atomically.

The checkpoint of a folder decides what the run has done, its history included: `history.jsonl` is made from it, for people and other
programs. So a kill between two files of an epoch, or a change of the history, is of no consequence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError
from hgcae.outputs import atomic_path
from hgcae.store.arrays import read_arrays, write_arrays

KIND, VERSION = "a checkpoint of hgcae", 1
NAME, HISTORY = "checkpoint.npz", "history.jsonl"


@dataclass(frozen=True)
class Checkpoint:
    """State after a whole number of epochs.

    Args:
        fingerprint: Of settings and training data; a run with others cannot resume from it.
        epoch: Number of finished epochs, over all stages.
        step: Number of finished optimisation steps.
        weights: Weights by name.
        optimiser: Variables of the optimiser, in its order.
        history: One row per finished epoch.
    """

    fingerprint: str
    epoch: int
    step: int
    weights: Mapping[str, NDArray[Any]]
    optimiser: Sequence[NDArray[Any]]
    history: Sequence[dict[str, Any]]

    def save(self, folder: Path) -> None:
        """Writes the checkpoint of a folder, then the history."""
        header = {name: getattr(self, name) for name in ("fingerprint", "epoch", "step")} | {"history": list(self.history)}
        arrays = {f"weights/{k}": v for k, v in self.weights.items()} | {f"optimiser/{i:05d}": v for i, v in enumerate(self.optimiser)}
        write_arrays(folder / NAME, KIND, VERSION, header, arrays)
        self.write_history(folder)

    def write_history(self, folder: Path) -> None:
        """Writes `history.jsonl`, one row a line."""
        with atomic_path(folder / HISTORY) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in self.history), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """Reads the checkpoint of a folder, whatever run it is of; None where none was ever written.

        Raises:
            DataFormatError: Damaged, lost (there is a history), not a checkpoint, or of an older version.
            OSError: The file cannot be read.
        """
        path = folder / NAME
        if not path.exists():
            if (folder / HISTORY).exists():
                raise DataFormatError(path, "file", f"none next to {HISTORY}", "the checkpoint; remove the folder to start again")
            return None
        header, arrays = read_arrays(path, KIND, VERSION)
        weights = {k.removeprefix("weights/"): v for k, v in arrays.items() if k.startswith("weights/")}
        optimiser = [arrays[k] for k in sorted(arrays) if k.startswith("optimiser/")]
        try:
            return cls(**header, weights=weights, optimiser=optimiser)
        except TypeError as error:
            raise DataFormatError(path, "header", str(error), KIND) from None

    @classmethod
    def load(cls, folder: Path, fingerprint: str) -> Checkpoint | None:
        """Reads the checkpoint of a run; None where none was ever written.

        Raises:
            DataFormatError: Damaged, lost, not a checkpoint, or of an older version.
            SettingsError: Made with other settings or data.
        """
        checkpoint = cls.read(folder)
        if checkpoint is not None and checkpoint.fingerprint != fingerprint:
            msg = f"{folder}: holds a run with other settings or other data; choose another folder, or remove this one to start again"
            raise SettingsError(msg)
        return checkpoint


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Returns the rows of the finished epochs of a run, as its checkpoint tells them; none before the first.

    Raises:
        DataFormatError: The checkpoint is damaged or lost.
    """
    checkpoint = Checkpoint.read(folder)
    return [] if checkpoint is None else list(checkpoint.history)
