"""The results on module codecs, in memory and as read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from hgcae.errors import DataFormatError
from hgcae.store.results import read_results

METRICS: Mapping[str, str] = {
    "bits": "payload [bits]",
    "emd_median": "EMD, median [cells]",
    "emd_low": "EMD, 16 % [cells]",
    "emd_high": "EMD, 84 % [cells]",
    "emd_mean": "EMD, mean [cells]",
    "sum_bias": "bias of module charge",
    "charge_bias": "bias of all charge",
    "sum_std": "spread of module charge",
    "sum_width": "core width of module charge",
    "lost": "charge in cells lost",
    "telescope": "telescope loss",
}
"""Metrics of a bin, and how to call them."""


class Metric(NamedTuple):
    """A metric and its standard error; None where there are too few modules."""

    value: float | None
    error: float | None


@dataclass(frozen=True)
class ModuleBin:
    """Metrics of the modules in one bin.

    Args:
        by: `all`, `occupancy` (charged cells) or `charge` (true module charge, counts).
        low: Lowest value in the bin.
        high: Lowest value above the bin; None without limit.
        n: Number of modules.
        metrics: By the keys of `METRICS`.
    """

    by: str
    low: float
    high: float | None
    n: int
    metrics: Mapping[str, Metric]

    @property
    def name(self) -> str:
        """What the bin holds, e.g. "5-15"."""
        if self.by == "all":
            return "all"
        return f"{self.low:g}+" if self.high is None else f"{self.low:g}-{self.high - 1:g}"


@dataclass(frozen=True)
class ModuleResult:
    """The results on one codec.

    Args:
        sample: Name of the sample.
        codec: Name of the codec.
        links: Its number of ECON-T links (1.28 Gb/s each).
        n_modules: Modules with charge.
        n_empty: Modules without, left out of all metrics.
        max_bits: Longest payload.
        bins: All modules first, then bins of occupancy and of charge.
    """

    sample: str
    codec: str
    links: int
    n_modules: int
    n_empty: int
    max_bits: int
    bins: tuple[ModuleBin, ...]

    def by(self, quantity: str) -> tuple[ModuleBin, ...]:
        """Returns the bins of a quantity, in increasing order."""
        return tuple(entry for entry in self.bins if entry.by == quantity)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics of all modules."""
        return self.bins[0].metrics

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values from which `from_dict` builds an equal result."""
        return asdict(self) | {
            "bins": [asdict(entry) | {"metrics": {name: f._asdict() for name, f in entry.metrics.items()}} for entry in self.bins]
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: object = "module result") -> Self:
        """Builds a result from what `to_dict` returned.

        Raises:
            DataFormatError: Keys are missing or unknown.
        """
        try:
            bins = tuple(
                ModuleBin(**(entry | {"metrics": {name: Metric(**metric) for name, metric in entry["metrics"].items()}}))
                for entry in values["bins"]
            )
            return cls(**{**values, "bins": bins})
        except (TypeError, KeyError, AttributeError) as error:
            raise DataFormatError(source, "result", str(error), "the results on a module codec") from None


def read_module_results(path: str | Path) -> tuple[ModuleResult, ...]:
    """Reads a result file of module codecs.

    Raises:
        DataFormatError: Not such a file, a changed one, or one of another version.
    """
    return tuple(ModuleResult.from_dict(values, path) for values in read_results(path, "modules")["results"])
