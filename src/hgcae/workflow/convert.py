"""Foreign files as a stream of events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.sources import read_events
from hgcae.workflow.digest import file_digest
from hgcae.workflow.settings import ConvertSettings, SampleSettings


def converted(settings: ConvertSettings) -> Iterator[Events]:
    """Yields the events of a file in chunks; a given detector is noted in them.

    Raises:
        DataFormatError: The file is not as it should be, changed since the workflow was started, or holds events of another detector or
            level.
    """
    found = file_digest(settings.source)
    if settings.sha256 not in (None, found):
        raise DataFormatError(settings.source, "SHA-256", found, str(settings.sha256))
    hierarchy = SampleSettings(convert=settings).hierarchy()
    detector = None if settings.detector is None else Detector.load(settings.detector)
    name = None if detector is None else detector.identity
    for chunk in read_events(settings.source, hierarchy, settings.digi):
        if chunk.hierarchy != hierarchy:
            where = f"{chunk.hierarchy.root} {chunk.hierarchy.shape}"
            raise DataFormatError(settings.source, "hierarchy", where, f"{hierarchy.root} {hierarchy.shape}")
        if name is not None and chunk.detector not in (None, name):
            raise DataFormatError(settings.source, "detector", str(chunk.detector), str(name))
        yield chunk if name is None else replace(chunk, detector=name)
