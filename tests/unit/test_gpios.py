"""GPIOs of each chip. What a module's pins can take of them: `test_pins`."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.catalog.gpios import chip_gpios, has_in_package_flash
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.errors import UnknownNameError


def test_every_chip_has_gpios():
    assert set(_data.load("gpios.yml")["chips"]) == {chip.key for chip in chips()}


@pytest.mark.parametrize("chip", [chip.key for chip in chips()])
def test_what_takes_a_gpio_exists(chip):
    gpios = chip_gpios(chip)
    for taken in (gpios.input_only, gpios.flash, gpios.in_package_flash, gpios.psram, gpios.usb, gpios.strapping):
        assert taken <= gpios.exist
    assert gpios.rmii <= gpios.exist
    assert gpios.in_package_psram <= gpios.psram
    assert bool(gpios.rmii) == (chip == "esp32")
    assert set(gpios.remarks) <= gpios.exist


def test_modules_with_flash_in_the_package():
    assert has_in_package_flash("ESP32", "pico-d4")
    assert has_in_package_flash("esp32", "MINI-1")
    assert not has_in_package_flash("esp32", "WROOM-32")
    assert not has_in_package_flash("esp32c3", "MINI-1")


def test_in_package_modules_exist():
    for chip, names in _data.load("gpios.yml")["in_package_flash_modules"].items():
        assert set(names) <= {module.name for module in modules(chip)}


def test_unknown_chip():
    for call in (lambda: chip_gpios("esp33"), lambda: has_in_package_flash("esp33", "WROOM-32")):
        with pytest.raises(UnknownNameError) as caught:
            call()
        assert caught.value.code == "unknown-chip"
