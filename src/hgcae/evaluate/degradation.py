"""How much worse a code gets when something is otherwise than in training: few metrics, the same for every disturbance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hgcae.errors import DataFormatError
from hgcae.evaluate.distances import compare
from hgcae.evaluate.frame import check_pair
from hgcae.evaluate.moments import moments
from hgcae.evaluate.position import MM_PER_CM, layer_profile_error
from hgcae.evaluate.report import versions
from hgcae.evaluate.response import ratio
from hgcae.evaluate.statistics import MIN_ENTRIES, Bootstrap
from hgcae.events import Events
from hgcae.geometry.cells import CellTable
from hgcae.geometry.detector import Detector
from hgcae.store.results import read_results_file, write_results_file

SCHEMA = 3
"""Version of the result file; raised when a key changes its meaning."""

ABOVE_GEV = 20.0
"""Energies, positions and layers are those of events above, where there are ten: below, thresholds and noise rule."""

METRICS: Mapping[str, str] = {
    "response": "median of decoded over reference energy, less 1",
    "sigma_eff": "width of decoded over reference energy",
    "barycentre_mm": "rms shift of the barycentre, per axis, mm",
    "layer_error": "sum over layers |decoded - reference| over the reference energy, mean over events",
    "l1_cells": "sum over trigger cells |decoded - reference| over the reference charge",
}
"""What is measured."""


def degradation(reference: Events, decoded: Events, detector: Detector | None, bootstrap: Bootstrap) -> dict[str, float | None]:
    """Returns the metrics of `METRICS`, each with `<metric>_error`; None where undefined.

    Args:
        reference: What should have come out; where their true energy is known, only events above `ABOVE_GEV` count for energy, position
            and layers, if there are ten.
        decoded: What came out.
        detector: Gives energies in GeV, layers and positions; None for bare units.
        bootstrap: For the errors.

    Raises:
        GeometryError, DataFormatError: The samples do not describe the same events.
    """
    check_pair(reference, decoded)
    frame = CellTable.of(reference.hierarchy, detector)
    cells = compare(reference, decoded).summary()
    true_gev = reference.true_energy_gev
    if true_gev is not None and (true_gev > ABOVE_GEV).sum() >= MIN_ENTRIES:
        reference, decoded = reference[true_gev > ABOVE_GEV], decoded[true_gev > ABOVE_GEV]
    before, after = moments(reference, frame), moments(decoded, frame)
    energy = bootstrap.spread(ratio(after.total, before.total), ("median", "sigma_eff"))
    centres = before.barycentre_cm, after.barycentre_cm
    shift = np.zeros(0) if centres[0] is None or centres[1] is None else MM_PER_CM * (centres[1] - centres[0])
    position = bootstrap.spread(shift.ravel(), ("rms",))
    layers = bootstrap.spread(layer_profile_error(before, after), ("mean",))
    return {
        "response": None if energy["median"] is None else energy["median"] - 1,
        "response_error": energy["median_error"],
        "sigma_eff": energy["sigma_eff"],
        "sigma_eff_error": energy["sigma_eff_error"],
        "barycentre_mm": position["rms"],
        "barycentre_mm_error": position["rms_error"],
        "layer_error": layers["mean"],
        "layer_error_error": layers["mean_error"],
        "l1_cells": cells["l1"]["CELL"],
        "l1_cells_error": cells["l1_error"]["CELL"],
    }


def write_stress(path: str | Path, cases: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the metrics of all disturbances as JSON, atomically.

    Args:
        path: Where to write.
        cases: One for each disturbance: `name`, `what`, `uncompressed` and `levels`.
        provenance: What was measured and how.

    Returns:
        What was written.
    """
    results = {"schema": SCHEMA, "versions": versions(), **provenance, "metrics": dict(METRICS), "cases": list(cases)}
    return write_results_file(path, results)


def read_stress(path: str | Path) -> dict[str, Any]:
    """Reads what `write_stress` wrote.

    Raises:
        DataFormatError: Not such a file, a changed one, or one of another version.
    """
    results = read_results_file(path, "the metrics of hgcae stress")
    found = results.get("schema")
    if found != SCHEMA or "cases" not in results:
        raise DataFormatError(path, "schema", repr(found), f"{SCHEMA}, with cases")
    return results


def stress_table(results: Mapping[str, Any], reference: str = "undisturbed") -> tuple[list[str], list[list[str]]]:
    """Returns the headings and one row of texts per disturbance and level, for any table writer.

    Args:
        results: As from `write_stress`.
        reference: `undisturbed` or `input`: against what is measured.
    """
    rows = []
    for case in results["cases"]:
        plain = case["uncompressed"]
        if plain is not None and reference == "undisturbed":
            rows.append([case["name"], "uncompressed", *_texts(plain)])
        rows += [[case["name"], level, *_texts(found[reference])] for level, found in case["levels"].items() if reference in found]
    return ["disturbance", "level", "E bias", "E width", "barycentre [mm]", "layer error", "L1 cells"], rows


def _texts(metrics: Mapping[str, float | None]) -> list[str]:
    forms = {"response": "+.2%", "sigma_eff": ".2%", "barycentre_mm": ".2f", "layer_error": ".2%", "l1_cells": ".3f"}
    return ["-" if metrics[name] is None else format(metrics[name], form) for name, form in forms.items()]
