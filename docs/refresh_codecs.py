# ruff: noqa: INP001 - a script, not part of a package
"""Writes docs/codecs.md and its figures from the folders of `hgcae compare`, one for each sample: `make docs-codecs`."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

from hgcae.evaluate import ModuleResult, module_markdown, read_module_results

DOCS = Path(__file__).parent
SAMPLES = {
    "events": "modules of the electromagnetic section in crowded events (pile-up of about 200)",
    "ttbar": "modules of top pairs without pile-up",
    "electron": "modules of single electrons without pile-up",
}
FIGURES = ("rate_distortion.png", "emd_occupancy.png")


def main(folder: Path) -> None:
    """Reads the results in `folder`/SAMPLE."""
    parts = [
        """# Module codecs beside each other

Written by `make docs-codecs`. Each codec is fitted to the training half of a sample and judged on the other: of the events, on ten that
no codec saw. [Evaluation](evaluation.md) says what the figures are; [Learned codecs](module_codecs.md) and the modules of
`hgcae.codec` say what the codecs do. EMD in spacings of sensor cells; errors are statistical, modules taken as independent."""
    ]
    for sample, what in SAMPLES.items():
        path = folder / sample / "results.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        results = read_module_results(path)
        for figure in FIGURES:
            shutil.copyfile(folder / sample / figure, DOCS / "figures" / f"codecs_{sample}_{figure}")
        told = content["provenance"]
        versions = ", ".join(f"{name} {number}" for name, number in content["versions"].items())
        parts.append(
            f"""## {sample}: {what}

`hgcae compare --sample {sample} --steps {told["steps"]} --max-modules {told["n_test"]}`, {content["date"]};
{told["n_train"]:,} modules to train on, {told["n_test"]:,} judged; seed {told["seed"]}; {versions}.

{module_markdown(results)}

{beside_cms(results)}Median EMD by number of charged cells:

{occupancy(results)}

![Rate and distortion](figures/codecs_{sample}_rate_distortion.png)
![By occupancy](figures/codecs_{sample}_emd_occupancy.png)"""
        )
    (DOCS / "codecs.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def beside_cms(results: tuple[ModuleResult, ...]) -> str:
    """Returns the table of mean EMD over that of the better of CMS's two networks, or nothing where these were not judged."""
    means: dict[str, dict[int, float]] = {}
    for result in results:
        mean, _ = result.bins[0].figures["emd_mean"]
        if mean is not None:
            means.setdefault(result.codec, {})[result.links] = mean
    theirs, others = ([name for name in means if name.startswith("cms-") is own] for own in (True, False))
    if not theirs or not others:
        return ""
    best = {links: min(means[name].get(links, math.inf) for name in theirs) for links in means[theirs[0]]}
    lines = [["codec", *(f"{links} links" for links in best)], ["---", *["---:"] * len(best)]]
    lines += [[name, *(f"{means[name][links] / best[links]:.2f}" if links in means[name] else "" for links in best)] for name in others]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"Mean EMD over that of the better of CMS's two networks at the same links:\n\n{table}\n\n"


def occupancy(results: tuple[ModuleResult, ...]) -> str:
    """Returns the table of median EMD, one column for each range of charged cells."""
    ranges = [(part.low, part.high) for part in results[0].bins if part.by == "occupancy"]
    head = ["codec, links", *(f"{low:.0f} to {(high or 49) - 1:.0f}" for low, high in ranges)]
    lines = [head, ["---", *["---:"] * len(ranges)]]
    for result in results:
        found = {(part.low, part.high): part.figures["emd_median"] for part in result.bins if part.by == "occupancy"}
        cells = [text(*found[key]) if key in found else "" for key in ranges]
        lines.append([f"{result.codec} {result.links}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(value: float | None, error: float | None) -> str:
    """Returns a figure with its error, as far as they are known: bins with few modules have none."""
    return "" if value is None else f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
