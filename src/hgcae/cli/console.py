"""What the verbs share: metrics as text or JSON, a progress bar, and options that stand for settings."""

from __future__ import annotations

import inspect
import json
import math
import os
import sys
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from hgcae import stopping
from hgcae.errors import DataFormatError, HgcaeError, HgcaeWarning
from hgcae.outputs import finite
from hgcae.settings import override, read_yaml

if TYPE_CHECKING:
    from hgcae.events import Events

JsonOption = Annotated[bool, typer.Option("--json", help="Print the metrics as JSON, and nothing else, on standard output.")]
DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME",
        help="Detector of the events in a pickle or csv file: a shipped name or a YAML file.",
        show_default="none; levels of the prototype",
    ),
]


class Digi(StrEnum):
    """What the array `digi` of a pickle holds."""

    CODES = "codes"
    CHARGES = "charges"


DigiOption = Annotated[
    Digi | None,
    typer.Option(
        "--digi",
        help="What digi of a pickle holds: 4E3M codes (of half the ADC counts), or charges.",
        show_default="by its values when read, charges when written",
    ),
]
SettingsOption = Annotated[Path | None, typer.Option("--settings", help="YAML file of settings; other options take precedence.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting, e.g. gun.radius_cm=5. Repeatable.")]


def run_app(app: Callable[[], object], name: str) -> None:
    """Runs a command line; errors that a user can fix end it with one line on standard error and status 2.

    Ctrl-C and SIGTERM end it with one line, too, and with status 130 and 143. Each different `HgcaeWarning` is one line on standard error.
    """
    show_other = warnings.showwarning

    def show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, HgcaeWarning):
            note(f"{name}: note: {' '.join(str(message).split())}")
        else:
            show_other(message, category, *place)

    def fail(message: str) -> NoReturn:
        note(f"{name}: error: {' '.join(message.split())}")
        raise SystemExit(2)

    def say_stopped() -> None:
        note(f"{name}: stopped; what is finished is kept, the same command does the rest")

    with stopping.stoppable(say_stopped), warnings.catch_warnings():
        warnings.filterwarnings("default", category=HgcaeWarning)
        warnings.showwarning = show_warning
        try:
            app()
        except BaseException as error:
            number = stopping.asked()
            if number is not None:
                say_stopped()
                raise SystemExit(128 + number) from None
            if isinstance(error, HgcaeError):
                fail(str(error))
            if isinstance(error, OSError):
                # Files are named by who writes them, so what has no name is what is printed.
                fail(f"{error.filename or 'standard output'}: {error.strerror}" if error.strerror else str(error))
            if isinstance(error, MemoryError):
                fail(f"not enough memory: {error}")
            raise


def workflow_dir() -> Path:
    """Folder of data and what is kept to resume: `WORKFLOW_DIR`, by default `workflow` where the command is started."""
    return Path(os.environ.get("WORKFLOW_DIR") or "workflow")


def output_dir() -> Path:
    """Folder of results: `OUTPUT_DIR`, by default `output` where the command is started."""
    return Path(os.environ.get("OUTPUT_DIR") or "output")


def manual(verb: Callable[..., None]) -> str:
    """Returns the docstring of a verb as help text, in which paragraphs with indented lines keep their line breaks."""
    paragraphs = inspect.cleandoc(verb.__doc__ or "").split("\n\n")
    return "\n\n".join("\b\n" + text if "\n  " in text else text for text in paragraphs)


def show(metrics: Mapping[str, Any], *, as_json: bool) -> None:
    """Prints metrics on standard output: aligned text, or JSON in which numbers that are not finite are null."""
    if as_json:
        typer.echo(json.dumps(finite(metrics), indent=2))
    else:
        for line in _lines(metrics):
            print_line(line)


