"""Tables of the report as HTML: the results with their errors, the stages of a training, and any nested numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from hgcae.evaluate.core.table import MISSING, heads_table, lookup
from hgcae.plots.panels import stages

_ABOVE = ("energy", "decoded_over_uncompressed", "above")
_MANY = 12
"""Longest list of numbers that is written out."""
_FOLDED = 120
"""Groups with more numbers than this are folded until somebody opens them."""

Cell = tuple[str, str]
"""A figure and its error, either may be empty."""


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Cell]], caption: str = "", name: str = "") -> str:
    """Returns an HTML table; the first column names the rows, errors stand small next to their figures. All texts are escaped."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = "".join(f"<tr>{''.join(_cell(text, first=i == 0) for i, text in enumerate(row))}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    kind = f' class="{escape(name)}"' if name else ""
    return f'<div class="scroll" tabindex="0"><table{kind}>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str | Cell, *, first: bool) -> str:
    value, error = text if isinstance(text, tuple) else (text, "")
    inside = escape(value) + (f' <span class="error">± {escape(error)}</span>' if error else "")
    return f'<th scope="row">{inside}</th>' if first else f"<td>{inside}</td>"


def summary_table(results: Mapping[str, Any]) -> str:
    """Returns one row per level: bits, errors next to codes of cells, energy, resolution, position, layers."""
    rows = [[read(level) for read in _SUMMARY.values()] for level in results["levels"].values()]
    return table(list(_SUMMARY), rows, "Decoded against uncompressed events, level by level", "summary")


def fit_table(results: Mapping[str, Any]) -> str:
    """Returns the terms of the fitted energy resolution, uncompressed and of each level; nothing where none was fitted."""
    truth = {name: lookup(level, "energy", "truth") for name, level in results["levels"].items()}
    fits = [(name, found["decoded"]["fit"]) for name, found in truth.items() if isinstance(found, Mapping)]
    first = next((found for found in truth.values() if isinstance(found, Mapping)), None)
    fits = [("uncompressed", first["uncompressed"]["fit"]), *fits] if isinstance(first, Mapping) else []
    terms = (("stochastic", 100.0), ("noise_gev", 1000.0), ("constant", 100.0))
    rows = [
        [name, *(_measured(fit, key, scale=scale, form=".3g") for key, scale in terms), f"{fit['chi2']:.1f} / {fit['ndf']}"]
        for name, fit in fits
        if fit is not None
    ]
    headings = ["level", "S [% √GeV]", "N [MeV]", "C [%]", "χ² / ndf"]
    return table(headings, rows, "Energy resolution S/√E ⊕ N/E ⊕ C; errors are upwards", "fits") if rows else ""


def head_table(results: Mapping[str, Any]) -> str:
    """Returns bias and width of what the heads estimate; nothing where there are none."""
    headings, rows = heads_table({"heads": results.get("heads") or {}})
    return table(headings, rows, f"Estimates against the truth, E > {results['settings']['above_gev']:g} GeV") if rows else ""


def stage_table(history: Sequence[Mapping[str, Any]]) -> str:
    """Returns one row per stage of a training."""
    rows = []
    before = 0
    for part in stages(history):
        last, seconds = part[-1], sum(row.get("seconds", 0.0) for row in part)
        trains = part[0].get("trains", [])
        rows.append(
            [
                str(last["stage"]),
                str(last.get("loss_level", MISSING)),
                ", ".join(trains) if isinstance(trains, list) else str(trains),
                f"{len(part):,}",
                f"{last['step'] - before:,}",
                f"{last['loss_train']:.4g}",
                f"{last['loss_test']:.4g}",
                f"{seconds:,.0f}",
            ]
        )
        before = last["step"]
    headings = ["stage", "loss of", "trains", "epochs", "steps", "last training loss", "last test loss", "time [s]"]
    return table(headings, rows, "Stages of the schedule", "stages")


def nested(values: Any, depth: int = 3) -> str:
    """Returns any JSON values as HTML: groups as headings, groups of alike members as one table, the rest as names and values.

    Args:
        values: Mappings, lists, numbers, texts, booleans, null.
        depth: Level of the first heading (h3 and so on).
    """
    values = values if isinstance(values, Mapping) else {"": values}
    plain = {key: value for key, value in values.items() if not _group(value) and not _belongs(key, values)}
    parts = [_pairs(plain, values)] if plain else []
    for key, value in values.items():
        if _group(value):
            inside = _alike(value) or nested(value if isinstance(value, Mapping) else dict(enumerate(value)), depth + 1)
            parts.append(_section(str(key), inside, depth, sum(1 for _ in _leaves(value))))
    return "".join(parts)


