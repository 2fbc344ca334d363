"""`hgcae evaluate`: how good a trained model is, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError

if TYPE_CHECKING:
    from hgcae.evaluate import EvaluateSettings, UnitCodes
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.geometry.hierarchy import Hierarchy
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.model.sparse import Codes
    from hgcae.train.run import RunSettings

_CODED = 2000
"""Training events whose codes the entropy coder is fitted to, at most."""


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    events: Annotated[
        Path | None,
        typer.Option("-i", "--input", metavar="FILE", help="Other Parquet file of test events.", show_default="the run's held-out events"),
    ] = None,
    max_events: Annotated[int, typer.Option(min=1, help="Judge at most so many events.")] = 5000,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Folder of results.", show_default="RUN")] = None,
    settings: console.SettingsOption = None,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Judge a model on events it has never seen.

    At every level the events are encoded up to that level and decoded again through all lower levels. Reported beside each other: squared
    error of the model, of nothing, of the mean, and of as many principal components as the code has numbers; energy of decoded events
    against uncompressed ones and against the truth, with the fit of stochastic, noise and constant terms; barycentres; layer profiles; what
    the physics heads estimate; bits: of every unit, of occupied ones, and entropy-coded, beside the formats of the ECON-T.

      DIR/results.json   all figures with their errors, settings, versions and fingerprints
      DIR/energy.png     response and resolution; levels.png: all levels; heads.png: energy, momentum and impact point from codes

    Examples:
      hgcae evaluate run
      hgcae evaluate run -i photons.parquet -o photons --max-events 2000
    """
    from hgcae.evaluate import EvaluateSettings

    chosen = EvaluateSettings.load(console.settings_values(settings, {}, assignments), source=settings or "settings")
    opened = OpenRun.of(run, events, max_events)
    results = judge(opened.model, opened.train, opened.test, opened.detector, chosen, output or run)
    report(results, output or run, as_json=as_json)


@dataclass(frozen=True)
class OpenRun:
    """A run with the events to judge it on.

    Args:
        settings: Settings of the run.
        model: What it has trained.
        train: Training events, to fit the baselines to.
        test: Events to judge on.
        detector: Their detector, None where they name none.
    """

    settings: RunSettings
    model: Autoencoder
    train: Events
    test: Events
    detector: Detector | None

    @classmethod
    def of(cls, run: Path, events: Path | None, max_events: int) -> OpenRun:
        """Loads a run and at most `max_events` events: the run's held-out ones, or those of another file.

        Raises:
            SettingsError, DataFormatError: No run, or files that cannot be read or do not fit.
        """
        from hgcae.model.autoencoder import Autoencoder
        from hgcae.store import Reader
        from hgcae.train.run import RunSettings, Split, detector_of, splits

        model = Autoencoder.load(run)
        settings = RunSettings.from_yaml(run / "run.yaml")
        train, test = splits(settings)
        if events is not None and events.resolve() != Path(settings.input).resolve():
            reader = Reader(events)
            test = Split(reader, 0, len(reader), settings.root)
        sample = test.take(0, max_events)
        return cls(settings, model, train.take(0, 4000), sample, detector_of(sample.detector, test.reader.path))

    @property
    def whole(self) -> Detector | None:
        """The detector, if an event is a whole one."""
        return self.detector if self.detector is not None and self.model.hierarchy.levels == self.detector.hierarchy.levels else None


def judge(
    model: Autoencoder, train: Events, test: Events, detector: Detector | None, settings: EvaluateSettings, folder: Path
) -> dict[str, Any]:
    """Judges every level of a model and writes `results.json`; returns the results.

    Raises:
        SettingsError: No test events.
    """
    from hgcae.evaluate import judge_level, measure_bits, write_results

    if not len(test):
        msg = "found no events to judge, expected at least one"
        raise SettingsError(msg)
    hierarchy = model.hierarchy
    whole = detector if detector is not None and hierarchy.levels == detector.hierarchy.levels else None
    levels: dict[str, Any] = {}
    codes: dict[str, Any] = {}
    train_codes: Codes | None = None
    with console.progress(len(hierarchy.names), "levels") as progress:
        for number, name in enumerate(hierarchy.names, 1):
            codes[name] = model.encode_events(test, name, codes.get(hierarchy.below(name) or ""))
            train_codes = model.encode_events(train[:_CODED], name, train_codes)
            level, bits = model.level(name), model.bits_per_unit(name)
            levels[name] = judge_level(
                test,
                model.decode_codes(codes[name], test.hierarchy),
                name,
                settings=settings,
                detector=whole,
                baselines=settings.baselines(train, name, level.latent, bits),
                latent_numbers=level.latent,
                bits_per_unit=bits,
                bits_per_event=bits * hierarchy.n_units(name),
            )
            levels[name]["occupied_bits_per_event"] = bits * len(codes[name].event) / len(test)
            levels[name]["bits"] = measure_bits(*(unit_codes(model, coded, test.hierarchy) for coded in (codes[name], train_codes)))
            progress(number)
    return write_results(
        folder / "results.json",
        levels,
        date=datetime.now(UTC).date().isoformat(),
        settings=settings,
        fingerprints={"model": model.settings.fingerprint(), "hierarchy": hierarchy.fingerprint()},
        heads=_heads(model, codes, test, whole, settings),
    )


def unit_codes(model: Autoencoder, codes: Codes, hierarchy: Hierarchy) -> UnitCodes:
    """Returns codes as the judge counts them: words of so many bits, whatever model made them."""
    import numpy as np

    from hgcae.evaluate import UnitCodes

    level = model.level(codes.level)
    widths = np.full(level.latent, level.number_bits)
    return UnitCodes(hierarchy, codes.level, codes.n_events, codes.event, codes.unit, level.words(codes.code), widths)


def _heads(
    model: Autoencoder, codes: Mapping[str, Any], test: Events, detector: Detector | None, settings: EvaluateSettings
) -> dict[str, Any]:
    """Compares the estimates of all fitted heads with the truth of single particles whose showers do not leave the detector sideways."""
    from hgcae.evaluate import contained, head_summary, leading_particle

    if test.particle_offsets is None or detector is None or not model.heads.energy:
        return {}
    use = contained(test, detector, settings.containment_margin_cm)
    truth = {name: values[use] for name, values in leading_particle(test).items()}
    how = {"edges_gev": settings.energy_edges_gev, "above_gev": settings.above_gev, "bootstrap": settings.bootstrap()}
    heads = {name: {"energy_gev": model.heads.energies(model, code)} for name, code in codes.items() if name in model.heads.energy}
    if model.heads.kinematics:
        heads[model.hierarchy.root] = model.heads.momenta(model, codes[model.hierarchy.root])
    return {name: head_summary({key: v[use] for key, v in estimate.items()}, truth, **how) for name, estimate in heads.items()}


def report(results: Mapping[str, Any], folder: Path, *, as_json: bool) -> None:
    """Draws the figures of an evaluation and prints its tables, or everything as JSON."""
    from hgcae.evaluate import heads_table, table
    from hgcae.plots import energy_figure, heads_figure, levels_figure

    energy_figure(results, folder / "energy.png")
    levels_figure(results, folder / "levels.png")
    if results["heads"]:
        heads_figure(results["heads"], folder / "heads.png")
    if as_json:
        console.show(results, as_json=True)
        return
    console.print_table(*table(results))
    if results["heads"]:
        console.print_table(*heads_table(results))
    console.print_line(f"figures and results.json in {folder}")
