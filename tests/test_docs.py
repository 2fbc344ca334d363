"""The written pages: no dead links, an index that knows them all, and generated pages that are what their template and values give."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hgcae.train.losses import LossSettings
from pages import PAGES, dumps, headline, kept, render

ROOT = Path(__file__).resolve().parents[1]
ALL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def linked_files(page: Path) -> set[Path]:
    """The files of the project that a page links to or shows."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets if not target.startswith(("http:", "https:", "mailto:"))}


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    assert [target for target in linked_files(page) if not target.exists()] == []


def test_the_index_lists_every_page():
    index = ROOT / "docs" / "README.md"
    pages = {page for page in ALL if page.is_relative_to(ROOT / "docs")}
    assert pages - linked_files(index) == {index}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_template_and_values_give(page):
    """If not: edit docs/templates, not the page, and run `python docs/build.py`."""
    assert (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") == render(page, kept(page))


def test_the_first_figure_is_drawn_from_kept_values(tmp_path):
    path = headline.draw(kept("codecs"), tmp_path / "headline.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    known = {row[0].split()[0] for row in kept("codecs")["samples"]["events"]["codecs"]["rows"]}
    assert {codec for _, codecs in headline.FAMILIES.values() for codec in codecs} == known - {"mean", "repeater"}


def test_no_picture_is_left_over():
    shown = {path.name for page in ALL for path in linked_files(page)}
    assert {path.name for path in (ROOT / "docs" / "figures").iterdir()} - shown == set()


def test_values_are_kept_with_a_line_for_each_row():
    value = {"head": ["a"] * 60, "rows": [["x", 1, None], ["µ" * 130, 2.5, True]], "none": {}, "empty": []}
    text = dumps(value)
    assert json.loads(text) == value
    assert len(text.splitlines()) == 9


def test_the_page_on_training_tells_all_weights_of_the_loss():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    told = {name: float(value) for name, value in re.findall(r"^\| `loss\.(\w+)` \| ([0-9.]+) \|", page, re.MULTILINE)}
    assert told == LossSettings().model_dump()
