"""Commands that are killed at random moments, as batch systems do it: the same command ends with the same bytes as if nothing had been.

`make kill` kills each of them 20 times. Every test tells how often, and in how many folders. Each command has a class of its own, so that
processes of the tests share them (`--dist=loadscope`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.codec import random_modules
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.outputs import claimed
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.modules import SAMPLES
from hgcae.store.arrays import read_arrays
from hgcae.train import checkpoint
from train.toys import STEADY, write_run
from workflow.toys import RESULTS, write_workflow

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "2"))
"""Kills of each verb."""
PATIENCE_S = 600
"""A command that takes longer than that hangs: its threads are printed, and the test fails."""
IN_A_ROW = 5
"""Kills before the command is left alone."""
STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}
HGCAE = [sys.executable, "-m", "hgcae"]
SURROUNDINGS = os.environ | {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
TIMES = ("seconds", "events_per_s", "compilations", "checksum")
"""Of an epoch, what depends on how busy the machine was, and on how often the command was started; and the checksum over it."""


@dataclass
class Verb:
    """A command, and where it writes.

    Args:
        arguments: Of the command that writes into a folder.
        claims: The file in that folder for which it is the only one; None where others wait.
        results: Folders of results, below that folder.
    """

    arguments: Callable[[Path], list[str]]
    claims: str | None
    results: tuple[str, ...] = (".",)

    def command(self, folder: Path) -> list[str]:
        return [*HGCAE, *self.arguments(folder)]

    def content(self, folder: Path) -> dict[str, bytes]:
        """What it wrote, times left out: content by path."""
        paths = [path for name in self.results for path in sorted((folder / name).rglob("*")) if path.is_file()]
        # Settings and pages name the folder.
        return {str(path.relative_to(folder)): timeless(path).replace(str(folder).encode(), b"FOLDER") for path in paths}


def timeless(path: Path) -> bytes:
    """The content of a file without the times in it: of epochs, of a training's last epoch, and of the training on a page."""
    if path.suffix == ".html":
        page = re.sub(rb"<dt>training, .*?</dd>", b"", path.read_bytes(), flags=re.DOTALL)
        # The last column of the table of stages.
        return re.sub(rb'<table class="stages">.*?</table>', lambda table: re.sub(rb"<td>[\d,]+</td></tr>", b"", table[0]), page)
    if path.name == checkpoint.NAME:
        header, arrays = read_arrays(path, checkpoint.KIND, checkpoint.VERSION)
        header["history"] = [_without_times(row) for row in header["history"]]
        return json.dumps([header, list(arrays)]).encode() + b"".join(values.tobytes() for values in arrays.values())
    if path.name in (checkpoint.HISTORY, "done.json"):
        texts = path.read_text().splitlines() if path.name == checkpoint.HISTORY else [path.read_text()]
        return json.dumps([_without_times(json.loads(text)) for text in texts]).encode()
    return path.read_bytes()


def _without_times(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in TIMES}


def train(shared: Path) -> Verb:
    stages = tuple(stage.model_copy(update={"steps": 100, "epochs": 4}) for stage in STEADY)
    settings = write_run(shared, stages)
    return Verb(lambda folder: ["train", "--settings", str(settings), "-o", str(folder), "--no-pictures"], checkpoint.NAME)


def evaluate(shared: Path) -> Verb:
    settings = write_run(shared, STEADY)
    subprocess.run([*HGCAE, "train", "--settings", settings, "-o", shared / "run", "--no-pictures"], env=SURROUNDINGS, check=True)
    return Verb(lambda folder: ["evaluate", str(shared / "run"), "-o", str(folder)], "results.json")


def compare(shared: Path) -> Verb:
    (shared / SAMPLES["ttbar"]).parent.mkdir(parents=True)
    modules = Events.from_dense(random_modules(400).reshape(-1, 3, 4, 4), PROTOTYPE.rooted("MODULE"))
    CalqCsv().write(shared / SAMPLES["ttbar"], [modules])
    options = ["--sample", "ttbar", "--links", "3", "--codec", "best_choice", "--codec", "latent", "--codec", "econ_ae", "--steps", "200"]
    return Verb(lambda folder: ["compare", "--data", str(shared), *options, "-o", str(folder)], "results.json")


def run(shared: Path) -> Verb:
    stage = {"epochs": 2, "batch": 8, "steps": 20, "sampling": "charge", "learning_rate": 5e-3}
    stages = [stage | {"loss_level": name, "trains": [name]} for name in ("ROC", "MODULE")]
    sections = {
        "train": {"sample": "electrons", "settings": {"root": "MODULE", "latent": 4, "bits": 6, "schedule": {"stages": stages}}},
        "evaluate": {"settings": {"bootstrap_replicas": 2}},
        "compress": {"sample": "electrons", "level": "MODULE"},
    }
    return Verb(
        lambda folder: ["run", str(write_workflow(folder, **sections)), "--workers", "2", "--set", "batch.retries=0"],
        None,
        tuple(f"store/{name}" for name in RESULTS),
    )


