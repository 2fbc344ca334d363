"""Electron against pion: how much of what tells them apart survives compression.

Two classifiers see the shape of a shower, not its energy: gradient-boosted trees, and a logistic regression that cannot hide behind
flexibility. Each sort of event (uncompressed, or decoded in one way) gets classifiers of its own, trained on other events of its sort:
what is lost is information, not the habit of a classifier. All sorts use the same folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import QuantileTransformer

from hgcae.errors import DataFormatError
from hgcae.evaluate.core.statistics import plain
from hgcae.evaluate.showers.pairs import UNCOMPRESSED, beside
from hgcae.evaluate.showers.settings import PhysicsSettings
from hgcae.evaluate.showers.shapes import shower_shapes
from hgcae.events import Events
from hgcae.geometry.detector import Detector

VARIABLES = (
    "shower_start_x0",
    "shower_max_x0",
    "mean_depth_x0",
    "depth_rms_x0",
    "front_fraction",
    "rear_fraction",
    "peak_fraction",
    "r50_mm",
    "r90_mm",
    "radius_rms_mm",
    "sigma_eta",
    "sigma_phi",
)
"""Shape variables that the classifiers see; NaN where an event has none, which tells them something, too."""


def classifiers(seed: int, n: int) -> dict[str, Any]:
    """Returns the untrained classifiers by name, for `n` training events."""
    return {
        "gradient_boosting": make_pipeline(
            # No variable is negative, so trees can tell -1 from all values. Left missing, one that no event of a fold has ends the fit.
            SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True),
            HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1, max_leaf_nodes=15, random_state=seed),
        ),
        "logistic_regression": make_pipeline(
            make_union(
                make_pipeline(
                    SimpleImputer(strategy="median", keep_empty_features=True),
                    QuantileTransformer(n_quantiles=min(50, n), output_distribution="normal", random_state=seed),
                ),
                MissingIndicator(features="all"),
            ),
            LogisticRegression(max_iter=1000),
        ),
    }


def evaluate_separation(
    electrons: Events,
    pions: Events,
    decoded: Mapping[str, tuple[Events, Events]],
    detector: Detector,
    settings: PhysicsSettings,
) -> dict[str, Any]:
    """Trains classifiers of electrons against pions on each sort of event, and compares them.

    Args:
        electrons: Uncompressed signal (electrons, or photons).
        pions: Uncompressed background.
        decoded: Both of them decoded, by name.
        detector: Gives energies and positions.
        settings: Folds, electron efficiency, resampling.

    Returns:
        By classifier and name `auc` (area under the ROC curve) and `pion_efficiency` (at `electron_efficiency`), with errors; for decoded
        events `auc_lost`: uncompressed minus decoded. Errors are bootstrap errors over events; the loss is resampled in pairs.

    Raises:
        DataFormatError: Fewer electrons or pions than folds.
    """
    if min(len(electrons), len(pions)) < settings.folds:
        found = f"{len(electrons)} electrons, {len(pions)} pions"
        raise DataFormatError(source="separation", where="number of events", found=found, expected=f"at least {settings.folds} of each")
    label = np.repeat([True, False], [len(electrons), len(pions)])
    signal = beside(electrons, {name: pair[0] for name, pair in decoded.items()})
    background = beside(pions, {name: pair[1] for name, pair in decoded.items()})
    tables = {name: np.concatenate([_table(sample[name], detector) for sample in (signal, background)]) for name in signal}
    models = classifiers(settings.seed, len(label) - -(-len(label) // settings.folds))
    return {kind: _judge(model, tables, label, settings) for kind, model in models.items()}


def _table(events: Events, detector: Detector) -> NDArray[np.float64]:
    values = shower_shapes(events, detector).values
    return np.stack([values[name] for name in VARIABLES], axis=1)


def _judge(model: Any, tables: Mapping[str, NDArray[np.float64]], label: NDArray[np.bool_], settings: PhysicsSettings) -> dict[str, Any]:
    folds = StratifiedKFold(settings.folds, shuffle=True, random_state=settings.seed)
    chances = {name: np.asarray(cross_val_predict(model, x, label, cv=folds, method="predict_proba")) for name, x in tables.items()}
    scores = {name: chance[:, 1] for name, chance in chances.items()}
    replicas = list(_resampled(label, settings))
    aucs = {name: _with_replicas(area, score, label, replicas) for name, score in scores.items()}

    def passing(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
        return pion_efficiency(score, label, settings.electron_efficiency)

    result: dict[str, Any] = {}
    for name, score in scores.items():
        value, spread = aucs[name]
        efficiency, efficiency_spread = _with_replicas(passing, score, label, replicas)
        result[name] = {"auc": value, "auc_error": plain(spread.std(ddof=1))}
        result[name] |= {"pion_efficiency": efficiency, "pion_efficiency_error": plain(efficiency_spread.std(ddof=1))}
        if name != UNCOMPRESSED:
            reference, reference_spread = aucs[UNCOMPRESSED]
            result[name] |= {"auc_lost": reference - value, "auc_lost_error": plain((reference_spread - spread).std(ddof=1))}
    return result


def _resampled(label: NDArray[np.bool_], settings: PhysicsSettings) -> Iterator[NDArray[np.intp]]:
    """Yields resampled events, electrons and pions for themselves; the same ones for every sort of event."""
    rng = np.random.default_rng(settings.seed)
    kinds = np.flatnonzero(label), np.flatnonzero(~label)
    for _ in range(settings.bootstrap_replicas):
        yield np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])


def _with_replicas(
    metric: Callable[[NDArray[np.float64], NDArray[np.bool_]], float],
    score: NDArray[np.float64],
    label: NDArray[np.bool_],
    replicas: list[NDArray[np.intp]],
) -> tuple[float, NDArray[np.float64]]:
    return metric(score, label), np.array([metric(score[chosen], label[chosen]) for chosen in replicas])


def area(score: NDArray[np.float64], label: NDArray[np.bool_]) -> float:
    """Returns the area under the ROC curve: the chance that a true one scores above a false one, ties counting half.

    Source: J. A. Hanley, B. J. McNeil, Radiology 143 (1982) 29: the statistic of Mann and Whitney.
    """
    n = int(label.sum())
    return float((rankdata(score)[label].sum() - n * (n + 1) / 2) / (n * (len(label) - n)))


def pion_efficiency(score: NDArray[np.float64], label: NDArray[np.bool_], electron_efficiency: float) -> float:
    """Returns the share of false ones above the largest threshold that keeps at least `electron_efficiency` of the true ones."""
    threshold = np.quantile(score[label], 1 - electron_efficiency, method="lower")
    return float((score[~label] >= threshold).mean())
