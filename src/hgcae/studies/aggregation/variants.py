"""Ways of aggregating neighbouring units: the settings of the levels up to the last that is sent, and the stages that train them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model import files
from hgcae.model.presets import ConservingSettings, l1_preset
from hgcae.train.schedule import Stage


@dataclass(frozen=True)
class Variant:
    """One way of aggregating units.

    Args:
        name: Its name in the table.
        question: Which of the questions it answers: merge, training, bits.
        text: What it is, in a few words.
        levels: Settings of the levels, lowest first; the last one is sent.
        stages: What is trained when.
    """

    name: str
    question: str
    text: str
    levels: Mapping[str, ConservingSettings]
    stages: tuple[Stage, ...]

    @property
    def sent(self) -> str:
        """The level whose codes leave the detector."""
        return list(self.levels)[-1]

    def bits_per_event(self, hierarchy: Hierarchy) -> int:
        """Returns the bits of an event: all units of the level that is sent, occupied or not."""
        return self.levels[self.sent].bits_per_unit * hierarchy.n_units(self.sent)

    def link_bits(self) -> dict[str, int]:
        """Returns the bits of a code on its way from each level to the next, and of the one that is sent."""
        return {name: level.bits_per_unit for name, level in self.levels.items()}

    def settings(self, seed: int, data: str) -> dict[str, Any]:
        """Returns what decides the outcome, as plain values; their fingerprint names the point."""
        return {**decisive(self.levels, self.stages, seed, data), "name": self.name}


def variants(hierarchy: Hierarchy, length: float = 1.0) -> tuple[Variant, ...]:
    """Returns all variants; the first is what the package does, to which the others are compared.

    Args:
        hierarchy: Levels of the detector, ROC, MODULE and TRIPLET lowest.
        length: Factor on the steps of all stages.
    """
    preset = l1_preset(hierarchy).levels
    roc, module, triplet = (level for level in list(preset.values())[:3] if isinstance(level, ConservingSettings))
    first, second, third = (_alone(name, length) for name in hierarchy.names[:3])
    # Without a third stage, the second gets its time as well.
    longer = second.model_copy(update={"epochs": second.epochs * 2})
    staged = (first, second, third)
    cut = (first, second, third.model_copy(update={"epochs": 1}))
    upper, lower = ("MODULE", "TRIPLET"), ("ROC", "MODULE", "TRIPLET")

    def merged(name: str, question: str, text: str, stages: Sequence[Stage] = staged, **changes: Mapping[str, object]) -> Variant:
        levels = {"ROC": roc, "MODULE": module, "TRIPLET": triplet}
        levels = {level: each.model_copy(update=changes.get(level, {})) for level, each in levels.items()}
        return Variant(name, question, text, levels, tuple(stages))

    def flat(name: str, text: str, **changes: object) -> Variant:
        return Variant(name, "merge", text, {"ROC": roc, "MODULE": module.model_copy(update=changes)}, (first, longer))

    return (
        merged("merged", "merge", "ROC, module, triplet; each level alone"),
        flat("flat 4 x 6", "no triplets: sum, barycentre, one number of each module", latent=4, bits=6),
        flat("flat 3 x 8", "no triplets: sum and two numbers of each module", latent=3, bits=8, barycentre=False),
        merged("joint", "training", "module and triplet in one stage", (first, _joint(upper, length, 1.0))),
        merged("joint, all", "training", "ROC, module and triplet in one stage", (_joint(lower, length, 1.5),)),
        merged(
            "charges last",
            "training",
            "each alone, the triplet at last through charges",
            (*cut, _fine(upper[1:], length)),
        ),
        merged("staged + joint", "training", "each alone, then both together", (*cut, _fine(upper, length))),
        merged("ROC 4 x 9", "bits", "narrow codes inside: 36 bits of a ROC", ROC={"latent": 4}),
        merged("ROC 12 x 9", "bits", "wide codes inside: 108 bits of a ROC", ROC={"latent": 12}),
        merged("module 4 x 9", "bits", "narrow codes inside: 36 bits of a module", MODULE={"latent": 4}),
        merged("module 12 x 9", "bits", "wide codes inside: 108 bits of a module", MODULE={"latent": 12}),
        merged("triplet 6 x 12", "bits", "fewer, finer numbers", TRIPLET={"latent": 6, "bits": 12}),
        merged("triplet 12 x 6", "bits", "more, coarser numbers", TRIPLET={"latent": 12, "bits": 6}),
        merged("triplet 18 x 4", "bits", "many, very coarse numbers", TRIPLET={"latent": 18, "bits": 4}),
        flat("flat 8 x 9", "no triplets, three times the bits"),
        merged("merged 24 x 9", "merge", "triplets at three times the bits", TRIPLET={"latent": 24}),
    )


def _alone(name: str, length: float) -> Stage:
    """Returns the stage of a level that learns alone, as in the schedule of `l1`: about equal times each."""
    steps, rate, compare = {"ROC": (1000, 6e-3, "cells"), "MODULE": (600, 6e-3, "cells"), "TRIPLET": (900, 8e-3, "children")}[name]
    values = _STAGE | {"steps": max(1, round(steps * length)), "batch": 256, "learning_rate": rate, "compare": compare}
    return Stage(loss_level=name, trains=(name,), **values)


def _joint(trains: tuple[str, ...], length: float, times: float) -> Stage:
    """Returns the stage of levels that learn together through charges; `times` the steps that take as long as theirs alone."""
    values = _STAGE | {"steps": max(1, round(_JOINT_STEPS * times * length)), "batch": 128, "learning_rate": 4e-3, "strongest": 4}
    return Stage(loss_level=trains[-1], trains=trains, **values)


def _fine(trains: tuple[str, ...], length: float) -> Stage:
    return _joint(trains, length, 0.5).model_copy(update={"epochs": 1, "learning_rate": 1e-3})


_STAGE: dict[str, Any] = {"epochs": 2, "decay": True, "sampling": "charge"}
_JOINT_STEPS = 300
"""Steps of 128 triplets in an epoch that take as long as an epoch of modules and one of triplets alone, roughly."""


def levels_of(variant: Variant, number: int) -> dict[str, ConservingSettings]:
    """Returns the levels that the first stages of a variant need."""
    names = list(variant.levels)
    top = max(names.index(stage.loss_level) for stage in variant.stages[:number])
    return {name: variant.levels[name] for name in names[: top + 1]}


def decisive(levels: Mapping[str, ConservingSettings], stages: Sequence[Stage], seed: int, data: str) -> dict[str, Any]:
    """Returns what decides the weights after some stages, as plain values."""
    return {
        "model": files.VERSION,
        "levels": {name: level.model_dump(mode="json") for name, level in levels.items()},
        "stages": [stage.model_dump(mode="json") for stage in stages],
        "seed": seed,
        "data": data,
    }
