"""Writes the generated pages of the documentation.

python docs/build.py PAGE FOLDER    keeps the values and pictures of a page from a folder of results, then writes all pages
python docs/build.py                writes all pages again, from the values that are kept
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pages import DOCS, PAGES, collect, headline, keep, kept, render


def main() -> None:
    """Parses the command line and writes the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measured = sorted(path.stem for path in (DOCS / "pages").glob("[!_]*.py") if path.stem not in ("headline", "api"))
    parser.add_argument("page", nargs="?", choices=measured, help="page with new results")
    parser.add_argument("folder", nargs="?", type=Path, help="folder of its results; the HTML file of a report")
    told = parser.parse_args()
    if (told.page is None) != (told.folder is None):
        parser.error("a page and a folder go together")
    if told.page is not None:
        keep(told.page, collect(told.page, told.folder))
    if told.page == "codecs":
        headline.draw(kept("codecs"), DOCS / "figures" / "headline.png")
    for page in PAGES:
        (DOCS / f"{page}.md").write_text(render(page, kept(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
