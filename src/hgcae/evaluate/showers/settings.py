"""How the physics of whole showers is evaluated."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hgcae.evaluate.core.level import EvaluateSettings


class PhysicsSettings(EvaluateSettings):
    """How the evaluation of whole showers measures."""

    energy_edges_gev: tuple[float, ...] = Field(
        default=(20, 50, 100, 200, 350, 500), min_length=2, description="Edges of the bins of true energy, GeV."
    )
    above_gev: float = Field(default=20.0, ge=0, description="Lower limit of the integrated metrics and of the calibration, GeV.")
    eta_edges: tuple[float, ...] = Field(default=(1.4, 1.7, 1.9, 2.1, 2.4, 3.0), min_length=2, description="Edges of the bins of true eta.")
    start_edges_x0: tuple[float, ...] = Field(
        default=(0, 1, 3, 8, 20, 40), min_length=2, description="Edges of the bins of the true depth of the shower's start, X0."
    )
    maximum_edges_x0: tuple[float, ...] = Field(
        default=(4, 7, 9, 11, 15, 40), min_length=2, description="Edges of the bins of the true depth of the shower's maximum, X0."
    )
    transport_events: int = Field(default=100, ge=1, description="Measure the energy mover's distance of at most so many events.")
    folds: int = Field(default=5, ge=2, description="Parts of the cross-validation of electron against pion.")
    electron_efficiency: float = Field(default=0.95, gt=0, lt=1, description="Electron efficiency at which pions are counted.")
    direction: Literal["interaction_point", "parallel"] = Field(
        default="interaction_point", description="Where particles fly: cells are projected along it before two showers are told apart."
    )
    map_pitch_cm: float = Field(default=1.2, gt=0, description="Width of the hexagons of the map in which seeds are searched, cm.")
    map_smoothing: int = Field(default=1, ge=0, description="How often that map is smoothed with its neighbours.")
    map_window_x0: float = Field(default=5.0, gt=0, description="Layers in that map: so far from the strongest one, radiation lengths.")
    seed_gev: float = Field(default=0.1, gt=0, description="Least energy of a seed in one hexagon of the smoothed map, GeV.")
    split_rate: float = Field(default=0.02, gt=0, lt=1, description="Share of single electrons that may be split in two.")
