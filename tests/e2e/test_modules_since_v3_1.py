"""Every module since v3.1 is flashed with its own parameters, at the offsets of its chip."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.planning.mfg_nvs import parameters

MODULES = [
    ("esp32", "PICO-D4"),
    ("esp32", "MINI-1"),
    ("esp32s2", "MINI"),
    ("esp32c2", "ESP32C2-4MB-G2"),
    ("esp32c3", "MINI-1"),
    ("esp32c5", "ESP32C5-4MB"),
    ("esp32c6", "ESP32C6-4MB"),
    ("esp32c61", "ESP32C61-4MB"),
]


@pytest.mark.parametrize(("chip", "module"), MODULES, ids=[" ".join(row) for row in MODULES])
def test_module(chip, module, esp_at, used_module, tmp_path):
    package_file = tmp_path / "firmware.zip"
    write_sample_package(package_file, chip, nvs=True)
    device = used_module(chip)
    changed = ("--factory-param", "uart_baudrate=921600", "--factory-param", "country_code=DE")
    esp_at("flash", "--firmware", package_file, "--module", module, *changed, "-p", device.port, "-o", "set")
    assert device.flash == device.after_upload(tmp_path / "set")

    package = open_package(package_file)
    row = package.secondary.find("mfg_nvs")
    found = parameters(NvsImage.from_bytes(device.flash[row.offset : row.end]))
    usual = find_module(chip, module).factory_param(4)
    assert found == {**usual, "uart_baudrate": 921600, "country_code": "DE"}
    start = find_chip(chip).bootloader_offset
    assert device.flash[start] == 0xE9
    table = package.primary_image.offset
    assert device.flash[table : table + 2] == b"\xaa\x50"
