"""The command line of the ECON-T: words in, words out, charges back, and mistakes."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from frontend.econt.toys import every_config, input_words
from hgcae.cli import main
from hgcae.frontend.econt import Emulator, read_words, write_words


@pytest.fixture
def hgcae(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_words("in.csv", "RX_DATA", input_words(30))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["hgcae", "econt", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0, *capfd.readouterr()

    return run


@pytest.mark.parametrize("name", ["BC_5", "TS_13", "STC4B_3", "RPT_13", "AE_5"])
def test_words_to_words_to_charges(hgcae, tmp_path, name):
    config = every_config()[name]
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    status, out, _ = hgcae("run", "config.yaml", "in.csv", "-o", "out.csv", "--json")
    assert status == 0
    assert json.loads(out) == {"file": "out.csv", "algorithm": config.algorithm, "links": config.links, "bunch_crossings": 30}
    expected = Emulator(config).run(input_words(30))
    np.testing.assert_array_equal(read_words("out.csv", "TX_DATA"), expected)
    status, out, _ = hgcae("decode", "config.yaml", "out.csv", "-o", "charges.csv", "--json")
    assert status == 0
    charges = np.loadtxt("charges.csv", delimiter=",", skiprows=1, dtype=np.int64)
    np.testing.assert_array_equal(charges, Emulator(config).decode(expected))
    assert json.loads(out)["sum"] == charges.sum()
    first = (tmp_path / "charges.csv").read_text().split("\n", 1)[0]
    assert first == ",".join(f"AE_{i}" if name.startswith("AE") else f"CALQ_{i}" for i in range(16 if name.startswith("AE") else 48))


def test_the_chip_is_chosen_on_the_command_line(hgcae, tmp_path):
    config = every_config()["BC_5"]
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    status, _, _ = hgcae("run", "config.yaml", "in.csv", "-o", "out.csv", "--set", "reversed_map=true")
    assert status == 0
    made = Emulator(config.model_copy(update={"reversed_map": True}))
    np.testing.assert_array_equal(read_words("out.csv", "TX_DATA"), made.run(input_words(30)))
    status, _, _ = hgcae("decode", "config.yaml", "out.csv", "-o", "charges.csv", "--set", "reversed_map=true")
    assert status == 0
    charges = np.loadtxt("charges.csv", delimiter=",", skiprows=1, dtype=np.int64)
    np.testing.assert_array_equal(charges, Emulator(config).decode(Emulator(config).run(input_words(30))))


def test_mistakes_end_with_one_line_and_no_file(hgcae, tmp_path):
    (tmp_path / "config.yaml").write_text(every_config()["BC_5"].to_yaml())
    lines = (tmp_path / "in.csv").read_text().splitlines()
    lines[7] = "b" + lines[7][1:]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    status, _, error = hgcae("run", "config.yaml", "in.csv", "-o", "out.csv")
    assert status == 2
    assert error.startswith("hgcae: error: in.csv: line 8, column RX_DATA_0: found b")
    assert error.count("\n") == 1
    lines[7] = "z" + lines[7][1:]
    (tmp_path / "in.csv").write_text("\n".join(lines) + "\n")
    status, _, error = hgcae("run", "config.yaml", "in.csv", "-o", "out.csv")
    assert (status, "line 8, column RX_DATA_0" in error) == (2, True)
    (tmp_path / "config.yaml").write_text("algorithm: best_choice\n")
    assert hgcae("run", "config.yaml", "in.csv", "-o", "out.csv")[0] == 2
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("verb", ["run", "decode"])
def test_help_is_a_manual(hgcae, verb):
    status, out, _ = hgcae(verb, "--help")
    assert status == 0
    assert f"hgcae econt {verb} init.yaml" in out
