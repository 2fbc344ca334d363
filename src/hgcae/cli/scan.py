"""`hgcae scan`: many small trainings that answer one question each."""

from __future__ import annotations

import typer

from hgcae.cli import console, scan_dimension, scan_merge

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Answer questions by many small trainings, each kept as a file.")
app.command(name="dimension", help=console.manual(scan_dimension.dimension))(scan_dimension.dimension)
app.command(name="merge", help=console.manual(scan_merge.merge))(scan_merge.merge)
