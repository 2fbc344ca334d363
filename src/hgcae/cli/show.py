"""`hgcae show`: a picture of an event, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError


def show(
    events: Annotated[Path, typer.Argument(metavar="FILE", help="File of events.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Picture to write: .png or .pdf.")],
    number: Annotated[int, typer.Option("--event", min=0, help="Number of the event in the file, from 0.")] = 0,
    run: Annotated[Path | None, typer.Option("--model", metavar="RUN", help="Run whose model encodes and decodes the event.")] = None,
    level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Level whose codes are decoded.", show_default="the model's highest")
    ] = None,
    layer: Annotated[list[int] | None, typer.Option(help="Layer to draw, from 1; repeatable.", show_default="the eight strongest")] = None,
    detector: console.DetectorOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Draw an event in its true geometry, input above and decoded below.

    Events of a whole detector are drawn layer by layer with their longitudinal profile; bare modules, triplets and flowers as they are,
    sixteen of them from the chosen one on.

    Examples:
      hgcae show electrons.parquet --event 3 -o event.png
      hgcae show electrons.parquet --model run --level TRIPLET --layer 8 --layer 9 -o event.pdf
      hgcae show ttbar.parquet --model modules -o modules.png
    """
    from hgcae.events import Events
    from hgcae.geometry.detector import detector_of
    from hgcae.model import files
    from hgcae.plots import draw_event, draw_units

    first = next(iter(console.events_of(events, detector)), None)
    whole = None if first is None else detector_of(first.detector, events)
    layered = first is not None and whole is not None and first.hierarchy.levels == whole.hierarchy.levels
    wanted = range(number, number + (1 if layered else 16))
    parts, seen = [], 0
    for chunk in console.events_of(events, detector):
        inside = [i - seen for i in wanted if 0 <= i - seen < len(chunk)]
        parts += [chunk[inside]] if inside else []
        seen += len(chunk)
        if seen >= wanted.stop:
            break
    if not parts:
        msg = f"{events}: event {number}: found {seen} events in the file"
        raise SettingsError(msg)
    true = Events.concatenate(parts)
    decoded, title = None, ""
    if run is not None:
        model = files.load(run)
        name = model.level(level or true.hierarchy.root).name
        decoded, title = model.reconstruct(true, name), f"decoded from {name}"
    if layered and whole is not None:
        draw_event(true, decoded, whole, output, [i - 1 for i in layer] if layer else None, title)
    else:
        draw_units(true, true if decoded is None else decoded, output, title)
    charge = {"input": float(true.charge.sum())} | ({} if decoded is None else {"decoded": float(decoded.charge.sum())})
    console.show({"picture": str(output), "events": len(true), "charge_adc": charge}, as_json=as_json)
