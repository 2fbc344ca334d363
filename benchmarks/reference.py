"""The original in TensorFlow and QKeras, run in an environment of its own; writes what the tests compare hgcae with.

    python benchmarks/reference.py PYTHON

PYTHON is an interpreter that has TensorFlow 2.15 and QKeras 0.9 (`make bench-peers` makes one). Writes `tests/golden/original-v1.json`:
losses and codes of the reference on a small hierarchy, from weights that hgcae draws.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.files import weight_arrays
from hgcae.model.presets import original_preset

PROGRAM = Path(__file__).parent / "peers" / "tf_qkeras.py"
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "original-v1.json"
SMALL = Hierarchy.of(ROC=(4, 4), MODULE=3, TRIPLET=3, STAGE1=2, STAGE2=2)
"""All five levels, the upper two with two children only."""
BATCH = 2
STEPS = 10
PLAIN = {"TF_ENABLE_ONEDNN_OPTS": "0"}
"""Environment of TensorFlow's own kernels; those of oneDNN, which it otherwise prefers, are faster and add in other orders."""


def dense(model: Autoencoder, events: Events) -> NDArray[np.float32]:
    """Returns events as the network sees them: (n, ..., 4, 4)."""
    return model.digi(events).to_dense().astype(np.float32)


def run(
    python: Path,
    model: Autoencoder,
    train: Events,
    test: Events,
    task: Mapping[str, Any],
    weights: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Runs the reference on events of a model, from its weights; see `peers/tf_qkeras.py`.

    Args:
        python: Interpreter that has TensorFlow and QKeras.
        model: The model; its weights stay as they are.
        train: Training events, in the order in which they pass.
        test: Test events.
        task: What to do: `batch`, and `steps` or `stages`.
        weights: Where to write the weights of the end; None = nowhere.
        environment: What its environment has besides that of this process.
    """
    sizes = {"levels": {level.name: level.children for level in model.hierarchy.levels}}
    latent = model.level(model.hierarchy.root).latent
    with tempfile.TemporaryDirectory() as folder:
        given, sample, found = (Path(folder) / name for name in ("task.json", "sample.npz", "result.json"))
        given.write_text(json.dumps({**sizes, "latent": latent, "weights": weights is not None, **task}), encoding="utf-8")
        np.savez(sample, train=dense(model, train), test=dense(model, test), **weight_arrays(model))
        subprocess.run([python, PROGRAM, given, sample, found], check=True, env=os.environ | dict(environment or {}))
        if weights is not None:
            shutil.copyfile(found.with_suffix(".npz"), weights)
        return json.loads(found.read_text(encoding="utf-8"))


def small_model() -> Autoencoder:
    """Returns the original on the small hierarchy."""
    return Autoencoder(SMALL, original_preset(SMALL), Calibration(dict.fromkeys(SMALL.names, 1e4), 1.0), {}, seed=5)


def small_events(n: int = 6) -> Events:
    """Returns events of a few charged ROCs."""
    rng = np.random.default_rng(6)
    mean = 10 ** rng.uniform(0.5, 3, (n, SMALL.n_units("ROC"), 1)) * (rng.random((n, SMALL.n_units("ROC"), 1)) < 0.4)
    charge = rng.poisson(mean * rng.exponential(0.5, (n, SMALL.n_units("ROC"), 16)))
    return Events.from_dense(charge.reshape(n, *SMALL.shape), SMALL)


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Returns a checksum of weights, or of any arrays with names."""
    return hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()[:16]


def main(python: str) -> None:
    """Writes the golden file."""
    model, events = small_model(), small_events()
    alone = run(Path(python), model, events, events[:0], {"batch": BATCH, "steps": {"levels": SMALL.names, "count": STEPS}})
    stages = [{"level": name, "trains": SMALL.names[: i + 1], "epochs": 2} for i, name in enumerate(SMALL.names)]
    joint = {
        stage["level"]: run(Path(python), model, events[2:], events[:2], {"batch": BATCH, "stages": [stage]})["history"] for stage in stages
    }
    levels = {name: {"losses": row["losses"], "codes": row["codes"][0]} for name, row in alone["levels"].items()}
    rows = {name: [{key: row[key] for key in ("loss_train", "loss_test")} for row in history] for name, history in joint.items()}
    golden = {
        "versions": alone["versions"],
        "weights": digest(weight_arrays(model)),
        "digi": digest({"digi": dense(model, events)}),
        "alone": levels,
        "joint": rows,
    }
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
