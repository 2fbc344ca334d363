"""Evaluates a trained model, level by level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hgcae.errors import GeometryError, SettingsError

if TYPE_CHECKING:
    from hgcae.codes import Codes
    from hgcae.evaluate import EvaluateSettings
    from hgcae.events import Events
    from hgcae.geometry.detector import Detector
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.workflow.loaded import LoadedRun

_CODED = 2000
"""Training events whose codes the entropy coder is fitted to, at most."""


def evaluate_run(
    loaded: LoadedRun, settings: EvaluateSettings, folder: Path, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Evaluates every level of a model and writes `results.json`; returns the results.

    Without training events there are no baselines, and bits are not entropy-coded.

    Args:
        loaded: The model, with events that it has never seen.
        settings: How to measure.
        folder: Where to write.
        progress: Called with the number of levels done.

    Raises:
        SettingsError: No test events, or their file is gone.
        GeometryError: Events of another root than the model's.
    """
    from hgcae.evaluate import evaluate_level, measure_bits
    from hgcae.model.files import model_fingerprint
    from hgcae.store.results import write_results
    from hgcae.workflow.baselines import rivals

    model, test, train = loaded.model, loaded.sample, loaded.fitted
    if not len(test):
        msg = "found no events to evaluate, expected at least one"
        raise SettingsError(msg)
    hierarchy = model.hierarchy
    if test.hierarchy.levels != hierarchy.levels:
        found, expected = (", ".join(f"{level.name} x {level.children}" for level in h.levels) for h in (test.hierarchy, hierarchy))
        msg = f"the events have levels {found}; this model has {expected}"
        raise GeometryError(msg)
    levels: dict[str, Any] = {}
    codes: dict[str, Any] = {}
    train_codes: Codes | None = None
    for number, name in enumerate(hierarchy.names, 1):
        codes[name] = model.encode_events(test, name, codes.get(hierarchy.below(name) or ""))
        train_codes = None if train is None else model.encode_events(train[:_CODED], name, train_codes)
        level, bits = model.level(name), model.bits_per_unit(name)
        levels[name] = evaluate_level(
            test,
            model.decode_codes(codes[name], test.hierarchy),
            name,
            settings=settings,
            detector=loaded.whole,
            baselines=() if train is None else (*settings.baselines(train, name, level.latent), *rivals(train, test, name, bits)),
            latent_numbers=level.latent,
            bits_per_unit=bits,
            bits_per_event=bits * hierarchy.n_units(name),
        )
        levels[name]["occupied_bits_per_event"] = bits * len(codes[name].event) / len(test)
        levels[name]["bits"] = measure_bits(codes[name], train_codes, test.hierarchy)
        progress(number)
    fingerprints = {
        "settings": settings.fingerprint(),
        "model": model_fingerprint(model),
        "hierarchy": hierarchy.fingerprint(),
        "events": loaded.events_fingerprint,
    }
    heads = _heads(model, codes, test, loaded.whole, settings)
    content = {"settings": settings.model_dump(mode="json"), "fingerprints": fingerprints, "levels": levels, "heads": heads}
    return write_results(folder / "results.json", "evaluation", content)


def _heads(
    model: Autoencoder, codes: Mapping[str, Any], test: Events, detector: Detector | None, settings: EvaluateSettings
) -> dict[str, Any]:
    """Compares the estimates of all fitted heads with the truth of single particles whose showers do not leave the detector sideways.

    Beside them stands what the uncompressed charges tell without a network.
    """
    from hgcae.evaluate import contained, head_summary, leading_particle, uncompressed_estimates

    if test.particle_offsets is None or detector is None or not model.heads.energy:
        return {}
    use = contained(test, detector, settings.containment_margin_cm)
    truth = {name: values[use] for name, values in leading_particle(test).items()}
    how = {"edges_gev": settings.energy_edges_gev, "above_gev": settings.above_gev, "bootstrap": settings.bootstrap()}
    heads = {name: {"energy_gev": model.heads.energies(model, code)} for name, code in codes.items() if name in model.heads.energy}
    if model.heads.kinematics:
        heads[model.hierarchy.root] = model.heads.momenta(model, codes[model.hierarchy.root])
    chosen = {name: {key: values[use] for key, values in estimate.items()} for name, estimate in heads.items()}
    plain = uncompressed_estimates(test[use], detector, truth["energy_gev"], settings.above_gev)
    # Where there are two, the line from the interaction point is the one to beat: it knows as much of the events as the heads do.
    best = {name: values for estimate in plain.values() for name, values in estimate.items()}
    found = {name: head_summary(estimate, truth, best, **how) for name, estimate in chosen.items()}
    return found | {name: head_summary(estimate, truth, **how) for name, estimate in plain.items()}
