# ruff: noqa: INP001 - a script, not part of a package
"""Photographs a report in Chromium for docs/report.md: `make docs-report`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from hgcae.errors import MissingToolError

FIGURES = Path(__file__).parent / "figures"
PICTURES = {"summary": "h1", "energy": "#energy", "rate": "#rate", "events": "#events", "space": "#space"}
"""Names of the pictures and the element at the upper edge of each."""
FLAGS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
)


def main(report: Path) -> None:
    """Opens a report in a laptop's window and writes one picture of each part."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        msg = "pictures of the report need Chromium, e.g. Debian's package chromium"
        raise MissingToolError(msg)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), chromium_sandbox=False, timeout=600_000)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(600_000)
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("html[data-ready=true]", state="attached")
        for name, selector in PICTURES.items():
            page.evaluate("(selector) => document.querySelector(selector).scrollIntoView({behavior: 'instant'})", selector)
            page.screenshot(path=FIGURES / f"report_{name}.png", timeout=600_000)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
