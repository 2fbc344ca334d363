from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.train.schedule import EPOCHS, SCHEDULES, Schedule, Stage, l1_schedule, open_original_schedule, original_schedule
from model.toys import MODULE

NAMES = ("ROC", "MODULE", "TRIPLET", "STAGE1", "STAGE2")


def rows(schedule: Schedule) -> list[tuple[int, int, str, tuple[str, ...]]]:
    """First and last epoch, loss level and trained levels of each stage."""
    ends = list(accumulate(stage.epochs for stage in schedule.stages))
    return [(end - s.epochs + 1, end, s.loss_level, s.trains) for end, s in zip(ends, schedule.stages, strict=True)]


def test_the_published_table():
    assert rows(original_schedule(PROTOTYPE)) == [
        (1, 1, "STAGE2", NAMES),
        (2, 2, "STAGE1", NAMES[:4]),
        (3, 3, "TRIPLET", NAMES[:3]),
        (4, 4, "MODULE", NAMES[:2]),
        (5, 200, "ROC", ("ROC",)),
        (201, 500, "MODULE", ("MODULE",)),
        (501, 900, "TRIPLET", ("TRIPLET",)),
        (901, 1400, "STAGE1", ("STAGE1",)),
        (1401, 2000, "STAGE2", ("STAGE2",)),
    ]


def test_the_published_table_without_an_end():
    assert rows(open_original_schedule(PROTOTYPE))[:-1] == rows(original_schedule(PROTOTYPE))[:-1]
    assert rows(open_original_schedule(PROTOTYPE, 32))[-1] == (1401, 1_001_400, "STAGE2", ("STAGE2",))
    assert {stage.batch for stage in open_original_schedule(PROTOTYPE, 32).stages} == {32}
    assert rows(open_original_schedule(MODULE))[:2] == [(1, 1, "MODULE", NAMES[:2]), (2, 197, "ROC", ("ROC",))]


def test_the_published_steps():
    for stage in original_schedule(PROTOTYPE).stages:
        assert (stage.learning_rate, stage.decay, stage.batch, stage.sampling, stage.steps, stage.strongest) == (
            1e-4,
            False,
            2,
            "events",
            None,
            None,
        )


@given(st.integers(9, 5000))
def test_other_lengths_keep_order_and_proportion(epochs):
    schedule, full = original_schedule(PROTOTYPE, epochs), original_schedule(PROTOTYPE)
    schedule.check(PROTOTYPE, conserving=False)
    assert schedule.epochs == epochs
    assert [(s.loss_level, s.trains) for s in schedule.stages] == [(s.loss_level, s.trains) for s in full.stages]
    assert [s.epochs for s in schedule.stages[:4]] == [1] * 4
    for stage, whole in zip(schedule.stages[4:], full.stages[4:], strict=True):
        # One epoch is promised to each, the rest is shared and rounded.
        assert stage.epochs >= 1
        assert abs(stage.epochs - whole.epochs * epochs / 2000) <= 5


@given(st.sampled_from([Hierarchy.of(ROC=(4, 4)), MODULE, PROTOTYPE]), st.integers(20, 3000), st.sampled_from(sorted(SCHEDULES)))
def test_any_hierarchy_and_length(hierarchy, epochs, preset):
    schedule = SCHEDULES[preset](hierarchy, epochs)
    schedule.check(hierarchy, conserving=preset == "l1")
    assert schedule.epochs == epochs
    trained = {name for stage in schedule.stages for name in stage.trains}
    assert trained == set(hierarchy.names)
    alone = [stage.trains[0] for stage in schedule.stages if len(stage.trains) == 1]
    assert list(dict.fromkeys(alone)) == list(hierarchy.names)


def test_long_schedules_end_with_charges():
    stages = l1_schedule(PROTOTYPE, 75).stages
    assert [(s.loss_level, s.epochs, s.compare, s.strongest) for s in stages[2:]] == [
        ("TRIPLET", 10, "children", None),
        ("TRIPLET", 5, "cells", 12),
        ("STAGE1", 10, "children", None),
        ("STAGE1", 5, "cells", 38),
        ("STAGE2", 10, "children", None),
        ("STAGE2", 5, "cells", 60),
    ]
    assert [s.compare for s in l1_schedule(PROTOTYPE, 15).stages[2:]] == ["children"] * 3


