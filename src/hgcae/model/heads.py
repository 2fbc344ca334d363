"""Physics heads: energy from the codes of any level; momentum and impact point from the code of one event.

They are fitted on the training sample when the hierarchy is trained, with the encoders frozen.

* Energy = calibrated charge sum x (1 + a regularised linear correction). An over-parametrised energy head was found worse than the plain
  calibrated sum; what a correction can add is leakage and sampling weights, seen in the depth and in the learned numbers.
* Impact point and direction: a regularised polynomial of second degree in the numbers of the event's code. The barycentre among them is
  nearly what is asked for; the rest corrects it for depth and angle.

Showers that leave the detector sideways are no guide for such corrections and are left out of the fits: those whose line comes within two
Moliere radii of the border where the detector is known, and those whose charge is far from their energy. (Without the first cut the energy
of all others was half a per cent too high, and 6 % wider than the uncompressed sum instead of 1 %.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from hgcae.codes import Codes
from hgcae.errors import GeometryError
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.calibration import Calibration
from hgcae.truth import AXIS_COLUMNS, contained

Arrays = dict[str, NDArray[np.float64]]
_FLOOR = 1e-9
_LEAST_EVENTS = 100
"""Fewer events do not fit the momentum head."""


class CodeModel(Protocol):
    """What heads need of the model that makes codes, see `Autoencoder`."""

    hierarchy: Hierarchy
    calibration: Calibration

    @property
    def conserves_charge(self) -> bool:
        """Whether codes carry charge sums."""
        ...

    def run(self, action: str, name: str, x: NDArray[Any]) -> NDArray[np.float32]:
        """Applies an action of a level to rows."""
        ...


@dataclass
class Heads:
    """Fitted heads.

    Attributes:
        energy: By level name: `scale`, `mean`, `std`, `coef` of the correction.
        kinematics: Of the root level: `mean`, `std`, `intercept`, `coef` of the polynomial; empty before the fit.
    """

    energy: dict[str, Arrays] = field(default_factory=dict)
    kinematics: Arrays = field(default_factory=dict)

    def fit(self, model: CodeModel, events: Events, codes: Mapping[str, Codes], detector: Detector | None = None) -> None:
        """Fits the heads of every level in `codes` to the truth of `events`; without truth nothing is fitted.

        Args:
            model: The model that made the codes.
            events: Events with truth.
            codes: Their codes by name of the level.
            detector: Their detector, whose border showers are to stay away from; None where unknown.
        """
        energy = events.true_energy_gev
        if energy is None or events.particle_offsets is None or not len(events):
            return
        inside = whole = _inside(events, detector)
        for name, code in codes.items():
            base, features = energy_features(model, code)
            whole = inside & _not_lost(base, energy) if model.conserves_charge else inside
            self.energy[name] = _fit_energy(base[whole], features[whole], energy[whole])
        root = codes.get(model.hierarchy.root)
        use = whole & (np.diff(events.particle_offsets) == 1)
        if root is not None and model.hierarchy.n_units(root.level) == 1 and use.sum() >= _LEAST_EVENTS:
            first = events.particle_offsets[:-1][use]
            target = np.stack([events.particles[c][first] for c in ("impact_x_cm", "impact_y_cm")] + slopes(events, first), axis=1)
            self.kinematics = _fit_polynomial(root_inputs(model, root)[use], target, energy[use])

    def energies(self, model: CodeModel, code: Codes) -> NDArray[np.float64]:
        """Returns the energy of each event from the codes of one level, GeV: (n_events,)."""
        if code.level not in self.energy:
            msg = f"no energy head was trained at level {code.level}"
            raise GeometryError(msg)
        head = self.energy[code.level]
        base, features = energy_features(model, code)
        scale = (features - head["mean"]) / head["std"]
        return np.maximum(base * (head["scale"][0] + scale @ head["coef"]), 0.0)

    def momenta(self, model: CodeModel, code: Codes) -> Arrays:
        """Returns momentum and impact point of each event from its code.

        Returns:
            `energy_gev`, `pt_gev`, `eta`, `phi`, `impact_x_cm`, `impact_y_cm`: (n_events,) each.
        """
        if not self.kinematics:
            msg = "no momentum head was trained: it needs single particles with truth and a level that holds the whole event"
            raise GeometryError(msg)
        x, y, tx, ty = _polynomial(self.kinematics, root_inputs(model, code)).T
        energy, slope = self.energies(model, code), np.maximum(np.hypot(tx, ty), _FLOOR)
        return {
            "energy_gev": energy,
            "pt_gev": energy * slope / np.sqrt(1 + slope**2),
            "eta": np.arcsinh(1 / slope),
            "phi": np.arctan2(ty, tx),
            "impact_x_cm": x,
            "impact_y_cm": y,
        }

    def arrays(self) -> Arrays:
        """Returns all parameters under flat names, for saving."""
        flat = {f"energy/{level}/{key}": value for level, head in self.energy.items() for key, value in head.items()}
        return flat | {f"kinematics/{key}": value for key, value in self.kinematics.items()}

    @classmethod
    def from_arrays(cls, flat: Mapping[str, NDArray[Any]]) -> Heads:
        """Rebuilds the heads from what `arrays` returned."""
        heads = cls()
        for name, value in flat.items():
            kind, *rest = name.split("/")
            if kind == "energy":
                heads.energy.setdefault(rest[0], {})[rest[1]] = value
            else:
                heads.kinematics[rest[0]] = value
        return heads


def slopes(events: Events, first: NDArray[np.integer]) -> list[NDArray[np.float64]]:
    """Returns dx/dz and dy/dz of chosen particles."""
    return [events.particles[f"p{axis}_gev"][first] / events.particles["pz_gev"][first] for axis in "xy"]


def energy_features(model: CodeModel, code: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what an energy head sees of each event.

    Returns:
        Base (n,): the decoded charge sum with the root's weights (1 where codes have no sums); and features (n, k): means over the units,
        weighted with the sums, of the learned numbers, of the logarithm of the sum, and of the depth (child of the root) and its square.
    """
    hierarchy, n = model.hierarchy, code.n_events
    depth = code.unit // max(hierarchy.n_units(code.level) // hierarchy.levels[-1].children, 1)
    at_root = code.level == hierarchy.root
    depth = np.zeros(len(depth)) if at_root else depth / hierarchy.levels[-1].children
    if model.conserves_charge:
        weight = model.run("state", code.level, code.code)[:, 0].astype(np.float64)
        root_weight = model.calibration.root_weight
        if root_weight is not None and not at_root:
            weight *= np.asarray(root_weight)[np.round(depth * len(root_weight)).astype(int)]
        base = np.bincount(code.event, weight, n).astype(np.float64)
        learned = code.code[:, 1:].astype(np.float64)
        columns = [*learned.T, np.log2(weight + 1), depth, depth**2]
        norm = np.maximum(base, _FLOOR)
    else:
        weight, base, norm = np.ones(len(code.event)), np.ones(n), np.ones(n)
        learned = (code.code - code.empty).astype(np.float64)
        columns = [*learned.T, *(learned * depth[:, None]).T, np.ones(len(code.event))]
    features = np.stack([np.bincount(code.event, weight * column, n) / norm for column in columns], axis=1)
    if model.conserves_charge:
        features = np.concatenate([features, np.log2(base + 1)[:, None]], axis=1)
    return base, features


