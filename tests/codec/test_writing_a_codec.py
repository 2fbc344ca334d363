"""The codec of the page on writing one is what the page says, as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import CodecContract, random_modules
from hgcae.cli import main
from hgcae.codec import CODECS, Entry, UnitCodec, register
from hgcae.errors import SettingsError
from hgcae.evaluate import read_module_results
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.modules import SAMPLES

PAGE = Path(__file__).parents[2] / "docs" / "writing_a_codec.md"
NAMESPACE: dict[str, object] = {}


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True, scope="module")
def page():
    """Runs the page's Python; other tests do not see its codec."""
    NAMESPACE["modules"] = random_modules()
    for block in blocks():
        exec(compile(block, PAGE.name, "exec"), NAMESPACE)  # noqa: S102 - our own page
    yield
    del CODECS["rocs"]


class TestThePage(CodecContract):
    def codec(self) -> UnitCodec:
        return NAMESPACE["TestRocs"]().codec()  # type: ignore[operator]


def test_it_is_short():
    assert len([line for line in blocks()[0].splitlines() if line]) <= 32
    assert len([line for line in blocks()[-1].splitlines() if line]) <= 5


def test_the_commands_of_the_page_know_it(tmp_path, monkeypatch, capsys):
    """Its file in a folder of the module path, as PYTHONPATH makes it one."""
    (tmp_path / "rocs.py").write_text(blocks()[0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    events = Events.from_dense(random_modules(600).reshape(-1, 3, 4, 4), PROTOTYPE.rooted("MODULE"))
    path = tmp_path / "data" / SAMPLES["ttbar"]
    path.parent.mkdir(parents=True)
    CalqCsv().write(path, [events])
    CalqCsv().write(tmp_path / "electrons.csv", [events])
    commands = re.findall(r"^PYTHONPATH=. hgcae (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        monkeypatch.setattr(sys, "argv", ["hgcae", *command.replace("electrons.parquet", "electrons.csv").split()])
        with pytest.raises(SystemExit) as stop:
            main()
        assert not stop.value.code, capsys.readouterr().err
    rocs, choice = read_module_results(tmp_path / "compared" / "results.json")
    assert (rocs.codec, choice.codec) == ("rocs:rocs", "best_choice")
    assert rocs.metrics["bits"].value == 39


def test_names_are_not_taken_twice():
    assert isinstance(CODECS["rocs"], Entry)
    with pytest.raises(SettingsError, match="found another codec of this name"):
        register("another one")(type("Other", (UnitCodec,), {"name": "pca"}))


@pytest.mark.parametrize(("name", "message"), [("no_such_module:rocs", "no_such_module"), ("json:rocks", "unknown codec 'json:rocks'")])
def test_names_of_modules_that_have_no_such_codec(name, message):
    from hgcae.codec import make_codec

    with pytest.raises(SettingsError, match=message):
        make_codec(name, 2, np.ones((5, 48), dtype=int))
