"""Means, widths and their bootstrap errors, in bins of energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ONE_SIGMA = math.erf(math.sqrt(0.5))
"""Fraction of a normal distribution within one standard deviation, 68.27 %."""

MIN_ENTRIES = 10
"""Fewest entries whose width is quoted; below, all metrics are None."""

_RESAMPLED = 4_000_000


def sigma_eff(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns half the width of the smallest interval that holds 68.27 % of the entries.

    Args:
        ordered: Values in increasing order along the last axis: (..., n).

    Returns:
        (...), in the unit of the values.
    """
    inside = math.ceil(ONE_SIGMA * ordered.shape[-1])
    return (ordered[..., inside - 1 :] - ordered[..., : ordered.shape[-1] - inside + 1]).min(axis=-1) / 2


def _mean(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    return ordered.mean(axis=-1)


def _resolution(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    mean = _mean(ordered)
    return np.divide(sigma_eff(ordered), mean, out=np.full_like(mean, np.nan), where=mean != 0)


def _quantile(share: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def quantile(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
        place = share * (ordered.shape[-1] - 1)
        low = math.floor(place)
        high = min(low + 1, ordered.shape[-1] - 1)
        return ordered[..., low] + (place - low) * (ordered[..., high] - ordered[..., low])

    return quantile


CORE_SIGMAS = 1.5
"""Half width of the window that counts as the core of a distribution, in its own standard deviations."""
_CORE_STEPS = 10
# Standard deviation of a normal distribution that is cut at +- CORE_SIGMAS, over the uncut one.
_CORE_WIDTH = math.sqrt(
    1 - 2 * CORE_SIGMAS * math.exp(-(CORE_SIGMAS**2) / 2) / math.sqrt(2 * math.pi) / math.erf(CORE_SIGMAS / math.sqrt(2))
)


def core_width(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the standard deviation of the normal distribution that describes the core, whatever the tails do.

    Mean and standard deviation of the values within 1.5 sigma of the mean, the latter corrected for the cut, repeated until they agree
    with the window: the moments of a truncated normal distribution (N. L. Johnson, S. Kotz, Continuous Univariate Distributions 1, ch. 13).

    Args:
        ordered: Values in increasing order along the last axis: (..., n).

    Returns:
        (...), in the unit of the values.
    """
    mean, sigma = _quantile(0.5)(ordered), (_quantile(0.5 + ONE_SIGMA / 2)(ordered) - _quantile(0.5 - ONE_SIGMA / 2)(ordered)) / 2
    for _ in range(_CORE_STEPS):
        offset = ordered - mean[..., None]
        inside = np.abs(offset) <= CORE_SIGMAS * sigma[..., None]
        n = np.maximum(inside.sum(axis=-1), 1)
        shift = np.where(inside, offset, 0.0).sum(axis=-1) / n
        square = np.where(inside, offset**2, 0.0).sum(axis=-1) / n - shift**2
        mean, sigma = mean + shift, np.sqrt(np.maximum(square, 0.0)) / _CORE_WIDTH
    return sigma


STATISTICS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "mean": _mean,
    "std": lambda ordered: ordered.std(axis=-1, ddof=1),
    "rms": lambda ordered: np.sqrt((ordered**2).mean(axis=-1)),
    "sigma_eff": sigma_eff,
    "core": core_width,
    "resolution": _resolution,
    "median": _quantile(0.5),
    "low": _quantile(0.5 - ONE_SIGMA / 2),
    "high": _quantile(0.5 + ONE_SIGMA / 2),
}
"""Functions of ordered values (..., n); `rms` is about zero, `core` is the width of the Gaussian core, `resolution` is sigma_eff / mean,
`low` and `high` are the quantiles 15.87 % and 84.13 %, one standard deviation off the median of a normal distribution."""

WIDTHS = ("mean", "std", "sigma_eff")


@dataclass(frozen=True)
class Bootstrap:
    """Standard errors by resampling with replacement (B. Efron, Ann. Statist. 7 (1979) 1).

    Args:
        replicas: Number of resampled samples.
        seed: Seed of the resampling; the same for every quantity, so that a repeated call gives the same metrics.
    """

    replicas: int = 100
    seed: int = 1

    def spread(self, values: ArrayLike, statistics: Sequence[str] = WIDTHS) -> dict[str, Any]:
        """Describes a sample.

        Args:
            values: (n,); what is not finite is left out and counted as `undefined`.
            statistics: Keys of `STATISTICS`.

        Returns:
            `n`, `undefined`, and every statistic with its standard error `<statistic>_error`; None below `MIN_ENTRIES` entries.
        """
        values = np.asarray(values, dtype=np.float64)
        ordered = np.sort(values[np.isfinite(values)])
        result: dict[str, Any] = {"n": len(ordered), "undefined": len(values) - len(ordered)}
        if len(ordered) < MIN_ENTRIES:
            return result | {key: None for name in statistics for key in (name, f"{name}_error")}
        errors = self._errors(ordered, statistics)
        for name in statistics:
            result |= {name: plain(STATISTICS[name](ordered)), f"{name}_error": plain(errors[name])}
        return result

    def _errors(self, ordered: NDArray[np.float64], statistics: Sequence[str]) -> dict[str, np.float64]:
        """Resamples without a sort: ordered uniform numbers are normalised sums of exponential ones.

        Source: L. Devroye, Non-Uniform Random Variate Generation (1986), chapter V.
        """
        n = len(ordered)
        rng = np.random.default_rng(self.seed)
        collected: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
        step = max(1, _RESAMPLED // n)
        for start in range(0, self.replicas, step):
            sums = np.cumsum(rng.standard_exponential((min(step, self.replicas - start), n + 1)), axis=1)
            index = np.minimum((sums[:, :-1] / sums[:, -1:] * n).astype(np.int64), n - 1)
            resampled = ordered[index]
            for name in statistics:
                collected[name].append(STATISTICS[name](resampled))
        return {name: np.concatenate(parts).std(ddof=1) for name, parts in collected.items()}

    def ratio(self, values: NDArray[np.float64], reference: NDArray[np.float64], statistic: str = "resolution") -> dict[str, Any]:
        """Compares a statistic of two measurements of the same events; resampling them together keeps what they share out of the error.

        Args:
            values: (n,).
            reference: (n,).
            statistic: Key of `STATISTICS`.

        Returns:
            `n` pairs with both finite, `ratio` of the statistic of `values` to that of `reference`, and `ratio_error`.
        """
        both = np.isfinite(values) & np.isfinite(reference)
        n = int(both.sum())
        if n < MIN_ENTRIES:
            return {"n": n, "ratio": None, "ratio_error": None}
        pairs, function = np.stack([values[both], reference[both]]), STATISTICS[statistic]
        rng, step = np.random.default_rng(self.seed), max(1, _RESAMPLED // n)
        index = (rng.integers(0, n, (min(step, self.replicas - start), n)) for start in range(0, self.replicas, step))
        replicas = np.concatenate([function(np.sort(pairs[:, chosen])) for chosen in index], axis=1)
        value, reference_value = function(np.sort(pairs))
        ratios = np.divide(replicas[0], replicas[1], out=np.full(self.replicas, np.nan), where=replicas[1] != 0)
        return {"n": n, "ratio": plain(value / reference_value) if reference_value else None, "ratio_error": plain(ratios.std(ddof=1))}


def in_bins(
    describe: Callable[[NDArray[np.bool_]], dict[str, Any]], energy_gev: NDArray[np.float64], edges_gev: Sequence[float]
) -> list[dict[str, Any]]:
    """Describes a sample in bins of true energy.

    Args:
        describe: Metrics of the chosen entries; called with a mask (n,).
        energy_gev: True energy of each entry, GeV: (n,).
        edges_gev: Edges of the bins, increasing; a bin holds its lower edge, the last one also its upper edge.

    Returns:
        For each bin `low_gev`, `high_gev`, the means of E, 1/E and 1/E^2 (`energy_gev`, `inverse_gev`, `inverse_gev2`), and its metrics.
    """
    bins = []
    for low, high, inside in _ranges(energy_gev, edges_gev):
        energy = energy_gev[inside]
        means = {
            name: plain(np.mean(energy**power)) if len(energy) else None
            for name, power in (("energy_gev", 1.0), ("inverse_gev", -1.0), ("inverse_gev2", -2.0))
        }
        bins.append({"low_gev": float(low), "high_gev": float(high)} | means | describe(inside))
    return bins


def in_ranges(
    describe: Callable[[NDArray[np.bool_]], dict[str, Any]], values: NDArray[np.float64], edges: Sequence[float]
) -> list[dict[str, Any]]:
    """Describes a sample in bins of any quantity.

    Args:
        describe: Metrics of the chosen entries; called with a mask (n,).
        values: The quantity: (n,).
        edges: Edges of the bins, as in `in_bins`.

    Returns:
        For each bin `low`, `high`, the `centre` (mean) of the quantity, and its metrics.
    """
    return [
        {"low": float(low), "high": float(high), "centre": plain(values[inside].mean()) if inside.any() else None} | describe(inside)
        for low, high, inside in _ranges(values, edges)
    ]


def _ranges(values: NDArray[np.float64], edges: Sequence[float]) -> Iterator[tuple[float, float, NDArray[np.bool_]]]:
    """Yields the edges of each bin and which values lie in it."""
    for low, high in pairwise(edges):
        yield low, high, (values >= low) & ((values < high) | ((high == edges[-1]) & (values == high)))


def plain(value: float | np.floating | NDArray[np.float64]) -> float | None:
    """Returns a number that JSON can hold: None for NaN and infinity."""
    number = float(value)
    return number if math.isfinite(number) else None


def ratio_of_sums(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Returns sum(numerator) / sum(denominator) and its standard error by linear propagation (W. G. Cochran, Sampling Techniques).

    Args:
        numerator: One value per unit: (n,).
        denominator: (n,).
    """
    n, total = len(numerator), float(denominator.sum())
    if total <= 0:
        return None, None
    ratio = float(numerator.sum()) / total
    residual = numerator - ratio * denominator
    error = math.sqrt(float(residual @ residual) * n / (n - 1)) / total if n > 1 else None
    return ratio, error