def _section(title: str, inside: str, depth: int, size: int) -> str:
    level = min(depth, 6)
    heading = f"<h{level}>{escape(_words(title))}</h{level}>"
    return f"<details><summary>{heading}</summary>{inside}</details>" if size > _FOLDED else f"{heading}{inside}"


def _group(value: Any) -> bool:
    """Whether a value is worth a heading of its own: a mapping, or a list that holds more than plain values."""
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value)


def _alike(value: Any) -> str:
    """Returns a table of members that are all flat and have keys in common, empty if they are not."""
    members = list(value.items()) if isinstance(value, Mapping) else [(str(i + 1), item) for i, item in enumerate(value)]
    if len(members) < 2 or not all(isinstance(item, Mapping) and item and not any(map(_group, item.values())) for _, item in members):
        return ""
    keys = list(dict.fromkeys(key for _, item in members for key in item if not _belongs(key, item)))
    if len(keys) > 2 * min(len(item) for _, item in members):
        return ""
    return table(["", *map(_words, keys)], [[_words(str(name)), *(_figure(item, key) for key in keys)] for name, item in members])


def _pairs(plain: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    rows = "".join(f"<div><dt>{escape(_words(str(key)))}</dt>{_definition(_figure(values, key))}</div>" for key in plain)
    return f'<dl class="pairs">{rows}</dl>'


def _definition(cell: Cell) -> str:
    return f"<dd>{escape(cell[0])}" + (f' <span class="error">± {escape(cell[1])}</span>' if cell[1] else "") + "</dd>"


def _belongs(key: Any, values: Mapping[str, Any]) -> bool:
    """Whether a value is the error of another one, next to which it is written."""
    return isinstance(key, str) and key.endswith("_error") and key.removesuffix("_error") in values


def _figure(values: Mapping[str, Any], key: str) -> Cell:
    if key not in values:
        return "", ""
    error = values.get(f"{key}_error")
    return text(values[key]), text(error) if isinstance(error, int | float) else ""


def text(value: Any) -> str:
    """Returns a plain value as a short text: four digits, thousands separated, lists shortened."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        if len(value) > _MANY and all(isinstance(item, int | float) for item in value):
            return f"{len(value):,} numbers from {text(min(value))} to {text(max(value))}"
        return ", ".join(map(text, value)) or "none"
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:.4g}"


def _words(key: str) -> str:
    return key.replace("_", " ")


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else list(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list):
        for item in _items(value):
            yield from _leaves(item)
    else:
        yield value


def _measured(values: Any, key: str, *, scale: float = 1.0, shift: float = 0.0, form: str) -> Cell:
    value, error = lookup(values, key), lookup(values, f"{key}_error")
    if value is None:
        return MISSING, ""
    return format((value + shift) * scale, form), "" if error is None else format(error * scale, form.lstrip("+"))


def _at(*keys: str, form: str, scale: float = 1.0, shift: float = 0.0) -> Callable[[Mapping[str, Any]], Cell]:
    return lambda level: _measured(lookup(level, *keys[:-1]), keys[-1], scale=scale, shift=shift, form=form)


def _plain(key: str, form: str) -> Callable[[Mapping[str, Any]], Cell]:
    return lambda level: (MISSING if level.get(key) is None else format(level[key], form), "")


def _l1(*keys: str) -> Callable[[Mapping[str, Any]], Cell]:
    def read(level: Mapping[str, Any]) -> Cell:
        value, error = lookup(level, *keys, "CELL"), lookup(level, *keys[:-1], f"{keys[-1]}_error", "CELL")
        return (MISSING if value is None else f"{value:.4f}"), "" if error is None else f"{error:.4f}"

    return read


_SUMMARY: Mapping[str, Callable[[Mapping[str, Any]], Cell]] = {
    "level": lambda level: (str(level["level"]), ""),
    "bits / unit": _plain("bits_per_unit", ",.6g"),
    "bits / event": _plain("bits_per_event", ",.0f"),
    "MSE [ADC²]": _at("units", "decoded", "mse", form=".3g"),
    "quanta [ADC²]": _at("units", "quanta", "mse", form=".3g"),
    "ranked [ADC²]": _at("units", "ranked", "mse", form=".3g"),
    "L1 of cells": _l1("events", "l1"),
    "L1, quanta": _l1("units", "quanta", "l1"),
    "L1, ranked": _l1("units", "ranked", "l1"),
    "E bias [%]": _at(*_ABOVE, "mean", form="+.3f", scale=100, shift=-1),
    "E width [%]": _at(*_ABOVE, "sigma_eff", form=".3f", scale=100),
    "σ ratio": _at("energy", "truth", "decoded", "resolution_ratio", "above", "ratio", form=".3f"),
    "barycentre [mm]": _at("position", "barycentre_shift", "per_axis", "above", "rms", form=".2f"),
    "layer error [%]": _at("layers", "profile_error", "above", "mean", form=".2f", scale=100),
}