def _inside(events: Events, detector: Detector | None) -> NDArray[np.bool_]:
    """Returns the events that the detector can contain sideways; all where that is unknown, or holds for too few to be fitted."""
    everything = np.ones(len(events), dtype=bool)
    if detector is None or not set(AXIS_COLUMNS) <= set(events.particles):
        return everything
    inside = contained(events, detector)
    return inside if inside.sum() >= _LEAST_EVENTS else everything


def _not_lost(base: NDArray[np.float64], energy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns the events whose charge sum agrees with their energy within four times a generous resolution, 25 %/sqrt(E) and 2 %."""
    charged = base > 0
    response = base / energy
    strong = charged & (energy >= np.median(energy))
    width = np.sqrt(0.25**2 / energy + 0.02**2)
    return charged & (np.abs(response / np.median(response[strong]) - 1) < 4 * width)


def _fit_energy(base: NDArray[np.float64], features: NDArray[np.float64], energy: NDArray[np.float64]) -> Arrays:
    """Fits energy = base (scale + coef . standardised features), events weighted by the inverse variance of a sqrt(E) resolution."""
    mean, std = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-6)
    weight = base**2 / energy
    ridge = Ridge(alpha=1e-3 * weight.sum()).fit((features - mean) / std, energy / base, sample_weight=weight)
    return {"scale": np.array([float(ridge.intercept_)]), "mean": mean, "std": std, "coef": np.asarray(ridge.coef_, dtype=np.float64)}


def root_inputs(model: CodeModel, code: Codes) -> NDArray[np.float64]:
    """Returns the root's code as (n_events, latent) inputs of a network: the sum as its logarithm."""
    x = code.dense(model.hierarchy).reshape(code.n_events, -1).astype(np.float64)
    if model.conserves_charge:
        x[:, 0] = np.log2(x[:, 0] + 1)
    return x


def _fit_polynomial(x: NDArray[np.float64], y: NDArray[np.float64], energy: NDArray[np.float64]) -> Arrays:
    mean, std = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    # Position resolution goes as 1/sqrt(E) until the cell size takes over at some tens of GeV.
    weight = energy / (energy + 30)
    ridge = Ridge(alpha=1e-4 * weight.sum()).fit(_second_degree((x - mean) / std), y, sample_weight=weight)
    return {"mean": mean, "std": std, "intercept": np.asarray(ridge.intercept_), "coef": np.asarray(ridge.coef_)}


def _polynomial(head: Arrays, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return _second_degree((x - head["mean"]) / head["std"]) @ head["coef"].T + head["intercept"]


def _second_degree(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the columns of x and all their products of two: (n, k + k (k + 1) / 2)."""
    first, second = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, first] * x[:, second]], axis=1)
