"""Module codecs, and trained runs, on the test half of a sample of modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.codec import FitOptions, UnitCodec, make_codec
from hgcae.codec.base import BUDGETS
from hgcae.errors import SettingsError
from hgcae.evaluate import Bootstrap, ModuleResult, evaluate_modules
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.settings import fingerprint
from hgcae.sources.modules import ModuleSample, data_fingerprints, module_sample
from hgcae.store.results import write_results
from hgcae.workflow.settings import CompareSection


def drawn(sample: ModuleSample, most: int, seed: int) -> ModuleSample:
    """Returns a sample with at most so many test modules, drawn at random, in their order.

    Raises:
        SettingsError: There is none.
    """
    n = len(sample.test)
    if not n or not len(sample.train):
        msg = f"{sample.name}: found {len(sample.train)} modules with charge to fit codecs to and {n} to evaluate, expected some of both"
        raise SettingsError(msg)
    chosen = np.sort(np.random.default_rng(seed).choice(n, most, replace=False)) if n > most else np.arange(n)
    return replace(sample, test=sample.test[chosen])


def evaluate_codec(sample: ModuleSample, name: str, links: int, fit: FitOptions) -> tuple[UnitCodec, ModuleResult]:
    """Makes a codec from the training half of a sample and evaluates it on the test half."""
    codec = make_codec(name, links, sample.train, fit)
    payload = codec.encode(sample.test)
    return codec, evaluate_modules(sample.name, name, links, sample.test, codec.decode(payload), payload.bits, Bootstrap(seed=fit.seed))


def evaluate_run(sample: ModuleSample, run: Path, seed: int) -> tuple[str, ModuleResult]:
    """Evaluates the MODULE level of a trained run; returns the fingerprint of its model, and the results.

    The number of links is the smallest whose bits hold the code of a module.

    Raises:
        SettingsError: The run has no level of silicon modules, or its code fits no number of links.
    """
    from hgcae.model import files

    model, hierarchy = files.load(run), PROTOTYPE.rooted("MODULE")
    if model.hierarchy.levels[: len(hierarchy.levels)] != hierarchy.levels:
        msg = f"{run}: holds a model of {', '.join(model.hierarchy.names)}, expected the levels ROC and MODULE of silicon modules"
        raise SettingsError(msg)
    bits = model.bits_per_unit("MODULE")
    links = next((links for links, budget in BUDGETS.items() if budget >= bits), None)
    if links is None:
        msg = f"{run}: the code of a module has {bits} bits, expected at most the {max(BUDGETS.values())} of {max(BUDGETS)} links"
        raise SettingsError(msg)
    modules = Events.from_dense(sample.test.reshape(-1, *hierarchy.shape), hierarchy)
    decoded = model.reconstruct(modules, "MODULE").to_dense().reshape(-1, module.N_CELLS)
    sent = np.full(len(decoded), bits)
    return files.model_fingerprint(model), evaluate_modules(sample.name, str(run), links, sample.test, decoded, sent, Bootstrap(seed=seed))


def write_comparison(
    path: Path, sample: ModuleSample, results: Sequence[ModuleResult], made: Mapping[str, str], fit: FitOptions
) -> dict[str, Any]:
    """Writes results with what made them; `made` has the fingerprint of each codec by name and links. Returns what was written."""
    provenance = {
        "sample": sample.name,
        "n_train": len(sample.train),
        "n_test": len(sample.test),
        "data": data_fingerprints(sample.train, sample.test),
        "seed": fit.seed,
        "steps": fit.steps,
        "codecs": dict(made),
    }
    return write_results(path, "modules", {"provenance": provenance, "results": [result.to_dict() for result in results]})


def compare_one(settings: CompareSection, name: str, links: int, path: Path) -> None:
    """Makes and evaluates one codec of a workflow, and writes its results; see `hgcae compare`."""
    fit = FitOptions(settings.seed, settings.steps, Path(settings.data))
    sample = drawn(module_sample(settings.sample, settings.data, seed=settings.seed), settings.max_modules, settings.seed)
    codec, result = evaluate_codec(sample, name, links, fit)
    write_comparison(path, sample, [result], {f"{name} {links}": fingerprint(codec.get_config())}, fit)
