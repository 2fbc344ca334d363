"""`hgcae simulate`: events from the particle gun."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import SettingsError


class Spectrum(StrEnum):
    """How energies are distributed."""

    FLAT = "flat"
    LOG = "log"


class Direction(StrEnum):
    """Where particles fly."""

    INTERACTION_POINT = "interaction_point"
    PARALLEL = "parallel"


class Engine(StrEnum):
    """What makes showers."""

    PARAMETRISED = "parametrised"
    GEANT4 = "geant4"


def simulate(
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .parquet, or .pickle for other programs.")],
    n: Annotated[int, typer.Option("-n", "--events", min=1, help="Number of events.")] = 1000,
    detector: Annotated[
        str | None, typer.Option(help="A detector that comes with hgcae (see hgcae info), or a YAML file.", show_default="prototype")
    ] = None,
    particle: Annotated[
        list[str] | None, typer.Option(help="e-, e+, gamma, pi- or pi+; repeat it to draw each particle from several.", show_default="e-")
    ] = None,
    energy: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Lowest and highest total energy, GeV; twice the same for one energy.", show_default="1 500"),
    ] = None,
    spectrum: Annotated[Spectrum | None, typer.Option(help="Flat in the energy, or in its logarithm.", show_default="flat")] = None,
    particles_per_event: Annotated[
        int | None, typer.Option(min=0, help="Particles in each event; 0 for noise alone.", show_default="1")
    ] = None,
    direction: Annotated[
        Direction | None, typer.Option(help="Straight from (0, 0, 0), or along the beam.", show_default="interaction_point")
    ] = None,
    radius: Annotated[
        float | None,
        typer.Option(metavar="CM", help="Impacts fill a disc of this radius around the centre.", show_default="all modules"),
    ] = None,
    engine: Annotated[
        Engine | None, typer.Option(help="Parametrised showers, or Geant4 (the extra hgcae[geant4]).", show_default="parametrised")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Start of the random numbers.", show_default="1")] = None,
    first: Annotated[int, typer.Option(min=0, help="Number of the first event: continues an earlier sample of the same settings.")] = 0,
    digi: console.DigiOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processor cores to use; the events do not depend on it.")] = 1,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Simulate showers in a sampling calorimeter, as the trigger sees them.

    Shoots particles at a detector and writes the charges of its trigger cells (tenths of a MIP), the truth of each particle, and the true
    deposits in each layer and module. The same settings give the same events, whatever the number of workers; event 17 of a sample is
    always event 17.

    Examples:
      hgcae simulate -o electrons.parquet
      hgcae simulate -n 20000 --particle gamma --energy 20 20 --workers 4 -o photons.parquet
      hgcae simulate --particle e- --particle pi- --spectrum log --seed 2 -o mixed.parquet
      hgcae simulate --particles-per-event 2 --set gun.separation_cm=5 -o pairs.parquet
      hgcae simulate -n 4000 --digi codes -o electrons_config1_1_to_500GeV_4Tesla.pickle
      hgcae simulate --settings run.yaml --detector testbeam --direction parallel -o beam.parquet
    """
    from hgcae import simulate as stage
    from hgcae.sources import DigiPickle, with_digi, write_events
    from hgcae.sources.summary import Summary

    options = {
        "detector": detector,
        "engine": engine,
        "seed": seed,
        "gun.particles": particle or None,
        "gun.energy_gev": energy,
        "gun.spectrum": spectrum,
        "gun.count": None if particles_per_event is None else [particles_per_event] * 2,
        "gun.radius_cm": radius,
        "gun.direction": direction,
    }
    chosen = stage.SimulateSettings.load(console.settings_values(settings, options, assignments), source=settings or "settings")
    provenance = {
        "program": f"hgcae {__version__} simulate",
        "settings": chosen.model_dump(mode="json"),
        "fingerprint": chosen.fingerprint(),
        "first_event": first,
        "events": n,
    }
    if digi is not None and output.suffix.lower() not in DigiPickle.suffixes:
        msg = f"--digi {digi}: found {output}, expected a pickle to write"
        raise SettingsError(msg)
    summary, start = Summary(), time.perf_counter()
    with console.progress(n, "events") as progress:
        chunks = stage.simulate(chosen, n, first=first, workers=workers, progress=progress)
        write_events(output, summary.watch(chunks if digi is None else with_digi(chunks, digi.value)), provenance)
    seconds = time.perf_counter() - start
    metrics = {
        "file": str(output),
        "bytes": output.stat().st_size,
        "events": n,
        "events_per_s": n / seconds,
        "trigger_cells_per_event": summary.mean_occupied("CELL"),
        "rocs_per_event": summary.mean_occupied("ROC"),
        "fingerprint": chosen.fingerprint(),
    }
    if as_json:
        console.show(metrics, as_json=True)
        return
    occupied = f"{metrics['trigger_cells_per_event']:.1f} trigger cells in {metrics['rocs_per_event']:.1f} ROCs"
    typer.echo(f"{output}: {n} events of {occupied} on average, {metrics['events_per_s']:.1f} events/s, {metrics['bytes'] / 1e6:.2f} MB")
