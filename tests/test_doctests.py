"""Examples in docstrings give what they say, and public functions of the lowest stages have one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

from hgcae import coding, geometry, store

PACKAGES = (coding, geometry, store)
NAMES = sorted(f"{p.__name__}.{m.name}" for p in PACKAGES for m in pkgutil.iter_modules(p.__path__))
FURTHER = ["hgcae.events", "hgcae.integer.cost"]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder(exclude_empty=True).find(module) if test.examples]


@pytest.mark.parametrize("name", [*NAMES, *FURTHER])
def test_examples_are_true(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.FAIL_FAST)
    for test in examples(module):
        report: list[str] = []
        assert runner.run(test, out=report.append).failed == 0, "".join(report)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(coding.__name__)])
def test_public_functions_of_coding_have_examples(name):
    module = importlib.import_module(name)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", "") == name and inspect.isroutine(inspect.unwrap(value))
    }
    assert public - {test.name.removeprefix(f"{name}.") for test in examples(module)} == set()
