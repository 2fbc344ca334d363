"""The evaluation of module codecs: true and decoded charges of 48 trigger cells and the bits that were sent, in; metrics with errors, out.

Figures of each bin (`METRICS`), with bootstrap errors; ratios of sums have the error of linear propagation:

* `bits`: mean payload.
* `emd_median`, `emd_low`, `emd_high` (15.87 % and 84.13 %), `emd_mean`: energy mover's distance, spacings of sensor cells; see `emd`.
* `sum_bias`, `sum_std`, `sum_width`: mean - 1 and standard deviation of decoded sum / true sum, and half the smallest interval that holds
  68.27 % of that ratio; `charge_bias`: decoded over true charge of all modules - 1, which weighs modules by their charge.
* `lost`: share of the charge that lies in cells decoded as empty (0 or less).
* `telescope`: mean telescope loss of charges over the module's true sum.

Modules without true charge are counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.evaluate.emd import emd
from hgcae.evaluate.statistics import Bootstrap, ratio_of_sums
from hgcae.evaluate.telescope import telescope_loss
from hgcae.geometry import module
from hgcae.store.results import read_results

OCCUPANCY_EDGES = (1, 5, 16, 32, 49)
"""Edges of the bins of charged cells; a bin holds its lower edge."""
CHARGE_EDGES = (1, 10, 100, 1000, None)
"""Edges of the bins of module charge, counts."""

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
"""Figures of a bin, and how to call them."""


class Metric(NamedTuple):
    """A metric and its standard error; None where there are too few modules."""

    value: float | None
    error: float | None


@dataclass(frozen=True)
class ModuleBin:
    """Figures of the modules in one bin.

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
        """Figures of all modules."""
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


def evaluate_modules(
    sample: str,
    codec: str,
    links: int,
    true: NDArray[np.integer],
    decoded: NDArray[np.floating],
    bits: NDArray[np.integer],
    bootstrap: Bootstrap | None = None,
) -> ModuleResult:
    """Measures a codec.

    Args:
        sample: Name of the sample.
        codec: Name of the codec.
        links: Its number of links.
        true: True charges, counts: (n, 48).
        decoded: Decoded charges, counts: (n, 48).
        bits: Bits of each payload: (n,).
        bootstrap: Resampling behind the errors; the default if None.

    Raises:
        DataFormatError: Shapes that do not fit together, a charge that is not finite, or a true charge below zero.
    """
    true, decoded, bits = np.asarray(true), np.asarray(decoded, dtype=np.float64), np.asarray(bits)
    if true.ndim != 2 or true.shape[1] != module.N_CELLS or decoded.shape != true.shape or bits.shape != true.shape[:1]:
        found = f"true {true.shape}, decoded {decoded.shape}, bits {bits.shape}"
        raise DataFormatError(codec, "shapes", found, f"(n, {module.N_CELLS}) twice and (n,)")
    if (true < 0).any():
        raise DataFormatError(sample, "true charges", str(true.min()), "at least 0")
    charged = true.sum(axis=1) > 0
    measured = _measure(true[charged], decoded[charged], bits[charged])
    how = bootstrap or Bootstrap()
    bins = tuple(
        ModuleBin(by, low, high, int(inside.sum()), _metrics({name: values[inside] for name, values in measured.items()}, how))
        for by, low, high, inside in _bins(measured)
    )
    return ModuleResult(sample, codec, links, int(charged.sum()), int((~charged).sum()), int(bits.max(initial=0)), bins)


