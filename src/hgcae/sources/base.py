"""What every foreign format does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from hgcae.errors import DataFormatError
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy


class Source(ABC):
    """One foreign file format."""

    name: ClassVar[str]
    """Name of the format, for messages."""
    suffixes: ClassVar[tuple[str, ...]]
    """File name endings of the format, in small letters."""

    @abstractmethod
    def sniff(self, path: Path) -> bool:
        """Returns whether the first bytes of a file look like this format."""

    @abstractmethod
    def read(self, path: str | Path, hierarchy: Hierarchy = PROTOTYPE) -> Iterator[Events]:
        """Yields the events of a file in chunks, at least one, which holds no events if the file holds none.

        Args:
            path: The file.
            hierarchy: Levels; the root of the events is the one of them that the file's shape shows.

        Raises:
            DataFormatError: The file is not of this format, or holds a charge that is not finite or below zero.
            OSError: The file cannot be opened.
        """

    def write(self, path: str | Path, chunks: Iterable[Events]) -> None:  # noqa: ARG002  this is the answer of formats that are only read
        """Writes a stream of events, atomically.

        Raises:
            DataFormatError: The format cannot hold the events, or cannot be written.
        """
        raise DataFormatError(path, "format", self.name, "a format that hgcae can write")
