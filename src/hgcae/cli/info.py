"""`hgcae info`: what is in a file of events, what a model is, or what a detector is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from hgcae.cli import console


def info(
    subject: Annotated[
        str,
        typer.Argument(metavar="FILE|RUN|DETECTOR", help="File of events, folder of a run, or detector (YAML or name)."),
    ],
    detector: console.DetectorOption = None,
    digi: console.DigiOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Say what a file of events holds, what a trained model is, or what a detector is.

    Of events: levels with their occupancy (mean number of units with charge per event), charges (in the counts of the file; of simulated
    events, tenths of a MIP), truth, particles by PDG id, per-event columns, provenance. All of the file is read, so damage is found:
    Parquet files of hgcae carry checksums. Of a model: for each level the numbers and bits of its code, the weights of encoder and
    decoder, the fixed-point formats. Of a detector: levels, layers, depth.

    Examples:
      hgcae info electrons.parquet
      hgcae info electrons.pickle --json
      hgcae info demo/run
      hgcae info prototype
    """
    from hgcae.geometry.detector import shipped_detectors

    path = Path(subject)
    if path.is_dir():
        console.show(_model(path), as_json=as_json)
        return
    is_detector = path.suffix.lower() in {".yaml", ".yml"} or (subject in shipped_detectors() and not path.exists())
    console.show(_detector(subject) if is_detector else _events(path, detector, digi), as_json=as_json)


def _model(folder: Path) -> dict[str, Any]:
    from hgcae.model import files
    from hgcae.model.files import model_fingerprint

    model = files.load(folder)
    levels = {}
    for name, level in model.levels.items():
        formats = model.settings.levels[name].model_dump(include={"weight", "activation", "feature", "number"})
        levels[name] = {
            "numbers": level.latent,
            "bits": level.format.widths.tolist(),
            "bits_per_unit": level.bits_per_unit,
            "bits_per_event": level.bits_per_unit * model.hierarchy.n_units(name),
            "encoder_weights": sum(math.prod(v.shape) for v in level.encoder.trainable_variables),
            "decoder_weights": sum(math.prod(v.shape) for v in level.decoder.trainable_variables),
            "formats": {key: "{bits} bits, {integer} integer".format(**value) for key, value in formats.items()},
        }
    return {
        "model": str(folder),
        "preset": model.settings.preset,
        "fingerprint": model_fingerprint(model),
        "trained_on": None if model.trained_on is None else model.trained_on.events,
        "detector": None if model.detector is None else model.detector[0],
        "levels": levels,
        "smallest_charge_adc": model.calibration.smallest_charge,
        "energy_heads": list(model.heads.energy),
        "momentum_head": bool(model.heads.kinematics),
    }


def _detector(name: str) -> dict[str, Any]:
    from hgcae.geometry.detector import Detector

    detector = Detector.load(name)
    hierarchy, planes = detector.hierarchy, [layer.plane for layer in detector.settings.layers]
    shapes = {level: list(hierarchy.level(level).shape) for level in reversed(hierarchy.names)}
    return {
        "detector": detector.name,
        "source": detector.settings.source,
        "fingerprint": detector.fingerprint(),
        "levels": {level: {"units": hierarchy.n_units(level), "children": shape} for level, shape in shapes.items()},
        "trigger_cells": hierarchy.n_cells(),
        "missing_trigger_cells": int((~hierarchy.present("CELL")).sum()),
        "layers": {plane: planes.count(plane) for plane in dict.fromkeys(planes)},
        "z_cm": [float(detector.layer_z_cm[0]), float(detector.layer_z_cm[-1])],
        "depth_x0": detector.total_x0,
        "depth_lambda_n": float(detector.layer_lambda.sum()),
        "modules_per_layer": len(detector.module_xy),
        "centre_cm": list(detector.settings.centre_cm),
        "radius_cm": detector.radius_cm,
    }


def _events(path: Path, detector: str | None, digi: console.Digi | None) -> dict[str, Any]:
    from hgcae.sources import STORE_SUFFIX, find_source
    from hgcae.sources.summary import Summary
    from hgcae.store import Reader

    metrics: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size}
    if path.suffix.lower() == STORE_SUFFIX:
        reader = Reader(path)
        metrics |= {"format": f"hgcae events, schema version {reader.schema_version}", "row_groups_verified": reader.verify()}
        metrics["fingerprint"] = reader.content_fingerprint
        provenance = {"provenance": reader.provenance}
    else:
        metrics["format"] = find_source(path, look=True).name
        provenance = {}
    summary = Summary()
    for chunk in console.events_of(path, detector, digi=digi):
        summary.add(chunk)
    return {**metrics, **summary.metrics(), **provenance}
