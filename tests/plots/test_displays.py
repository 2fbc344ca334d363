from __future__ import annotations

import numpy as np
import pytest

from evaluate.toys import emptied, random_units, scaled, toy_showers
from hgcae.errors import DataFormatError, GeometryError, SettingsError
from hgcae.geometry.detector import Detector
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots import choose_units, draw_event, draw_units
from hgcae.plots.maps import colours, scale
from hgcae.plots.style import DPI


def test_units_for_a_picture_fall_in_charge_and_end_empty(showers):
    event, unit = choose_units(showers, "TRIPLET")
    assert len(event) == len(unit) == 20
    sums = showers.unit_sums("TRIPLET")
    total = sums[event, unit]
    assert (np.diff(total[:16]) <= 0).all()
    assert (total[:16] > 0).all()
    assert (total[16:] == 0).all()
    assert total[0] == pytest.approx(sums.max())
    assert total[15] == pytest.approx(sums[sums > 0].min())
    assert len({*zip(event.tolist(), unit.tolist(), strict=True)}) == 20
    # Evenly spaced in the logarithm: the middle one is near the geometric mean.
    assert np.log(total[8] / np.sqrt(total[0] * total[15])) == pytest.approx(0, abs=1.0)


def test_fewer_units_than_asked_for(showers):
    few = showers[:1].units("TRIPLET")[0][:5]
    assert len(choose_units(few, "TRIPLET")[0]) == 5
    assert len(choose_units(few[:0], "TRIPLET")[0]) == 0


def test_the_picture_of_units_is_the_same_for_the_same_input(showers, tmp_path, picture):
    true = showers.units("TRIPLET")[0][:20]
    first, second, other = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    for path, factor in ((first, 1.1), (second, 1.1), (other, 1.2)):
        draw_units(true, scaled(true, factor), path, "epoch 1")
    size = (1944, 912)
    assert picture(first, size) == picture(second, size)
    assert picture(other, size) != picture(first)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize(
    ("levels", "n"),
    [({"ROC": (4, 4)}, 1), ({"ROC": (4, 4), "MODULE": 3}, 12), ({"ROC": (4, 4), "MODULE": 3, "TRIPLET": 3, "STAGE1": 19}, 2)],
)
def test_units_of_every_root_are_drawn(levels, n, tmp_path, picture):
    units = random_units(Hierarchy.of(**levels), n)
    picture(draw_units(units, scaled(units, 0.9), tmp_path / "units.png", "modules"))


def test_units_of_different_samples_are_refused(tmp_path):
    modules = random_units(Hierarchy.of(ROC=(4, 4), MODULE=3), 4)
    with pytest.raises(DataFormatError, match="found 2, expected 4"):
        draw_units(modules, modules[:2], tmp_path / "a.png", "")


def test_an_event_is_drawn_with_and_without_decoding(showers, prototype, tmp_path, picture):
    event = showers[3:4]
    pair = draw_event(event, scaled(event, 1.2), prototype, tmp_path / "pair.png", title="STAGE2")
    alone = draw_event(event, None, prototype, tmp_path / "alone.png", layers=[4, 5])
    wide = round(16 * DPI)
    heights = [int((0.3 + 0.35 + 1.88 * n + 3.4) * DPI) for n in (2, 1)]
    picture(pair, (wide, heights[0]))
    picture(alone, (wide, heights[1]))


def test_an_empty_event_and_one_without_truth_are_drawn(showers, tmp_path, picture):
    testbeam = Detector.load("testbeam")
    events = toy_showers(testbeam, 2)
    nothing = emptied(events[:1], 0)
    picture(draw_event(nothing, events[:1], testbeam, tmp_path / "empty.png"))
    bare = events.units("STAGE2")[0][1:2]
    picture(draw_event(bare, bare, testbeam, tmp_path / "bare.png", layers=range(9)))


def test_impossible_pages_are_refused(showers, prototype, tmp_path):
    with pytest.raises(GeometryError, match="one event, found 2"):
        draw_event(showers[:2], None, prototype, tmp_path / "a.png")
    with pytest.raises(GeometryError, match=r"found \[30\], expected numbers from 0 to 29"):
        draw_event(showers[:1], None, prototype, tmp_path / "a.png", layers=[30])
    with pytest.raises(GeometryError, match="do not belong to detector testbeam"):
        draw_event(showers[:1], None, Detector.load("testbeam"), tmp_path / "a.png")


def test_the_scale_follows_the_truth():
    norm = scale(np.array([0.0, 2.0, 500.0]))
    assert (norm.vmin, norm.vmax) == (2.0, 500.0)
    assert scale(np.zeros(3)).vmin == 1.0
    # Cells below the scale look empty, cells above it like the largest.
    paint = colours()
    assert tuple(paint(norm(1.0))) == tuple(paint.get_bad())
    assert tuple(paint(norm(1e6))) == tuple(paint(norm(500.0)))


def test_pictures_are_png_or_pdf(showers, prototype, tmp_path):
    with pytest.raises(SettingsError, match=r"\.png or \.pdf"):
        draw_event(showers[:1], None, prototype, tmp_path / "a.jpg")
    path = draw_event(showers[:1], None, prototype, tmp_path / "a.pdf", layers=[5])
    assert path.read_bytes().startswith(b"%PDF")
