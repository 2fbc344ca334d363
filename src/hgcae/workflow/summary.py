"""What came out of a workflow, in one file for programs and one for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hgcae.outputs import atomic_path
from hgcae.store.results import read_results, write_results


def write_report(folder: Path, store: Path, files: Mapping[str, Sequence[Path]]) -> None:
    """Writes `report.json` and `report.md`: the files of every step, and the tables of the evaluation, the scan and the comparison.

    Args:
        folder: Where to write.
        store: Folder of all results; paths are given relative to it.
        files: Outputs by name of what the workflow asks for.
    """
    from hgcae.evaluate import markdown, module_table, read_module_results, table

    content: dict[str, Any] = {"files": {name: [str(path.relative_to(store)) for path in paths] for name, paths in files.items()}}
    text = ["# Report", "", markdown(["what", "files", "folder"], [_inventory(store, *item) for item in files.items()])]
    if "evaluate" in files:
        results = read_results(files["evaluate"][0].parent / "results.json", "evaluation")
        content["evaluate"] = results["levels"]
        text += ["", "## Evaluation", "", markdown(*table(results))]
    if "scan" in files:
        content["scan"] = rows = [read_results(path, "scan_row") for path in files["scan"]]
        tables = [(", ".join(f"{key} = {value}" for key, value in row["changes"].items()), *table(row)) for row in rows]
        lines = [[changes, *line] for changes, _, lines in tables for line in lines]
        text += ["", "## Scan", "", markdown(["changes", *tables[0][1]], lines)]
    if "compare" in files:
        compared = [result for path in files["compare"] for result in read_module_results(path)]
        text += ["", "## Module codecs", "", markdown(*module_table(compared))]
    write_results(folder / "report.json", "summary", content)
    with atomic_path(folder / "report.md") as temporary:
        temporary.write_text("\n".join(text) + "\n", encoding="utf-8")


def _inventory(store: Path, name: str, paths: Sequence[Path]) -> list[str]:
    return [name, str(len(paths)), str(paths[0].parent.relative_to(store))]
