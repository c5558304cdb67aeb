"""One version: that of the package stands in every manifest, and in every address that people copy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from platformio_esp_at import __version__

ROOT = Path(__file__).parents[2]
JSON = ["library.json", "platformio_esp_at/pio/platform/platform.json"]
LINES = {
    "pyproject.toml": r'(?m)^version = "(.+)"$',
    "idf_component/esp_at_flash/idf_component.yml": r'(?m)^version: "(.+)"$',
}
ADDRESSES = [
    *("README.md", "docs/index.md", "esp_at.py"),
    *("examples/flash-only/platformio.ini", "examples/esp8266/platformio.ini"),
    *("examples/arduino-esp32/platformio.ini", "examples/host-mcu/platformio.ini"),
]


@pytest.mark.parametrize("name", JSON)
def test_json(name):
    assert json.loads((ROOT / name).read_text(encoding="utf-8"))["version"] == __version__


@pytest.mark.parametrize("name", LINES)
def test_line(name):
    assert re.findall(LINES[name], (ROOT / name).read_text(encoding="utf-8")) == [__version__]


@pytest.mark.parametrize("name", ADDRESSES)
def test_addresses(name):
    found = re.findall(r"/v([\d.]+)/[\w-]+-([\d.]+)\.tar\.gz", (ROOT / name).read_text(encoding="utf-8"))
    assert found
    assert set(found) == {(__version__, __version__)}
