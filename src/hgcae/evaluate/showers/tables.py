"""The results on showers as tables of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hgcae.evaluate.core.table import MISSING, lookup, markdown
from hgcae.evaluate.showers.pairs import UNCOMPRESSED

Table = tuple[list[str], list[list[str]]]

SHAPES = ("energy_gev", "pt_gev", "eta", "phi", "impact_x_cm", "shower_max_x0", "r50_mm", "r90_mm", "sigma_eta")
"""Quantities in the table of shifts."""


def physics_tables(results: Mapping[str, Any]) -> dict[str, Table]:
    """Returns headings and rows by title: shifts of each single particle, response, separation, several showers, noise."""
    tables = {f"{sample}: decoded - uncompressed, bias ± width": _shifts(showers) for sample, showers in results["showers"].items()}
    tables |= {f"{sample}: against the truth": _truth(showers) for sample, showers in results["showers"].items()}
    tables["energy mover's distance, mean [mm]"] = _transport(results)
    tables |= {f"{sample} against pion": _separation(found) for sample, found in results["separation"].items()}
    tables["two showers: share of events in which both are found"] = _pairs(results, "efficiency", "mean", ".1%")
    tables["two showers: width of the distance [mm]"] = _pairs(results, "distance_mm", "sigma_eff", ".2f")
    tables["showers found"] = _multi_particle(results)
    tables["events without particles: energy [GeV]"] = _dark(results)
    return tables


def physics_markdown(results: Mapping[str, Any]) -> str:
    """Returns all tables as Markdown, each below its title."""
    parts = [f"**{title[0].upper()}{title[1:]}**\n\n{markdown(*table)}" for title, table in physics_tables(results).items()]
    return "\n\n".join(parts) + "\n"


def with_error(metrics: Any, key: str, form: str, error: str | None = None) -> str:
    """Returns a metric and its error as text, `-` where it was not measured."""
    value, spread = lookup(metrics, key), lookup(metrics, error or f"{key}_error")
    if value is None:
        return MISSING
    return format(value, form) if spread is None else f"{value:{form}} ± {spread:{form}}"


def _names(samples: Mapping[str, Any]) -> Iterable[str]:
    return (name for name in samples if name != UNCOMPRESSED)


def _shifts(showers: Mapping[str, Any]) -> Table:
    samples, rows = showers["samples"], []
    for name in _names(samples):
        shift = samples[name]["shift"]
        cells = [_bias_and_width(shift[key]["above"], shift[key]["unit"], key) for key in SHAPES]
        rows.append([name, *cells])
    units = [next(iter(samples[name]["shift"][key]["unit"] for name in _names(samples)), "1") for key in SHAPES]
    return ["decoded", *(_heading(key, unit) for key, unit in zip(SHAPES, units, strict=True))], rows


def _heading(key: str, unit: str) -> str:
    quantity = key.removesuffix("_gev").removesuffix("_cm").removesuffix("_x0").removesuffix("_mm")
    return f"{quantity} [{'%' if key.endswith('_gev') else unit}]" if unit != "1" or key.endswith("_gev") else quantity


def _bias_and_width(metrics: Mapping[str, Any], unit: str, key: str) -> str:
    scale, form = (100.0, ".2f") if key.endswith("_gev") else (1.0, ".2f" if unit in ("mm", "X0") else ".4f")
    values = [metrics["mean"], metrics["sigma_eff"]]
    return MISSING if None in values else f"{scale * values[0]:+{form}} ± {scale * values[1]:{form}}"


def _truth(showers: Mapping[str, Any]) -> Table:
    rows = []
    for name, sample in showers["samples"].items():
        fit = sample["response"]["fit"] or {}
        above = sample["response"]["above"]
        row = [name, with_error(above, "mean", ".4f"), with_error(above, "resolution", ".2%"), with_error(above, "core", ".2%")]
        row += [with_error(fit, "stochastic", ".1%"), with_error(fit, "noise_gev", ".2f"), with_error(fit, "constant", ".2%")]
        for key in ("eta", "impact_x_cm", "shower_max_x0"):
            ratio = lookup(sample, "truth", key, "width_ratio", "above")
            row.append("1" if name == UNCOMPRESSED else with_error(ratio, "ratio", ".3f"))
        rows.append(row)
    terms = ["S [√GeV]", "N [GeV]", "C", "width of eta", "of impact x", "of maximum"]
    return ["events", "response", "sigma_eff / mean", "core", *terms], rows


def _transport(results: Mapping[str, Any]) -> Table:
    samples = results["transport"]
    names = list(dict.fromkeys(name for found in samples.values() for name in found))
    parts = [(sample, part) for sample in samples for part in ("total", "depth", "across")]
    rows = [[name, *(with_error(samples[sample][name][part], "mean", ".2f") for sample, part in parts)] for name in names]
    return ["decoded", *(f"{sample}, {part}" for sample, part in parts)], rows


def _separation(found: Mapping[str, Any]) -> Table:
    headings = ["events"]
    for kind in found:
        text = kind.replace("_", " ")
        headings += [f"AUC, {text}", "AUC lost", "pions at 95 %"]
    names = next(iter(found.values()))
    rows = []
    for name in names:
        row = [name]
        for metrics in found.values():
            row += [with_error(metrics[name], key, form) for key, form in (("auc", ".4f"), ("auc_lost", ".4f"), ("pion_efficiency", ".2%"))]
        rows.append(row)
    return headings, rows


def _pairs(results: Mapping[str, Any], quantity: str, key: str, form: str) -> Table:
    pairs = results["pairs"]
    names = list(next(iter(pairs.values()), {}))
    rows = [[name, *(with_error(found[name][quantity], key, form) for found in pairs.values())] for name in names]
    return ["events", *(f"{distance} cm" for distance in pairs)], rows


def _multi_particle(results: Mapping[str, Any]) -> Table:
    split, multi_particle = results["split"], results["multi_particle"]
    names = list(next(iter(split.values()), {}))
    rows = []
    for name in names:
        cells = [with_error(found[name]["two_or_more"], "mean", ".1%") for found in split.values()]
        rows.append([name, *cells, *(with_error(found[name]["found"], "mean", ".2f") for found in multi_particle.values())])
    return ["events", *(f"{sample} split" for sample in split), *(f"{crowd}: found" for crowd in multi_particle)], rows


def _dark(results: Mapping[str, Any]) -> Table:
    no_particle = results["no_particle"]
    names = list(next(iter(no_particle.values()), {}))
    keys: Sequence[tuple[str, str]] = (("mean_gev", "mean"), ("q99_gev", "99 %"), ("largest_gev", "largest"))
    rows = [[name, *(with_error(found[name], key, ".3f") for found in no_particle.values() for key, _ in keys)] for name in names]
    return ["events", *(f"{sample}, {text}" for sample in no_particle for _, text in keys)], rows
