"""The output of `SetupExampleModel --json`."""

from __future__ import annotations

import importlib.metadata
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pages import Collected

PACKAGES = ("keras", "jax", "hgq2", "luigi", "scikit-dimension")
TRAININGS = ("mnist", "digits", "quantised")
ERRORS = ("squared_error", "pca_squared_error", "squared_error_over_pca")
SEVERAL = {
    "scan": ERRORS,
    "comparison": ("architecture", "cost", "weights", "squared_error", "cross_entropy", "structural_similarity"),
}
"""Kinds of several trainings, and what is printed of each training."""


def collect(folder: Path) -> Collected:
    """Reads the outputs of the trainings, of a scan and of a comparison."""
    found = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in (*TRAININGS, *SEVERAL)}
    trainings = [found[name] for name in TRAININGS]
    last = trainings[0]["settings"]["epochs"]
    drawn = {"epoch0": "epoch0", f"epoch{last}": "last", "cost": "cost"}
    pictures = {f"mnist_{target}.png": Path(trainings[0]["figures"]) / f"MNIST_example_{name}.png" for name, target in drawn.items()}
    values: dict[str, Any] = {
        "command": "make docs-mnist",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "trainings": [
            {"data": _data(one), "epochs": one["settings"]["epochs"], "quantised": one["settings"]["quantised"]}
            | {key: one[key] for key in ("n_train", "n_test", *ERRORS)}
            for one in trainings
        ],
    }
    for name, keys in SEVERAL.items():
        one = found[name][name]
        points = [{key: point[key] for key in ("ndim", "epochs", *keys)} for point in one["points"]]
        values[name] = {"data": _data(one), "points": points, "intrinsic": one.get("intrinsic", {})}
        pictures[f"mnist_{name}.png"] = Path(one["figure"])
    return Collected(values, pictures)


def _data(found: dict[str, Any]) -> str:
    """Returns the value of `--data`, without the folder of a file."""
    return "digits" if found["data"] == "scikit-learn digits" else "mnist.npz"
