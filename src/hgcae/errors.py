"""Errors that hgcae raises for causes a user can fix.

The command line prints one line for any `HgcaeError` and exits with status 2; everything else is a bug and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 2000


class HgcaeError(Exception):
    """Base of all errors that hgcae raises on purpose; of a message longer than 2,000 characters the middle is left out."""

    def __str__(self) -> str:
        return _shortened(super().__str__())


class SettingsError(HgcaeError):
    """A setting is unknown, missing, of the wrong type or out of range."""


class BusyError(HgcaeError):
    """Another process is writing what this one is asked to write."""


class GeometryError(HgcaeError):
    """A detector or hierarchy is inconsistent, or two that must agree do not."""


class DataFormatError(HgcaeError):
    """A file or array is not what its reader expects.

    Args:
        source: The file (or the name of the array).
        where: The place inside the source: a line, column, row group or key.
        found: What was there.
        expected: What should have been there.
    """

    def __init__(self, source: object, where: str, found: str, expected: str) -> None:
        self.source, self.where, self.found, self.expected = str(source), where, found, expected
        # The arguments as they came, so that the error can be pickled on its way out of a worker process.
        super().__init__(self.source, where, found, expected)

    def __str__(self) -> str:
        return _shortened(f"{self.source}: {self.where}: found {self.found}, expected {self.expected}")


class BitExactError(HgcaeError):
    """Two computations that must agree bit for bit do not."""


class WorkerError(HgcaeError):
    """A worker process died, possibly out of memory, or some of its tasks failed; what is finished is kept."""


class MissingToolError(HgcaeError):
    """An optional package or program is not installed; the message names the extra that brings it."""


class HgcaeWarning(UserWarning):
    """Something that a user should know of, although the work continues: what a reader leaves out or takes for granted.

    The command line prints each as one line on standard error.
    """


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Returns the message about a name that nothing has: all known ones, and the nearest of them, if any is near.

    >>> unknown("level", "MODUL", ["ROC", "MODULE"])
    "unknown level 'MODUL', expected one of ROC, MODULE (did you mean MODULE?)"
    """
    names = list(known)
    near = nearest(name, names)
    return f"unknown {kind} {name!r}, expected one of {', '.join(names)}" + (f" ({near})" if near else "")


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Returns the question whether the nearest of the known names is meant; None where none is near."""
    by_small = {other.lower(): other for other in known}
    close = get_close_matches(str(name)[:100].lower(), by_small, 1)
    return f"did you mean {by_small[close[0]]}?" if close else None
