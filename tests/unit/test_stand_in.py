"""What the stand-in firmware prints and answers: that is in the flash, and has the form of its release."""

from __future__ import annotations

import pytest
from module_nvs import ModuleNvs

from platformio_esp_at.catalog.modules import module
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.demo.stand_in import StandIn
from platformio_esp_at.formats.at_replies import AtVersion
from platformio_esp_at.formats.boot_log import BootLog, Trouble
from platformio_esp_at.formats.download_config import parse_download_config

BLANK = b"\xff" * (4 << 20)


def flashed(chip: str, *, nvs: bool = False, name: str | None = None, more: dict[int, bytes] | None = None) -> bytes:
    """Return a flash with the sample package of a module, and more by offset."""
    files = sample_package(chip, module=name, nvs=nvs)
    flash = bytearray(BLANK)
    images = parse_download_config(files["download.config"].decode()).images
    for offset, data in {**{image.offset: files[image.path] for image in images}, **(more or {})}.items():
        flash[offset : offset + len(data)] = data
    return bytes(flash)


@pytest.mark.parametrize(
    ("chip", "name", "release", "nvs"),
    [
        ("esp32", "WROOM-32", "v4.1.1.0", True),
        ("esp32c3", "MINI-1", "v4.1.1.0", True),
        ("esp32c6", "ESP32C6-4MB", "v4.0.0.0", True),
        ("esp32c2", "ESP32C2-4MB", "v3.0.0.0", False),
        ("esp8266", "WROOM-02", "v2.3.0.0", False),
    ],
)
def test_it_has_what_is_in_the_flash(chip, name, release, nvs):
    firmware, flash = StandIn(chip, release), flashed(chip, name=name, nvs=nvs)
    planned = module(chip, name).factory_param(4 if nvs else 3)
    log = BootLog.from_bytes(firmware.boot_log(flash))
    assert (log.firmware_started, log.trouble, log.module_name) == (True, None, name)
    pins = [planned[f"uart_{pin}_pin"] for pin in ("tx", "rx", "cts", "rts")]
    has_port = release >= "v3"
    assert bool(log.at_port) is has_port
    if log.at_port:
        assert list(log.at_port) == [planned["uart_port"], *pins, planned["uart_baudrate"]]
    assert (log.parameter_mode, log.version) == ((1, release) if release >= "v3.1" else (None, None))
    assert firmware.baudrate(flash) == planned["uart_baudrate"]
    version = AtVersion.from_bytes(firmware.version(flash))
    assert (version.firmware, version.module_name) == (release, name)


def test_a_saved_speed_wins():
    saved = ModuleNvs(13)
    saved.set("rate", 9600)
    flash = flashed("esp32", nvs=True, more={0x12000: saved.image()})
    assert StandIn().baudrate(flash) == 9600
    assert b" baudrate:9600\r\n" in StandIn().boot_log(flash)


def test_saved_settings_that_are_none():
    assert StandIn().baudrate(flashed("esp32", nvs=True, more={0x12000: b"not an nvs " * 5000})) == 115200


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp8266"])
def test_a_blank_flash(chip):
    firmware = StandIn(chip)
    log = BootLog.from_bytes(firmware.boot_log(BLANK))
    assert (log.firmware_started, log.trouble) == (False, Trouble.NO_BOOTLOADER)
    assert (firmware.baudrate(BLANK), firmware.version(BLANK)) == (0, b"")
