"""The written pages: no dead links, and an index that knows them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def linked_files(page: Path) -> set[Path]:
    """The files of the project that a page links to or shows."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    return {(page.parent / target).resolve() for target in targets if not target.startswith(("http:", "https:", "mailto:"))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    assert [target for target in linked_files(page) if not target.exists()] == []


def test_the_index_lists_every_page():
    index = ROOT / "docs" / "README.md"
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert pages - linked_files(index) == {index}
