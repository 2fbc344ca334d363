"""A run without a training: constructed showers, decoded a little wrong at each level, evaluated, with a history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evaluate.toys import scaled
from hgcae.evaluate import EvaluateSettings, LargestCells, evaluate_level, head_summary, leading_particle, uncompressed_estimates
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.plots.eventdata import Displays
from hgcae.store.results import write_results

QUICK = EvaluateSettings(bootstrap_replicas=5, max_units=50, energy_edges_gev=(1, 100, 200, 300, 400, 500))
FACTORS = {"ROC": 1.01, "TRIPLET": 0.97, "STAGE2": 1.05}
"""Decoded over true charge of every cell, by level."""


def toy_results(showers: Events, detector: Detector, folder: Path) -> dict[str, Any]:
    """Returns results of three levels, with baselines and with heads that are a hundredth too large."""
    levels = {
        name: evaluate_level(
            showers,
            scaled(showers, factor),
            name,
            settings=QUICK,
            detector=detector,
            baselines=(*QUICK.baselines(showers, name, 4), LargestCells(4, "quanta"), LargestCells(6, "ranked")),
            latent_numbers=8,
            bits_per_unit=72,
            bits_per_event=72 * detector.hierarchy.n_units(name),
        )
        for name, factor in FACTORS.items()
    }
    truth = leading_particle(showers)
    estimate = {name: 1.01 * truth[name] for name in ("energy_gev", "eta", "phi", "impact_x_cm")}
    classic = uncompressed_estimates(showers, detector, truth["energy_gev"], QUICK.above_gev)
    binned = {"edges_gev": QUICK.energy_edges_gev, "above_gev": QUICK.above_gev, "bootstrap": QUICK.bootstrap()}
    heads = {name: head_summary(found, truth, **binned) for name, found in {"STAGE2": estimate, **classic}.items()}
    fingerprints = {"model": "0123456789abcdef"}
    content = {
        "date": "2026-01-01",
        "settings": QUICK.model_dump(mode="json"),
        "fingerprints": fingerprints,
        "levels": levels,
        "heads": heads,
    }
    return write_results(folder / "results.json", "evaluation", content)


def toy_displays(showers: Events, detector: Detector | None, n: int = 3) -> Displays:
    """Returns the first events, as each level decodes them."""
    return Displays(showers[:n], {name: scaled(showers[:n], factor) for name, factor in FACTORS.items()}, detector)


def toy_history(**stages: int) -> list[dict[str, Any]]:
    """Returns a history with so many epochs in each stage, by the level it trains."""
    rows: list[dict[str, Any]] = []
    for number, (level, epochs) in enumerate(stages.items(), 1):
        for epoch in range(epochs):
            loss = float(np.exp(-epoch / 5) + 0.1)
            names = {"stage": number, "loss_level": level, "trains": [level], "epoch": len(rows) + 1, "step": 10 * (len(rows) + 1)}
            rows.append({**names, "loss_train": loss, "loss_test": 1.1 * loss, "learning_rate": 1e-3, "seconds": 2.0})
    return rows
