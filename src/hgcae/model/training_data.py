"""What a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingData:
    """A file of events by its content, and what of it was used for what; JSON holds it without loss.

    Args:
        events: Fingerprint of all events of the file (`hgcae.store.Reader.content_fingerprint`).
        train: First event that was trained on, and the end.
        test: First event that was held out, and the end.
        root: Level whose occupied units were the events; None = whole events.
    """

    events: str
    train: list[int]
    test: list[int]
    root: str | None