@pytest.mark.parametrize("schedule", [original_schedule, l1_schedule])
def test_too_few_epochs(schedule):
    with pytest.raises(SettingsError, match="epochs"):
        schedule(PROTOTYPE, 2)
    with pytest.raises(SettingsError):
        schedule(PROTOTYPE, 0)


def test_batches_are_scaled():
    assert {stage.batch for stage in original_schedule(PROTOTYPE, 20, batch=5).stages} == {5}
    default, double, one = (l1_schedule(PROTOTYPE, 20, batch) for batch in (32, 64, 1))
    for a, b, c in zip(default.stages, double.stages, one.stages, strict=True):
        assert b.batch == 2 * a.batch
        assert c.batch >= 1
    assert default == l1_schedule(PROTOTYPE, 20)


def test_named_lengths():
    assert EPOCHS["original"]["full"] == 2000
    for preset, lengths in EPOCHS.items():
        assert set(lengths) == {"demo", "full"}
        for length in lengths.values():
            assert SCHEDULES[preset](PROTOTYPE, length).epochs == length


@pytest.mark.parametrize("values", [{"compare": "children"}, {"strongest": 3}])
def test_plain_levels_have_no_loss_of_shares(values):
    stage = Stage.load({"loss_level": "MODULE", "trains": ["MODULE"], "epochs": 1, **values})
    with pytest.raises(SettingsError, match="need levels that keep their sums"):
        Schedule(stages=(stage,)).check(MODULE, conserving=False)


class TestCheck:
    @pytest.mark.parametrize(
        ("stage", "message"),
        [
            ({"loss_level": "LAYER", "trains": ["ROC"]}, "stage 2: unknown level LAYER"),
            ({"loss_level": "MODULE", "trains": ["roc"]}, "stage 2: unknown level roc"),
            ({"loss_level": "ROC", "trains": ["ROC", "MODULE"]}, "stage 2: trains MODULE, which lies above the loss level ROC"),
            ({"loss_level": "ROC", "trains": ["ROC"], "compare": "children"}, "stage 2: .* trigger cells, which have no codes"),
            ({"loss_level": "MODULE", "trains": ["MODULE"], "empty_share": 0.5}, "stage 2: found empty_share = 0.5, expected 1"),
        ],
    )
    def test_impossible_stages_are_named(self, stage, message):
        good = Stage(loss_level="ROC", trains=("ROC",), epochs=1)
        schedule = Schedule(stages=(good, Stage.load({"epochs": 1, **stage})))
        with pytest.raises(SettingsError, match=message):
            schedule.check(MODULE, conserving=True)

    @pytest.mark.parametrize(
        "values",
        [
            {"epochs": 0},
            {"trains": []},
            {"batch": 0},
            {"learning_rate": 0},
            {"sampling": "random"},
            {"steps": 0},
            {"empty_share": 0.5, "sampling": "charge", "steps": 1},
            {"strongest": 0},
            {"x": 1},
        ],
    )
    def test_impossible_figures(self, values):
        with pytest.raises(SettingsError, match=next(iter(values))):
            Stage.load({"loss_level": "ROC", "trains": ["ROC"], "epochs": 1, **values})

    def test_codes_are_compared_where_one_level_learns(self):
        with pytest.raises(SettingsError, match="compare = children needs a level that learns alone"):
            Stage.load({"loss_level": "MODULE", "trains": ["ROC", "MODULE"], "epochs": 1, "compare": "children"})

    def test_a_falling_rate_needs_a_length(self):
        with pytest.raises(SettingsError, match="need steps"):
            Stage.load({"loss_level": "ROC", "trains": ["ROC"], "epochs": 1, "decay": True})

    def test_no_stage(self):
        with pytest.raises(SettingsError, match="stages"):
            Schedule.load({"stages": []})
