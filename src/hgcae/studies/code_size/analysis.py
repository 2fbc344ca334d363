"""How large a code has to be: the smallest one whose metrics stay near those of the largest.

For a sample, a level and a metric the plateau is the mean over seeds of the largest code at the most bits. A code is large enough
for the metric if its mean is at most 5 % above that (all metrics are the better the smaller). The uncertainty is that of the whole
question: seeds are drawn anew with replacement, events are resampled (the same for all codes, see `evaluate.showers.eventwise`), and the
answer is read off again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.evaluate.core.statistics import plain
from hgcae.evaluate.showers.eventwise import METRICS

MARGIN = 0.05
"""What counts as near: this much above the plateau."""

GIVEN = ("resolution_ratio", "energy_width")
"""Metrics without a fluctuation floor: the mean shower is scaled to the very sum that they measure."""

Size = tuple[int, int, bool]
"""Numbers of a code, bits of each, and whether two of them are the barycentre."""


@dataclass(frozen=True)
class Measured:
    """A metric of the codes of one sample and level.

    Args:
        values: By size the values of its seeds: (seeds,).
        replicas: By size their values on resampled events: (seeds, replicas).
    """

    values: Mapping[Size, NDArray[np.float64]]
    replicas: Mapping[Size, NDArray[np.float64]]

    @classmethod
    def of(cls, points: Iterable[Mapping[str, Any]], metric: str) -> Measured:
        """Collects a metric of points (`settings` and `content`); those without it are left out."""
        values: dict[Size, list[float]] = {}
        replicas: dict[Size, list[list[float]]] = {}
        for point in points:
            found, s = point["content"]["metrics"].get(metric), point["settings"]
            if found is not None and found["value"] is not None:
                size = (s["latent"], s["bits"], s["barycentre"])
                values.setdefault(size, []).append(found["value"])
                replicas.setdefault(size, []).append([np.nan if x is None else x for x in found["replicas"]])
        return cls({k: np.array(v) for k, v in values.items()}, {k: np.array(v) for k, v in replicas.items()})

    def resampled(self, rng: np.random.Generator, draws: int) -> dict[Size, NDArray[np.float64]]:
        """Returns means over seeds drawn with replacement, on resampled events: by size (draws,)."""
        n_replicas = min(replicas.shape[1] for replicas in self.replicas.values())
        replica = np.arange(draws) % n_replicas
        result = {}
        for size, replicas in self.replicas.items():
            seeds = rng.integers(0, len(replicas), (len(replicas), draws))
            result[size] = replicas[seeds, replica].mean(axis=0)
        return result


def usual(sizes: Iterable[Size]) -> list[Size]:
    """Returns the codes that answer, in order: those with an explicit barycentre, which codes of one or two numbers cannot have.

    Learned ones are only compared with them; where no code has a barycentre, all of them answer.
    """
    explicit = any(size[2] for size in sizes)
    return sorted(size for size in sizes if size[2] or size[0] < 3 or not explicit)


def answer(measured: Measured, draws: int = 1000, seed: int = 1) -> dict[str, Any]:
    """Returns the plateau, and the fewest numbers and the fewest bits that reach it.

    Returns:
        `plateau`, its size (`at`), and by size (`sizes`) mean and standard error (`value`, `error`), spread over seeds and the ratio to the
        plateau with its error; `numbers` and `bits`: the smallest sufficient, the central 68 % of what resampling gives (`low`, `high`) and
        the share of it that agrees (`agree`). `open`: that is the largest code itself, so a larger one might be better still.
    """
    answering = usual(measured.values)
    most = max((size[1] for size in answering), default=0)
    line = [size for size in answering if size[1] == most]
    if len(line) < 2:
        return {}
    rng = np.random.default_rng(seed)
    means = {size: float(values.mean()) for size, values in measured.values.items()}
    drawn = measured.resampled(rng, draws)
    top = line[-1]
    sizes = []
    for size in sorted(means):
        relative = drawn[size] / drawn[top]
        entry = {
            "latent": size[0],
            "bits": size[1],
            "barycentre": size[2],
            "seeds": len(measured.values[size]),
            "value": means[size],
            "error": _std(drawn[size]),
            "seed_spread": _std(measured.values[size]) if len(measured.values[size]) > 1 else None,
            "ratio": means[size] / means[top] if means[top] else None,
            "ratio_error": _std(relative),
        }
        sizes.append(entry)
    by_bits = sorted(answering, key=lambda size: (size[0] * size[1], size[0]))
    return {
        "plateau": means[top],
        "plateau_error": _std(drawn[top]),
        "at": list(top),
        "numbers": _smallest(line, [size[0] for size in line], means, drawn, top),
        "bits": _smallest(by_bits, [size[0] * size[1] for size in by_bits], means, drawn, top),
        "sizes": sizes,
    }


def _smallest(
    order: Sequence[Size],
    counts: Sequence[int],
    means: Mapping[Size, float],
    drawn: Mapping[Size, NDArray[np.float64]],
    top: Size,
) -> dict[str, Any]:
    """Returns the first of the counts whose code is near the plateau, and how sure that is."""
    known = np.array(counts)
    enough = np.array([means[size] <= (1 + MARGIN) * means[top] for size in order])
    value = int(known[np.argmax(enough)])
    found = known[np.argmax(np.stack([drawn[size] <= (1 + MARGIN) * drawn[top] for size in order]), axis=0)]
    low, high = np.quantile(found, (0.16, 0.84), method="nearest")
    return {"value": value, "low": int(low), "high": int(high), "agree": float(np.mean(found == value)), "open": value == int(known[-1])}


def answers(points: Sequence[Mapping[str, Any]], floors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the answers of a scan.

    Args:
        points: All points (`settings` and `content`).
        floors: Metrics of the mean of repeated showers, by sample.

    Returns:
        By sample, level and metric what `answer` returns, with the `floor` and its error where it is known.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for point in points:
        groups.setdefault((point["settings"]["sample"], point["settings"]["level"]), []).append(point)
    result: dict[str, Any] = {}
    for (sample, level), group in groups.items():
        for metric in METRICS:
            found = answer(Measured.of(group, metric))
            if found:
                floor = {} if metric in GIVEN else floors.get(sample, {}).get(metric, {})
                found |= {"floor": floor.get("value"), "floor_error": floor.get("error")}
                result.setdefault(sample, {}).setdefault(level, {})[metric] = found
    return result


def answer_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns headings and one row of texts for each metric of one sample and level."""
    rows = []
    for metric, a in found.items():
        text, unit = METRICS[metric]
        rows.append(
            [
                text + (f" [{unit}]" if unit else ""),
                _number(a["plateau"], a["plateau_error"]),
                _number(a["floor"], a["floor_error"]),
                _count(a["numbers"]),
                _count(a["bits"]),
            ]
        )
    return ["metric", "plateau", "fluctuation floor", "smallest D", "smallest bits"], rows


