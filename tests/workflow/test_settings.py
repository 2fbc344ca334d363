"""The file of a workflow."""

from __future__ import annotations

import pytest
import yaml

from hgcae.errors import SettingsError
from hgcae.workflow.digest import file_digest, files_digest
from hgcae.workflow.settings import WorkflowSettings, load_workflow
from workflow.toys import write_workflow

TRAIN = {"sample": "electrons"}


def test_yaml_there_and_back(tmp_path):
    settings = load_workflow(write_workflow(tmp_path, train=TRAIN, scan=[{"settings.latent": 4}]))
    frozen = settings.freeze()
    assert frozen.name == f"{settings.fingerprint()}.yaml"
    assert load_workflow(frozen) == settings
    assert WorkflowSettings.from_yaml(frozen) == settings


def test_paths_are_relative_to_the_file(tmp_path):
    (tmp_path / "data.pickle").write_bytes(b"1")
    settings = load_workflow(write_workflow(tmp_path, samples={"a": {"convert": {"source": "data.pickle"}}}))
    assert settings.store == str(tmp_path / "store")
    convert = settings.sample("a").convert
    assert convert is not None
    assert convert.source == str(tmp_path / "data.pickle")
    assert convert.sha256 == file_digest(tmp_path / "data.pickle")


def test_a_detector_of_ones_own_is_found_from_anywhere(tmp_path):
    sample = {"events": 1, "simulate": {"detector": "mine.yaml"}}
    simulate = load_workflow(write_workflow(tmp_path, samples={"a": sample})).sample("a").simulate
    assert simulate is not None
    assert simulate.detector == str(tmp_path / "mine.yaml")


def test_chunks_cover_all_events(tmp_path):
    sample = load_workflow(write_workflow(tmp_path, events=10, chunk=4)).sample("electrons")
    assert sample.chunks == [(0, 4), (4, 4), (8, 2)]


def test_levels_follow_from_the_sample(tmp_path):
    (tmp_path / "a.csv").write_text("")
    samples = {"a": {"convert": {"source": "a.csv", "root": "MODULE"}}, "b": {"convert": {"source": "a.csv", "detector": "testbeam"}}}
    settings = load_workflow(write_workflow(tmp_path, samples=samples))
    assert settings.sample("a").hierarchy().names == ("ROC", "MODULE")
    assert settings.sample("b").hierarchy().root != "MODULE"


def test_points_of_a_scan_change_the_training(tmp_path):
    train = TRAIN | {"settings": {"latent": 8, "loss": {"absolute": 0.5}}}
    settings = load_workflow(write_workflow(tmp_path, train=train, scan=[{"settings.latent": 4}, {"settings.loss.absolute": 0.1}]))
    assert settings.training().settings["latent"] == 8
    assert settings.training(0).settings == {"latent": 4, "loss": {"absolute": 0.5}}
    assert settings.training(1).settings == {"latent": 8, "loss": {"absolute": 0.1}}
    with pytest.raises(SettingsError, match="asked for point 2"):
        settings.training(2)


def test_resources_by_step(tmp_path):
    settings = load_workflow(write_workflow(tmp_path, resources={"default": {"cores": 3}, "Train": {"cores": 8, "gpus": 1}}))
    assert (settings.needs("Train").cores, settings.needs("Simulate").cores) == (8, 3)
    assert load_workflow(write_workflow(tmp_path, resources={})).needs("Train").cores == 1


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"colour": 1}, "unknown key colour, expected one of"),
        ({"samples": {}}, "samples: .*at least 1"),
        ({"samples": {"a/b": {"events": 1, "simulate": {}}}}, "letters, digits"),
        ({"samples": {"a": {"events": 1}}}, "exactly one of simulate and convert"),
        ({"samples": {"a": {"simulate": {}}}}, "expected events"),
        ({"samples": {"a": {"events": 1, "convert": {"source": "x"}}}}, "and only there"),
        ({"samples": {"a": {"convert": {"source": "missing.csv"}}}}, "missing.csv: No such file"),
        ({"samples": {"a": {"convert": {"source": "~nobody_at_all/x.csv"}}}}, "no path"),
        ({"samples": {"a": {"convert": {"source": "a\0b"}}}}, "no path"),
        ({"store": "a\0b"}, "no path"),
        ({"samples": {"a": {"events": 10**15, "simulate": {}}}}, "expected at most 10000 files, so chunk = 100000000000 or more"),
        ({"train": {"sample": "muons"}}, "unknown sample 'muons', expected one of electrons"),
        ({"scan": [{"settings.latent": 4}]}, "need train"),
        ({"compress": {"sample": "electrons"}}, "need train"),
        ({"resources": {"default": {"cores": 0}}}, "cores"),
        ({"batch": {"retries": -1}}, "retries"),
    ],
)
def test_mistakes(tmp_path, sections, message):
    with pytest.raises(SettingsError, match=message):
        load_workflow(write_workflow(tmp_path, **sections))


def test_overrides(tmp_path):
    path = write_workflow(tmp_path)
    assert load_workflow(path, ["samples.electrons.events=99"]).sample("electrons").events == 99
    with pytest.raises(SettingsError, match="expected KEY=VALUE"):
        load_workflow(path, ["samples"])


def test_where_results_lie_and_who_makes_them_is_not_named_in_the_steps(tmp_path):
    """Only the frozen file's own name depends on them."""
    one = load_workflow(write_workflow(tmp_path / "a"))
    other = load_workflow(write_workflow(tmp_path / "b", batch={"retries": 9}))
    assert one.fingerprint() != other.fingerprint()
    assert yaml.safe_load(one.to_yaml())["samples"] == yaml.safe_load(other.to_yaml())["samples"]


def test_digests(tmp_path):
    for name, text in (("a", "1"), ("b", "2")):
        (tmp_path / name).write_text(text)
    both = files_digest([tmp_path / "b", tmp_path / "a"])
    assert both == files_digest([tmp_path / "a", tmp_path / "b"])
    assert file_digest(tmp_path / "a") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    (tmp_path / "b").write_text("22")
    assert files_digest([tmp_path / "a", tmp_path / "b"]) != both
