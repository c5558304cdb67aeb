"""The report and its pictures in a real headless Chromium: two sizes of windows, light and dark.

`python3 bootstrap.py browser` gets what it needs. Its screenshots stay in pytest's temporary folder: ``--basetemp``
names another one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hostile_names import TAGS, hostile_run, write_hostile_project

from platformio_esp_at.commands.reporting import FLASH_MAP, PAGE, WIRING
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.outputs.report import REPORT

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = os.environ.get("ESP_AT_CHROMIUM") or shutil.which("chromium")
"""The session ``browser`` sets it, and then nothing is skipped."""
if not os.environ.get("ESP_AT_CHROMIUM") and not (CHROMIUM and importlib.util.find_spec("playwright")):
    pytest.skip("need a Chromium (python3 bootstrap.py browser)", allow_module_level=True)

from playwright.sync_api import sync_playwright  # noqa: E402 - skipped without

WINDOWS = [(1280, 800), (360, 740)]
SCHEMES = ["light", "dark"]

LOW_CONTRAST = """
() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body ?? document.documentElement, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.getClientRects().length) continue;
    const style = getComputedStyle(node);
    const picture = node.closest("svg");
    const boxes = picture ? [...picture.querySelectorAll(".at-box, .at-paper")] : [];
    const grounds = boxes.map((box) => parse(getComputedStyle(box).fill));
    if (!picture || !picture.querySelector(".at-paper")) grounds.push(behind(node));
    texts += 1;
    for (const ground of grounds) {
      const has = ratio(parse(picture ? style.fill : style.color), ground);
      if (has < 4.5) found.push([walker.currentNode.data.trim(), has]);
    }
  }
  return [texts, found];
}
"""
BEYOND = """
() => [...document.querySelectorAll("body *")]
  .filter((node) => !node.closest("thead, defs, svg") && node.getBoundingClientRect().right > innerWidth + 0.5)
  .map((node) => node.outerHTML.slice(0, 200))
"""
OVERLAPS = """
() => {
  const nodes = [...document.querySelectorAll("svg text")];
  const texts = nodes.map((node) => [node.textContent, node.getBoundingClientRect()]);
  const found = [];
  texts.forEach(([text, box], at) => texts.slice(at + 1).forEach(([other, its]) => {
    const [wide, high] = [
      Math.min(box.right, its.right) - Math.max(box.left, its.left),
      Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top),
    ];
    if (wide > 0.5 && high > 0.3 * Math.min(box.height, its.height)) found.push([text, other]);
  }));
  for (const [text, box] of texts) if (box.left < 0 || box.right > innerWidth) found.push([text, "the edge"]);
  return found;
}
"""
SMALLEST = """
() => Math.min(...[...document.querySelectorAll("svg text")].map(
  (node) => parseFloat(getComputedStyle(node).fontSize) * node.getScreenCTM().a))
"""


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        # Without a GPU; and without a surface of its own for each screenshot, which it sometimes can't make then.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-features=CDPScreenshotNewSurface"]
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="module", params=["plan", "run", "hostile"])
def report(request, tmp_path_factory) -> Path:
    """Return the folder of the report of a plan, of an upload to a module, or of a project with hostile names."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "hostile":
        write_hostile_project(folder)
    else:
        chip = {"plan": "esp32c6", "run": "esp32"}[request.param]
        write_sample_package(folder / "AT.zip", chip)
        (folder / "own.csv").write_text("my_partition, 0x40, 15, , 8K\n")
        options = "partitions: own.csv\nfactory_param: {uart_cts_pin: -1, uart_baudrate: 9600}\n"
        (folder / "esp_at.yml").write_text(f"firmware: AT.zip\n{options}")
    if request.param != "plan":
        with SimulatedModule("esp32", 4 << 20) as module:
            _esp_at("flash", "-p", module.port, cwd=folder)
    if request.param == "hostile":
        file = folder / "build" / REPORT
        file.write_text(json.dumps(hostile_run(json.loads(file.read_bytes()))))
    assert ("last run" in _esp_at("report", cwd=folder)) == (request.param != "plan")
    return folder / "build"


def _esp_at(*words: str, cwd: Path) -> str:
    command = [sys.executable, "-m", "platformio_esp_at", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


class View:
    """A window of the browser, and what it asked for and complained about."""

    def __init__(self, browser, size: tuple[int, int], scheme: str) -> None:
        self._context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        self.page = self._context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", WINDOWS, ids=str)
def test_the_page(report, browser, size, scheme, tmp_path):
    address = (report / PAGE).as_uri()
    with View(browser, size, scheme) as view:
        view.page.goto(address)
        view.page.screenshot(path=tmp_path / f"{size[0]}-{scheme}.png", full_page=True)
        assert (view.requests, view.complaints) == ([address], [])
        tags = view.page.evaluate("[...document.querySelectorAll('*')].map((node) => node.localName)")
        assert set(tags) <= TAGS
        assert view.page.title() in ("WROOM-32: AT firmware", "ESP32C6-4MB: AT firmware")
        assert view.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert view.page.evaluate(BEYOND) == []
        assert view.page.evaluate(OVERLAPS) == []
        assert view.page.evaluate(SMALLEST) >= 9
        texts, faint = view.page.evaluate(LOW_CONTRAST)
        assert texts > 100
        assert faint == []
        ground = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(242, 244, 247)") == (scheme == "light")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("name", "smallest"), [(WIRING, 11), (FLASH_MAP, 8.5)])
def test_a_picture_at_320_pixels(report, browser, name, smallest, scheme, tmp_path):
    with View(browser, (320, 900), scheme) as view:
        view.page.goto((report / name).as_uri())
        view.page.screenshot(path=tmp_path / f"{name}-{scheme}.png")
        assert (view.requests, view.complaints) == ([(report / name).as_uri()], [])
        assert view.page.evaluate(OVERLAPS) == []
        assert view.page.evaluate(SMALLEST) >= smallest
        texts, faint = view.page.evaluate(LOW_CONTRAST)
        assert texts > 20
        assert faint == []


def test_its_policy_is_in_force(report, browser, tmp_path):
    """What somebody adds to the page neither runs nor loads: the browser says why."""
    added = "<script>document.title='taken'</script><img src='https://example.invalid/a.png'><p style='color:red'>x</p>"
    page = (report / PAGE).read_text(encoding="utf-8")
    file = tmp_path / PAGE
    file.write_text(page.replace("<main>", f"<main>{added}"), encoding="utf-8")
    with View(browser, WINDOWS[0], "light") as view:
        view.page.goto(file.as_uri())
        assert view.page.title() != "taken"
        assert sum("Content Security Policy" in complaint for complaint in view.complaints) == 3
        assert view.page.evaluate("document.images[0].naturalWidth") == 0
