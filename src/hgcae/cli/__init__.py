"""The command `hgcae`. A verb is a function in a module of this package; it imports its stage when it runs, so that `--help` is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from hgcae import __version__
from hgcae.cli import compare, convert, demo, econt, evaluate, info, physics, report, run, scan, show, simulate, stress, train, vectors
from hgcae.cli.console import manual, run_app

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")]


@app.callback()
def _hgcae(_version: VersionOption = False) -> None:
    """Hierarchical quantised autoencoders for the CMS HGCAL trigger: simulate, train, evaluate and export them.

    Each verb has a manual of its own: hgcae VERB --help. A mistake in data or settings ends with one line and exit status 2.
    """


VERBS = (
    demo.demo,
    simulate.simulate,
    convert.convert,
    info.info,
    train.train,
    evaluate.evaluate,
    report.report,
    physics.physics,
    stress.stress,
    compare.compare,
    show.show,
    vectors.vectors,
    run.run,
)

for verb in VERBS:
    app.command(help=manual(verb), cls=compare.CompareCommand if verb is compare.compare else None)(verb)
app.add_typer(econt.app, name="econt")
app.add_typer(scan.app, name="scan")


def main() -> None:
    """Runs the command line; errors that a user can fix end it with one line on standard error and status 2."""
    run_app(app, "hgcae")
