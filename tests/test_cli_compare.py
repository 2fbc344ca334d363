"""`hgcae compare`."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from codec import graphs
from contracts.codec import random_modules
from hgcae import store
from hgcae.cli import main
from hgcae.codec.registry import CMS_GRAPHS, CODECS, available
from hgcae.evaluate import ModuleResult, read_module_results
from hgcae.events import Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.model import files
from hgcae.sources.calq_csv import CalqCsv
from hgcae.sources.modules import SAMPLES, file_sample
from hgcae.store.results import read_results
from model.toys import MODULE, autoencoder, conserving_settings
from sources import toys

FILES = {"results.json", "results.md", "rate_distortion.png", "emd_occupancy.png"}


@pytest.fixture
def hgcae(monkeypatch, capfd, tmp_path):
    """Runs the command in an empty folder; returns status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HGCAE_DATA", raising=False)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hgcae", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capfd.readouterr()

    return run


@pytest.fixture
def data(tmp_path):
    for name in SAMPLES.values():
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
    modules = Events.from_dense(random_modules(600).reshape(-1, 3, 4, 4), PROTOTYPE.rooted("MODULE"))
    CalqCsv().write(tmp_path / "data" / SAMPLES["ttbar"], [modules])
    return tmp_path / "data"


def measured(result: ModuleResult, name: str) -> float:
    value = result.metrics[name].value
    assert value is not None
    return value


def test_every_codec_is_judged(hgcae, data, tmp_path):
    graphs.write_codec(data / CMS_GRAPHS)
    # Whole batches to train and to test on, so that every step is compiled once.
    modules = random_modules(680)
    modules = modules[modules.any(axis=1)][:640].reshape(-1, 3, 4, 4)
    CalqCsv().write(data / SAMPLES["ttbar"], [Events.from_dense(modules, PROTOTYPE.rooted("MODULE"))])
    status, out, _ = hgcae("compare", "--data", data, "--sample", "ttbar", "--steps", 2, "--links", 5, "-o", "out")
    assert status == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    results = read_module_results(tmp_path / "out" / "results.json")
    assert [(result.codec, result.links) for result in results] == [(name, 5) for name in CODECS]
    assert {result.n_modules for result in results} == {results[0].n_modules}
    assert f"ttbar: {results[0].n_modules} modules evaluated" in out


def test_a_codec_is_judged_at_every_number_of_links(hgcae, data, tmp_path):
    assert hgcae("compare", "--data", data, "--sample", "ttbar", "--codec", "pca", "-o", "out")[0] == 0
    results = read_module_results(tmp_path / "out" / "results.json")
    assert [result.links for result in results] == [2, 3, 4, 5]
    pca = [measured(result, "emd_mean") for result in results]
    assert pca == sorted(pca, reverse=True)


def test_codecs_without_their_files_are_left_out(data):
    assert available(data) == available(None) == [name for name in CODECS if not name.startswith("cms_")]


def test_json_is_what_is_in_the_file(hgcae, data, tmp_path):
    arguments = ("compare", "--data", data, "--sample", "ttbar", "--links", 3, "--codec", "pca", "--max-modules", 50, "-o", "out", "--json")
    status, out, _ = hgcae(*arguments)
    assert status == 0
    content = json.loads(out)
    assert content == read_results(tmp_path / "out" / "results.json", "modules")
    assert content["provenance"]["n_test"] == 50
    assert list(content["provenance"]["codecs"]) == ["pca 3"]
    assert hgcae(*arguments)[1] == out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the folder of real data is not known"),
        (("--data", "data", "--sample", "ttbar", "--codec", "zip"), "unknown codec 'zip', expected one of mean, pca"),
        (("--data", "data", "--sample", "electron"), "electron_pt20_eta15-30_0PU.csv: No such file"),
        (("--data", "data", "--sample", "ttbar", "--links", 7, "--codec", "pca"), "links: found 7, expected one of 2, 3, 4, 5"),
        (("--data", "data", "--sample", "events"), "modules with charge to fit codecs to and 0 to evaluate"),
    ],
)
def test_mistakes_end_with_one_line(hgcae, data, tmp_path, arguments, message):
    toys.archive(data / SAMPLES["events"], np.random.default_rng(1))
    status, out, err = hgcae("compare", "-o", "out", *arguments)
    assert (status, out) == (2, "")
    assert re.fullmatch(rf"hgcae: error: .*{re.escape(message)}.*\n", err), err
    assert not (tmp_path / "out").exists()


