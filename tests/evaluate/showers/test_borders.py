"""Showers inside modules and across borders, against borders found by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from hgcae.evaluate import EvaluateSettings, evaluate_level
from hgcae.evaluate.showers.borders import METRICS, REGIONS, core_xy_cm, evaluate_regions, regions, segment_distance_cm
from hgcae.events import Events
from hgcae.geometry import module
from hgcae.geometry.borders import inner_borders
from hgcae.geometry.detector import Detector

DETECTOR = Detector.load("prototype")
CELLS = DETECTOR.cells_per_layer


@pytest.fixture(scope="module")
def events() -> Events:
    """Particles that fly obliquely; layers 8 to 12 hold two charges each."""
    rng = np.random.default_rng(1)
    n = 300
    modules = rng.integers(57, size=n)
    impact = DETECTOR.module_xy[modules] + rng.uniform(-6, 6, (n, 2))
    slope = rng.uniform(-0.1, 0.1, (n, 2))
    layer = np.repeat(np.arange(8, 13), 2)
    cell = np.concatenate([layer * CELLS + np.sort(rng.choice(CELLS, 2, replace=False))[[0, 1] * 5] for _ in range(n)])
    pz = rng.uniform(50, 300, n)
    particles = {
        "energy_gev": pz,
        "px_gev": slope[:, 0] * pz,
        "py_gev": slope[:, 1] * pz,
        "pz_gev": pz,
        "impact_x_cm": impact[:, 0],
        "impact_y_cm": impact[:, 1],
    }
    charge = rng.integers(10, 500, len(cell)).astype(np.float32)
    name = (DETECTOR.name, DETECTOR.fingerprint())
    offsets = np.arange(n + 1, dtype=np.int64)
    return Events(
        DETECTOR.hierarchy, 10 * offsets, cell.astype(np.int32), charge, particles=particles, particle_offsets=offsets, detector=name
    )


def test_the_core_lies_on_the_line_at_the_mean_depth(events):
    z = DETECTOR.layer_z_cm
    found = core_xy_cm(events, DETECTOR)
    for i in (0, 7):
        one = events[i : i + 1]
        energy = one.charge * DETECTOR.layer_mev_per_mip[one.cell // CELLS]
        depth = (energy * z[one.cell // CELLS]).sum() / energy.sum() - z[0]
        p = one.particles
        expected = [p[f"impact_{a}_cm"][0] + p[f"p{a}_gev"][0] / p["pz_gev"][0] * depth for a in "xy"]
        np.testing.assert_allclose(found[i], expected, rtol=1e-6)


def test_distance_to_segments():
    start, end = np.array([[0.0, 0.0], [10.0, 5.0]]), np.array([[2.0, 0.0], [10.0, 6.0]])
    points = np.array([[1.0, 3.0], [-3.0, 4.0], [9.0, 5.5], [2.0, 0.0]])
    np.testing.assert_allclose(segment_distance_cm(points, start, end), [3, 5, 1, 0])
    assert np.isinf(segment_distance_cm(points, start[:0], end[:0])).all()


@pytest.mark.parametrize(("level", "size"), [("MODULE", 1), ("TRIPLET", 3)])
def test_borders_part_two_units_and_lie_half_way(level, size):
    start, end = inner_borders(DETECTOR, level)
    middle, step = (start + end) / 2, np.array([[0, -1], [1, 0]])
    normal = (end - start) @ step / np.linalg.norm(end - start, axis=1, keepdims=True)
    units = [DETECTOR.locate(middle + side * 0.8 * normal) // (size * module.N_CELLS) for side in (-1, 1)]
    assert (units[0] != units[1]).all()
    np.testing.assert_allclose(np.linalg.norm(end - start, axis=1), module.PITCH_CM / np.sqrt(3))
    axial = {tuple(a): i // size for i, a in enumerate(DETECTOR.module_axial)}
    pairs = [(axial[q, r], axial[q + a, r + b]) for q, r in axial for a, b in ((1, 0), (0, 1), (-1, 1)) if (q + a, r + b) in axial]
    assert len(start) == sum(a != b for a, b in pairs)


def test_each_shower_with_a_known_particle_lies_in_one_region(events):
    found = regions(events, DETECTOR, 2.0)
    assert tuple(found) == REGIONS
    counted = np.sum([found[name] for name in REGIONS[1:]], axis=0)
    np.testing.assert_array_equal(counted, np.ones(len(events)))
    assert min(found[name].sum() for name in REGIONS) > 10
    # Just inside its own module, at more than two centimetres from all six edges.
    core = core_xy_cm(events, DETECTOR)[found["inside"]]
    other = np.sort(np.linalg.norm(core[:, None] - DETECTOR.module_xy, axis=2), axis=1)
    apothem = module.PITCH_CM / 2
    assert (other[:, 0] < apothem * 2 / np.sqrt(3)).all()
    assert (other[:, 1] - other[:, 0] > 0).all()


def test_metrics_of_a_region_are_those_of_the_judge(events):
    decoded = Events(events.hierarchy, events.offsets, events.cell, np.roll(events.charge, 1), detector=events.detector)
    settings = EvaluateSettings(bootstrap_replicas=5)
    found = evaluate_regions(events, decoded, "TRIPLET", DETECTOR, settings, 2.0)
    mask = regions(events, DETECTOR, 2.0)["triplet border"]
    results = evaluate_level(events[mask], decoded[mask], "TRIPLET", settings=settings, detector=DETECTOR)
    assert found["triplet border"]["n_events"] == mask.sum()
    assert found["triplet border"]["l1_cells"] == (results["events"]["l1"]["CELL"], results["events"]["l1_error"]["CELL"])
    assert found["all"]["barycentre_mm"][0] > 0
    assert set(found["inside"]) == {"n_events", *METRICS}


def test_a_region_without_showers_has_no_figures(events):
    found = evaluate_regions(events[:20], events[:20], "TRIPLET", DETECTOR, EvaluateSettings(bootstrap_replicas=5), 0.0)
    assert found["triplet border"] == {"n_events": 0} | dict.fromkeys(METRICS, (None, None))
    assert found["inside"]["l1_cells"][0] == 0
