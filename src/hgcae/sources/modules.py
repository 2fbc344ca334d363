"""Samples of modules to train and evaluate module codecs on: integer charges of 48 trigger cells in CALQ order, in two halves."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError, unknown
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.cms_npz import EM_PLANES, CmsNpz

SAMPLES: Mapping[str, str] = {
    "events": "cms_events/events_00-59.npz",
    "electron": "cms_modules/electron_pt20_eta15-30_0PU.csv",
    "ttbar": "cms_modules/ttbar_0PU.csv",
}
"""Files of the samples below the folder of real data. `events` look like 200 proton collisions at once; the others are single ones."""
TEST_EVENTS_FROM = 50
"""First event of the test half of `events`."""
TEST_SHARE = 0.2
"""Share of test modules in the samples whose events are not known."""


@dataclass(frozen=True)
class ModuleSample:
    """Modules with charge.

    Args:
        name: Key of `SAMPLES`, or the name of the file.
        train: Charges for training, in the counts of the file: (n, 48) int64.
        test: Charges for evaluating: (m, 48) int64.
    """

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def module_sample(name: str, folder: str | Path, *, seed: int = 1) -> ModuleSample:
    """Loads a sample.

    `events` holds the uncut modules of the electromagnetic planes, divided by event; the other files do not say which modules belong to
    one event, so each module is drawn by itself, whatever its content.

    Args:
        name: Key of `SAMPLES`.
        folder: Folder of real data.
        seed: Seed of that draw.

    Raises:
        SettingsError: Another name.
        DataFormatError: The file is not as it should be.
        OSError: The file cannot be opened.
    """
    if name not in SAMPLES:
        raise SettingsError(unknown("sample", name, SAMPLES))
    path = Path(folder) / SAMPLES[name]
    source = CmsNpz() if name == "events" else CalqCsv()
    modules = Events.concatenate(list(source.read(path, PROTOTYPE.rooted("MODULE"))))
    use = modules.counts > 0
    if name == "events":
        use &= (modules.columns["layer"] < EM_PLANES) & (modules.columns["n_cells"] == module.N_CELLS)
        test = modules.columns["event"] >= TEST_EVENTS_FROM
    else:
        test = np.zeros(len(modules), dtype=bool)
        test[np.random.default_rng(seed).permutation(len(modules))[: round(TEST_SHARE * len(modules))]] = True
    return ModuleSample(name, *(_charges(modules[use & half]) for half in (~test, test)))


def file_sample(path: str | Path, *, seed: int = 1) -> ModuleSample:
    """Loads modules of any file; a fifth of them is the test half.

    Where a column `event` says which modules belong to one event, whole events are drawn, else single modules.

    Args:
        path: A csv of CALQ charges, or a Parquet file whose events are modules.
        seed: Seed of the draw.

    Raises:
        DataFormatError: The file is not as it should be, or its events are no silicon modules.
        OSError: The file cannot be opened.
    """
    from hgcae.sources import read_events

    modules = Events.concatenate(list(read_events(path)))
    if modules.hierarchy.shape != module.SHAPE:
        found = f"units of {modules.hierarchy.root}, shape {modules.hierarchy.shape}"
        raise DataFormatError(
            path, "events", found, f"modules of shape {module.SHAPE}; of whole events, hgcae convert --root MODULE makes them"
        )
    use = modules.counts > 0
    group = modules.columns["event"] if "event" in modules.columns else np.arange(len(modules))
    groups = np.unique(group[use])
    test = np.isin(group, groups[np.random.default_rng(seed).permutation(len(groups))[: round(TEST_SHARE * len(groups))]])
    return ModuleSample(Path(path).stem, *(_charges(modules[use & half]) for half in (~test, test)))


def data_fingerprints(train: NDArray[np.int64], test: NDArray[np.int64]) -> dict[str, str]:
    """Returns 16 hexadecimal digits each that identify the modules that were trained on, and those that were evaluated."""
    return {name: hashlib.sha256(charges.tobytes()).hexdigest()[:16] for name, charges in (("train", train), ("test", test))}


def _charges(modules: Events) -> NDArray[np.int64]:
    return np.rint(modules.to_dense().reshape(len(modules), module.N_CELLS)).astype(np.int64)