def size_table(found: Mapping[str, Any], metrics: Sequence[str] = tuple(METRICS)) -> tuple[list[str], list[list[str]]]:
    """Returns headings and one row of texts for each size of code of one sample and level."""
    known = [metric for metric in metrics if metric in found]
    cells: dict[Size, dict[str, str]] = {}
    for metric in known:
        for entry in found[metric]["sizes"]:
            size = (entry["latent"], entry["bits"], entry["barycentre"])
            cells.setdefault(size, {})[metric] = _number(entry["value"], entry["error"])
    head = ["D x bits", "barycentre", *(METRICS[f][0] + (f" [{METRICS[f][1]}]" if METRICS[f][1] else "") for f in known)]
    rows = [
        [f"{d} x {b}", "sent" if xy else "learned" if d > 1 else "-", *(cells[d, b, xy].get(f, "-") for f in known)]
        for d, b, xy in sorted(cells)
    ]
    return head, rows


def count(answered: Mapping[str, Any]) -> str:
    """Returns the smallest sufficient count as a text; `≥` marks the largest code itself."""
    return f"{'≥ ' if answered['open'] else ''}{answered['value']}"


def _count(answered: Mapping[str, Any]) -> str:
    low, high = answered["low"], answered["high"]
    interval = "" if low == high else f" ({low} to {high})"
    return f"{count(answered)}{interval}, {answered['agree']:.0%}"


def _number(value: float | None, error: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if not error else f"{value:.4g} ± {error:.1g}"


def _std(values: NDArray[np.float64]) -> float | None:
    return plain(np.std(values, ddof=1))
