"""Photographs of a report in Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from hgcae.errors import MissingToolError
from pages import Collected

PICTURES = {"summary": "h1", "energy": "#energy", "rate": "#rate", "events": "#events", "space": "#space"}
"""Names of the pictures and the element at the upper edge of each."""
FLAGS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
)


def collect(report: Path) -> Collected:
    """Opens a report in a laptop's window and writes one picture of each part next to it; the page has no values.

    Raises:
        MissingToolError: There is no Chromium.
    """
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        msg = "pictures of the report need Chromium, e.g. Debian's package chromium"
        raise MissingToolError(msg)
    pictures = {f"report_{name}.png": report.with_name(f"report_{name}.png") for name in PICTURES}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS), chromium_sandbox=False, timeout=600_000)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(600_000)
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("html[data-ready=true]", state="attached")
        for selector, path in zip(PICTURES.values(), pictures.values(), strict=True):
            page.evaluate("(selector) => document.querySelector(selector).scrollIntoView({behavior: 'instant'})", selector)
            page.screenshot(path=path, timeout=600_000)
        browser.close()
    return Collected({}, pictures)
