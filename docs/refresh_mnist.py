# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/mnist.md and its figures from what `SetupExampleModel --json` printed: `make docs-mnist`."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PREFIX = "MNIST_example"
PACKAGES = ("keras", "jax", "hgq2", "luigi", "scikit-dimension")


ORIGINAL = """### The original example

The task this example goes back to is `tasks/example.py` of github.com/dpwinter/TPG-autoencoder-workflows (2905e6b).
`SetupExampleModel 28 --original` trains in steps of 32 images, as it does, and writes its files besides, into the folder of the figures
(`$OUTPUT_DIR/mnist/28-` and a fingerprint of the settings). What is the same, and what is not:

* Data: `data/MNIST_train.npy` and `data/MNIST_test.npy`, there written by the task `DefineDatasets`; here images of uint8, (n, 28, 28),
  while the workflow itself reads one npz file.
* Training: 50 epochs in steps of 32 images in the task `SetupModel`, and here. Without `--original` a step has a hundredth of the images,
  16 to 128, so 128 for MNIST; `--batch` sets it.
* Files: `cost.pdf` and `anim.mp4` in `models/28`, as there. The networks are `model_encoder.keras` and `model_decoder.keras`, files of
  Keras 3: the original's folders `model_encoder` and `model_decoder` are TensorFlow's, which is not used here.
* Not taken over: its networks and its learning rate. Here they are those of `hgcae.examples.mnist.networks`, and Adam's rate falls along a
  cosine from 0.002."""


