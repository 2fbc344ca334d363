from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evaluate.toys import random_units, scaled
from hgcae.errors import DataFormatError
from hgcae.evaluate import evaluate_level
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.plots.eventdata import Displays
from hgcae.plots.pagetables import nested, table, text
from hgcae.plots.report import write_report
from plots.runs import QUICK, toy_displays, toy_history, toy_results

VOID = {"meta", "input", "link", "br", "img"}
BASE = ["summary", "energy", "position", "rate", "heads", "events", "training"]


class Page(HTMLParser):
    """A page taken apart: identifiers, links, headings, texts of elements, what it would fetch; refuses elements that do not match."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.headings: list[int] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(content)
        self.close()
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" else []
        self.fetched += [values[name] for name in ("src", "srcset", "data") if name in values] + ([values["href"]] if tag == "link" else [])
        self.headings += [int(tag[1])] if re.fullmatch(r"h[1-6]", tag) else []
        for name in ("aria-labelledby", "for"):
            assert name not in values or values[name] in self.ids or tag in ("section", "label")
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open:
            self.texts[tag][-1] += data

    def script(self, name: str) -> object:
        """The JSON of a data element: the first scripts of a page, in this order."""
        return json.loads(self.texts["script"][["figure-data", "event-data"].index(name)])


def sections(page: Page) -> list[str]:
    return [link.removeprefix("#") for link in page.links if link != "#main"]


@pytest.fixture(scope="module")
def results(showers, prototype, tmp_path_factory):
    return toy_results(showers, prototype, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def whole(results, showers, prototype, tmp_path_factory) -> Path:
    return write_report(
        tmp_path_factory.mktemp("report") / "report.html",
        results,
        title="A run",
        history=toy_history(ROC=2, STAGE2=3),
        displays=toy_displays(showers, prototype),
        about={"settings": {"seed": 17}},
        extras={"Physics performance": {"auc": 0.987, "auc_error": 0.001}},
    )


@pytest.fixture(scope="module")
def page(whole) -> Page:
    return Page(whole.read_text(encoding="utf-8"))


def test_the_page_is_whole(page, whole):
    assert sections(page) == [*BASE, "extra-1", "provenance"]
    assert set(sections(page)) <= set(page.ids)
    assert page.texts["h1"] == ["A run"]
    # No heading skips a level, so that a screen reader's outline has no gaps.
    assert page.headings[0] == 1
    assert all(b <= a + 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert whole.stat().st_size < 8e6


def test_nothing_is_fetched(page, whole):
    assert page.fetched == []
    assert all(link.startswith("#") for link in page.links)
    assert "default-src 'none'" in whole.read_text(encoding="utf-8")[:1000]
    assert "url(" not in (page.texts["style"][0])


def test_figures_and_events_have_their_places(page):
    figures = page.script("figure-data")
    assert isinstance(figures, dict)
    assert len(figures) > 15
    assert set(figures) <= set(page.ids)
    events = page.script("event-data")
    assert isinstance(events, dict)
    assert len(events["events"]) == 3


def test_the_summary_holds_the_figures(page, results):
    text = page.texts["table"][0]
    level = results["levels"]["TRIPLET"]
    assert f"{level['units']['decoded']['mse']:.3g}" in text
    for rival in ("quanta", "ranked"):
        assert f"{level['units'][rival]['mse']:.3g}" in text
        assert f"{level['units'][rival]['l1']['CELL']:.4f}" in text
    assert "-3.000" in text  # the bias in percent of what decodes 0.97 of the charge
    assert "41,040" in text
    assert "17" in page.texts["dl"][-4]


def test_texts_are_escaped(results, tmp_path):
    evil = "</script><script>alert(1)</script><b>&"
    path = write_report(
        tmp_path / "a.html",
        results,
        title=evil,
        about={evil: {evil: evil}},
        extras={evil: {"members": {"one": {evil: 1}, "two": {evil: 2}}}},
        history=[row | {"loss_level": evil} for row in toy_history(ROC=2)],
    )
    page = Page(path.read_text(encoding="utf-8"))
    assert page.texts["h1"] == [evil]
    assert page.texts["title"] == [evil]
    # Data, plotly and the page's own script: no text has made another.
    assert len(page.texts["script"]) == 4
    assert page.texts["b"] == ["hgcae"]


def test_what_is_missing_is_left_out(tmp_path):
    units = random_units(Hierarchy.of(LINE=5, IMAGE=7), 40)
    results = evaluate_level(units, scaled(units, 0.9), "LINE", settings=QUICK)
    results = {"levels": {"LINE": results}, "settings": QUICK.model_dump()}
    page = Page(write_report(tmp_path / "a.html", results, title="bare").read_text(encoding="utf-8"))
    assert sections(page) == ["summary", "provenance"]
    assert page.script("figure-data") == {}
    assert page.script("event-data") is None


def test_bare_units_are_shown(results, tmp_path):
    units = random_units(Hierarchy.of(ROC=(4, 4), MODULE=3), 2)
    path = write_report(tmp_path / "a.html", results, title="modules", displays=Displays(units, {"ROC": units}))
    events = Page(path.read_text(encoding="utf-8")).script("event-data")
    assert isinstance(events, dict)
    assert events["layers"] == 1


def test_bad_input_leaves_no_page(results, tmp_path):
    with pytest.raises(DataFormatError, match="at least one level"):
        write_report(tmp_path / "a.html", {"levels": {}}, title="none")
    rows = toy_history(ROC=2)
    with pytest.raises(DataFormatError, match="history: row 2: found no loss_test, learning_rate"):
        write_report(tmp_path / "a.html", results, title="none", history=[rows[0], dict(list(rows[1].items())[:6])])
    assert not list(tmp_path.iterdir())


class TestNested:
    def test_errors_stand_beside_their_figures(self):
        html = nested({"auc": 0.98765, "auc_error": 0.00123, "lonely_error": 2})
        assert html.count("<dt>") == 2
        assert '0.9877 <span class="error">± 0.00123</span>' in html
        assert "lonely error" in html

    def test_alike_members_are_a_table(self):
        html = nested({"points": [{"eff": 0.9, "eff_error": 0.01, "rate": 12.0}, {"eff": 0.8, "eff_error": 0.02, "rate": 8.0, "n": 5}]})
        page = Page(html)
        assert page.texts["h3"] == ["points"]
        assert page.texts["th"] == ["", "eff", "rate", "n", "1", "2"]
        assert page.texts["td"] == ["0.9 ± 0.01", "12", "", "0.8 ± 0.02", "8", "5"]

    def test_groups_get_headings_and_large_ones_fold(self):
        html = nested({"small": {"inner": {"a": {"x": 1}, "b": 2}}, "large": {"names": {f"k{i}": i for i in range(200)}}})
        page = Page(html)
        assert page.texts["h3"] == ["small", "large"]
        assert page.texts["h4"] == ["inner", "names"]
        assert len(page.texts["details"]) == 2

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (None, "-"),
            (True, "yes"),
            (0, "0"),
            (1234567, "1,234,567"),
            (0.000123456, "0.0001235"),
            (123456.7, "123,457"),
            ([], "none"),
            ([1, 2.5], "1, 2.5"),
            (list(range(20)), "20 numbers from 0 to 19"),
            ({"a": 1}, "a 1"),
            ("<b>", "<b>"),
        ],
    )
    def test_texts(self, value, expected):
        assert text(value) == expected

    def test_tables_escape(self):
        assert table(["<"], [["&", ("1", "<2>")]]).count("<") == table(["x"], [["y", ("1", "2")]]).count("<")
