"""Tables of texts: the results in one row per level, and any table as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MISSING = "-"

COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "level": lambda r: str(r["level"]),
    "numbers": lambda r: _number(r["latent_numbers"], "d"),
    "bits/unit": lambda r: _number(r["bits_per_unit"], ".6g"),
    "bits/event": lambda r: _number(r["bits_per_event"], ",.0f"),
    "coded bits": lambda r: _number(lookup(r, "bits", "entropy_coded"), ",.0f"),
    "MSE [ADC²]": lambda r: _number(lookup(r, "units", "decoded", "mse"), ".3g"),
    "PCA": lambda r: _number(lookup(r, "units", "pca", "mse"), ".3g"),
    "quanta": lambda r: _number(lookup(r, "units", "quanta", "mse"), ".3g"),
    "ranked": lambda r: _number(lookup(r, "units", "ranked", "mse"), ".3g"),
    "occ. MAE [ADC]": lambda r: _number(lookup(r, "units", "decoded", "mae_occupied"), ".3g"),
    "PCA MAE": lambda r: _number(lookup(r, "units", "pca", "mae_occupied"), ".3g"),
    "E bias": lambda r: _number(_minus_one(lookup(r, "energy", "decoded_over_uncompressed", "above", "mean")), "+.2%"),
    "E width": lambda r: _number(lookup(r, "energy", "decoded_over_uncompressed", "above", "sigma_eff"), ".2%"),
    "resolution ratio": lambda r: _number(lookup(r, "energy", "truth", "decoded", "resolution_ratio", "above", "ratio"), ".3f"),
    "barycentre [mm]": lambda r: _number(lookup(r, "position", "barycentre_shift", "per_axis", "above", "rms"), ".2f"),
    "layer error": lambda r: _number(lookup(r, "layers", "profile_error", "above", "mean"), ".2%"),
    "L1 cells": lambda r: _number(lookup(r, "events", "l1", "CELL"), ".4f"),
    "L1 quanta": lambda r: _number(lookup(r, "units", "quanta", "l1", "CELL"), ".4f"),
    "L1 ranked": lambda r: _number(lookup(r, "units", "ranked", "l1", "CELL"), ".4f"),
}
"""Columns of the table and how each is read off the result of a level; energy, barycentre and layers above the settings' `above_gev`."""


def table(results: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns the headings and one row of texts per level, for any table writer."""
    return list(COLUMNS), [[read(level) for read in COLUMNS.values()] for level in results["levels"].values()]


def heads_table(results: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Returns bias and width of every estimated quantity above the settings' `above_gev`, with errors, one row each.

    The last column is the width over that of the uncompressed estimate of the quantity; of two, the one from the interaction point.
    """
    rows = []
    for estimator, summary in results["heads"].items():
        for quantity, deviation in summary.items():
            above, percent = deviation["above"], deviation["unit"] == "1" and quantity.endswith("_gev")
            form, unit = (".2%", "") if percent else (".4g", f" {deviation['unit']}" if deviation["unit"] != "1" else "")
            texts = [f"{_number(above[key], form)} ± {_number(above[f'{key}_error'], form)}{unit}" for key in ("mean", "sigma_eff")]
            quotient, error = (lookup(deviation, "width_ratio", "above", key) for key in ("ratio", "ratio_error"))
            rows.append([estimator, quantity, *texts, MISSING if quotient is None else f"{quotient:.3f} ± {_number(error, '.3f')}"])
    return ["estimator", "quantity", "bias", "width", "width / uncompressed"], rows


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Returns a table as Markdown, with so many columns aligned to the left.

    Examples:
        >>> print(markdown(["level", "bits"], [["ROC", "72"]]))
        | level | bits |
        | --- | ---: |
        | ROC | 72 |
    """
    lines = [headings, ["---"] * left + ["---:"] * (len(headings) - left), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def lookup(result: Any, *keys: str) -> float | None:
    """Returns a metric deep inside a result, None where it was not measured."""
    for key in keys:
        if not isinstance(result, Mapping):
            return None
        result = result.get(key)
    return result


def _minus_one(value: float | None) -> float | None:
    return None if value is None else value - 1


def _number(value: float | None, form: str) -> str:
    return MISSING if value is None else format(value, form)
