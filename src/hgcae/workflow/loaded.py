"""A trained run with the events to evaluate it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from hgcae.errors import DataFormatError, SettingsError

if TYPE_CHECKING:
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.train.run import RunSettings, Split

_FITTED = 4000
"""Training events that baselines are fitted to, at most."""


@dataclass(frozen=True)
class LoadedRun:
    """A run with the events to evaluate it on.

    Args:
        settings: Settings of the run.
        model: What it has trained.
        train: Training events, to fit the baselines to; None where their file is gone.
        test: Events to evaluate on; None where their file is gone.
        max_events: Use at most so many of them.
    """

    settings: RunSettings
    model: Autoencoder
    train: Split | None
    test: Split | None
    max_events: int

    @classmethod
    def of(cls, run: Path, events: Path | None, max_events: int, note: Callable[[str], None]) -> LoadedRun:
        """Loads a run and finds the events to evaluate it on: the run's held-out ones, or those of another file.

        Args:
            run: Folder of the run; it may have been moved, and the file that it was trained on may be gone.
            events: The other file.
            max_events: Use at most so many events.
            note: Called with what is left out, and why.

        Raises:
            SettingsError, DataFormatError: No run, files that cannot be read, or other events than those of the run where these should be.
        """
        from hgcae.model import files
        from hgcae.store import Reader
        from hgcae.train.run import RunSettings, Split, splits_of_run

        model = files.load(run)
        settings, data = RunSettings.from_yaml(run / "run.yaml"), model.trained_on
        reader = None if events is None else Reader(events)
        if reader is None or (data is not None and reader.content_fingerprint == data.events):
            parts = splits_of_run(run, settings, data, events)
            return cls(settings, model, *(parts or (None, None)), max_events)
        try:
            parts, problem = splits_of_run(run, settings, data), f"{settings.input}: the training events are not there"
        except (SettingsError, DataFormatError) as error:
            parts, problem = None, str(error)
        if parts is None:
            note(f"no baselines and no entropy-coded bits, which are fitted to training events: {problem}")
        return cls(settings, model, parts[0] if parts else None, Split(reader, 0, len(reader), settings.root), max_events)

    @cached_property
    def sample(self) -> Events:
        """The events to evaluate on.

        Raises:
            SettingsError: Their file is gone.
        """
        if self.test is None:
            name = Path(self.settings.input).name
            msg = f"{self.settings.input}: not there, nor {name} next to the run; move it there, or give other events with --input"
            raise SettingsError(msg)
        return self.test.take(0, self.max_events)

    @cached_property
    def fitted(self) -> Events | None:
        """Training events to fit baselines to, None where there are none."""
        return None if self.train is None else self.train.take(0, _FITTED)

    @property
    def events_fingerprint(self) -> str:
        """Identifies the file of the events to evaluate on; empty where it is gone."""
        return "" if self.test is None else self.test.reader.content_fingerprint

    @cached_property
    def detector(self) -> Detector | None:
        """Detector of the events, None where they name none, or one that nothing describes."""
        from hgcae.geometry.detector import detector_of

        return detector_of(self.model.detector if self.test is None else self.test.reader.detector, self.settings.input)

    @property
    def whole(self) -> Detector | None:
        """The detector, if an event is a whole one."""
        return self.detector if self.detector is not None and self.model.hierarchy.levels == self.detector.hierarchy.levels else None
