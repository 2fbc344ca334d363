"""The results of `hgcae compare`, one folder for each sample."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hgcae.evaluate import ModuleResult, module_table, read_module_results
from hgcae.store.results import read_results
from pages import Collected, table

SAMPLES = ("events", "ttbar", "electron")
PICTURES = ("rate_distortion.png", "emd_occupancy.png")


def collect(folder: Path) -> Collected:
    """Reads the results and pictures in `folder`/SAMPLE."""
    samples = {sample: _sample(sample, folder / sample / "results.json") for sample in SAMPLES}
    pictures = {f"codecs_{sample}_{name}": folder / sample / name for sample in SAMPLES for name in PICTURES}
    return Collected({"command": "make docs-codecs", "samples": samples}, pictures)


def _sample(name: str, path: Path) -> dict[str, Any]:
    content, results = read_results(path, "modules"), read_module_results(path)
    told = content["provenance"]
    head, rows = module_table(results)
    return {
        "command": f"hgcae compare --sample {name} --steps {told['steps']} --max-modules {told['n_test']}",
        "date": content["date"],
        "versions": content["versions"],
        **{key: told[key] for key in ("n_train", "n_test", "seed")},
        "codecs": table(head, joined(rows)),
        "over_cms": _over_cms(results),
        "occupancy": _occupancy(results),
    }


def joined(rows: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    """Yields rows `CODEC LINKS`, those of a codec that are equal for several numbers of links once, as `CODEC 2 to 5`."""
    for (codec, cells), group in itertools.groupby(rows, lambda row: (row[0].rsplit(" ", 1)[0], tuple(row[1:]))):
        links = [row[0].rsplit(" ", 1)[1] for row in group]
        yield [f"{codec} {links[0]}{f' to {links[-1]}' if len(links) > 1 else ''}", *cells]


def _over_cms(results: Sequence[ModuleResult]) -> dict[str, Any] | None:
    """Returns the table of mean EMD over that of the better of CMS's two networks; None where these were not evaluated."""
    means: dict[str, dict[int, float]] = {}
    for result in results:
        mean, _ = result.metrics["emd_mean"]
        if mean is not None:
            means.setdefault(result.codec, {})[result.links] = mean
    theirs, others = ([name for name in means if name.startswith("cms") is own] for own in (True, False))
    if not theirs or not others:
        return None
    best = {links: min(means[name].get(links, math.inf) for name in theirs) for links in means[theirs[0]]}
    rows = [[name, *(f"{means[name][links] / best[links]:.2f}" if links in means[name] else "" for links in best)] for name in others]
    return table(["codec", *(f"{links} links" for links in best)], rows)


def _occupancy(results: Sequence[ModuleResult]) -> dict[str, Any]:
    """Returns the table of median EMD, one column for each range of charged cells."""
    ranges = [(part.low, part.high) for part in results[0].by("occupancy")]
    rows = []
    for result in results:
        found = {(part.low, part.high): part.metrics["emd_median"] for part in result.by("occupancy")}
        rows.append([f"{result.codec} {result.links}", *(_text(*found[key]) if key in found else "" for key in ranges)])
    return table(["codec, links", *(f"{low:.0f} to {(high or 49) - 1:.0f}" for low, high in ranges)], joined(rows))


def _text(value: float | None, error: float | None) -> str:
    """Returns a value with its error as far as they are known: bins with few modules have none."""
    return "" if value is None else f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"
