"""A flash of a module that holds what ESP-IDF's own library wrote in nvs: the rate is as asked, all else as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sample_project import SampleProject

from platformio_esp_at.commands import flashing
from platformio_esp_at.commands.saved_settings import uart_settings
from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.events import SavedSettingsChanged
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE
from platformio_esp_at.formats.saved_nvs import SavedNvs

REFERENCE = os.environ.get("ESP_AT_REFERENCE")
SIZE = 56 << 10
"""Of nvs in the sample package, in bytes."""
IMAGES = sorted(Path(REFERENCE, "golden-nvs").glob("*/*.bin")) if REFERENCE else []
IMAGES = [image for image in IMAGES if image.stat().st_size <= SIZE]
RATE = 128000


def _others(data: bytes) -> list[tuple]:
    entries = SavedNvs.from_bytes(data).entries
    return [entry for entry in entries if (entry.namespace, entry.key) != ("UART", "rate")]


@pytest.mark.usefixtures("reference")
@pytest.mark.parametrize("image", IMAGES, ids=lambda image: f"{image.parent.name}-{image.stem}")
def test_only_the_rate_changes(image, tmp_path):
    project = SampleProject(tmp_path)
    project.write(f"firmware: AT_PACK.zip\nfactory_param: {{uart_baudrate: {RATE}}}\n")
    home = prepare(project.setup()).plan.primary.find("nvs")
    assert home.size == SIZE
    before = image.read_bytes().ljust(home.size, b"\xff")
    flash = bytearray(b"\xff" * (4 << 20))
    flash[home.offset : home.end] = before
    with SimulatedModule(flash=bytes(flash)) as module:
        flashing.upload(project.setup(port=module.port))
        after = module.flash[home.offset : home.end]
    was = uart_settings(before)
    assert uart_settings(after) == ({**was, "rate": RATE} if "rate" in was else was)
    assert _others(after) == _others(before)
    pages = {entry.page for entry in SavedNvs.from_bytes(before).entries if entry.namespace == "UART"}
    changed = [
        at // PAGE_SIZE for at in range(0, home.size, PAGE_SIZE) if after[at:][:PAGE_SIZE] != before[at:][:PAGE_SIZE]
    ]
    told = [event for event in project.reported if isinstance(event, SavedSettingsChanged)]
    assert told == ([SavedSettingsChanged({"rate": was["rate"]}, {"rate": RATE})] if "rate" in was else [])
    assert bool(changed) == ("rate" in was)
    if image.name == "before.bin" and "cut" not in image.parent.name:
        assert set(changed) <= pages
    assert not (project.root / "esp_at_private").exists()
