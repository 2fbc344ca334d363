"""The results of `hgcae scan merge`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from hgcae.evaluate.showers.borders import REGIONS
from hgcae.store.results import read_results
from hgcae.studies.aggregation.table import REFERENCE, border_table, by_variant, relative, variant_table
from pages import Collected, table

AGAINST = {"shared": "joint", "merged 24 x 9": "flat 8 x 9"}
"""What variants are compared with, if not the reference: what is trained alike, or sends as many bits."""
ALSO = ("l1_modules", "layer_error", "barycentre_mm", "energy_width")
"""What a recommended variant must keep within `TOLERANCE`: cells may be gained at the cost of sums, which a trigger needs first."""
TOLERANCE = 0.05
CONFIDENCE = 0.95
"""A difference counts where Student's distribution, which knows how few the seeds are, excludes zero with this confidence."""
Groups = Mapping[str, Sequence[Mapping[str, Any]]]


def collect(folder: Path) -> Collected:
    """Reads `results.json` and `aggregation.png`."""
    results = read_results(folder / "results.json", "aggregation")
    points, settings = results["points"], results["settings"]
    seeds = sorted({point["seed"] for point in points})
    groups = by_variant(points)
    values = {
        "command": "make docs-aggregation",
        **{key: results[key] for key in ("date", "versions")},
        **{key: settings[key] for key in ("length", "margin_cm", "n_train", "n_test")},
        "seeds": seeds,
        "complete": sum(len(group) == len(seeds) for group in groups.values()),
        "failed": len(results["failures"]),
        "reference": REFERENCE,
        "bits": groups[REFERENCE][0]["bits_per_event"],
        "tolerance": TOLERANCE,
        "confidence": CONFIDENCE,
        "error_of_error": round((2 * (len(seeds) - 1)) ** -0.5, 2) if len(seeds) > 1 else None,
        "best": _best(groups),
        "changes": list(_changes(groups)),
        "variants": {name: group[0]["text"] for name, group in groups.items()},
        "steps": {name: groups[name][0]["steps"] for name in (REFERENCE, "flat 4 x 6", "joint") if name in groups},
        "regions": {region: points[0]["regions"][region]["n_events"] for region in REGIONS[1:]},
        "merged": table(*variant_table(points)),
        "borders": table(*border_table(points)),
    }
    return Collected(values, {"aggregation.png": folder / "aggregation.png"})


def _changes(groups: Groups) -> Iterator[dict[str, Any]]:
    """Yields, for each variant with as many bits as what it is compared with, the change of the L1 of cells."""
    for name, group in groups.items():
        against = AGAINST.get(name, REFERENCE)
        other = groups.get(against, [])
        change = relative(group, other, "l1_cells")
        if change is None or name == REFERENCE or group[0]["bits_per_event"] not in [point["bits_per_event"] for point in other]:
            continue
        mean, error = change
        yield {
            "question": group[0]["question"],
            "variant": name,
            "against": against,
            "change": f"{mean:+.1%}",
            "error": None if error is None else f"{error:.1%}",
            "differs": _differs(mean, error, len(group)),
            "layer_error": f"{(relative(group, other, 'layer_error') or change)[0]:+.0%}",
        }


def _best(groups: Groups) -> dict[str, str] | None:
    """Returns the variant that lowers the L1 of cells most at the same bits and keeps the rest; None where nothing is certainly better."""
    reference, gains = groups[REFERENCE], []
    for name, group in groups.items():
        gain, error = relative(group, reference, "l1_cells") or (0.0, None)
        same_bits = group[0]["bits_per_event"] == reference[0]["bits_per_event"]
        if same_bits and gain < 0 and _differs(gain, error, len(group)) and _keeps(group, reference):
            gains.append((gain, name, error))
    if not gains:
        return None
    gain, name, error = min(gains)
    return {"variant": name, "gain": f"{-gain:.1%} ± {error:.1%}"}


def _keeps(group: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether no other metric gets much worse."""
    changes = [relative(group, reference, name) for name in ALSO]
    return all(change is not None and change[0] <= TOLERANCE for change in changes)


def _differs(mean: float, error: float | None, seeds: int) -> bool:
    """Returns whether a mean over seeds with its standard error excludes zero; that of a single seed does not."""
    return error is not None and abs(mean) > float(student.ppf((1 + CONFIDENCE) / 2, seeds - 1)) * error
