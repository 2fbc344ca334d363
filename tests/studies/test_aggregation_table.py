"""Tables of the study of aggregation, by hand."""

from __future__ import annotations

import pytest

from hgcae.evaluate.showers.borders import METRICS, REGIONS
from hgcae.studies.aggregation.table import border_table, over_seeds, relative, variant_table


def point(variant: str, seed: int, l1: float | None, bits: int = 41_040) -> dict[str, object]:
    metrics = {"n_events": 100} | dict.fromkeys(METRICS, (0.5, 0.1)) | {"l1_cells": (l1, 0.01)}
    return {
        "variant": variant,
        "question": "merge",
        "text": "",
        "seed": seed,
        "sent": "TRIPLET",
        "bits_per_event": bits,
        "link_bits": {"ROC": 72, "TRIPLET": 72},
        "cpu_seconds": 10.0 * seed,
        "steps": {},
        "regions": dict.fromkeys(REGIONS, metrics),
    }


POINTS = [point("merged", 1, 0.2), point("merged", 2, 0.3), point("flat", 1, 0.3), point("flat", 2, 0.36), point("lone", 2, 0.15)]


def test_metrics_over_seeds_have_the_error_of_their_mean():
    mean, error = over_seeds(POINTS[:2], "l1_cells") or (0, 0)
    assert (mean, error) == pytest.approx((0.25, 0.05))
    assert over_seeds(POINTS[-1:], "l1_cells") == (0.15, 0.01)
    assert over_seeds([point("x", 1, None)], "l1_cells") is None


def test_differences_are_taken_seed_by_seed():
    mean, error = relative(POINTS[2:4], POINTS[:2], "l1_cells") or (0, 0)
    assert (mean, error) == pytest.approx((0.35, 0.15))
    assert relative(POINTS[-1:], POINTS[:2], "l1_cells") == (pytest.approx(-0.5), None)
    assert relative([point("x", 3, 0.1)], POINTS[:2], "l1_cells") is None


def test_the_table_has_a_row_for_each_variant():
    headings, rows = variant_table(POINTS)
    assert [row[0] for row in rows] == ["merged", "flat", "lone"]
    assert all(len(row) == len(headings) for row in rows)
    flat = dict(zip(headings, rows[1], strict=True))
    assert flat["L1 cells"] == "0.3300 ± 0.0300"
    assert flat["against merged"] == "+35.0% ± 15.0%"
    assert flat["bits of codes"] == "ROC 72 → TRIPLET 72"
    assert flat["E bias"] == "-50.000% ± 0.000%"
    assert flat["CPU s"] == "15"


def test_borders_stand_apart():
    headings, rows = border_table(POINTS)
    assert headings[1:4] == [f"L1 cells, {place}" for place in REGIONS[1:]]
    assert rows[2] == ["lone", *["0.1500 ± 0.0100"] * 3, *["0.500 ± 0.100"] * 3]
