"""The results on module codecs as a table of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hgcae.evaluate.modules.result import METRICS, Metric, ModuleResult


def module_table(results: Sequence[ModuleResult]) -> tuple[list[str], list[list[str]]]:
    """Returns the headings and one row of texts per codec, metrics of all modules with their errors, for any table writer."""
    shown = ("bits", "emd_median", "emd_mean", "sum_bias", "charge_bias", "sum_std", "sum_width", "lost", "telescope")
    percent = {"sum_bias", "charge_bias", "sum_std", "sum_width", "lost"}
    rows = [
        [f"{result.codec} {result.links}", str(result.max_bits), *(_text(result.metrics[name], percent=name in percent) for name in shown)]
        for result in results
    ]
    return ["codec, links", "longest [bits]", *(METRICS[name] for name in shown)], rows


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
