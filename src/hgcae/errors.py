"""Errors that hgcae raises for causes a user can mend.

The command line prints one line for any `HgcaeError` and exits with status 2; everything else is a bug and keeps its traceback.
"""


class HgcaeError(Exception):
    """Base of all errors that hgcae raises on purpose."""


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
        return f"{self.source}: {self.where}: found {self.found}, expected {self.expected}"


class BitExactError(HgcaeError):
    """Two computations that must agree bit for bit do not."""


class WorkerError(HgcaeError):
    """A worker process died, possibly out of memory, or some of its tasks failed; what is finished is kept."""


class MissingToolError(HgcaeError):
    """An optional package or program is not installed; the message names the extra that brings it."""


class HgcaeWarning(UserWarning):
    """Something in a file that may not mean what the user thinks; the command line prints one line for it and goes on."""
