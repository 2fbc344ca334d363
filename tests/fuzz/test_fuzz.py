"""Readers stand some hundred mutated files, and the fuzzer notices everything it is there for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own: the tests' has threads, which do not survive a fork."""
    return subprocess.run([sys.executable, *arguments], cwd=TESTS, capture_output=True, text=True, check=False)


def test_some_hundred_mutated_files_end_well():
    done = python("-m", "fuzz", "--count", "330", "--seed", "7", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "330 of 330" in done.stderr


TOY = """
import os, signal
from pathlib import Path
from fuzz import runner
from fuzz.targets import Target
from hgcae.errors import SettingsError

def make(folder):
    (folder / "0").mkdir(parents=True)
    (folder / "0" / "a").write_bytes(b"original")

def read(kind):
    def read(folder):
        content = (folder / "a").read_bytes()
        if content == b"original" or kind == "read":
            return content
        if kind == "refused":
            raise SettingsError("no")
        if kind == "traceback":
            raise KeyError("a")
        if kind == "long message":
            raise SettingsError("no", "x" * 10_000)
        if kind == "hang":
            while True:
                pass
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if kind == "memory":
            b"x" * 2**28
        return content
    return read

kinds = ("read", "refused", "traceback", "long message", "hang", "crash", "memory", "other value")
runner.SECONDS, runner.MEMORY = 1, 2**27
runner.HgcaeError.__str__ = lambda error: "".join(error.args)
runner.TARGETS = tuple(Target(kind, make, read(kind), (lambda data, others, rng: b"changed",), kind == "other value") for kind in kinds)
runner.make_seeds = lambda folder: [target.make(folder / target.name) for target in runner.TARGETS]
for outcome in runner.outcomes(1, range(2 * len(kinds)), 2):
    print(outcome.case, outcome.kind, sep=",")
"""


def test_whatever_goes_wrong_is_noticed_and_the_other_cases_go_on():
    done = python("-c", TOY)
    assert done.returncode == 0, done.stderr
    found = dict(line.split(",") for line in done.stdout.splitlines())
    kinds = ("read", "refused", "traceback", "long message", "hang", "crash", "memory", "other value")
    assert found == {str(case): kinds[case % len(kinds)] for case in range(2 * len(kinds))}


@pytest.mark.parametrize("change", ["of_bytes", "of_text", "of_json"])
def test_changes_are_those_of_the_seed(change):
    import random

    from fuzz import mutate

    data = b'{"a": [1, 2.5, "x"], "b": {"c": null}}'
    first, again, other = (getattr(mutate, change)(data, [data], random.Random(seed)) for seed in (1, 1, 2))
    assert first == again != other
