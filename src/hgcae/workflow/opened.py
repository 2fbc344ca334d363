"""A trained run with the events to judge it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.train.run import RunSettings


@dataclass(frozen=True)
class OpenRun:
    """A run with the events to judge it on.

    Args:
        settings: Settings of the run.
        model: What it has trained.
        train: Training events, to fit the baselines to.
        test: Events to judge on.
        detector: Their detector, None where they name none.
    """

    settings: RunSettings
    model: Autoencoder
    train: Events
    test: Events
    detector: Detector | None

    @classmethod
    def of(cls, run: Path, events: Path | None, max_events: int) -> OpenRun:
        """Loads a run and at most `max_events` events: the run's held-out ones, or those of another file.

        Raises:
            SettingsError, DataFormatError: No run, or files that cannot be read or do not fit.
        """
        from hgcae.model.autoencoder import Autoencoder
        from hgcae.store import Reader
        from hgcae.train.run import RunSettings, Split, detector_of, splits

        model = Autoencoder.load(run)
        settings = RunSettings.from_yaml(run / "run.yaml")
        train, test = splits(settings)
        if events is not None and events.resolve() != Path(settings.input).resolve():
            reader = Reader(events)
            test = Split(reader, 0, len(reader), settings.root)
        sample = test.take(0, max_events)
        return cls(settings, model, train.take(0, 4000), sample, detector_of(sample.detector, test.reader.path))

    @property
    def whole(self) -> Detector | None:
        """The detector, if an event is a whole one."""
        return self.detector if self.detector is not None and self.model.hierarchy.levels == self.detector.hierarchy.levels else None
