"""Runs workflows one after the other in a process of its own, as the command does: scenario.py FOLDER NAMES prints what happened as JSON.

Branches are forked, which a process must not do whose JAX is in use; the process of the tests may be one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import hgcae.simulate
from contracts.codec import random_modules
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.modules import SAMPLES
from hgcae.workflow.run import Options, WorkflowError, discard_damaged, run, state, steps_of
from hgcae.workflow.settings import load_workflow
from workflow.toys import write_workflow

QUICK = Options(workers=2, retries=0)


def ran(path: Path, name: str = "Simulate", options: Options = QUICK, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Runs a step; returns the files made, kept and left alone, by their time of change, and the error if there is one."""
    settings = load_workflow(path, overrides)
    store, error = Path(settings.store), ""
    before = times(store)
    try:
        run(settings, name, options)
    except WorkflowError as failed:
        error = str(failed)
    after = times(store)
    made = sorted(file for file in after if after[file] != before.get(file))
    states = {s.name: [s.done, s.total] for s in state(steps_of(settings, name))}
    return {"made": made, "error": error, "states": states}


def times(store: Path) -> dict[str, int]:
    kinds = ("compiled", "jobs", "logs", "workflows")
    paths = [path for path in store.rglob("*") if path.is_file() and path.relative_to(store).parts[0] not in kinds]
    return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in paths}


def repeat(folder: Path) -> dict[str, Any]:
    """Runs a simulation, again, longer, in other chunks, and with another setting."""
    path = write_workflow(folder)
    return {
        "first": ran(path),
        "again": ran(path),
        "longer": ran(path, overrides=("samples.electrons.events=16",)),
        "more cores": ran(path, overrides=("resources.default.cores=2", "batch.retries=7")),
        "other energy": ran(path, overrides=("samples.electrons.simulate.gun.energy_gev=[1, 6]",)),
    }


def fail(folder: Path) -> dict[str, Any]:
    """Runs a simulation whose second chunk fails always, then once."""
    path, calls = write_workflow(folder), folder / "calls"
    whole = hgcae.simulate.simulate

    def broken(settings: Any, n: int, *, first: int, **options: Any) -> Iterator[Events]:
        with calls.open("a") as stream:
            stream.write(f"{first}\n")
        if first == 4 and (not (folder / "mended").exists() or calls.read_text().split().count("4") < 4):
            msg = "no more electrons"
            raise RuntimeError(msg)
        return whole(settings, n, first=first, **options)

    with patch.object(hgcae.simulate, "simulate", broken):
        failed = ran(path, options=Options(workers=1, retries=1))
        log = next(iter(Path(folder / "store" / "logs").rglob("failed-1.txt"))).read_text()
        (folder / "mended").touch()
        mended = ran(path, options=Options(workers=2, retries=1))
    logs = [str(file) for file in (folder / "store" / "logs").rglob("failed-*")]
    return {"failed": failed, "log": log, "mended": mended, "calls": calls.read_text().split(), "logs": logs}


def damage(folder: Path) -> dict[str, Any]:
    """Damages a chunk, finds that, and makes it again."""
    path = write_workflow(folder)
    first = ran(path)
    chunk = folder / "store" / first["made"][1]
    content = chunk.read_bytes()
    chunk.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    damaged = discard_damaged(steps_of(load_workflow(path), "Simulate"))
    again = ran(path)
    return {"chunk": first["made"][1], "damaged": damaged, "again": again, "same": chunk.read_bytes() == content}


def compare(folder: Path) -> dict[str, Any]:
    """Evaluates two codecs, again, and one more; then other modules."""
    data = folder / "data"
    write_modules(data, seed=1)
    section = {"data": str(data), "sample": "ttbar", "codecs": ["best_choice", "threshold_sum"], "links": [3]}
    path = write_workflow(folder, compare=section)
    first = ran(path, "Compare")
    again = ran(path, "Compare")
    more = ran(path, "Compare", overrides=("compare.links=[3, 5]",))
    report = ran(path, "Report")
    write_modules(data, seed=2)
    return {"first": first, "again": again, "more": more, "report": report, "other modules": ran(path, "Compare")}


def write_modules(data: Path, seed: int) -> None:
    path = data / SAMPLES["ttbar"]
    path.parent.mkdir(parents=True, exist_ok=True)
    modules = random_modules(400, seed).reshape(-1, 3, 4, 4)
    CalqCsv().write(path, [Events.from_dense(modules, PROTOTYPE.rooted("MODULE"))])


def whole(folder: Path) -> dict[str, Any]:
    """Runs all steps, again, and with changes at the end, in the middle and at the beginning."""
    stage: dict[str, Any] = {"epochs": 1, "batch": 8, "steps": 2, "sampling": "charge", "learning_rate": 5e-3}
    stages = [stage | {"loss_level": name, "trains": [name]} for name in ("ROC", "MODULE")]
    train = {"sample": "electrons", "settings": {"root": "MODULE", "latent": 4, "bits": 6, "schedule": {"stages": stages}}}
    path = write_workflow(
        folder,
        train=train,
        evaluate={"settings": {"bootstrap_replicas": 2}},
        scan=[{"settings.schedule.stages": [stages[0], stages[1] | {"learning_rate": 1e-3}]}],
        compress={"sample": "electrons", "level": "MODULE"},
    )
    options = Options(workers=1, retries=0)
    first = ran(path, "Report", options)
    damaged = discard_damaged(steps_of(load_workflow(path)))
    return {
        "first": first,
        "damaged": damaged,
        "again": ran(path, "Report", options),
        "evaluation": ran(path, "Report", options, overrides=("evaluate.max_events=3",)),
        "level": ran(path, "Compress", options, overrides=("compress.level=ROC",)),
    }


SCENARIOS = {scenario.__name__: scenario for scenario in (repeat, fail, damage, compare, whole)}

if __name__ == "__main__":
    print(json.dumps({name: SCENARIOS[name](Path(sys.argv[1], name)) for name in sys.argv[2:]}))  # noqa: T201
