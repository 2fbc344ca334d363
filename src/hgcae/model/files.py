"""A model on disk: `model.json` says what it is and names the weights file with its checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.geometry.detector import detector_from_dict, detector_to_dict
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import ChildFrame
from hgcae.model.heads import Heads
from hgcae.model.presets import ModelSettings
from hgcae.model.training_data import TrainingData
from hgcae.outputs import atomic_path
from hgcae.reading.plain_json import read_json
from hgcae.settings import fingerprint
from hgcae.store.arrays import pack, unpack

FORMAT = "hgcae-model"
VERSION = 4
"""Raised whenever weights of an older model would decode to something else; 2: decoders set the barycentres that were sent; 3: the preset
`original` is another network, and a model says what it was trained on."""
_WEIGHTS = ("weights of hgcae", 1)


def save(model: Autoencoder, folder: str | Path) -> None:
    """Writes a model into a folder; a model that was there before stays whole until the new one is.

    First `weights-<checksum>.npz`, then `model.json` that names it, then older weights are removed: a reader never sees half a model.
    """
    folder, (header, data) = Path(folder), _contents(model)
    weights = folder / header["weights"]
    with atomic_path(weights) as path:
        path.write_bytes(data)
    with atomic_path(folder / "model.json") as path:
        path.write_text(json.dumps(header | {"fingerprint": _identity(header)}, indent=1), encoding="utf-8")
    for old in folder.glob("weights-*.npz"):
        if old != weights:
            old.unlink()


def model_fingerprint(model: Autoencoder) -> str:
    """Returns 16 hexadecimal digits that identify all of a model, weights and heads included: the `fingerprint` in its `model.json`."""
    return _identity(_contents(model)[0])


def _identity(header: Mapping[str, Any]) -> str:
    """Returns the fingerprint of a header; the values of the detector, which its own fingerprint covers, may be known or not."""
    detector = header.get("detector")
    named = {key: detector[key] for key in detector if key != "settings"} if isinstance(detector, dict) else detector
    return fingerprint({**header, "detector": named})


def _contents(model: Autoencoder) -> tuple[dict[str, Any], bytes]:
    """Returns what `model.json` says, and the bytes of the weights file it names."""
    heads = {f"heads/{key}": value for key, value in model.heads.arrays().items()}
    data = pack(*_WEIGHTS, {}, weight_arrays(model) | heads)
    digest = hashlib.sha256(data).hexdigest()
    header = {
        "format": FORMAT,
        "version": VERSION,
        "weights": f"weights-{digest[:16]}.npz",
        "sha256": digest,
        "hierarchy": model.hierarchy.to_dict(),
        "detector": detector_to_dict(model.detector),
        "settings": model.settings.model_dump(mode="json"),
        "calibration": asdict(model.calibration),
        "frames": {name: frame.to_dict() for name, frame in model.frames.items()},
        "trained_on": None if model.trained_on is None else asdict(model.trained_on),
    }
    return header, data


def load(path: str | Path) -> Autoencoder:
    """Loads a model from its folder, or from the folder of a training run.

    Raises:
        DataFormatError: Missing, damaged, of an older version, or not a model.
    """
    folder = Path(path)
    folder = folder if (folder / "model.json").exists() else folder / "model"
    try:
        header, arrays = _read(folder)
        hierarchy = Hierarchy.from_dict(header["hierarchy"])
        calibration, trained_on = header["calibration"], header["trained_on"]
        trained_on = None if trained_on is None else TrainingData(**trained_on)
        if calibration["root_weight"] is not None:
            calibration["root_weight"] = tuple(calibration["root_weight"])
        model = Autoencoder(
            hierarchy,
            ModelSettings.load(header["settings"], source=folder / "model.json"),
            Calibration(**calibration),
            {name: ChildFrame.from_dict(frame) for name, frame in header["frames"].items()},
            detector=detector_from_dict(header["detector"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataFormatError(folder / "model.json", "contents", f"{type(error).__name__}: {error}", "a model of hgcae") from None
    set_weight_arrays(model, {k: v for k, v in arrays.items() if not k.startswith("heads/")}, folder / header["weights"])
    model.trained_on = trained_on
    model.heads = Heads.from_arrays({k.removeprefix("heads/"): v for k, v in arrays.items() if k.startswith("heads/")})
    return model


def load_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Returns the trainable weights of a model on disk, as `weight_arrays` does, without building it.

    Raises:
        DataFormatError: Missing, damaged, or not a model.
    """
    _, arrays = _read(path if (path / "model.json").exists() else path / "model")
    return {key: value for key, value in arrays.items() if not key.startswith("heads/")}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Returns the header and the arrays it names; reads again if the model was replaced in between, which removes the old weights."""
    header = _read_header(folder / "model.json")
    while True:
        try:
            return header, _read_weights(folder / header["weights"], header["sha256"])
        except DataFormatError:
            before, header = header, _read_header(folder / "model.json")
            if header == before:
                raise


def _read_header(path: Path) -> dict[str, Any]:
    header = read_json(path, "a model of hgcae")
    if header.get("format") != FORMAT:
        raise DataFormatError(path, "format", repr(header.get("format"))[:40], repr(FORMAT))
    if header.get("version") != VERSION:
        raise DataFormatError(path, "version", repr(header.get("version")), f"{VERSION}: train the model again with this version of hgcae")
    found, expected = header.pop("fingerprint", None), _identity(header)
    if found != expected:
        raise DataFormatError(path, "fingerprint", repr(found), f"{expected!r} (the file is damaged)")
    return header


def _read_weights(path: Path, digest: str) -> dict[str, NDArray[Any]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataFormatError(path, "file", error.strerror or "an error", "the weights named in model.json") from None
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        raise DataFormatError(path, "SHA-256", found[:16], f"{digest[:16]} (the file is damaged)")
    return unpack(data, *_WEIGHTS, path)[1]


def weight_arrays(model: Autoencoder) -> dict[str, NDArray[np.float32]]:
    """Returns the trainable weights under stable names, `LEVEL/encoder/0` and so on."""
    return {
        f"{name}/{part}/{i}": np.asarray(variable.value)
        for name, level in model.levels.items()
        for part, network in (("encoder", level.encoder), ("decoder", level.decoder))
        for i, variable in enumerate(network.trainable_variables)
    }


def set_weight_arrays(model: Autoencoder, arrays: Mapping[str, NDArray[Any]], source: object = "weights") -> None:
    """Assigns weights that `weight_arrays` returned.

    Raises:
        DataFormatError: An array is missing, left over or of another shape.
    """
    expected = weight_arrays(model)
    if set(arrays) != set(expected):
        difference = sorted(set(arrays) ^ set(expected))
        raise DataFormatError(source, "arrays", f"a difference in {', '.join(difference[:3])}", f"the {len(expected)} of these settings")
    for name, level in model.levels.items():
        for part, network in (("encoder", level.encoder), ("decoder", level.decoder)):
            for i, variable in enumerate(network.trainable_variables):
                key = f"{name}/{part}/{i}"
                if arrays[key].shape != expected[key].shape:
                    raise DataFormatError(source, key, f"shape {arrays[key].shape}", f"shape {expected[key].shape}")
                variable.assign(arrays[key])
