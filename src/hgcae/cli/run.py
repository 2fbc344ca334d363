"""`hgcae run`: a whole workflow, on this machine or on a batch farm."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hgcae.cli import console
from hgcae.errors import SettingsError
from hgcae.outputs import claimed

if TYPE_CHECKING:
    from hgcae.workflow.run import State


class Where(StrEnum):
    """What runs the branches."""

    LOCAL = "local"
    SLURM = "slurm"
    HTCONDOR = "htcondor"


def run(
    workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW.yaml", help="What to simulate, train, evaluate and compress.")],
    step: Annotated[str, typer.Argument(metavar="[STEP]", help="Run this step and all that it needs.")] = "Report",
    where: Annotated[Where, typer.Option("--workflow", help="Run branches here, or as jobs of a batch system.")] = Where.LOCAL,
    workers: Annotated[int, typer.Option(min=1, help="Branches at a time; with a batch system, steps at a time.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A luigid that shows the state on its page, e.g. localhost:8082.")
    ] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, help="How often a failed branch is tried again.", show_default="batch.retries of the file: 2")
    ] = None,
    poll: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time between questions to the batch system.", show_default="60")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say how far everything is.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read all results first, and make damaged ones again.")] = False,
    assignments: console.SetOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Run a workflow: everything that a file describes, and nothing twice.

    Every step writes into STORE/STEP/FINGERPRINT, where the fingerprint covers the settings of the step, the version of this package and
    all that it was made of. So the same command resumes a stopped workflow, makes only the branches that are missing or failed, and after a
    change of a setting only what depends on it. Needs the extra hgcae[workflow]; docs/workflow.md describes the file.

    Steps:
      Simulate  events in chunks, a branch each      Compress  codes of a sample, a branch for each file
      Convert   a sample as one file                 Export    the trained model as one sealed file
      Train     one stage after the other            Compare   module codecs, a branch each
      Evaluate  the model on held-out events          Report    all of it, and a summary
      Scan      changed trainings, a branch each

    Examples:
      hgcae run workflow.yaml --workers 4
      hgcae run workflow.yaml Simulate --set samples.train.events=100000
      hgcae run workflow.yaml --workflow slurm --workers 3 --scheduler localhost:8082
      hgcae run workflow.yaml --status
    """
    from hgcae.workflow.run import Options, discard_damaged, state, steps_of
    from hgcae.workflow.run import run as run_workflow
    from hgcae.workflow.settings import load_workflow

    settings = load_workflow(workflow, assignments or [])
    options = Options(workers, where.value, _address(scheduler), retries, poll)
    steps = steps_of(settings, step, options)
    damaged = discard_damaged(steps) if verify else []
    for line in damaged:
        console.note(f"damaged, removed: {line}")
    before, start = state(steps), time.perf_counter()
    if status:
        after = before
    else:
        with claimed(settings.freeze()):
            after = run_workflow(settings, step, options)
    _show(before, after, Path(settings.store), time.perf_counter() - start, len(damaged), as_json=as_json)


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        msg = f"--scheduler {text}: expected HOST:PORT"
        raise SettingsError(msg)
    return host, int(port)


def _show(before: list[State], after: list[State], store: Path, seconds: float, damaged: int, *, as_json: bool) -> None:
    """Prints one line for each step: files that are there, files made now, folder."""
    steps = [
        {"step": now.name, "done": now.done, "total": now.total, "made": now.done - then.done, "folder": str(now.folder)}
        for then, now in zip(before, after, strict=True)
    ]
    made = sum(now.done - then.done for then, now in zip(before, after, strict=True))
    if as_json:
        console.show({"store": str(store), "seconds": round(seconds, 3), "made": made, "damaged": damaged, "steps": steps}, as_json=True)
        return
    rows = [(str(row["step"]), f"{row['done']}/{row['total']}", str(row["made"]), str(row["folder"])) for row in steps]
    console.print_table(("step", "files", "made now", "folder"), rows)
    console.print_line(f"{made} files made in {seconds:.1f} s in {store}")