def print_line(text: str) -> None:
    """Prints a line on standard output, see `printable`."""
    typer.echo(printable(text))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table on standard output, the first column to the left, numbers to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Not as strings, in which Rich takes brackets for orders.
    table = Table()
    for heading in headings:
        table.add_column(Text(printable(heading)))
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # A table that is piped somewhere keeps its columns whole.
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def note(text: str) -> None:
    """Prints a line on standard error, see `printable`."""
    typer.echo(printable(text), err=True)


def printable(text: str) -> str:
    r"""Returns a text in which what a terminal obeys, or cannot show, is escaped: names in files and of files may hold anything.

    >>> printable("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else c.encode("unicode_escape").decode() for c in text)


LINE_S = 30.0
"""Seconds between two lines of progress where there is no terminal."""


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[..., None]]:
    """Shows a bar with the remaining time on a terminal's standard error, and elsewhere, such as in the log of a job, a line now and then.

    A line comes every `LINE_S` seconds and says how much is done, at what rate, and how long the rest takes. Gives a function that takes
    the number done and, optionally, a text that says what is going on; the bar shows it instead of the rate.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()]
    told = time.perf_counter()
    first: tuple[float, float] | None = None
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=total, rate="")

        def update(done: float, text: str | None = None) -> None:
            nonlocal told, first
            stopping.check()
            now = time.perf_counter()
            # What a resumed training did before, and what is compiled first, are not in the rate.
            first = first or (now, done)
            rate = (done - first[1]) / (now - first[0]) if now > first[0] else 0.0
            bar.update(task, completed=done, rate=text or f"{rate:.0f} {unit}/s")
            if bar.disable and now - told >= LINE_S:
                told = now
                left = [f"{rate:.3g} {unit}/s", f"{timedelta(seconds=round((total - done) / rate))} left"] if rate > 0 else []
                note(", ".join([f"{done:.4g} of {total} {unit}", *([text] if text else []), *left]))

        yield update


def events_of(path: Path, detector: str | None, root: str | None = None, digi: Digi | None = None) -> Iterator[Events]:
    """Yields the events of a file in chunks; a given detector says which levels a foreign file has, and is noted in the events.

    Without a detector, `root` "module" asks for modules where a file can be read as those or as whole events. `digi` says what that of a
    pickle holds.

    Raises:
        DataFormatError: The file is not as it should be, or says that it holds events of another detector.
    """
    from hgcae.geometry.detector import Detector
    from hgcae.geometry.hierarchy import PROTOTYPE
    from hgcae.sources import read_events

    kind = None if digi is None else digi.value
    if detector is None:
        yield from read_events(path, PROTOTYPE.rooted("MODULE") if root is not None and root.upper() == "MODULE" else PROTOTYPE, kind)
        return
    loaded = Detector.load(detector)
    for chunk in read_events(path, loaded.hierarchy, kind):
        if chunk.detector not in (None, loaded.identity) or chunk.hierarchy != loaded.hierarchy.rooted(chunk.hierarchy.root):
            raise DataFormatError(path, "detector", str(chunk.detector), str(loaded.identity))
        yield replace(chunk, detector=loaded.identity)


def settings_values(
    path: Path | None, options: Mapping[str, Any], assignments: Sequence[str] | None, start: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Merges `start`, a YAML file, options by the name of the setting they stand for (None = not given), and `KEY=VALUE` assignments.

    Raises:
        SettingsError: The file cannot be read, or an assignment is not one.
    """
    # JSON is YAML, so an option is one more assignment.
    given = [f"{key}={json.dumps(value)}" for key, value in options.items() if value is not None]
    return override({**(start or {}), **(read_yaml(path) if path else {})}, [*given, *(assignments or [])])


def _lines(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value and not _flat(value):
            yield f"{indent}{key}"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent + key:<28} {_text(value)}"


def _flat(values: Mapping[str, Any]) -> bool:
    return len(values) <= 3 and not any(isinstance(value, Mapping | list) for value in values.values())


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return f"{value:,.0f}"
    return "none" if value is None else str(value)