@dataclass
class Whole:
    """A verb, what it makes when nobody disturbs it, and how long that takes."""

    verb: Verb
    content: dict[str, bytes]
    seconds: float


def end(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Waits for a command and for whoever else writes where it does."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)
        out, err = process.communicate()
        pytest.fail(f"{process.args} hangs; its threads:\n{err}")
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def begin(command: list[str]) -> subprocess.Popen[str]:
    # A shell starts what it runs in the background deaf to interrupts.
    command = ["env", "--default-signal=INT", *command]
    return subprocess.Popen(command, env=SURROUNDINGS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(verb: Verb, folder: Path) -> None:
    done = end(begin(verb.command(folder)))
    assert done.returncode == 0, done.stderr


def stopped(command: list[str], number: int, wait: float, everybody: bool) -> subprocess.CompletedProcess[str] | None:
    """Sends a signal so long after a command hears signals; None where it had ended before. `everybody`: its processes get it, too."""
    process = begin(command)
    while process.poll() is None and not catches_sigterm(process.pid):
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(wait)
    if process.poll() is None:
        (os.killpg if everybody else os.kill)(process.pid, number)
    done = end(process)
    return done if done.returncode else None


def moment(whole: Whole, rng: np.random.Generator, late: bool) -> float:
    """When to strike; earlier from now on where the command had ended last time, because the machine is less busy."""
    whole.seconds *= 0.8 if late else 1.0
    return rng.uniform(0, whole.seconds)


def catches_sigterm(number: int) -> bool:
    with contextlib.suppress(OSError):
        caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{number}/status").read_text())
        return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def hidden(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*")]


def check_same(whole: Whole, folder: Path) -> None:
    finish(whole.verb, folder)
    found = whole.verb.content(folder)
    assert set(found) == set(whole.content)
    assert [name for name in found if found[name] != whole.content[name]] == []


class Contract(ABC):
    """What every command does that is killed, stopped, or started twice."""

    @staticmethod
    @abstractmethod
    def verb(shared: Path) -> Verb:
        """Returns the command; what it reads lies in a folder."""

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, tmp_path_factory) -> Whole:
        verb = cls.verb(tmp_path_factory.mktemp("shared"))
        folder = tmp_path_factory.mktemp("whole") / "out"
        finish(verb, folder.with_name("first"))  # what is compiled once is kept
        start = time.monotonic()
        finish(verb, folder)
        return Whole(verb, verb.content(folder), time.monotonic() - start)

    def test_killed_it_ends_as_if_nothing_had_been(self, whole, tmp_path, capsys):
        rng, kills, folders, done = np.random.default_rng(KILLS), 0, 0, object()
        while kills < KILLS:
            folder = tmp_path / str(folders)
            for _ in range(min(IN_A_ROW, KILLS - kills)):
                when, everybody = moment(whole, rng, late=done is None), bool(rng.integers(2))
                done = stopped(whole.verb.command(folder), signal.SIGKILL, when, everybody)
                assert done is None or done.returncode == -signal.SIGKILL, done.stderr
                kills += done is not None
            check_same(whole, folder)
            folders += 1
        tell(capsys, f"{kills} kills in {folders} folders: {len(whole.content)} files each as without")

    @pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
    def test_stopped_it_says_so(self, number, whole, tmp_path, capsys):
        rng, stops, folder, done = np.random.default_rng(number), 0, tmp_path / "out", object()
        for _ in range(max(1, KILLS // 2)):
            done = stopped(whole.verb.command(folder), number, moment(whole, rng, late=done is None), bool(rng.integers(2)))
            if done is None or (done.returncode == -number and whole.verb.content(folder) == whole.content):
                continue  # all was done, and Python itself was about to end
            assert done.returncode == STOPS[number], done.stderr
            assert done.stderr.splitlines()[-1] == "hgcae: stopped; what is finished is kept, the same command does the rest"
            assert "Traceback" not in done.stderr
            assert hidden(folder) == []
            stops += 1
        check_same(whole, folder)
        tell(capsys, f"{stops} times {number.name}")


class Exclusive(Contract):
    """What a command does besides that does not wait for others."""

    def test_two_in_one_folder_are_one_too_many(self, whole, tmp_path):
        verb, folder = whole.verb, tmp_path / "out"
        with claimed(folder / verb.claims):
            second = end(begin(verb.command(folder)))
        assert second.returncode == 2
        assert re.fullmatch(rf"hgcae: error: .*: process {os.getpid()} on .* is at work there; .*", second.stderr.splitlines()[-1])
        check_same(whole, folder)


def tell(capsys, text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201


class TestTrain(Exclusive):
    verb = staticmethod(train)


class TestEvaluate(Exclusive):
    verb = staticmethod(evaluate)


class TestCompare(Exclusive):
    verb = staticmethod(compare)


class TestRun(Contract):
    verb = staticmethod(run)
