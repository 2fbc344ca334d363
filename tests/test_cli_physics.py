"""`hgcae physics`, on a model of whole events that never learned anything."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hgcae.cli import main
from hgcae.cli.physics import guns
from hgcae.evaluate import PhysicsSettings
from hgcae.events import Events
from hgcae.geometry.detector import Detector
from hgcae.geometry.positions import root_xy_cm
from hgcae.model import files
from hgcae.model.autoencoder import Autoencoder
from hgcae.model.calibration import Calibration
from hgcae.model.frames import frames
from hgcae.model.presets import l1_preset
from hgcae.simulate import SimulateSettings, simulate
from hgcae.store import Reader, read_results
from model.toys import MODULE, conserving_settings, showers, sum_errors

PICTURES = {"response.png", "shapes.png", "profiles.png", "separation.png", "pairs.png"}
SMALL = ("--events", 20, "--levels", "ROC", "--set", "bootstrap_replicas=3", "--set", "transport_events=3", "--set", "folds=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with `run`, a model of the prototype as it is before training, and `modules`, one of modules alone."""
    folder = tmp_path_factory.mktemp("physics")
    detector = Detector.load("prototype")
    gun = SimulateSettings.load({"gun": {"energy_gev": [500, 500]}})
    events = Events.concatenate(list(simulate(gun, 5)))
    hierarchy, xy = detector.hierarchy, root_xy_cm(detector.hierarchy, detector)
    settings = l1_preset(hierarchy, 4, 9, barycentre=True)
    measured = Calibration.measure([events])
    wide = replace(measured, maximum={name: 10 * maximum for name, maximum in measured.maximum.items()})
    files.save(Autoencoder(hierarchy, settings, wide, frames(hierarchy, xy), 1, events.detector), folder / "run" / "model")
    modules = Calibration.measure([showers(MODULE, 20)])
    files.save(Autoencoder(MODULE, conserving_settings(MODULE, barycentre=False), modules, {}, 1), folder / "modules" / "model")
    return folder


@pytest.fixture
def hgcae(monkeypatch, capfd, folder):
    """Runs the command in that folder; returns status, output and errors."""
    monkeypatch.chdir(folder)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hgcae", "physics", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capfd.readouterr()

    return run


def test_the_whole_command_and_again(hgcae, folder):
    status, out, err = hgcae("run", "-o", "out", *SMALL, "--json")
    assert status == 0, err
    results, model = read_results(folder / "out" / "physics.json", "physics"), files.load(folder / "run")
    assert json.loads(out) == results
    assert {path.name for path in (folder / "out").iterdir()} == PICTURES | {"physics.json", "physics.md", "samples", "decoded"}
    assert set(results["codecs"]) == {"ROC"}
    detector = Detector.load("prototype")
    weight = np.repeat(detector.layer_mev_per_mip, detector.cells_per_layer)
    for sample in ("electron", "photon", "pion"):
        assert set(results["showers"][sample]["samples"]) == {"uncompressed", "ROC"}
        # Whatever is decoded, the sum of a unit is part of its code, up to its steps.
        shift = results["showers"][sample]["samples"]["ROC"]["shift"]["energy_gev"]["all"]["mean"]
        events = Reader(folder / "out" / "samples" / f"{sample}.parquet").read()
        error = np.sqrt(np.square(sum_errors(model, events, "ROC", weight)).sum()) / len(events)
        assert abs(shift) < 5 * error
    assert set(results["separation"]) == {"electron", "photon"}
    assert set(results["pairs"]) == {"2.5", "5", "10", "15", "20"}
    assert results["no_particle"]["empty"]["ROC"]["largest_gev"] == 0
    assert results["no_particle"]["noise"]["uncompressed"]["mean_gev"] > 0
    assert len(re.findall("^simulating", err, re.MULTILINE)) == len(guns(PhysicsSettings(), 20))
    # All events are there: only the results is made again.
    status, out, err = hgcae("run", "-o", "out", *SMALL)
    assert status == 0
    assert "simulating" not in err
    assert "decoding" not in err
    assert "two showers: share of events in which both are found" in out
    again = read_results(folder / "out" / "physics.json", "physics")
    assert {key: again[key] for key in results if key != "date"} == {key: results[key] for key in results if key != "date"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere/model/model.json: file: found No such file"),
        (["modules"], "modules: found a model of the root MODULE, detector unknown, expected one of whole events"),
        (["run", "--levels", "LAYER"], "unknown level 'LAYER'"),
        (["run", "--set", "colour=blue"], "unknown key colour, expected one of"),
    ],
)
def test_mistakes(hgcae, arguments, message):
    status, out, err = hgcae(*arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_the_manual(hgcae):
    status, out, _ = hgcae("--help")
    assert status == 0
    assert "Examples:" in out
    assert "physics.json" in out