def main(folder: Path) -> None:
    """Reads `mnist.json` and, as far as they are there, `digits.json`, `quantised.json`, `scan.json` and `comparison.json` in a folder."""
    files = (folder / f"{name}.json" for name in ("mnist", "digits", "quantised", "scan", "comparison"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files if path.exists()}
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    parts = [
        f"""# Digits: the introductory example

How many numbers does a handwritten digit need, and which network finds them? The questions that the rest of the package asks of showers, on
images that everybody knows, in minutes. Measured by `make docs-mnist`,
{datetime.now(UTC):%Y-%m-%d}; {versions}.""",
        single([found[name] for name in ("mnist", "digits", "quantised") if name in found]),
    ]
    parts += [scan(found["scan"]["scan"])] if "scan" in found else []
    parts += [comparison(found["comparison"]["comparison"])] if "comparison" in found else []
    (DOCS / "mnist.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def single(trainings: list[dict[str, Any]]) -> str:
    """Returns what single trainings found; the first is shown."""
    shown = trainings[0]
    last = shown["settings"]["epochs"]
    for name, target in (("epoch0", "epoch0"), (f"epoch{last}", "last"), ("cost", "cost")):
        shutil.copyfile(Path(shown["figures"]) / f"{PREFIX}_{name}.png", DOCS / "figures" / f"mnist_{target}.png")
    return f"""## Run it

```bash
source setup.sh          # exports WORKFLOW_DIR and OUTPUT_DIR, where not yet set
SetupExampleModel 28     # 28 x 28 x 1 pixels to 28 numbers and back
```

The command goes through a [luigi](https://luigi.readthedocs.io) workflow: the data, the training, the figures. Each step's files appear
whole or not at all; what is there is not done again, and a training that was stopped goes on after its last finished epoch. To watch it
in luigi's pages, start `luigid` and add `--central-scheduler`.

Without further options the images are MNIST by Keras' own loader. Where that cannot be had, they are the 1,797 digits of 8 x 8 pixels
inside scikit-learn, scaled to 28 x 28, and the command says so. `--data mnist.npz` takes MNIST from a file, `--data digits` always the
small ones. With `--quantised` the encoder computes in 8 to 9 bits as the encoders of the trigger do, and each number of its code has
8 bits.

{table(trainings)}

Errors are per pixel, pixels from 0 to 1, on test images, with the statistical error of the test sample; PCA has as many components as the
code has numbers. In scikit-learn's digits all images lie in a space of 64 dimensions, because that is how many pixels they had, and few
are there to train on: PCA is hard to beat there.

{ORIGINAL}

Input and decoded test images of MNIST before the training:

![Epoch 0](figures/mnist_epoch0.png)

and after epoch {last}:

![Epoch {last}](figures/mnist_last.png)

The cost through the training:

![Cost](figures/mnist_cost.png)"""


def scan(found: dict[str, Any]) -> str:
    """Returns the error against the number of dimensions."""
    shutil.copyfile(found["figure"], DOCS / "figures" / "mnist_scan.png")
    points = found["points"]
    intrinsic = ", ".join(f"{v['mean']:.1f} ± {v['error']:.1f} ({name})" for name, v in found["intrinsic"].items())
    return f"""## How many numbers?

```bash
pip install 'hgcae[scan]'    # scikit-dimension, for the intrinsic dimension
SetupExampleModel {" ".join(str(point["ndim"]) for point in points)} --data {source(found)} --epochs {points[0]["epochs"]}
```

{scan_table(points)}

![Scan](figures/mnist_scan.png)

Intrinsic dimension of the training images: {intrinsic or "not estimated"}. The error is that of three disjoint samples of at most 2,000
images; a finite sample underestimates."""


def comparison(found: dict[str, Any]) -> str:
    """Returns networks and cost functions side by side."""
    shutil.copyfile(found["figure"], DOCS / "figures" / "mnist_comparison.png")
    points = found["points"]
    return f"""## Which network, which cost function?

```bash
SetupExampleModel {points[0]["ndim"]} --compare --data {source(found)} --epochs {points[0]["epochs"]}
```

{comparison_table(points)}

![Comparison](figures/mnist_comparison.png)

Structural similarity (Wang et al. 2004) compares means, contrast and pattern under a window of 11 pixels; 1 is equal."""


def source(found: dict[str, Any]) -> str:
    """Returns what `--data` was, without the folder of a file."""
    return "digits" if found["data"] == "scikit-learn digits" else "mnist.npz"


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the table of single trainings."""
    lines = [["images", "to train / to test", "epochs", "squared error", "PCA", "quotient"]]
    for found in rows:
        name = "scikit-learn digits" if source(found) == "digits" else "MNIST"
        name += ", quantised encoder" * found["settings"]["quantised"]
        sizes = f"{found['n_train']:,} / {found['n_test']:,}"
        errors = (measured(found["squared_error"]), measured(found["pca_squared_error"]), f"{found['squared_error_over_pca']:.2f}")
        lines.append([name, sizes, str(found["settings"]["epochs"]), *errors])
    return markdown(lines)


def scan_table(points: list[dict[str, Any]]) -> str:
    """Returns the errors by number of dimensions."""
    lines = [["dimensions", "squared error", "PCA", "quotient"]]
    for point in points:
        quotient = f"{point['squared_error_over_pca']:.2f}"
        lines.append([str(point["ndim"]), measured(point["squared_error"]), measured(point["pca_squared_error"]), quotient])
    return markdown(lines)


def comparison_table(points: list[dict[str, Any]]) -> str:
    """Returns the merits of networks and cost functions."""
    lines = [["network, trained on", "weights", "squared error", "cross entropy [nat]", "structural similarity"]]
    for point in points:
        name = f"{point['architecture']}, {point['cost'].replace('_', ' ')}"
        merits = [measured(point[key], scale) for key, scale in (("squared_error", 5), ("cross_entropy", 4), ("structural_similarity", 4))]
        lines.append([name, f"{point['weights']:,}", *merits])
    return markdown(lines)


def measured(value: dict[str, float], digits: int = 5) -> str:
    """Returns a figure with its error."""
    return f"{value['mean']:.{digits}f} ± {value['error']:.{digits}f}"


def markdown(lines: list[list[str]]) -> str:
    """Returns a Markdown table; the first line holds the headings."""
    rows = [lines[0], ["---"] + ["---:"] * (len(lines[0]) - 1), *lines[1:]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
