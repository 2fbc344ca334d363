"""Variants of aggregation and their shared stages."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from hgcae import store
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.model import files
from hgcae.model.presets import ConservingSettings, ModelSettings, check_levels
from hgcae.settings import fingerprint
from hgcae.studies.aggregation.stages import StageCache
from hgcae.studies.aggregation.table import REFERENCE
from hgcae.studies.aggregation.variants import Variant, variants
from hgcae.train.schedule import Schedule, Stage

DETECTOR = Detector.load("prototype")
ALL = {variant.name: variant for variant in variants(DETECTOR.hierarchy)}
LEVEL = ConservingSettings(latent=5, bits=8, encoder=(8,), decoder=(8,))
QUICK = {"epochs": 1, "batch": 8, "steps": 4, "sampling": "charge", "learning_rate": 5e-3}


def toy(name: str, *stages: Stage, **triplet: object) -> Variant:
    levels = {"ROC": LEVEL, "MODULE": LEVEL, "TRIPLET": LEVEL.model_copy(update=triplet)}
    return Variant(name, "merge", "", levels, stages)


def stage(*trains: str, compare: Literal["cells", "children"] = "cells") -> Stage:
    return Stage(loss_level=trains[-1], trains=trains, compare=compare, **QUICK)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> StageCache:
    """Thirty events with a few charged neighbouring modules in two layers each."""
    folder = tmp_path_factory.mktemp("aggregation")
    rng = np.random.default_rng(1)
    cells, charges, offsets = [], [], [0]
    for _ in range(30):
        near = DETECTOR.locate(DETECTOR.module_xy[rng.integers(57)] + rng.uniform(-12, 12, (60, 2)))
        cell = np.unique(np.concatenate([layer * DETECTOR.cells_per_layer + near[near >= 0] for layer in (9, 10)]))
        cells.append(cell)
        charges.append(rng.integers(5, 800, len(cell)))
        offsets.append(offsets[-1] + len(cell))
    name = (DETECTOR.name, DETECTOR.fingerprint())
    charge = np.concatenate(charges).astype(np.float32)
    events = Events(DETECTOR.hierarchy, np.array(offsets), np.concatenate(cells).astype(np.int32), charge, detector=name)
    store.write(folder / "train.parquet", [events])
    return StageCache(folder / "train.parquet", DETECTOR, folder / "stages")


def test_every_variant_sends_one_of_two_budgets():
    bits = {name: variant.bits_per_event(DETECTOR.hierarchy) for name, variant in ALL.items()}
    assert set(bits.values()) == {41_040, 123_120}
    assert bits[REFERENCE] == 41_040
    assert sorted(name for name, n in bits.items() if n == 123_120) == ["flat 8 x 9", "merged 24 x 9"]


@pytest.mark.parametrize("variant", ALL.values(), ids=list(ALL))
def test_settings_and_stages_of_a_variant_fit_together(variant):
    hierarchy = DETECTOR.hierarchy.rooted(variant.sent)
    check_levels(ModelSettings(preset="aggregation", levels={**variant.levels}), hierarchy)
    Schedule(stages=variant.stages).check(hierarchy, conserving=True)
    assert {name for stage in variant.stages for name in stage.trains} == set(variant.levels)
    assert variant.stages[-1].loss_level == variant.sent


def test_no_two_variants_are_the_same():
    assert len({fingerprint(variant.settings(1, "data")) for variant in ALL.values()}) == len(ALL)


def test_variants_share_their_first_stages(workshop):
    merged, coarse, flat, joint = (workshop.stages_of(ALL[name], 1) for name in ("merged", "triplet 12 x 6", "flat 8 x 9", "joint"))
    assert merged[:2] == coarse[:2]
    assert merged[2] != coarse[2]
    assert merged[0] == flat[0] == joint[0]
    assert merged[1] != flat[1]
    assert set(merged).isdisjoint(workshop.stages_of(ALL["merged"], 2))


def test_what_another_program_trained_is_not_taken(workshop, monkeypatch):
    before, point = workshop.stages_of(ALL["merged"], 1), ALL["merged"].settings(1, "data")
    monkeypatch.setattr(files, "VERSION", files.VERSION + 1)
    assert set(before).isdisjoint(workshop.stages_of(ALL["merged"], 1))
    assert point != ALL["merged"].settings(1, "data")


def test_stages_are_trained_once_and_lower_levels_stay_as_they_were(workshop):
    first, second = stage("ROC"), stage("MODULE")
    plain = toy("plain", first, second, stage("TRIPLET", compare="children"))
    model, seconds = workshop.trained(plain, 1)
    times = {path: path.stat().st_mtime_ns for path in workshop.folder.rglob("*.npz")}
    near = toy("near", first, second, stage("TRIPLET", compare="children"), latent=6)
    other, _ = workshop.trained(near, 1)
    assert seconds > 0
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
    before, after = files.weight_arrays(model), files.weight_arrays(other)
    for key in before:
        if not key.startswith("TRIPLET"):
            np.testing.assert_array_equal(before[key], after[key], err_msg=key)
    again, _ = workshop.trained(near, 1)
    for key, value in files.weight_arrays(again).items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)


def test_the_folder_of_a_stage_is_found_by_its_name(workshop):
    plain = toy("plain", stage("ROC"))
    workshop.trained(plain, 1)
    (name,) = workshop.stages_of(plain, 1)
    assert (Path(workshop.folder) / name / "stage.json").exists()
