"""Settings: strict, frozen, YAML in and out, fingerprints."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from hgcae import SettingsError
from hgcae.settings import Settings, fingerprint, overlaid, override, read_yaml


class Beam(Settings):
    """Settings with a group, a tuple, a limit and a default."""

    class Gun(Settings):
        """An inner group."""

        pdg: int = 11
        energy_gev: tuple[float, float] = (1.0, 100.0)

    name: str
    n_events: int = Field(default=10, gt=0)
    gun: Gun = Gun()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(TEXT, st.integers(1, 10**9), st.integers(-1000, 1000), st.tuples(FINITE, FINITE))
def test_yaml_round_trip(tmp_path_factory, name, n_events, pdg, energy):
    beam = Beam(name=name, n_events=n_events, gun=Beam.Gun(pdg=pdg, energy_gev=energy))
    path = tmp_path_factory.getbasetemp() / "beam.yaml"
    path.write_text(beam.to_yaml(), encoding="utf-8")
    again = Beam.from_yaml(path)
    assert again == beam
    assert again.fingerprint() == beam.fingerprint()


class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"name": "a", "energy": 3}, "run.yaml: unknown key energy, expected one of name, n_events, gun$"),
            ({"nmae": "a"}, r"run.yaml: unknown key nmae, did you mean name\?$"),
            ({"name": "a", "gun": {"PGD": 22}}, r"run.yaml: unknown key gun\.PGD, did you mean pdg\?$"),
            ({"name": "a", "n_events": "9" * 9999}, r"n_events: .*found '999+\.\.\.9+'\)$"),
            ({"name": "a", "n_events": 0}, "run.yaml: n_events: .*greater than 0.*found 0"),
            ({"name": "a", "n_events": "many"}, "run.yaml: n_events: .*integer.*found 'many'"),
            ({"name": "a", "gun": {"energy_gev": [1.0, float("inf")]}}, r"run.yaml: gun\.energy_gev\.1: .*finite"),
            ({}, "run.yaml: name: Field required$"),
        ],
    )
    def test_a_bad_value_is_named_with_its_place(self, values, message):
        with pytest.raises(SettingsError, match=message):
            Beam.load(values, source="run.yaml")

    def test_the_nearest_key_of_a_group_in_a_list_in_a_mapping(self):
        class Runs(Settings):
            runs: dict[str, dict[str, tuple[Beam.Gun, ...] | None]]

        with pytest.raises(SettingsError, match=r"unknown key runs\.a\.x\.1\.pgd, did you mean pdg\?$"):
            Runs.load({"runs": {"a": {"x": [{"pdg": 1}, {"pgd": 1}]}}})

    def test_settings_cannot_be_changed(self):
        beam = Beam(name="a")
        with pytest.raises(ValidationError, match="frozen"):
            beam.n_events = 3

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"name: [1", "is not YAML"), (b"- a\n- b\n", "found a list at the top"), (b"\xff\xfe\xfa", "not UTF-8 text")],
    )
    def test_a_file_that_holds_no_settings(self, tmp_path, content, message):
        path = tmp_path / "bad.yaml"
        path.write_bytes(content)
        with pytest.raises(SettingsError, match=message) as error:
            Beam.from_yaml(path)
        assert str(error.value).startswith(f"{path}: ")
        assert "\n" not in str(error.value)

    def test_an_absent_file(self, tmp_path):
        with pytest.raises(SettingsError, match=r"none\.yaml: cannot be read: No such file"):
            read_yaml(tmp_path / "none.yaml")

    def test_an_empty_file_holds_the_defaults(self, tmp_path):
        path = tmp_path / "empty.yaml"
        path.touch()
        assert Beam.Gun.from_yaml(path) == Beam.Gun()

    def test_a_date_is_text(self, tmp_path):
        path = tmp_path / "date.yaml"
        path.write_text("name: 2018-10-17\n")
        assert Beam.from_yaml(path).name == "2018-10-17"

    @pytest.mark.parametrize("yaml", ["name: a\nname: b\n", "name: a\ngun: {pdg: 11, pdg: 13}\n", "{name: a, 'name': b}"])
    def test_a_key_twice(self, tmp_path, yaml):
        path = tmp_path / "twice.yaml"
        path.write_text(yaml)
        with pytest.raises(SettingsError, match="twice.yaml: is not YAML of plain values: line [12]: found the key '(name|pdg)' twice"):
            Beam.from_yaml(path)

    def test_the_names_of_alternatives_are_no_keys(self):
        class Near(Settings):
            kind: Literal["near"] = "near"
            size: int

        class Far(Settings):
            kind: Literal["far"] = "far"

        class Either(Settings):
            places: dict[str, Annotated[Near | Far, Field(discriminator="kind")]]

        for values, message in (
            ({"kind": "near", "size": 1, "colour": 3}, r"unknown key places\.a\.colour, "),
            ({"kind": "near", "size": "x"}, r"places\.a\.size: .*found 'x'"),
            ({"kind": "near"}, r"places\.a\.size: Field required"),
            ({"kind": "none"}, r"places\.a: .*'none'"),
        ):
            with pytest.raises(SettingsError, match=message):
                Either.load({"places": {"a": values}})


def test_changes_are_laid_over_groups_one_by_one():
    values = {"a": {"b": 1, "c": [1, 2]}, "d": 4}
    assert overlaid(values, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 4, "e": 5}
    assert overlaid(values, {"a": 3}) == {"a": 3, "d": 4}
    assert values == {"a": {"b": 1, "c": [1, 2]}, "d": 4}


class TestOverride:
    def test_values_are_yaml_and_keys_go_down_groups(self, tmp_path):
        path = tmp_path / "beam.yaml"
        path.write_text("name: muons\ngun:\n  pdg: 13\n")
        beam = Beam.from_yaml(path, ["gun.energy_gev=[2, 5]", "n_events=7", "name=a=b"])
        assert beam == Beam(name="a=b", n_events=7, gun=Beam.Gun(pdg=13, energy_gev=(2.0, 5.0)))

    def test_a_group_is_made_where_there_was_none_and_the_last_word_counts(self):
        assert override({}, ["gun.pdg=22", "gun.pdg=11"]) == {"gun": {"pdg": 11}}

    def test_the_given_values_stay_as_they_were(self):
        values = {"gun": {"pdg": 13}}
        override(values, ["gun.pdg=22"])
        assert values == {"gun": {"pdg": 13}}

    @pytest.mark.parametrize(
        ("assignment", "message"),
        [
            ("n_events", "expected KEY=VALUE"),
            ("=3", "expected KEY=VALUE"),
            ("name.first=x", "name is not a group"),
            ("name=[1", "not YAML"),
            ("gun={pdg: 1, pdg: 2}", "the key 'pdg' twice"),
            ("n_events=!!int many", "not YAML"),
            ("n_events=" + "[" * 9999, "not YAML.*: found more than 50 groups"),
        ],
    )
    def test_what_is_no_assignment_is_refused(self, assignment, message):
        with pytest.raises(SettingsError, match=message):
            override({"name": "a"}, [assignment])


class TestFingerprint:
    def test_it_is_the_same_on_every_machine_and_day(self):
        # SHA-256 of {"gun":{"energy_gev":[1.0,100.0],"pdg":11},"n_events":10,"name":"electrons"}, by coreutils' sha256sum.
        assert Beam(name="electrons").fingerprint() == "0f7272c65e9997d6"

    def test_the_order_of_keys_does_not_matter(self):
        assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": [2, 3], "a": 1})

    @pytest.mark.parametrize(
        "change", [{"name": "b"}, {"n_events": 11}, {"gun": Beam.Gun(pdg=-11)}, {"gun": Beam.Gun(energy_gev=(1.0, 100.000001))}]
    )
    def test_every_value_matters(self, change):
        beam = Beam(name="a")
        assert beam.model_copy(update=change).fingerprint() != beam.fingerprint()
