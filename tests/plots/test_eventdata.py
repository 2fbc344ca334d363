from __future__ import annotations

import base64

import numpy as np
import pytest

from evaluate.toys import emptied, random_units, scaled
from hgcae.errors import DataFormatError, GeometryError
from hgcae.geometry.cells import ADC_PER_MIP
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots import eventdata
from hgcae.plots.eventdata import Displays, choose_events
from plots.runs import FACTORS, toy_displays


def numbers(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_pictures_hold_the_charges_and_the_energies(showers, prototype):
    plain = toy_displays(showers, prototype).plain()
    assert (plain["layers"], plain["cells_per_layer"], plain["unit"], plain["energy_unit"]) == (30, 57 * 48, "MIP", "GeV")
    assert len(plain["modules"]) * len(plain["cells"]) == plain["cells_per_layer"]
    for i, event in enumerate(plain["events"]):
        assert list(event["pictures"]) == ["input", *FACTORS]
        picture = event["pictures"]["input"]
        np.testing.assert_array_equal(numbers(picture["cell"], "<u4"), showers[i].cell)
        np.testing.assert_allclose(numbers(picture["charge"], "<f4"), showers[i].charge / ADC_PER_MIP, rtol=1e-6)
        assert event["scale"][0] == pytest.approx(showers[i].charge.min() / ADC_PER_MIP)
        layer = showers[i].cell // plain["cells_per_layer"]
        energy = np.bincount(layer, showers[i].charge * prototype.layer_mev_per_mip[layer], 30) / ADC_PER_MIP / 1000
        np.testing.assert_allclose(picture["energy"], energy, rtol=1e-4)
        for name, factor in FACTORS.items():
            assert event["pictures"][name]["total"] == pytest.approx(factor * energy.sum())
            assert event["pictures"][name]["charge_sum"] == pytest.approx(factor * picture["charge_sum"])


def test_cells_below_the_scale_and_beyond_the_limit_are_counted(showers, prototype, monkeypatch):
    # Decoded charges at 0.97: only the weakest true cell falls below the smallest true charge, or none.
    monkeypatch.setattr(eventdata, "MAX_CELLS", 20)
    pictures = toy_displays(showers, prototype, 1).plain()["events"][0]["pictures"]
    strongest = np.sort(np.argsort(-showers[0].charge, kind="stable")[:20])
    np.testing.assert_array_equal(numbers(pictures["input"]["cell"], "<u4"), showers[0].cell[strongest])
    assert pictures["input"]["hidden"] == len(showers[0].cell) - 20
    monkeypatch.setattr(eventdata, "MAX_CELLS", 10_000)
    pictures = Displays(showers[:1], {"ROC": scaled(showers[:1], 0.5)}, prototype).plain()["events"][0]["pictures"]
    weak = int((0.5 * showers[0].charge < showers[0].charge.min()).sum())
    assert weak > 0
    assert (pictures["input"]["hidden"], pictures["ROC"]["hidden"]) == (0, weak)


def test_the_truth_has_units(showers, prototype):
    event = toy_displays(showers, prototype, 1).plain()["events"][0]
    energy = showers.particles["energy_gev"][0]
    assert event["label"] == f"electron {energy:.1f} GeV"
    assert event["truth"]["energy"] == f"{energy:.1f} GeV"
    assert event["truth"]["φ"].endswith(" rad")


@pytest.mark.parametrize(
    ("levels", "modules", "cells"),
    [({"ROC": (4, 4)}, 1, 16), ({"ROC": (4, 4), "MODULE": 3}, 1, 48), ({"ROC": (4, 4), "M": 3, "T": 3}, 3, 48)],
)
def test_bare_units_are_one_layer(levels, modules, cells):
    units = random_units(Hierarchy.of(**levels), 4)
    plain = Displays(units, {"ROC": units}).plain()
    assert (plain["layers"], len(plain["modules"]), len(plain["cells"])) == (1, modules, cells)
    assert plain["unit"] == "ADC counts"
    assert [event["label"] for event in plain["events"]] == ["event 1", "event 2", "event 3", "event 4"]


def test_what_cannot_be_shown_is_refused(showers, prototype):
    odd = random_units(Hierarchy.of(LINE=5, IMAGE=7), 2)
    with pytest.raises(GeometryError, match="expected a ROC, module, triplet, flower or a whole detector"):
        Displays(odd, {"LINE": odd}).plain()
    with pytest.raises(DataFormatError, match="found 2, expected 3"):
        Displays(showers[:3], {"ROC": showers[:2]}, prototype).plain()


def test_events_are_chosen_from_weak_to_strong(showers):
    some = emptied(showers, 7)
    chosen = choose_events(some, 4)
    total = np.bincount(some.event, some.charge, len(some))[chosen]
    assert (np.diff(total) > 0).all()
    assert total[0] > 0
    # Four of the 59 charged events: the ranks are those of the middles of quarters.
    rank = np.searchsorted(np.sort(np.bincount(some.event, some.charge, len(some))), total)
    np.testing.assert_array_equal(rank, [1 + int((i + 0.5) / 4 * 59) for i in range(4)])
    assert len(choose_events(some[7:8], 4)) == 0
    assert len(choose_events(some[:3], 8)) == 3