def _measure(true: NDArray[Any], decoded: NDArray[np.float64], bits: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Returns quantities of each module: (n,) each."""
    total, found = true.sum(axis=1).astype(np.float64), decoded.sum(axis=1)
    return {
        "occupancy": np.count_nonzero(true, axis=1).astype(np.float64),
        "charge": total,
        "decoded": found,
        "lost": np.where(decoded > 0, 0, true).sum(axis=1).astype(np.float64),
        "bits": bits.astype(np.float64),
        "emd": emd(true, decoded),
        # A sum of shares is off in its last digits, which would be the width where most modules are exact.
        "ratio": np.round(found / total, 12),
        "telescope": telescope_loss(true / total[:, None], decoded / total[:, None]),
    }


def _bins(measured: Mapping[str, NDArray[np.float64]]) -> Iterator[tuple[str, float, float | None, NDArray[np.bool_]]]:
    yield "all", 0, None, np.ones(len(measured["charge"]), dtype=bool)
    edges: tuple[tuple[str, Sequence[float | None]], ...] = (("occupancy", OCCUPANCY_EDGES), ("charge", CHARGE_EDGES))
    for by, limits in edges:
        for low, high in pairwise(limits):
            if low is not None:
                yield by, low, high, (measured[by] >= low) & (measured[by] < (np.inf if high is None else high))


def _metrics(values: Mapping[str, NDArray[np.float64]], bootstrap: Bootstrap) -> dict[str, Metric]:
    """Returns the metrics of some modules, in the order of `METRICS`."""
    spread = {name: bootstrap.spread(values[name], statistics) for name, statistics in _SPREADS.items()}

    def metric(name: str, statistic: str, offset: float = 0.0) -> Metric:
        value = spread[name][statistic]
        return Metric(None if value is None else value + offset, spread[name][f"{statistic}_error"])

    charge_ratio, charge_error = ratio_of_sums(values["decoded"], values["charge"])
    return {
        "bits": metric("bits", "mean"),
        "emd_median": metric("emd", "median"),
        "emd_low": metric("emd", "low"),
        "emd_high": metric("emd", "high"),
        "emd_mean": metric("emd", "mean"),
        "sum_bias": metric("ratio", "mean", -1.0),
        "charge_bias": Metric(None if charge_ratio is None else charge_ratio - 1, charge_error),
        "sum_std": metric("ratio", "std"),
        "sum_width": metric("ratio", "sigma_eff"),
        "lost": Metric(*ratio_of_sums(values["lost"], values["charge"])),
        "telescope": metric("telescope", "mean"),
    }


_SPREADS: Mapping[str, tuple[str, ...]] = {
    "bits": ("mean",),
    "emd": ("median", "low", "high", "mean"),
    "ratio": ("mean", "std", "sigma_eff"),
    "telescope": ("mean",),
}


def module_table(results: Sequence[ModuleResult]) -> tuple[list[str], list[list[str]]]:
    """Returns the headings and one row of texts per codec, figures of all modules with their errors, for any table writer."""
    shown = ("bits", "emd_median", "emd_mean", "sum_bias", "charge_bias", "sum_std", "sum_width", "lost", "telescope")
    percent = {"sum_bias", "charge_bias", "sum_std", "sum_width", "lost"}
    rows = [
        [f"{result.codec} {result.links}", str(result.max_bits), *(_text(result.metrics[name], percent=name in percent) for name in shown)]
        for result in results
    ]
    return ["codec, links", "longest [bits]", *(METRICS[name] for name in shown)], rows


def module_markdown(results: Sequence[ModuleResult]) -> str:
    """Returns the table of `module_table` as Markdown."""
    headings, rows = module_table(results)
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _text(metric: Metric, *, percent: bool) -> str:
    """Returns value and error with as many digits as the error allows."""
    value, error = metric
    if value is None:
        return "-"
    scale, unit = (100.0, " %") if percent else (1.0, "")
    value *= scale
    if not error or error < 1e-9 * abs(value):
        return f"{value:.4g}{unit}"
    error *= scale
    if value and abs(value) < 1e-3:
        return f"{value:.2e} ± {error:.0e}{unit}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}{unit}"


def read_module_results(path: str | Path) -> tuple[ModuleResult, ...]:
    """Reads a result file of module codecs.

    Raises:
        DataFormatError: Not such a file, a changed one, or one of another version.
    """
    return tuple(ModuleResult.from_dict(values, path) for values in read_results(path, "modules")["results"])
