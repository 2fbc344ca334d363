"""Pictures: from true and decoded events, from results, never from a model. No picture opens a window."""

from hgcae.plots.animation import animate
from hgcae.plots.eventdisplay import choose_units, draw_units
from hgcae.plots.eventpage import draw_event
from hgcae.plots.figures import cost_figure, occupancy_figure
from hgcae.plots.modules import emd_occupancy_figure, rate_distortion_figure
from hgcae.plots.physics import pairs_figure, profiles_figure, response_figure, separation_figure, shapes_figure
from hgcae.plots.results import energy_figure, heads_figure, levels_figure

__all__ = [
    "animate",
    "choose_units",
    "cost_figure",
    "draw_event",
    "draw_units",
    "emd_occupancy_figure",
    "energy_figure",
    "heads_figure",
    "levels_figure",
    "occupancy_figure",
    "pairs_figure",
    "profiles_figure",
    "rate_distortion_figure",
    "response_figure",
    "separation_figure",
    "shapes_figure",
]
