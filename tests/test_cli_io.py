"""The command line: simulate, convert, info, and how mistakes end."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from hgcae import __version__, store
from hgcae.cli import main
from hgcae.codec import make_codec
from hgcae.codec.events import charged_modules, sent
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE
from hgcae.settings import fingerprint
from hgcae.simulate import SimulateSettings
from hgcae.sources.calq_csv import CHARGE_COLUMNS
from model.toys import STACK, showers


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def hgcae(monkeypatch, capfd, tmp_path):
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["hgcae", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return Result(stop.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def fails(hgcae, tmp_path):
    """Runs the command; checks that it ends with one line, status 2 and no new file."""

    def run(*arguments: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        result = hgcae(*arguments)
        assert result.status == 2
        assert result.out == ""
        assert re.fullmatch(r"hgcae: error: .+\n", result.err), result.err
        assert sorted(tmp_path.rglob("*")) == before
        return result.err

    return run


@pytest.fixture
def modules(tmp_path):
    """`modules.parquet`: 20 modules, about 100 charges."""
    rng = np.random.default_rng(0)
    dense = rng.integers(1, 1000, size=(20, 3, 4, 4)) * (rng.random((20, 3, 4, 4)) < 0.1)
    events = Events.from_dense(dense.astype(np.int16), PROTOTYPE.rooted("MODULE"), columns={"meta": rng.normal(size=(20, 3))})
    store.write(tmp_path / "modules.parquet", [events], {"seed": 7})
    return events


def help_of(hgcae, *verb: str) -> str:
    result = hgcae(*verb, "--help")
    assert result.status == 0
    return " ".join(result.out.split())


class TestHelp:
    def test_lists_the_verbs(self, hgcae):
        text = help_of(hgcae)
        assert all(verb in text for verb in ("simulate", "convert", "info"))
        assert hgcae("--version").out == f"{__version__}\n"

    @pytest.mark.parametrize("verb", ["simulate", "convert", "info"])
    def test_has_examples_that_are_valid_usage(self, hgcae, verb):
        lines = re.findall(rf"^ +hgcae ({verb} .*)$", hgcae(verb, "--help").out, re.MULTILINE)
        assert len(lines) >= 3
        for line in lines:
            result = hgcae(*line.split(), "--help")
            assert result.status == 0, line

    def test_defaults_are_those_of_the_settings(self, hgcae):
        options = help_of(hgcae, "simulate").split("Options:")[1]
        settings = SimulateSettings()
        low, high = settings.gun.energy_gev
        for option, default in {
            "--detector": settings.detector,
            "--particle": settings.gun.particles[0],
            "--energy": f"{low:g} {high:g}",
            "--spectrum": settings.gun.spectrum,
            "--direction": settings.gun.direction,
            "--engine": settings.engine,
            "--seed": settings.seed,
        }.items():
            shown = re.search(rf"{option} .*?\[default: \((.*?)\)", options)
            assert shown is not None
            assert shown[1] == str(default)
        assert settings.gun.count == (1, 1)
        assert settings.gun.radius_cm is None

    def test_usage_errors_have_status_2(self, hgcae):
        for arguments in (["--bogus"], ["bogus"], ["simulate"], ["simulate", "-n", "0", "-o", "x.parquet"], ["convert", "a.csv"], []):
            result = hgcae(*arguments)
            assert result.status == 2, arguments


class TestSimulate:
    FAST = ("--detector", "testbeam", "--direction", "parallel", "--radius", 2, "--energy", 5, 5)

    def test_writes_what_was_asked_for(self, hgcae, tmp_path):
        result = hgcae("simulate", "-n", 30, "-o", "a.parquet", "--seed", 5, "--set", "digitise.noise=false", *self.FAST, "--json")
        reader = store.Reader(tmp_path / "a.parquet")
        events = reader.read()
        assert result.err == ""
        assert result.json["events"] == len(events) == 30
        assert result.json["bytes"] == (tmp_path / "a.parquet").stat().st_size
        assert result.json["trigger_cells_per_event"] == pytest.approx(events.counts.mean())
        assert result.json["rocs_per_event"] == pytest.approx(len(events.units("ROC")[0]) / 30)
        assert result.json["events_per_s"] > 0
        assert events.particles["energy_gev"].tolist() == [5] * 30
        assert events.detector is not None
        assert events.detector[0] == "testbeam"
        settings = SimulateSettings.load(reader.provenance["settings"])
        assert (settings.seed, settings.digitise.noise, settings.gun.radius_cm) == (5, False, 2)
        assert reader.provenance["fingerprint"] == result.json["fingerprint"] == settings.fingerprint()

    def test_prints_one_line(self, hgcae):
        result = hgcae("simulate", "-n", 3, "-o", "a.parquet", *self.FAST)
        assert re.fullmatch(
            r"a.parquet: 3 events of [\d.]+ trigger cells in [\d.]+ ROCs on average, [\d.]+ events/s, 0.\d\d MB\n", result.out
        )

    def test_options_settings_files_and_assignments(self, hgcae, tmp_path):
        (tmp_path / "run.yaml").write_text("detector: testbeam\nseed: 3\ngun: {direction: parallel, radius_cm: 2, energy_gev: [1, 10]}\n")
        options = (
            "--settings",
            "run.yaml",
            "--particle",
            "gamma",
            "--particle",
            "pi-",
            "--particles-per-event",
            2,
            "--spectrum",
            "log",
            "--seed",
            4,
        )
        result = hgcae("simulate", "-n", 5, "-o", "a.parquet", *options, "--set", "gun.radius_cm=1.5")
        assert result.status == 0, result.err
        settings = SimulateSettings.load(store.Reader(tmp_path / "a.parquet").provenance["settings"])
        assert (settings.seed, settings.gun.radius_cm, settings.gun.energy_gev) == (4, 1.5, (1, 10))
        assert (settings.gun.particles, settings.gun.count, settings.gun.spectrum) == (("gamma", "pi-"), (2, 2), "log")

    def test_samples_continue(self, hgcae, tmp_path):
        hgcae("simulate", "-n", 6, "-o", "all.parquet", *self.FAST)
        hgcae("simulate", "-n", 2, "-o", "rest.parquet", "--first", 4, "--workers", 2, *self.FAST)
        whole, rest = store.Reader(tmp_path / "all.parquet").read(), store.Reader(tmp_path / "rest.parquet").read()
        np.testing.assert_array_equal(rest.to_dense(), whole[4:].to_dense())

    def test_writes_the_pickle_of_other_programs(self, hgcae, tmp_path):
        assert hgcae("simulate", "-n", 2, "-o", "a.pickle", *self.FAST).status == 0
        content = pickle.loads((tmp_path / "a.pickle").read_bytes())  # noqa: S301  our own file
        assert (content["digi"].shape, content["meta"].shape) == ((2, 28, 3, 4, 4), (2, 6))
        assert (content["layer_energy"].shape, content["module_energy"].shape) == ((2, 28), (2, 28))
        assert hgcae("simulate", "-n", 2, "-o", "b.pickle", "--digi", "codes", *self.FAST).status == 0
        codes = pickle.loads((tmp_path / "b.pickle").read_bytes())["digi"]  # noqa: S301  our own file
        np.testing.assert_array_equal(codes, FLOAT_4E3M.encode(content["digi"], drop=1))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-o", "a.parquet", "--set", "gun.bogus=1"], "settings: unknown key gun.bogus, expected one of "),
            (["-o", "a.parquet", "--set", "gun.bogus"], "expected KEY=VALUE"),
            (["-o", "a.parquet", "--particle", "mu-"], r"settings: gun.particles.0: .*found 'mu-'"),
            (["-o", "a.parquet", "--energy", "9", "5"], "settings: gun.energy_gev: "),
            (["-o", "a.parquet", "--detector", "nowhere"], "unknown detector 'nowhere', expected one of prototype, testbeam"),
            (["-o", "a.parquet", "--settings", "no.yaml"], "no.yaml: cannot be read: No such file or directory"),
            (["-o", "a.parquet", "--digi", "codes"], "--digi codes: found a.parquet, expected a pickle to write"),
            (["-o", "a.zip"], "a.zip: format: found the ending '.zip'"),
            (["-o", "."], "format: found no ending"),
        ],
    )
    def test_mistakes(self, fails, arguments, message):
        assert re.search(message, fails("simulate", "-n", 2, *arguments))

    def test_an_interrupt_ends_with_130_and_no_file(self, tmp_path):
        arguments = ["simulate", "-n", "1000000", "-o", "a.parquet", *map(str, self.FAST)]
        # A shell starts what it runs in the background deaf to interrupts.
        hears = ["env", "--default-signal=INT"]
        command = [*hears, sys.executable, "-m", "hgcae", *arguments]
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
        while not list(tmp_path.iterdir()) and process.poll() is None:
            time.sleep(0.05)
        while process.poll() is None:
            # Again, as an impatient user does: Python drops an interrupt that falls into a destructor. One that falls into its last moments
            # ends it by the signal itself, so it is given the time that a busy machine needs.
            os.kill(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
        assert process.communicate()[0] == b""
        assert process.returncode == 130
        assert not list(tmp_path.iterdir())


class TestConvert:
    def test_there_and_back(self, hgcae, modules, tmp_path):
        result = hgcae("convert", "modules.parquet", "a.pickle", "--json")
        assert result.json == {
            "file": "a.pickle",
            "bytes": (tmp_path / "a.pickle").stat().st_size,
            "events": 20,
            "root": "MODULE",
            "trigger_cells_per_event": pytest.approx(modules.counts.mean()),
            "charge": {"dtype": "int16", "min": modules.charge.min(), "max": modules.charge.max()},
        }
        assert hgcae("convert", "a.pickle", "b.parquet", "--root", "module").status == 0
        reader = store.Reader(tmp_path / "b.parquet")
        np.testing.assert_array_equal(reader.read().to_dense(), modules.to_dense())
        np.testing.assert_array_equal(reader.read().columns["meta"], modules.columns["meta"])
        assert reader.provenance == {"program": f"hgcae {__version__} convert", "source": "a.pickle", "source_provenance": None}

    def test_csv(self, hgcae, modules, tmp_path):
        assert hgcae("convert", "modules.parquet", "a.csv").status == 0
        assert hgcae("convert", "a.csv", "b.parquet").status == 0
        np.testing.assert_array_equal(store.Reader(tmp_path / "b.parquet").read().to_dense(), modules.to_dense())

    def test_provenance_is_handed_on(self, hgcae, modules, tmp_path):
        assert hgcae("convert", "modules.parquet", "b.parquet").status == 0
        assert store.Reader(tmp_path / "b.parquet").provenance["source_provenance"] == {"seed": 7}

    def test_a_file_may_be_converted_onto_itself(self, hgcae, modules, tmp_path):
        assert hgcae("convert", "modules.parquet", "modules.parquet").status == 0
        np.testing.assert_array_equal(store.Reader(tmp_path / "modules.parquet").read().to_dense(), modules.to_dense())

    def test_codes_there_and_back(self, hgcae, fails, tmp_path):
        codes = np.arange(96, dtype=np.int64).reshape(2, 3, 4, 4)
        content = {"digi": codes, "meta": np.array([[11, 20.0, 0.1, 0.2], [-211, 30.0, 0.3, 0.4]])}
        (tmp_path / "a.pickle").write_bytes(pickle.dumps(content))
        assert json.loads(hgcae("convert", "a.pickle", "a.parquet", "--digi", "codes", "--json").out)["digi"] == "codes"
        metrics = json.loads(hgcae("info", "a.parquet", "--json").out)
        assert (metrics["digi"]["kind"], metrics["particles"]) == ("codes", {"-211": 1, "11": 1})
        assert metrics["truth"]["energy_gev"] == {"min": 20, "max": 30}
        for arguments in ([], ["--digi", "codes"]):
            assert hgcae("convert", "a.parquet", "b.pickle", *arguments).status == 0
            found = pickle.loads((tmp_path / "b.pickle").read_bytes())  # noqa: S301  our own file
            assert list(found) == ["digi", "meta"]
            assert all(np.array_equal(found[key], content[key]) and found[key].dtype == content[key].dtype for key in content)
        assert hgcae("convert", "a.parquet", "c.pickle", "--digi", "charges").status == 0
        charges = pickle.loads((tmp_path / "c.pickle").read_bytes())["digi"]  # noqa: S301  our own file
        np.testing.assert_array_equal(charges, FLOAT_4E3M.decode(codes, drop=1))
        assert "expected a pickle to read or to write" in fails("convert", "a.parquet", "b.parquet", "--digi", "codes")

    def test_levels_of_a_detector(self, hgcae, tmp_path):
        (tmp_path / "a.pickle").write_bytes(pickle.dumps({"digi": np.ones((1, 28, 3, 4, 4))}))
        assert hgcae("convert", "a.pickle", "a.parquet", "--detector", "testbeam", "--digi", "charges").status == 0
        reader = store.Reader(tmp_path / "a.parquet")
        assert (reader.hierarchy.root, reader.detector) == ("STAGE2", ("testbeam", "585495e9ecdfadd9"))
        result = hgcae("convert", "a.parquet", "b.parquet", "--detector", "prototype")
        assert result.status == 2
        assert "a.parquet: detector: found ('testbeam', '585495e9ecdfadd9'), expected ('prototype'" in result.err

    def test_mistakes(self, fails, modules, tmp_path):
        def dump(name: str, content: object) -> str:
            (tmp_path / name).write_bytes(pickle.dumps(content))
            return name

        def text(name: str, content: str) -> str:
            (tmp_path / name).write_text(content)
            return name

        header = ",".join(CHARGE_COLUMNS)
        whole = (tmp_path / "modules.parquet").read_bytes()
        (tmp_path / "short.parquet").write_bytes(whole[:-100])
        (tmp_path / "flipped.parquet").write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
        for source, message in {
            "none.parquet": "none.parquet: No such file or directory",
            "none.csv": "none.csv: No such file or directory",
            "none.pickle": "none.pickle: No such file or directory",
            "none": "none: No such file or directory",
            ".": "Is a directory",
            text("few.csv", "CALQ_0\n1\n"): r"few.csv: line 1: found none or several of CALQ_1, CALQ_2,",
            text("minus.csv", f"{header}\n{'1,' * 47}-5\n"): "minus.csv: line 2, column CALQ_47: found '-5'",
            text("nan.csv", f"{header}\n{'nan,' * 47}5\n"): "nan.csv: line 2, column CALQ_0: found 'nan'",
            text("empty.csv", ""): "empty.csv: line 1: found an empty file",
            dump("shape.pickle", {"digi": np.ones((2, 5, 5))}): r"shape.pickle: digi: found float64 \(2, 5, 5\)",
            dump("minus.pickle", {"digi": -np.ones((2, 4, 4))}): r"minus.pickle: digi\[0, 0, 0\]: found -1.0",
            dump("nan.pickle", {"digi": np.full((2, 4, 4), np.nan)}): r"nan.pickle: digi\[0, 0, 0\]: found nan",
            dump("hostile.pickle", {"digi": _Hostile()}): r"hostile.pickle: pickle: found the global \w+.system",
            "short.parquet": "short.parquet: end of the file: .*truncated",
            "flipped.parquet": "flipped.parquet: events 0 to 19: found checksum",
        }.items():
            for target in ("out.parquet", "out.pickle"):
                assert re.search(message, fails("convert", source, target)), source
        for target, message in {"out.zip": "out.zip: format: ", "none/../out": "format: found no ending"}.items():
            assert re.search(message, fails("convert", "modules.parquet", target))
        assert "root: found MODULE (3, 4, 4), expected STAGE2" in fails("convert", "modules.parquet", "out.pickle", "--root", "STAGE2")

    def test_what_files_really_are(self, fails, modules, tmp_path):
        os.mkfifo(tmp_path / "pipe.csv")
        os.mkfifo(tmp_path / "pipe")
        for name in ("a.csv.gz", "a.csv", "a.pickle", "a.parquet", "a.yaml"):
            (tmp_path / name).write_bytes(gzip.compress(b"content"))
        for source, message in {
            "pipe.csv": "pipe.csv: file: found a pipe, expected a regular file",
            "pipe": "pipe: file: found a pipe, expected a regular file",
            "/dev/null": "/dev/null: file: found a device",
            "a.csv.gz": "a.csv.gz: content: found a file compressed by gzip",
            "a.csv": "a.csv: content: found a file compressed by gzip",
            "a.pickle": "a.pickle: content: found a file compressed by gzip",
            "a.parquet": "a.parquet: content: found a file compressed by gzip",
        }.items():
            assert message in fails("convert", source, "out.parquet")
            assert message in fails("info", source)
        assert "a.yaml: content: found a file compressed by gzip" in fails("info", "a.yaml")

    def test_what_is_left_out_is_said(self, hgcae, tmp_path):
        header = ",".join([*CHARGE_COLUMNS, "sample", "is\x1b[31mLD"])
        (tmp_path / "a.csv").write_text(f"{header}\n{'1,' * 48}ttbar,True\n")
        result = hgcae("convert", "a.csv", "b.parquet")
        assert result.status == 0
        assert re.fullmatch(r"hgcae: note: a.csv: left out, because .*: sample, is\\x1b\[31mLD\n", result.err)

    @pytest.mark.parametrize("name", ["a\x1b[31m", "a\x07\x08", "a\u202egpj", "a\udcff"])
    def test_nothing_that_a_terminal_obeys_is_printed(self, fails, name):
        assert name.encode("unicode_escape").decode() in fails("convert", f"{name}.csv", "b.parquet")
        assert name.encode("unicode_escape").decode() in fails("simulate", "-n", 1, "-o", "a.parquet", "--set", f"gun.{name}=1")

    def test_an_existing_file_survives_a_mistake(self, hgcae, tmp_path):
        (tmp_path / "a.csv").write_text("nothing\n")
        (tmp_path / "b.parquet").write_bytes(b"precious")
        assert hgcae("convert", "a.csv", "b.parquet").status == 2
        assert (tmp_path / "b.parquet").read_bytes() == b"precious"


class TestConvertByACodec:
    """Events as a concentrator delivers them."""

    @pytest.fixture
    def cropped(self, tmp_path):
        """`a.parquet`: 12 showers in a stack of five modules."""
        store.write(tmp_path / "a.parquet", [showers(STACK, 12)], {"seed": 7})
        return showers(STACK, 12)

    @pytest.mark.parametrize("name", ["pyramid", "best_choice", "pca"])
    def test_each_module_is_sent_and_decoded(self, hgcae, cropped, tmp_path, name):
        result = hgcae("convert", "a.parquet", "b.parquet", "--codec", name, "--links", 3, "--json")
        assert result.status == 0, result.err
        charges, _, _ = charged_modules(cropped)
        codec = make_codec(name, 3, charges)
        expected, bits = sent(cropped, codec)
        reader = store.Reader(tmp_path / "b.parquet")
        np.testing.assert_array_equal(reader.read().to_dense(), expected.to_dense())
        np.testing.assert_array_equal(reader.read().particles["energy_gev"], cropped.particles["energy_gev"])
        made = {"name": name, "links": 3, "fingerprint": fingerprint(codec.get_config()), "fit": "a.parquet", "fit_modules": len(charges)}
        assert reader.provenance["codec"] == result.json["codec"] == made
        assert reader.provenance["source_provenance"] == {"seed": 7}
        assert result.json["payload_bits_per_event"] == {"mean": pytest.approx(bits.mean()), "max": bits.max()}
        assert result.json["charge_kept"] == pytest.approx(expected.charge.sum() / cropped.charge.sum())
        assert result.json["charge"]["dtype"] == "float64"

    def test_files_that_are_fitted_to_the_same_modules_have_the_same_codec(self, hgcae, cropped, modules):
        options = ("--codec", "mean", "--links", 2, "--json")
        first = hgcae("convert", "a.parquet", "b.parquet", *options, "--fit", "modules.parquet").json["codec"]
        second = hgcae("convert", "modules.parquet", "c.csv", *options, "--root", "module").json["codec"]
        assert first == second
        assert first["fit_modules"] == np.count_nonzero(modules.counts)
        assert hgcae("convert", "a.parquet", "b.parquet", *options).json["codec"]["fingerprint"] != first["fingerprint"]

    def test_at_most_so_many_modules_are_fitted_to(self, hgcae, modules, monkeypatch):
        monkeypatch.setattr(importlib.import_module("hgcae.cli.convert"), "FIT_MODULES", 7)
        assert hgcae("convert", "modules.parquet", "b.parquet", "--codec", "mean", "--links", 2, "--json").json["codec"]["fit_modules"] == 7

    def test_no_events(self, hgcae, modules, tmp_path):
        store.write(tmp_path / "none.parquet", [modules[:0]])
        found = hgcae("convert", "none.parquet", "b.parquet", "--codec", "best_choice", "--links", 2, "--json").json
        assert (found["events"], found["charge_kept"], found["payload_bits_per_event"]) == (0, None, {"mean": None, "max": 0})
        assert len(store.Reader(tmp_path / "b.parquet")) == 0

    def test_what_was_sent_can_be_trained_on(self, hgcae, tmp_path):
        """One step of the level above the modules, with charges that are not whole."""
        arguments = ("--detector", "testbeam", "--direction", "parallel", "--radius", 2, "--energy", 10, 50)
        assert hgcae("simulate", "-n", 12, "-o", "a.parquet", *arguments).status == 0
        assert hgcae("convert", "a.parquet", "b.parquet", "--codec", "pyramid", "--links", 2).status == 0
        charge = store.Reader(tmp_path / "b.parquet").read().charge
        assert (charge != np.round(charge)).any()
        stage = {"loss_level": "STAGE2", "trains": ["STAGE2"], "epochs": 1, "steps": 1, "batch": 4}
        (tmp_path / "run.yaml").write_text(json.dumps({"schedule": {"stages": [stage]}}))
        result = hgcae("train", "--settings", "run.yaml", "-i", "b.parquet", "--no-pictures", "-o", "run", "--json")
        assert result.status == 0, result.err
        assert result.json["steps"] == 1
        assert 0 < result.json["loss_test"] < 10

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--links", 3], "found --codec None, --links 3, --fit None; expected --codec and --links, or none"),
            (["--codec", "pyramid"], "found --codec pyramid, --links None, --fit None; expected --codec and --links"),
            (["--fit", "a.parquet"], "found --codec None, --links None, --fit a.parquet; expected"),
            (["--codec", "zip", "--links", 3], "unknown codec 'zip', expected one of mean, pca, largest_cells"),
            (["--codec", "pyramid", "--links", 9], "codec pyramid: links: found 9, expected one of 2, 3, 4, 5"),
            (["--codec", "cms_pu", "--links", 3], "codec cms_pu: the folder of real data is not known"),
            (["--codec", "mean", "--links", 3, "--fit", "no.parquet"], "no.parquet: No such file"),
            (["--codec", "mean", "--links", 3, "--fit", "rocs.parquet"], r"rocs.parquet: hierarchy: found levels ROC of \(4, 4\)"),
            (["--codec", "best_choice", "--links", 3, "--root", "STAGE1"], "root: found STACK"),
        ],
    )
    def test_mistakes(self, fails, cropped, tmp_path, monkeypatch, arguments, message):
        monkeypatch.delenv("HGCAE_DATA", raising=False)
        store.write(tmp_path / "rocs.parquet", [cropped.units("ROC")[0]])
        assert re.search(message, fails("convert", "a.parquet", "b.parquet", *arguments))

    def test_files_that_cannot_be_sent(self, fails, cropped, tmp_path):
        store.write(tmp_path / "rocs.parquet", [cropped.units("ROC")[0]])
        store.write(tmp_path / "half.parquet", [replace(cropped, charge=cropped.charge + 0.5)])
        for name, message in {
            "rocs": "expected modules of 3 x 4 x 4 cells",
            "half": r"charges: found \d+.5, expected whole numbers",
        }.items():
            options = ("--codec", "best_choice", "--links", 2, "--fit", "a.parquet")
            assert re.search(rf"{name}.parquet: .*{message}", fails("convert", f"{name}.parquet", "b.parquet", *options))


class _Hostile:
    def __reduce__(self):
        return os.system, ("touch trap",)


class TestInfo:
    def test_events(self, hgcae, modules):
        found = hgcae("info", "modules.parquet", "--json").json
        assert (found["events"], found["root"], found["row_groups_verified"], found["provenance"]) == (20, "MODULE", 1, {"seed": 7})
        assert found["levels"]["trigger cells"]["occupied"] == pytest.approx(modules.counts.mean())
        assert found["charge"]["sum"] == modules.charge.sum()
        text = hgcae("info", "modules.parquet").out
        for line in (r"events +20", r"root +MODULE", r"shape +3, 4, 4", r"    50 +\d+", r"provenance +seed 7"):
            assert re.search(f"^{line}$", text, re.MULTILINE), line

    def test_formats(self, hgcae, modules, tmp_path):
        for name, form in {"a.pickle": "digi pickle", "a.csv": "CALQ csv"}.items():
            hgcae("convert", "modules.parquet", name)
            assert hgcae("info", name, "--json").json["format"] == form
        (tmp_path / "a.pickle").rename(tmp_path / "other")
        assert hgcae("info", "other", "--json").json["events"] == 20

    def test_json_is_valid_where_numbers_are_not_finite(self, hgcae, tmp_path):
        events = Events.from_dense(np.ones((1, 4, 4)), PROTOTYPE.rooted("ROC"), columns={"eta": np.array([np.inf])})
        store.write(tmp_path / "a.parquet", [events])
        assert hgcae("info", "a.parquet", "--json").json["columns"]["eta"] == {"dtype": "float64", "min": None, "max": None}
        assert re.search(r"eta +dtype float64, min inf, max inf", hgcae("info", "a.parquet").out)

    def test_detectors(self, hgcae, tmp_path):
        found = hgcae("info", "prototype", "--json").json
        assert (found["trigger_cells"], found["layers"], found["modules_per_layer"]) == (82_080, {"CE-E": 26, "CE-H": 4}, 57)
        assert [level["units"] for level in found["levels"].values()] == [1, 30, 570, 1710, 5130]
        (tmp_path / "none.yaml").write_text("name: none\n")
        assert hgcae("info", "none.yaml").status == 2

    def test_mistakes(self, fails, tmp_path):
        (tmp_path / "folder").mkdir()
        for subject, message in {
            "nothing": "nothing: No such file",
            "folder": "model.json: file: found No such file",
            "a.csv": "a.csv: No such file",
        }.items():
            assert message in fails("info", subject)

    def test_real_modules(self, hgcae, data_dir):
        found = hgcae("info", data_dir / "cms_modules" / "ttbar_0PU.csv", "--json").json
        assert (found["events"], found["charge"]["sum"], found["charge"]["max"]) == (38_382, 4_083_103, 13_632)
