"""Hierarchies, events and models that are small enough to compile while one waits."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.sums import UNITS
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.geometry.positions import unit_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import ConservingSettings, ModelSettings, PlainSettings

MODULE = Hierarchy.of(ROC=(4, 4), MODULE=3)
STACK = Hierarchy.of(ROC=(4, 4), MODULE=3, STACK=5)
"""A detector of five layers, one module each."""
WEIGHT = np.array([0.8, 1.0, 1.0, 1.3, 2.0])
"""Weights of its layers."""


def cell_xy(hierarchy: Hierarchy) -> NDArray[np.float64]:
    """Positions of the trigger cells of modules that lie behind each other."""
    module = unit_xy_cm(MODULE)
    assert module is not None
    return np.tile(module, (hierarchy.n_cells() // MODULE.n_cells(), 1))


def showers(hierarchy: Hierarchy = STACK, n: int = 12, seed: int = 1) -> Events:
    """Showers of a few cells, every fourth event empty; the true energy is the weighted sum over 100, at least 1 GeV."""
    rng = np.random.default_rng(seed)
    xy = cell_xy(hierarchy)
    layers = hierarchy.n_cells() // MODULE.n_cells()
    axis, size = rng.uniform(-5, 5, (n, 2)), rng.uniform(100, 3000, n)
    profile = np.exp(-0.5 * np.square((np.arange(layers) - rng.uniform(0, layers, (n, 1))) / 1.5))
    distance = np.linalg.norm(xy - axis[:, None], axis=2)
    mean = size[:, None] * np.repeat(profile, MODULE.n_cells(), axis=1) * np.exp(-distance / 1.2)
    charge = rng.poisson(mean)
    charge[charge < 5] = 0
    charge[3::4] = 0
    weight = np.repeat(WEIGHT[:layers], MODULE.n_cells())
    energy = np.maximum(charge @ weight / 100, 1.0)
    tan = rng.uniform(0.02, 0.2, n)
    phi = rng.uniform(-np.pi, np.pi, n)
    pz = energy / np.sqrt(1 + tan**2)
    particles = {
        "energy_gev": energy,
        "px_gev": pz * tan * np.cos(phi),
        "py_gev": pz * tan * np.sin(phi),
        "pz_gev": pz,
        "impact_x_cm": axis[:, 0],
        "impact_y_cm": axis[:, 1],
    }
    return Events.from_dense(
        charge.reshape(n, *hierarchy.shape), hierarchy, particles=particles, particle_offsets=np.arange(n + 1, dtype=np.int64)
    )


def conserving_settings(hierarchy: Hierarchy = STACK, barycentre: bool = True) -> ModelSettings:
    """Levels with sums; another latent dimension and other numbers of bits at each, so that mix-ups show."""
    levels = {
        name: ConservingSettings(
            latent=5 + i, bits=(9, 7)[i], sum_bits=(11, 9)[i], position_bits=(8, 9)[i], barycentre=barycentre, encoder=(8,), decoder=(8,)
        )
        for i, name in enumerate(hierarchy.names[:2])
    }
    for name in hierarchy.names[2:]:
        # Layers over one another, whose code has a depth.
        levels[name] = ConservingSettings(
            latent=7,
            bits=9,
            sum_bits=10,
            position_bits=12,
            barycentre=barycentre,
            depth=barycentre,
            encoder=(8,),
            decoder=(8,),
            child_decoder=(8,),
        )
    return ModelSettings(preset="toy", levels={**levels})


def plain_settings(hierarchy: Hierarchy = STACK) -> ModelSettings:
    """Levels as in the original autoencoder, with few filters and narrow layers."""
    lowest, *rest = hierarchy.names
    levels = {lowest: PlainSettings(latent=4, convolutions=(4, 4), encoder=(8,), decoder=(8, 4))}
    levels |= {name: PlainSettings(latent=5 + i, encoder=(8,), decoder=(8,)) for i, name in enumerate(rest)}
    return ModelSettings(preset="toy", levels={**levels})


def calibration(hierarchy: Hierarchy) -> Calibration:
    """Ranges that hold the toys' showers, the same for every sample, so that their models share what is compiled."""
    return Calibration({"ROC": 4000.0, "MODULE": 8000.0, "STACK": 30000.0}, 5.0, 1.0, tuple(WEIGHT) if hierarchy.root == "STACK" else None)


def autoencoder(settings: ModelSettings, hierarchy: Hierarchy = STACK, seed: int = 3, measured: Calibration | None = None) -> Autoencoder:
    """A model for the toys, with biases that are not zero."""
    positions = frames(hierarchy, cell_xy(hierarchy))
    model = Autoencoder(hierarchy, settings, measured or calibration(hierarchy), positions, seed, ("toy", "0"))
    rng = np.random.default_rng(seed)
    arrays = files.weight_arrays(model)
    # A single bias is that of the ReLU at the end of plain decoders, which must let something through.
    biases = {k: rng.normal(5.0 if v.size == 1 else 0.0, 0.2, v.shape).astype(v.dtype) for k, v in arrays.items() if v.ndim == 1}
    files.set_weight_arrays(model, arrays | biases)
    return model


def sum_errors(model: Autoencoder, events: Events, level: str, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard error of the weighted charge sum of each event that is decoded from a level: (n,), relative.

    Every level sends its sums in steps; within a step, which is uniform, sums are spread evenly.
    """
    variance = np.zeros(len(events))
    for name in model.hierarchy.names[: model.hierarchy.index(level) + 1]:
        sums = model.levels[name].sums  # type: ignore[attr-defined]
        heavy = events.unit_sums(name, weight)
        units = heavy if name == model.hierarchy.root else events.unit_sums(name)
        first = sums.thresholds / UNITS
        assert units.max() < sums.maximum
        code = np.maximum(np.searchsorted(first, units, side="right") - 1, 0)
        step = np.diff(first, append=sums.maximum)[code]
        variance += np.sum((step / np.maximum(units, 1) * heavy) ** 2 / 12, axis=1)
    return np.sqrt(variance) / events.unit_sums(model.hierarchy.root, weight)[:, 0]


def unpruned(model: Autoencoder) -> Autoencoder:
    """The model, but decoders drop nothing that is small."""
    result = copy.copy(model)
    result.calibration = replace(model.calibration, smallest_charge=0.0)
    return result
