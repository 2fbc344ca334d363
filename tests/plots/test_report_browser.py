"""The report in a real browser: headless Chromium, driven by playwright, which hears errors and requests as they happen."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hgcae.plots.report import write_report
from plots.runs import FACTORS, toy_displays, toy_history, toy_results

if TYPE_CHECKING:
    from playwright.sync_api import Browser

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra dev)")

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, e.g. Debian's package chromium")

# WebGL in software, where there is no GPU; the page itself is painted without it.
FLAGS = (
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-rasterization",
    "--disable-gpu-compositing",
)
PATIENCE_MS = 600_000

HINTS = ("GL Driver Message (OpenGL, Performance", "willReadFrequently")
"""What Chromium says about speed where WebGL is software; anything else is a complaint."""


@pytest.fixture(scope="module")
def file(showers, prototype, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    return write_report(
        folder / "report.html",
        toy_results(showers, prototype, folder),
        title="A run",
        history=toy_history(ROC=2, STAGE2=3),
        displays=toy_displays(showers, prototype),
        extras={"Physics performance": {"large": {f"k{i}": i for i in range(200)}}},
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        # A container's root cannot make the sandbox; the page is our own.
        yield (found := started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS), chromium_sandbox=False, timeout=PATIENCE_MS))
        found.close()


class Opened:
    """The page with what has been heard from it."""

    def __init__(self, browser: Browser, file: Path) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": 1366, "height": 768})
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda message: self.hear(message.text) if message.type in ("error", "warning", "trace") else None)
        self.page.on("pageerror", lambda error: self.hear(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri(), timeout=PATIENCE_MS)
        self.page.wait_for_selector("html[data-ready=true]", state="attached")

    def hear(self, text: str) -> None:
        if not any(hint in text for hint in HINTS):
            self.complaints.append(text)

    def run(self, script: str):
        return self.page.evaluate(script)

    def drawn_map(self) -> list[str]:
        """The paths of the map: what is to be seen in its two panels."""
        return self.run("[...document.querySelectorAll('#event-map .scatterlayer path')].map((path) => path.getAttribute('d'))")

    def title(self) -> str:
        return self.page.locator("#map-title").inner_text()

    def settle(self, condition: str) -> None:
        self.page.wait_for_function(condition, timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def opened(browser, file) -> Opened:
    return Opened(browser, file)


def test_it_loads_without_a_complaint_and_without_the_network(opened, file):
    assert opened.requests[0] == file.as_uri()
    assert all(url.startswith(("data:", "blob:")) for url in opened.requests[1:])
    assert opened.complaints == []


def test_every_figure_is_drawn(opened):
    figures = opened.run(
        """[...document.querySelectorAll('.plot')].filter((plot) => plot.id !== 'event-space').map((plot) => ({
            name: plot.id, width: plot.querySelector('svg.main-svg')?.getBoundingClientRect().width ?? 0,
            marks: plot.querySelectorAll('.points path, .scatterlayer path').length, height: plot.getBoundingClientRect().height}))"""
    )
    assert len(figures) > 18
    assert [figure["name"] for figure in figures if figure["marks"] == 0 or figure["width"] < 300 or figure["height"] < 250] == []
    assert opened.run("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_scenes_are_painted(opened):
    """Both scenes have a WebGL canvas, and on the screen there are markers in the colours of charges, none of them grey."""
    assert opened.run("[...document.querySelectorAll('#event-space canvas')].filter((canvas) => canvas.width > 100).length") == 2
    picture = opened.page.locator("#event-space").screenshot(timeout=PATIENCE_MS)
    with Image.open(io.BytesIO(picture)) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    height, width, _ = pixels.shape
    for left in (0.02, 0.52):
        scene = pixels[int(0.15 * height) : int(0.95 * height), int(left * width) : int((left + 0.4) * width)].reshape(-1, 3)
        reddish = scene[scene[:, 0] > scene[:, 1] + 60]
        assert len(reddish) > 200
        assert len(np.unique(reddish, axis=0)) > 20


def test_the_slider_moves_and_changes_the_map(opened):
    before, title, layer = opened.drawn_map(), opened.title(), int(opened.page.locator("#layer").input_value())
    opened.page.locator("#layer").focus()
    opened.page.keyboard.press("ArrowLeft")
    opened.settle(f"document.getElementById('map-title').textContent.startsWith('Layer {layer - 1} of 30')")
    opened.settle(f"document.getElementById('event-map').getAttribute('aria-label').startsWith('Layer {layer - 1}:')")
    assert opened.title() != title
    assert opened.drawn_map() != before
    assert opened.page.locator("#layer").get_attribute("aria-valuetext").startswith(f"{layer - 1} of 30, ")
    opened.page.keyboard.press("ArrowRight")
    opened.settle(f"document.getElementById('event-map').getAttribute('aria-label').startsWith('Layer {layer}:')")
    assert opened.drawn_map() == before


def test_the_level_is_chosen(opened, showers, prototype):
    """The facts and the profile follow; the factor of each level is known."""
    for name, factor in reversed(FACTORS.items()):
        opened.page.locator("#level-choice label", has_text=name).click()
        opened.settle(f"document.getElementById('event-map').getAttribute('aria-label').includes('decoded from {name}')")
        assert f"{factor:.4f}" in opened.page.locator("#event-facts").inner_text()
        opened.settle(f"document.getElementById('event-profile').data[1].name === 'decoded from {name}'")
        drawn = opened.run("document.getElementById('event-profile').data.map((trace) => trace.y.reduce((a, b) => a + b))")
        assert drawn[1] / drawn[0] == pytest.approx(factor, rel=1e-3)


def test_the_event_is_chosen(opened, showers):
    before = opened.drawn_map()
    opened.page.locator("#event-choice label").first.click()
    energy = f"{showers.particles['energy_gev'][0]:.1f} GeV"
    opened.settle(f"document.getElementById('event-facts').textContent.includes('{energy}')")
    opened.settle("document.documentElement.dataset.drawing !== 'true'")
    assert opened.drawn_map() != before


def test_a_level_can_be_hidden_everywhere(opened):
    visible = "['bias', 'width', 'barycentre'].map((name) => document.getElementById(name).data.map((trace) => trace.visible !== false))"
    opened.page.locator("#energy .strip button", has_text="TRIPLET").click()
    assert opened.run(visible) == [[True, False, True]] * 3
    assert opened.page.locator("#position .strip button", has_text="TRIPLET").get_attribute("aria-pressed") == "false"
    opened.page.locator("#position .strip button", has_text="TRIPLET").click()
    assert opened.run(visible) == [[True, True, True]] * 3


def test_it_fits_a_narrow_window_and_paper(opened, tmp_path):
    opened.page.set_viewport_size({"width": 420, "height": 800})
    # Figures are drawn anew one by one.
    opened.settle("[...document.querySelectorAll('svg.main-svg')].every((svg) => svg.getBoundingClientRect().width < 420)")
    opened.settle("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    opened.page.set_viewport_size({"width": 1366, "height": 768})
    pdf = opened.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert 4 <= pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") <= 20
    assert opened.complaints == []
