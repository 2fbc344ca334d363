"""Evaluates one module codec."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hgcae.settings import fingerprint
from hgcae.workflow.settings import CompareSection


def compare_one(settings: CompareSection, name: str, links: int, path: Path) -> None:
    """Makes a codec from the training half of a sample, evaluates it on the other half, and writes the results; see `hgcae compare`."""
    from hgcae.codec import FitOptions, make_codec
    from hgcae.evaluate import Bootstrap, evaluate_modules, write_module_results
    from hgcae.sources.modules import data_fingerprints, module_sample

    data = Path(settings.data)
    modules = module_sample(settings.sample, data, seed=settings.seed)
    test = modules.test
    if len(test) > settings.max_modules:
        test = test[np.sort(np.random.default_rng(settings.seed).choice(len(test), settings.max_modules, replace=False))]
    codec = make_codec(name, links, modules.train, FitOptions(settings.seed, settings.steps, data))
    payload = codec.encode(test)
    result = evaluate_modules(settings.sample, name, links, test, codec.decode(payload), payload.bits, Bootstrap(seed=settings.seed))
    made = {
        "sample": settings.sample,
        "n_train": len(modules.train),
        "n_test": len(test),
        "data": data_fingerprints(modules.train, test),
        "seed": settings.seed,
        "steps": settings.steps,
        "codecs": {f"{name} {links}": fingerprint(codec.get_config())},
    }
    write_module_results(path, [result], date=datetime.now(UTC).date().isoformat(), provenance=made)
