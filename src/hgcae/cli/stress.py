"""`hgcae stress`: what a trained model does with events unlike those it was trained on, and with flipped bits."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError, unknown
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hgcae.evaluate import Bootstrap
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.model.level import LevelModel
    from hgcae.model.sparse import Codes
    from hgcae.simulate import SimulateSettings
    from hgcae.train.run import Split

FLIPS: dict[str, tuple[str, float | None]] = {
    "one_bit": ("one flipped bit in the code of each occupied unit", None),
    "flips_1e-6": ("each bit of every unit flipped with a probability of 1e-6", 1e-6),
    "flips_1e-5": ("each bit of every unit flipped with a probability of 1e-5", 1e-5),
    "flips_1e-4": ("each bit of every unit flipped with a probability of 1e-4", 1e-4),
    "flips_1e-3": ("each bit of every unit flipped with a probability of 1e-3", 1e-3),
}
"""Bit errors by name."""


def stress(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    given: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other Parquet file of test events.", show_default="the run's held-out events"),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results.", show_default="RUN")] = None,
    n_events: Annotated[int, typer.Option("--events", min=1, help="Use at most so many events.")] = 500,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this disturbance; repeatable.", show_default="all")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws maps of cells and flipped bits.")] = 1,
    as_json: console.JsonOption = False,
) -> None:
    """Measure a model on events unlike those it was trained on, and with flipped bits in its codes.

    The held-out events of the run are disturbed in one way after the other: dead cells and modules, a wrong calibration, twice the noise;
    or simulated with other particles or energies. At every level they are encoded and decoded, and compared with the undisturbed events
    and with what the encoders saw; beside it stands what the disturbance alone does to uncompressed events. Bits are flipped in the words
    that are sent. What has to be simulated is left out for events that hgcae did not simulate.

      DIR/stress.json   all figures with their errors
      DIR/stress.png    the same at a glance

    Examples:
      hgcae stress run
      hgcae stress run --events 2000 -o run/stress --only nominal --only noise_2 --only one_bit
    """
    from hgcae.evaluate import Bootstrap, stress_table, write_stress
    from hgcae.model.files import model_fingerprint
    from hgcae.plots import stress_figure
    from hgcae.simulate.perturb import PERTURBATIONS
    from hgcae.workflow.loaded import LoadedRun

    names = tuple(only or ())
    known = [perturbation.name for perturbation in PERTURBATIONS] + list(FLIPS)
    if strange := [name for name in names if name not in known]:
        raise SettingsError(unknown("disturbance", strange[0], known))
    loaded = LoadedRun.of(run, given, n_events, lambda _: None)
    model, events, whole = loaded.model, loaded.sample, loaded.whole
    settings = _simulation(loaded.test) if whole is not None and loaded.test is not None else None
    folder = output or run
    with claimed(folder / "stress.json"):
        cases = _cases(model, events, settings, whole, Bootstrap(seed=seed), seed, names or tuple(known))
        if not cases:
            msg = f"found nothing that can be done to these events: {', '.join(names)} need events that hgcae simulated"
            raise SettingsError(msg)
        provenance = {
            "date": datetime.now(UTC).date().isoformat(),
            "n_events": len(events),
            "seed": seed,
            "fingerprints": {
                "model": model_fingerprint(model),
                "hierarchy": model.hierarchy.fingerprint(),
                "events": loaded.events_fingerprint,
            },
        }
        results = write_stress(folder / "stress.json", cases, provenance)
        stress_figure(results, folder / "stress.png")
    if as_json:
        console.show(results, as_json=True)
        return
    console.print_table(*stress_table(results))
    console.print_line(f"stress.json and stress.png in {folder}")


def _simulation(test: Split) -> SimulateSettings | None:
    """Returns the settings that simulated the events of a file; None where it does not say."""
    from hgcae.simulate import SimulateSettings

    try:
        return SimulateSettings.load(test.reader.provenance["settings"], test.reader.path)
    except (KeyError, TypeError, SettingsError):
        return None


def _cases(
    model: Autoencoder,
    events: Events,
    settings: SimulateSettings | None,
    detector: Detector | None,
    bootstrap: Bootstrap,
    seed: int,
    names: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Measures every disturbance in its turn."""
    from hgcae.evaluate import degradation
    from hgcae.simulate.perturb import PERTURBATIONS, perturbed

    def measure(reference: Events, decoded: Events) -> dict[str, float | None]:
        return degradation(reference, decoded, detector, bootstrap)

    cases = []
    perturbations = tuple(perturbation.name for perturbation in PERTURBATIONS if perturbation.name in names)
    with console.progress(len(names), "disturbances") as progress:
        for kind, pair in perturbed(events, settings, seed, perturbations) if perturbations else ():
            alone = None if pair.given is pair.undisturbed else measure(pair.undisturbed, pair.given)
            levels = {
                level: {"undisturbed": measure(pair.undisturbed, found)} | ({} if alone is None else {"input": measure(pair.given, found)})
                for level, found in _decoded(model, pair.given)
            }
            cases.append({"name": kind.name, "what": kind.what, "uncompressed": alone, "levels": levels})
            progress(len(cases))
        for name in (name for name in FLIPS if name in names):
            cases.append(_flipped(model, events, name, seed, measure))
            progress(len(cases))
    return cases


def _decoded(
    model: Autoencoder, events: Events, disturb: Callable[[LevelModel, Codes], Codes] = lambda _, codes: codes
) -> Iterator[tuple[str, Events]]:
    """Yields every level and the events decoded from its codes, which may be disturbed; each level is encoded once."""
    codes = None
    for name in model.hierarchy.names:
        codes = model.encode_events(events, name, codes)
        yield name, model.decode_codes(disturb(model.level(name), codes), events.hierarchy)


def _flipped(
    model: Autoencoder, events: Events, name: str, seed: int, measure: Callable[[Events, Events], dict[str, float | None]]
) -> dict[str, Any]:
    import numpy as np

    from hgcae.model.bit_errors import flip_bits

    what, probability = FLIPS[name]
    flip = partial(flip_bits, rng=np.random.default_rng(seed), hierarchy=events.hierarchy, probability=probability)
    levels = {level: {"undisturbed": measure(events, found)} for level, found in _decoded(model, events, flip)}
    return {"name": name, "what": what, "uncompressed": None, "levels": levels}
