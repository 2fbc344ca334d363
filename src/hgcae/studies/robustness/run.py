"""The study from a run to its results: disturbed events, other particles, flipped bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.codes import Codes
from hgcae.errors import SettingsError, unknown
from hgcae.evaluate import Bootstrap, degradation, write_stress
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.bit_errors import flip_bits
from hgcae.model.files import model_fingerprint
from hgcae.outputs import claimed
from hgcae.simulate import SimulateSettings
from hgcae.simulate.perturb import PERTURBATIONS, perturbed
from hgcae.studies.robustness.figure import stress_figure
from hgcae.studies.runner import Console
from hgcae.train.run import Split
from hgcae.workflow.loaded import LoadedRun

FLIPS: dict[str, tuple[str, float | None]] = {
    "one_bit": ("one flipped bit in the code of each occupied unit", None),
    "flips_1e-6": ("each bit of every unit flipped with a probability of 1e-6", 1e-6),
    "flips_1e-5": ("each bit of every unit flipped with a probability of 1e-5", 1e-5),
    "flips_1e-4": ("each bit of every unit flipped with a probability of 1e-4", 1e-4),
    "flips_1e-3": ("each bit of every unit flipped with a probability of 1e-3", 1e-3),
}
"""Bit errors by name."""


def disturb(loaded: LoadedRun, names: Sequence[str], seed: int, folder: Path, console: Console) -> dict[str, Any]:
    """Measures a model in all disturbances and writes `stress.json` and `stress.png`; returns the results.

    Args:
        loaded: The run with its events.
        names: Disturbances, keys of `FLIPS` or names in `PERTURBATIONS`; none = all.
        seed: Draws maps of cells and flipped bits.
        folder: Where to write.
        console: Where to report.

    Raises:
        SettingsError: An unknown disturbance, or none that can be done to these events.
    """
    known = [perturbation.name for perturbation in PERTURBATIONS] + list(FLIPS)
    if strange := [name for name in names if name not in known]:
        raise SettingsError(unknown("disturbance", strange[0], known))
    model, events, whole = loaded.model, loaded.sample, loaded.whole
    settings = _simulation(loaded.test) if whole is not None and loaded.test is not None else None
    with claimed(folder / "stress.json"):
        cases = _cases(model, events, settings, whole, Bootstrap(seed=seed), seed, tuple(names or known), console)
        if not cases:
            msg = f"found nothing that can be done to these events: {', '.join(names)} need events that hgcae simulated"
            raise SettingsError(msg)
        fingerprints = {"model": model_fingerprint(model), "hierarchy": model.hierarchy.fingerprint(), "events": loaded.events_fingerprint}
        told = {"date": datetime.now(UTC).date().isoformat(), "n_events": len(events), "seed": seed, "fingerprints": fingerprints}
        results = write_stress(folder / "stress.json", cases, told)
        stress_figure(results, folder / "stress.png")
    return results


def _simulation(test: Split) -> SimulateSettings | None:
    """Returns the settings that simulated the events of a file; None where it does not say."""
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
    console: Console,
) -> list[dict[str, Any]]:
    """Measures every disturbance in its turn."""

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


def _decoded(model: Autoencoder, events: Events, disturb: Callable[[Codes], Codes] = lambda codes: codes) -> Iterator[tuple[str, Events]]:
    """Yields every level and the events decoded from its codes, which may be disturbed; each level is encoded once."""
    codes = None
    for name in model.hierarchy.names:
        codes = model.encode_events(events, name, codes)
        yield name, model.decode_codes(disturb(codes), events.hierarchy)


def _flipped(
    model: Autoencoder, events: Events, name: str, seed: int, measure: Callable[[Events, Events], dict[str, float | None]]
) -> dict[str, Any]:

    what, probability = FLIPS[name]
    flip = partial(flip_bits, rng=np.random.default_rng(seed), hierarchy=events.hierarchy, probability=probability)
    levels = {level: {"undisturbed": measure(events, found)} for level, found in _decoded(model, events, flip)}
    return {"name": name, "what": what, "uncompressed": None, "levels": levels}
