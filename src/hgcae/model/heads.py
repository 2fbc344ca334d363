"""Physics heads: energy from the codes of any level; momentum and impact point from the code of one event.

They are fitted on the training sample when the hierarchy is trained, with the encoders frozen.

* Energy = calibrated charge sum x (1 + a regularised linear correction). An over-parametrised energy head was found worse than the plain
  calibrated sum; what a correction can add is leakage and sampling weights, seen in the depth and in the learned numbers.
* Impact point and direction: a small network on the numbers of the event's code (positions are not linear in them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor

from hgcae.errors import GeometryError
from hgcae.events import Events

if TYPE_CHECKING:
    from hgcae.model.autoencoder import Autoencoder
    from hgcae.model.sparse import Codes

Arrays = dict[str, NDArray[np.float64]]
_FLOOR = 1e-9


@dataclass
class Heads:
    """Fitted heads.

    Attributes:
        energy: By level name: `scale`, `mean`, `std`, `coef` of the correction.
        kinematics: Network of the root level: `in_mean`, `in_std`, `out_mean`, `out_std`, `w0`, `b0`, ...; empty before the fit.
    """

    energy: dict[str, Arrays] = field(default_factory=dict)
    kinematics: Arrays = field(default_factory=dict)

    def fit(self, model: Autoencoder, events: Events, codes: Mapping[str, Codes], seed: int) -> None:
        """Fits the heads of every level in `codes` to the truth of `events`; without truth nothing is fitted."""
        energy = events.true_energy_gev
        if energy is None or events.particle_offsets is None or not len(events):
            return
        for name, code in codes.items():
            base, features = energy_features(model, code)
            self.energy[name] = _fit_energy(base, features, energy)
        root = codes.get(model.hierarchy.root)
        single = np.diff(events.particle_offsets) == 1
        if root is not None and model.hierarchy.n_units(root.level) == 1 and single.sum() >= 100:
            first = events.particle_offsets[:-1][single]
            target = np.stack([events.particles[c][first] for c in ("impact_x_cm", "impact_y_cm")] + slopes(events, first), axis=1)
            self.kinematics = _fit_network(root_inputs(model, root)[single], target, energy[single], seed)

    def energies(self, model: Autoencoder, code: Codes) -> NDArray[np.float64]:
        """Returns the energy of each event from the codes of one level, GeV: (n_events,)."""
        if code.level not in self.energy:
            msg = f"no energy head was trained at level {code.level}"
            raise GeometryError(msg)
        head = self.energy[code.level]
        base, features = energy_features(model, code)
        scale = (features - head["mean"]) / head["std"]
        return np.maximum(base * (head["scale"][0] + scale @ head["coef"]), 0.0)

    def momenta(self, model: Autoencoder, code: Codes) -> Arrays:
        """Returns momentum and impact point of each event from its code.

        Returns:
            `energy_gev`, `pt_gev`, `eta`, `phi`, `impact_x_cm`, `impact_y_cm`: (n_events,) each.
        """
        if not self.kinematics:
            msg = "no momentum head was trained: it needs single particles with truth and a level that holds the whole event"
            raise GeometryError(msg)
        x, y, tx, ty = _network(self.kinematics, root_inputs(model, code)).T
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


def energy_features(model: Autoencoder, code: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns what an energy head sees of each event.

    Returns:
        Base (n,): the decoded charge sum with the root's weights (1 where codes have no sums); and features (n, k): means over the units,
        weighted with the sums, of the learned numbers, of the logarithm of the sum, and of the depth (child of the root) and its square.
    """
    hierarchy, n = model.hierarchy, code.n_events
    depth = code.unit // max(hierarchy.n_units(code.level) // hierarchy.levels[-1].children, 1)
    at_root = code.level == hierarchy.root
    depth = np.zeros(len(depth)) if at_root else depth / hierarchy.levels[-1].children
    if model.shares:
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
    if model.shares:
        features = np.concatenate([features, np.log2(base + 1)[:, None]], axis=1)
    return base, features


def _fit_energy(base: NDArray[np.float64], features: NDArray[np.float64], energy: NDArray[np.float64]) -> Arrays:
    """Fits energy = base (scale + coef . standardised features), events weighted by the inverse variance of a sqrt(E) resolution."""
    use = base > 0
    mean, std = features[use].mean(axis=0), np.maximum(features[use].std(axis=0), 1e-6)
    x = (features[use] - mean) / std
    # Squared errors of the energy in units of its variance, which goes as E; a shower that leaves the detector has a small base and weight.
    weight = base[use] ** 2 / energy[use]
    ridge = Ridge(alpha=1e-3 * weight.sum()).fit(x, energy[use] / base[use], sample_weight=weight)
    return {"scale": np.array([float(ridge.intercept_)]), "mean": mean, "std": std, "coef": np.asarray(ridge.coef_, dtype=np.float64)}


def root_inputs(model: Autoencoder, code: Codes) -> NDArray[np.float64]:
    """Returns the root's code as (n_events, latent) inputs of a network: the sum as its logarithm."""
    x = code.dense(model.hierarchy).reshape(code.n_events, -1).astype(np.float64)
    if model.shares:
        x[:, 0] = np.log2(x[:, 0] + 1)
    return x


def _fit_network(x: NDArray[np.float64], y: NDArray[np.float64], energy: NDArray[np.float64], seed: int) -> Arrays:
    in_mean, in_std = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
    out_mean, out_std = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-6)
    network = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        activation="tanh",
        batch_size=128,  # type: ignore[arg-type] # the stubs know "auto" only
        max_iter=150,
        early_stopping=True,
        random_state=seed,
    )
    # Position resolution goes as 1/sqrt(E) until the cell size takes over at some tens of GeV.
    weight = energy / (energy + 30)
    network.fit((x - in_mean) / in_std, (y - out_mean) / out_std, sample_weight=weight)
    head = {"in_mean": in_mean, "in_std": in_std, "out_mean": out_mean, "out_std": out_std}
    for i, (w, b) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        head |= {f"w{i}": np.asarray(w), f"b{i}": np.asarray(b)}
    return head


def _network(head: Arrays, x: NDArray[np.float64]) -> NDArray[np.float64]:
    h = (x - head["in_mean"]) / head["in_std"]
    last = sum(key.startswith("w") for key in head) - 1
    for i in range(last):
        h = np.tanh(h @ head[f"w{i}"] + head[f"b{i}"])
    return (h @ head[f"w{last}"] + head[f"b{last}"]) * head["out_std"] + head["out_mean"]
