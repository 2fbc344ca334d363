"""The stage table: which level's loss trains which levels, for how long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.settings import Settings

FULL_EPOCHS = 2000
"""Length of the original schedule."""
MOST_EPOCHS = 10**9
"""And most steps in one: what is longer is a slip."""


class Stage(Settings):
    """One line of the table."""

    loss_level: str = Field(description="Level at which input and decoded charges are compared.")
    trains: tuple[str, ...] = Field(min_length=1, description="Levels whose encoder and decoder learn; all others are frozen.")
    epochs: int = Field(ge=1, le=MOST_EPOCHS)
    learning_rate: float = Field(default=1e-4, gt=0, description="Adam's learning rate.")
    decay: bool = Field(
        default=False, description="Raise the learning rate over the first steps, then lower it along a cosine to 1 %; clip gradients."
    )
    batch: int = Field(
        default=2, ge=1, le=1 << 20, description="Events in a step, or units of the loss level where `sampling` is `charge`."
    )
    sampling: Literal["events", "charge"] = Field(
        default="events",
        description="`events`: all units of whole events, in the order of the sample in every epoch. `charge`: occupied units, half of "
        "them drawn uniformly and half in proportion to charge^0.75, which keeps large showers from drowning in single cells.",
    )
    steps: int | None = Field(default=None, ge=1, le=MOST_EPOCHS, description="Steps in an epoch; default one pass over the events.")
    empty_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the empty units of the lowest level that the loss of whole events decodes: drawn anew in every step and "
        "weighted so that the expected loss is the exact one. 1 = all.",
    )
    compare: Literal["cells", "children"] = Field(
        default="cells",
        description="`cells`: charges that lower decoders make of a code. `children`: codes of the children, of a level that learns alone.",
    )
    strongest: int | None = Field(default=None, ge=1, description="Decode only so many of the strongest units of each level in the loss.")

    @model_validator(mode="after")
    def _length(self) -> Stage:
        if (self.decay or self.sampling == "charge") and self.steps is None:
            msg = "decay, and sampling by charge, need steps: the length of an epoch must not depend on which events it sees"
            raise ValueError(msg)
        if self.sampling == "charge" and self.empty_share < 1:
            msg = "empty_share below 1 is for whole events: units drawn by their charge come without empty ones"
            raise ValueError(msg)
        if self.compare == "children" and self.trains != (self.loss_level,):
            msg = f"compare = children needs a level that learns alone: found trains = {', '.join(self.trains)}, expected {self.loss_level}"
            raise ValueError(msg)
        return self


class Schedule(Settings):
    """The whole table."""

    stages: tuple[Stage, ...] = Field(min_length=1)

    @property
    def epochs(self) -> int:
        """Number of epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def check(self, hierarchy: Hierarchy, conserving: bool) -> None:
        """Checks that levels exist, that nothing above a loss level is trained, and that the model has the loss that is asked for.

        Args:
            hierarchy: The levels.
            conserving: Whether the model's levels keep their sums (`l1`); their losses are others than those of plain levels (`original`).

        Raises:
            SettingsError: Names the stage.
        """
        for number, stage in enumerate(self.stages, 1):
            unknown = [name for name in (stage.loss_level, *stage.trains) if name not in hierarchy.names]
            indices = sorted(hierarchy.names.index(name) for name in stage.trains if name in hierarchy.names)
            if unknown:
                problem = f"unknown level {unknown[0]}, expected one of {', '.join(hierarchy.names)}"
            elif indices[-1] > hierarchy.index(stage.loss_level):
                problem = f"trains {hierarchy.names[indices[-1]]}, which lies above the loss level {stage.loss_level}"
            elif stage.compare == "children" and stage.loss_level == hierarchy.names[0]:
                problem = f"compare = children: the children of {stage.loss_level} are trigger cells, which have no codes"
            elif not conserving and (stage.compare == "children" or stage.strongest is not None):
                problem = "compare = children and strongest need levels that keep their sums"
            elif conserving and stage.empty_share < 1:
                problem = f"found empty_share = {stage.empty_share}, expected 1: shares are compared unit by unit"
            else:
                continue
            msg = f"schedule: stage {number}: {problem}"
            raise SettingsError(msg)