def test_the_manual_names_every_codec_and_shows_valid_usage(hgcae):
    _, text, _ = hgcae("compare", "--help")
    assert all(re.search(rf"^ +{name} +\S", text, re.MULTILINE) for name in CODECS)
    lines = re.findall(r"^ +hgcae (compare .*)$", text, re.MULTILINE)
    assert len(lines) >= 2
    for line in lines:
        assert hgcae(*line.split(), "--help")[0] == 0


def test_modules_of_events_are_converted(hgcae, tmp_path):
    dense, _ = toys.archive(tmp_path / "events.npz", np.random.default_rng(1))
    for root, events, level in ((("--root", "MODULE"), np.count_nonzero(dense.sum(axis=2)), "MODULE"), ((), len(dense), "EVENT")):
        status, out, _ = hgcae("convert", "events.npz", "out.parquet", *root, "--json")
        assert status == 0
        found = json.loads(out)
        assert (found["events"], found["root"]) == (events, level)


def test_real_modules(hgcae, data_dir, tmp_path):
    """The bits are worth something: with all links, principal components carry the charge half as far as the mean image does."""
    arguments = ("--data", data_dir, "--sample", "ttbar", "--links", 5, "--max-modules", 2000, "-o", "out")
    assert hgcae("compare", *arguments, "--codec", "mean", "--codec", "pca")[0] == 0
    mean, pca = read_module_results(tmp_path / "out" / "results.json")
    assert mean.n_modules == pca.n_modules == 2000
    assert measured(pca, "emd_mean") < 0.6 * measured(mean, "emd_mean")
    # The sum is sent with four bits of mantissa: steps of at most 1/16.
    assert abs(measured(pca, "sum_bias")) < 0.01
    assert 0 < measured(pca, "sum_std") < 1 / 32
    # Most modules have less than 32 counts, which are exact.
    assert measured(pca, "sum_width") == 0


class TestOwnModules:
    @pytest.fixture
    def modules(self, data, tmp_path):
        return data / SAMPLES["ttbar"]

    def test_of_a_csv_next_to_a_trained_run(self, hgcae, modules, tmp_path):
        model = autoencoder(conserving_settings(MODULE), MODULE)
        files.save(model, tmp_path / "mine" / "model")
        status, out, _ = hgcae("compare", "--input", modules, "--model", "mine", "--codec", "best_choice", "--links", 2, "-o", "out")
        assert status == 0
        results = read_module_results(tmp_path / "out" / "results.json")
        assert [(result.codec, result.links) for result in results] == [("mine", 2), ("best_choice", 2)]
        assert (results[0].max_bits, measured(results[0], "bits")) == (48, 48)
        assert f"ttbar_0PU: {results[0].n_modules} modules evaluated" in out

    def test_modules_of_an_event_stay_together(self, tmp_path):
        event = np.repeat(np.arange(50), 12)
        dense = random_modules(600).reshape(-1, 3, 4, 4)
        dense[:, 0, 0, 0] = event + 1  # says which event a module is of
        store.write(tmp_path / "modules.parquet", [Events.from_dense(dense, PROTOTYPE.rooted("MODULE"), columns={"event": event})])
        sample = file_sample(tmp_path / "modules.parquet")
        parts = [set(part[:, 0].tolist()) for part in (sample.train, sample.test)]
        assert parts[0].isdisjoint(parts[1])
        assert (len(parts[0]), len(parts[1])) == (40, 10)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--input", "events.parquet"], r"events.parquet: events: found units of MODULES.* expected modules of shape \(3, 4, 4\)"),
            (["--input", "missing.csv"], "missing.csv"),
            (["--input", "one.parquet"], "found 1 modules with charge to fit codecs to and 0 to evaluate"),
            ([], "the folder of real data is not known: give --data DIR, .* or give modules with --input"),
        ],
    )
    def test_mistakes(self, hgcae, tmp_path, arguments, message):
        whole = Hierarchy.of(ROC=(4, 4), MODULE=3, MODULES=2)
        store.write(tmp_path / "events.parquet", [Events.from_dense(np.ones((3, *whole.shape)), whole)])
        store.write(tmp_path / "one.parquet", [Events.from_dense(np.ones((1, 3, 4, 4)), PROTOTYPE.rooted("MODULE"))])
        status, _, err = hgcae("compare", *arguments, "--codec", "mean", "-o", "out")
        assert (status, err.count("\n")) == (2, 1)
        assert re.search(message, err)
        assert not (tmp_path / "out").exists()
