"""The command line: `hgcae run`."""

from __future__ import annotations

import builtins
import json
import sys
from unittest.mock import patch

import pytest

from test_cli_train import contents, help_of, hgcae_in
from workflow.toys import write_workflow


def test_the_manual(tmp_path):
    text = help_of("run", tmp_path)
    assert "Examples:" in text
    assert all(step in text for step in ("Simulate", "Convert", "Train", "Evaluate", "Scan", "Compress", "Export", "Compare", "Report"))


def test_without_the_extra_the_error_names_it(tmp_path):
    write_workflow(tmp_path)
    real, loaded = builtins.__import__, {name for name in sys.modules if name.split(".")[0] in ("law", "luigi")}
    hidden = [
        name for name in sys.modules if name.startswith("hgcae.workflow.") and name.split(".")[2] in ("run", "tasks", "step", "batch")
    ]

    def without(name, *rest, **more):
        if name.split(".")[0] in ("law", "luigi"):
            raise ImportError(name, name=name.split(".")[0])
        return real(name, *rest, **more)

    with patch.dict(sys.modules), patch.object(builtins, "__import__", without):
        for name in (*loaded, *hidden):
            del sys.modules[name]
        result = hgcae_in(tmp_path, "run", "workflow.yaml")
    assert (result.status, result.out) == (2, "")
    assert result.err == "hgcae: error: law is not installed: workflows need the extra hgcae[workflow]\n"


class TestStatus:
    @pytest.fixture(autouse=True)
    def _law(self):
        pytest.importorskip("law")

    def test_of_what_was_never_run(self, tmp_path):
        write_workflow(tmp_path)
        result = hgcae_in(tmp_path, "run", "workflow.yaml", "--status", "--json")
        assert result.status == 0
        assert [(row["step"], row["done"], row["total"]) for row in result.json["steps"]] == [
            ("Simulate electrons", 0, 3),
            ("Report", 0, 1),
        ]
        assert not (tmp_path / "store" / "simulate").exists()

    def test_as_a_table(self, tmp_path):
        write_workflow(tmp_path)
        result = hgcae_in(tmp_path, "run", "workflow.yaml", "Simulate", "--status")
        assert "Simulate electrons" in result.out
        assert "0/3" in result.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["missing.yaml"], "missing.yaml: cannot be read"),
            (["workflow.yaml", "Bake"], "unknown step 'Bake', expected one of Simulate, Convert"),
            (["workflow.yaml", "Train"], "the workflow has no section for it"),
            (["workflow.yaml", "Scan"], "the workflow has no section for it"),
            (["workflow.yaml", "--set", "colour=blue"], "unknown key colour, expected one of"),
            (["workflow.yaml", "--scheduler", "8082"], "expected HOST:PORT"),
            (["workflow.yaml", "--set", "samples.electrons.simulate.detector=none"], "unknown detector 'none'"),
        ],
    )
    def test_mistakes(self, tmp_path, arguments, message):
        write_workflow(tmp_path)
        before = {path: text for path, text in contents(tmp_path).items() if "workflows" not in path.parts}
        result = hgcae_in(tmp_path, "run", *arguments)
        assert (result.status, result.out) == (2, "")
        assert message in result.err
        assert {path: text for path, text in contents(tmp_path).items() if "workflows" not in path.parts} == before

    def test_json_is_all_there_is(self, tmp_path):
        write_workflow(tmp_path)
        assert set(json.loads(hgcae_in(tmp_path, "run", "workflow.yaml", "--status", "--json").out)) == {
            "store",
            "seconds",
            "made",
            "damaged",
            "steps",
        }
