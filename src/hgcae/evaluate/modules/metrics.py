"""The evaluation of module codecs: true and decoded charges of 48 trigger cells and the bits that were sent, in; metrics with errors, out.

Metrics of each bin (`METRICS`), with bootstrap errors; ratios of sums have the error of linear propagation:

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
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.evaluate.core.statistics import Bootstrap, ratio_of_sums
from hgcae.evaluate.modules.emd import emd
from hgcae.evaluate.modules.result import Metric, ModuleBin, ModuleResult
from hgcae.evaluate.modules.telescope import telescope_loss
from hgcae.geometry import module

OCCUPANCY_EDGES = (1, 5, 16, 32, 49)
"""Edges of the bins of charged cells; a bin holds its lower edge."""
CHARGE_EDGES = (1, 10, 100, 1000, None)
"""Edges of the bins of module charge, counts."""


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
