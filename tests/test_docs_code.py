"""Programs on pages run as they stand."""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from hgcae.cli import main

DOCS = Path(__file__).resolve().parents[1] / "docs"


def run_page(name: str) -> None:
    """Runs the blocks of a page in their order, in this process: commands by the command line's function, Python in one namespace."""
    namespace: dict[str, object] = {}
    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```", (DOCS / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if language == "python":
            exec(compile(block, name, "exec"), namespace)  # noqa: S102 - our own page
            continue
        for line in block.splitlines():
            with patch.object(sys, "argv", shlex.split(line)), pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code, line


@pytest.mark.slow
def test_one_module(tmp_path, capsys):
    with contextlib.chdir(tmp_path):
        run_page("one_module.md")
    assert (tmp_path / "modules.png").stat().st_size > 10_000
    out = capsys.readouterr().out
    assert "(5, 3, 4, 4)" in out
    sums = [float(text) for text in re.findall(r"\[([0-9. ]+)\]\s*$", out)[-1].split()]
    assert sums == pytest.approx([1] * 5, abs=0.02)
