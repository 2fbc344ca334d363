"""Training runs of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hgcae import store
from hgcae.events import Events
from hgcae.model.presets import ModelSettings
from hgcae.train.run import RunSettings
from hgcae.train.schedule import Schedule, Stage
from hgcae.train.trainer import Trainer, TrainSettings
from model.toys import MODULE, autoencoder, cell_xy, conserving_settings, showers

STEPS = 20
QUICK: dict[str, Any] = {"batch": 16, "steps": STEPS, "sampling": "charge", "learning_rate": 5e-3}
STEADY = (
    Stage(loss_level="ROC", trains=("ROC",), epochs=3, **QUICK),
    Stage(loss_level="MODULE", trains=("MODULE",), epochs=3, **QUICK),
)
"""Two stages whose compiled steps do not depend on how long they are."""
STAGES = tuple(stage.model_copy(update={"decay": True}) for stage in STEADY)


class Sample:
    """Events that are in memory."""

    def __init__(self, events: Events) -> None:
        self.events = events

    def __len__(self) -> int:
        return len(self.events)

    def take(self, start: int, stop: int) -> Events:
        return self.events[start:stop]


def trainer(folder: Path, stages: tuple[Stage, ...] = STAGES, settings: ModelSettings | None = None, **options: Any) -> Trainer:
    """A trainer of a toy with 40 training and 10 test modules, every fourth of them empty."""
    events = showers(MODULE, 50)
    model = autoencoder(settings or conserving_settings(MODULE), MODULE)
    chosen = TrainSettings(schedule=Schedule(stages=stages), **options)
    return Trainer(model, chosen, Sample(events[:40]), events[40:], cell_xy(MODULE), folder)


def write_run(folder: Path, stages: tuple[Stage, ...], name: str | None = None) -> Path:
    """Writes 120 modules and `settings.yaml` for a run on three quarters of them, which calls them by `name`; returns its path."""
    store.write(folder / "modules.parquet", [showers(MODULE, 120)])
    settings = RunSettings(
        input=name or str(folder / "modules.parquet"), model=conserving_settings(MODULE), schedule=Schedule(stages=stages), test_share=0.25
    )
    (folder / "settings.yaml").write_text(settings.to_yaml())
    return folder / "settings.yaml"
