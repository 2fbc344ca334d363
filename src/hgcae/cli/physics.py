"""`hgcae physics`: what is left of the physics of whole showers, level by level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae import __version__
from hgcae.cli import console
from hgcae.errors import SettingsError
from hgcae.outputs import claimed
from hgcae.settings import fingerprint

if TYPE_CHECKING:
    from hgcae.codec import UnitCodec
    from hgcae.evaluate import PhysicsSamples, PhysicsSettings, Sample
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.model.autoencoder import Autoencoder

Decoder = Callable[["Events"], "Events"]

SINGLES = {"electron": "e-", "photon": "gamma", "pion": "pi-"}
SEPARATIONS_CM = (2.5, 5.0, 10.0, 15.0, 20.0)
PER_CROWD = 5
ENERGY_GEV = (20.0, 500.0)
_FITTED = 1_500
"""Training events that simple codes are fitted to, at most."""
_FIRST_SEED = 7_000
"""Seeds of the samples begin here, far from those of training and test events; `--seed` moves them by a hundred."""


def physics(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run on events of a whole detector.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results and samples.", show_default="RUN/physics")
    ] = None,
    events: Annotated[int, typer.Option(min=20, help="Events of each sample of single particles; half as many of the others.")] = 1000,
    levels: Annotated[list[str] | None, typer.Option("--levels", metavar="NAME", help="Repeatable.", show_default="all")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A simple code at the same bits, evaluated at every level; repeatable.", show_default="none"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Start of the random numbers of the samples.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processor cores for the simulation.")] = 1,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Evaluate what compression does to the physics of whole showers.

    Simulates samples of its own, 20 to 500 GeV: single electrons, photons and pions, pairs of electrons 2.5 to 20 cm apart, events of five
    electrons and photons, noise alone, and empty events. All are encoded and decoded at every level and evaluated next to the uncompressed
    ones: energy, direction, depth and width of showers, energy mover's distance, electron against pion, two showers, fake energy.

      DIR/physics.json             all metrics with errors, settings, versions, fingerprints
      DIR/physics.md               the tables
      DIR/response.png             bias and resolution of the energy; shapes.png: shifts of other quantities
      DIR/profiles.png             mean profiles in depth and across
      DIR/separation.png           electron against pion; pairs.png: two showers
      DIR/samples/, DIR/decoded/   events, kept: an interrupted command is resumed

    Codes without a network (--baseline) are pca, mean, largest_cells, best_choice, best_choice_spread, quanta and ranked, see
    docs/evaluation.md; quanta, the strongest cells by enumeration, is the one to beat.

    Examples:
      hgcae physics run
      hgcae physics run --baseline quanta --baseline ranked
      hgcae physics run -o physics --events 200 --levels MODULE --levels STAGE2
    """
    from hgcae.evaluate import PhysicsSettings, evaluate_physics
    from hgcae.model import files
    from hgcae.model.files import model_fingerprint
    from hgcae.store.results import write_results

    chosen = PhysicsSettings.load(console.settings_values(settings, {}, assignments), source=settings or "settings")
    model = files.load(run)
    detector = _detector(model, run)
    names = [model.level(name).name for name in levels or model.hierarchy.names]
    folder = output or run / "physics"
    source = {"model": model_fingerprint(model), "program": f"hgcae {__version__} physics"}
    train = _training_events(run, model) if baseline else None
    fitted_to = {"training": model.trained_on.events} if train is not None and model.trained_on else {}
    decoders, sizes = {}, {}
    for name in names:
        found = {name: partial(model.reconstruct, level=name)} | _simple(train, name, model.bits_per_unit(name), baseline or ())
        decoders |= found
        sizes |= dict.fromkeys(found, _size(model, name))
    with claimed(folder / "physics.json"):
        samples = prepare(folder, detector, chosen, events, seed, workers, decoders, source)
        results = evaluate_physics(samples, detector, chosen, console.note)
        about = {
            "settings": chosen.model_dump(mode="json"),
            "fingerprints": {
                "settings": chosen.fingerprint(),
                "model": source["model"],
                "detector": detector.fingerprint(),
                **fitted_to,
            },
            "provenance": {"run": str(run), "seed": seed, "events": events, "energy_gev": ENERGY_GEV, "detector": detector.name},
            "codecs": sizes,
        }
        results = write_results(folder / "physics.json", "physics", about | results)
        report(results, folder, as_json=as_json)


def _simple(train: Events | None, level: str, bits: int, names: Sequence[str]) -> dict[str, Decoder]:
    """Returns simple codes at the bits of a level, by the name in the results: functions from events to the same events decoded."""
    from hgcae.codec.events import sent
    from hgcae.codec.simple import fitted

    def decoder(codec: UnitCodec) -> Decoder:
        return lambda events: sent(events, codec, level)[0]

    return {} if train is None else {f"{level} {name}": decoder(fitted(name, train, level, bits)) for name in names}


def _training_events(run: Path, model: Autoencoder) -> Events:
    """Returns some of the events that the model was trained on, to fit simple codes to.

    Raises:
        SettingsError: Their file is gone, or holds other events.
    """
    from hgcae.train.run import RunSettings, splits_of_run

    settings = RunSettings.from_yaml(run / "run.yaml")
    parts = splits_of_run(run, settings, model.trained_on)
    if parts is None:
        msg = f"--baseline: simple codes are fitted to the training events of {run}, but {settings.input} is not there, nor next to the run"
        raise SettingsError(msg)
    return parts[0].take(0, _FITTED)