def original_schedule(hierarchy: Hierarchy, epochs: int = FULL_EPOCHS, batch: int = 2) -> Schedule:
    """Returns the original table, scaled to `epochs`.

    One epoch each with the loss at the root, ..., at the second level, everything below it learning; then each level alone from the lowest
    up: 196, 300, 400, 500, 600 epochs of 2000.

    Raises:
        SettingsError: Fewer epochs than stages.
    """
    names = hierarchy.names
    joint = [Stage(loss_level=name, trains=names[: i + 1], epochs=1, batch=batch) for i, name in reversed(list(enumerate(names))) if i]
    weights = _alone(len(names))
    lengths = _shares(epochs - len(joint), weights)
    alone = [Stage(loss_level=name, trains=(name,), epochs=n, batch=batch) for name, n in zip(names, lengths, strict=True)]
    return Schedule(stages=(*joint, *alone))


def open_original_schedule(hierarchy: Hierarchy, batch: int = 2) -> Schedule:
    """Returns the original table in its own numbers of epochs; its last stage, from epoch 1401 on, has no end."""
    names = hierarchy.names
    stages = original_schedule(hierarchy, len(names) - 1 + sum(_alone(len(names))), batch).stages
    return Schedule(stages=(*stages[:-1], stages[-1].model_copy(update={"epochs": _ENDLESS})))


_ENDLESS = 10**6


def _alone(levels: int) -> list[int]:
    """Returns the epochs in which each level learns alone, lowest first."""
    return [196, 300, 400, 500, 600, *[600] * levels][:levels]


def l1_schedule(hierarchy: Hierarchy, epochs: int = 15, batch: int | None = None) -> Schedule:
    """Returns the staged schedule of the `l1` preset: each level alone, from the lowest up.

    The two lowest compare charges, the others the codes of their children, which takes a fraction of the time; at MODULE it was tried, and
    was worse. Where a level above MODULE has six epochs or more, the last third compares charges, of the strongest units. `batch` scales
    the number of units in a step, which falls with the number of trigger cells in a unit (default: made for two cores).

    Raises:
        SettingsError: Fewer epochs than stages.
    """
    stages = []
    lengths = _shares(epochs, [1] * len(hierarchy.names))
    for i, (level, n) in enumerate(zip(hierarchy.levels, lengths, strict=True)):
        size, steps, rate = _STEPS[min(i, 4)]
        stage = Stage(
            loss_level=level.name,
            trains=(level.name,),
            epochs=n,
            learning_rate=rate,
            decay=True,
            batch=max(1, size * batch // 32) if batch else size,
            sampling="charge",
            steps=steps,
            compare="cells" if i < 2 else "children",
        )
        last = n // 3 if i >= 2 and n >= 6 else 0
        stages.append(stage.model_copy(update={"epochs": n - last}))
        if last:
            strongest = max(_STRONGEST, 2 * level.children)
            stages.append(stage.model_copy(update={"epochs": last, "learning_rate": rate / 4, "compare": "cells", "strongest": strongest}))
    return Schedule(stages=tuple(stages))


_STEPS = ((256, 1000, 6e-3), (256, 600, 6e-3), (256, 650, 8e-3), (128, 420, 4e-3), (64, 480, 3e-3))
"""Units in a step, steps in an epoch and learning rate, lowest level first: an epoch takes two to five seconds on two cores."""
_STRONGEST = 12
"""At least so many of the strongest units of each level are decoded where a level above MODULE compares charges."""

SCHEDULES = {"l1": l1_schedule, "original": original_schedule}
EPOCHS = {"l1": {"demo": 15, "full": 75}, "original": {"demo": 14, "full": FULL_EPOCHS}}
"""Named lengths by preset."""


def _shares(total: int, weights: list[int]) -> list[int]:
    """Splits `total` epochs in proportion to `weights`, at least one each."""
    if total < len(weights):
        msg = f"schedule: found {total} epochs for {len(weights)} stages, expected at least one each"
        raise SettingsError(msg)
    lengths: list[int] = []
    for i in range(1, len(weights) + 1):
        done, end = sum(lengths), round(total * sum(weights[:i]) / sum(weights))
        lengths.append(min(max(end - done, 1), total - done - (len(weights) - i)))
    return lengths