def _size(model: Autoencoder, level: str) -> dict[str, Any]:
    bits = model.bits_per_unit(level)
    return {"level": level, "bits_per_unit": bits, "bits_per_event": bits * model.hierarchy.n_units(level)}


def _detector(model: Autoencoder, run: Path) -> Detector:
    """Returns the detector of a model.

    Raises:
        SettingsError: The model was trained on parts of events, or its detector is not known.
    """
    from hgcae.geometry.detector import detector_of

    detector = detector_of(model.detector, run)
    if detector is None or detector.hierarchy.levels != model.hierarchy.levels:
        found = f"the root {model.hierarchy.root}, detector {model.detector[0] if model.detector else 'unknown'}"
        msg = f"{run}: found a model of {found}, expected one of whole events of a known detector"
        raise SettingsError(msg)
    return detector


def guns(settings: PhysicsSettings, events: int) -> dict[str, tuple[int, dict[str, Any]]]:
    """Returns the number of events and the simulation's settings of every sample, by name."""
    shared = {"energy_gev": ENERGY_GEV, "direction": settings.direction}
    samples: dict[str, tuple[int, dict[str, Any]]] = {
        name: (events, {"gun": {**shared, "particles": [particle]}}) for name, particle in SINGLES.items()
    }
    half = events // 2
    for distance in SEPARATIONS_CM:
        gun = {**shared, "particles": ["e-"], "count": [2, 2], "separation_cm": distance}
        samples[f"pairs_{distance:g}cm"] = (half, {"gun": gun})
    samples["five"] = (half, {"gun": {**shared, "particles": ["e-", "gamma"], "count": [PER_CROWD] * 2}})
    samples["noise"] = (half, {"gun": {"count": [0, 0]}})
    samples["empty"] = (half, {"gun": {"count": [0, 0]}, "digitise": {"noise": False}})
    return samples


def prepare(
    folder: Path,
    detector: Detector,
    settings: PhysicsSettings,
    events: int,
    seed: int,
    workers: int,
    decoders: Mapping[str, Decoder],
    source: Mapping[str, str],
) -> PhysicsSamples:
    """Simulates and decodes all samples; what lies in the folder already is read."""
    from hgcae.evaluate import PhysicsSamples, Sample
    from hgcae.simulate import SimulateSettings, simulate

    made: dict[str, Sample] = {}
    for number, (name, (n, values)) in enumerate(guns(settings, events).items()):
        simulation = SimulateSettings.load({**values, "detector": detector.name, "seed": _FIRST_SEED + 100 * seed + number})
        told = {"detector": detector.fingerprint(), "events": n}
        provenance = {"program": source["program"], "settings": simulation.model_dump(mode="json"), **told}
        make = partial(simulate, simulation, n, workers=workers, detector=detector)
        true = kept(folder / "samples" / f"{name}.parquet", provenance, f"simulating {n} events of {name}", make)
        decoded = {}
        for codec, decoder in decoders.items():
            path = folder / "decoded" / codec / f"{name}.parquet"
            told = {"codec": codec, **source, "sample": fingerprint(provenance)}
            decoded[codec] = kept(path, told, f"{codec}: decoding {name}", lambda decoder=decoder, true=true: [decoder(true)])
        made[name] = Sample(true, decoded)
    pairs = {distance: made[f"pairs_{distance:g}cm"] for distance in SEPARATIONS_CM}
    no_particle = {name: made[name] for name in ("noise", "empty")}
    return PhysicsSamples({name: made[name] for name in SINGLES}, pairs, {"five": made["five"]}, no_particle)


def kept(path: Path, provenance: Mapping[str, Any], note: str, make: Callable[[], Any]) -> Events:
    """Reads a sample that the same settings wrote before; otherwise makes and writes it."""
    from hgcae.store import Reader, write

    if not path.exists() or Reader(path).provenance != provenance:
        console.note(note)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, make(), provenance)
    return Reader(path).read()


def report(results: Mapping[str, Any], folder: Path, *, as_json: bool) -> None:
    """Draws the figures of the results, writes their tables, and prints them, or everything as JSON."""
    from hgcae.evaluate import physics_markdown, physics_tables
    from hgcae.outputs import atomic_path
    from hgcae.plots import pairs_figure, profiles_figure, response_figure, separation_figure, shapes_figure

    for draw, name in (
        (response_figure, "response"),
        (shapes_figure, "shapes"),
        (profiles_figure, "profiles"),
        (separation_figure, "separation"),
        (pairs_figure, "pairs"),
    ):
        draw(results, folder / f"{name}.png")
    with atomic_path(folder / "physics.md") as temporary:
        temporary.write_text(physics_markdown(results), encoding="utf-8")
    if as_json:
        console.show(results, as_json=True)
        return
    for title, table in physics_tables(results).items():
        console.print_line(title)
        console.print_table(*table)
    console.print_line(f"figures, physics.md and physics.json in {folder}")
