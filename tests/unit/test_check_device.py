"""Whether the firmware runs on the device at the port. On a simulated one: e2e's `test_silicon`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from esp_images import for_revisions
from plans import sample_plan

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.device import check_chip, check_device, crystal_warnings
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.device.session import Device, Security
from platformio_esp_at.errors import FlashError

if TYPE_CHECKING:
    from platformio_esp_at.planning.plan import FlashPlan

BOOTLOADER = "bootloader/bootloader.bin"
APP = "esp-at.bin"


def _plan(tmp_path, chip: str = "esp32", **revisions: tuple[int, int]) -> FlashPlan:
    """Return a plan whose ``bootloader`` and ``app`` are for these revisions."""
    sample = sample_package(chip)
    names = {"bootloader": BOOTLOADER, "app": APP}
    files = {names[name]: for_revisions(sample[names[name]], *span) for name, span in revisions.items()}
    return sample_plan(tmp_path, chip, files=files)


def _device(chip: str = "esp32", security: Security | None = None, **facts: int | None) -> Device:
    return Device("COM3", chip, security or Security(), **facts)


# --- the chip ---


@pytest.mark.parametrize(
    ("chip", "name"),
    [("esp32c3", "ESP32-C3"), ("esp8266", "ESP8266"), ("esp32s3", "ESP32-S3"), ("esp32p4", "ESP32-P4")],
)
def test_another_chip(tmp_path, chip, name):
    """Also one for which there is no AT firmware. What else is wrong with it doesn't matter."""
    with pytest.raises(FlashError) as caught:
        check_device(_plan(tmp_path), _device(chip, Security(secure_boot=True), flash_size=1 << 20))
    error = caught.value
    assert (error.code, error.facts) == ("device-other-chip", {"chip": chip})
    assert error.message == f"the device at COM3 is an {name}, the firmware is for ESP32"
    assert error.hint == "write the module's own port, port: PORT; or take the firmware package of this chip"


@pytest.mark.parametrize("size", [None, 4 << 20, 16 << 20])
def test_enough_flash(tmp_path, size):
    assert check_device(_plan(tmp_path), _device(flash_size=size)) == ()


def test_less_flash_than_the_firmware_is_laid_out_for(tmp_path):
    with pytest.raises(FlashError) as caught:
        check_device(_plan(tmp_path), _device(flash_size=2 << 20))
    error = caught.value
    assert (error.code, error.facts) == ("device-flash-too-small", {"has": 2 << 20, "needs": 4 << 20})
    assert error.message == "the device has 2MB of flash, less than the 4MB that the firmware is laid out for"


@pytest.mark.parametrize(
    ("security", "code", "words"),
    [
        (Security(secure_boot=True), "secure-boot", "Secure Boot is on"),
        (Security(encryption="release"), "flash-encrypted", "flash encryption is on (release mode)"),
        (Security(encryption="development"), "flash-encrypted", "flash encryption is on (development mode)"),
        (Security(secure_download=True), "secure-download", "the chip is in Secure Download Mode"),
        (Security(secure_boot=True, encryption="release", secure_download=True), "secure-download", ""),
    ],
)
def test_a_protected_chip(security, code, words):
    with pytest.raises(FlashError) as caught:
        check_chip(find_chip("esp32c3"), _device("esp32c3", security))
    assert caught.value.code == code
    assert caught.value.message.startswith(words)
    assert caught.value.hint.startswith("take another module: its eFuses can't be changed back")
    assert caught.value.facts.get("mode") == (security.encryption if code == "flash-encrypted" else None)


def test_a_chip_without_protection():
    check_chip(find_chip("esp32c3"), _device("esp32c3"))


# --- the revision ---


@pytest.mark.parametrize("revision", [300, 301, 399])
def test_a_revision_that_the_firmware_is_for(tmp_path, revision):
    plan = _plan(tmp_path, bootloader=(0, 399), app=(300, 499))
    assert check_device(plan, _device(plan.chip.key, revision=revision)) == ()


@pytest.mark.parametrize("revision", [1, 299, 400])
def test_a_revision_that_the_firmware_is_not_for(tmp_path, revision):
    """Each program has its own span: what counts is where both of them run."""
    plan = _plan(tmp_path, bootloader=(0, 399), app=(300, 499))
    with pytest.raises(FlashError) as caught:
        check_device(plan, _device(plan.chip.key, revision=revision))
    assert caught.value.code == "chip-revision"
    assert caught.value.message == (
        f"the device's chip is revision v{revision // 100}.{revision % 100}, the firmware is for v3.0 to v3.99"
    )
    assert caught.value.hint.startswith("take another release: esp-at releases ")


def test_a_revision_that_the_chip_does_not_report(tmp_path):
    """v0.0 may stand for blank eFuses; where the firmware runs on it, there is nothing to warn of."""
    (found,) = check_device(_plan(tmp_path, app=(300, 399)), _device(revision=0))
    assert (found.code, found.is_warning) == ("chip-revision-unknown", True)
    assert (
        found.message
        == "the chip's revision is unknown (v0.0, perhaps blank eFuses); the firmware is for v3.0 to v3.99"
    )
    assert check_device(_plan(tmp_path, app=(0, 399)), _device(revision=0)) == ()


def test_a_revision_that_is_not_known_is_not_compared(tmp_path):
    assert check_device(_plan(tmp_path, app=(9000, 9099)), _device(revision=None)) == ()


@pytest.mark.parametrize("revision", [0, 1, 300])
def test_esp8266_has_no_revisions(tmp_path, revision):
    assert check_device(_plan(tmp_path, "esp8266"), _device("esp8266", revision=revision)) == ()


# --- the crystal ---


@pytest.mark.parametrize(("chip", "usual", "other"), [("esp32", 40, 26), ("esp32c2", 26, 40), ("esp8266", 26, 40)])
def test_a_crystal(chip, usual, other):
    (found,) = crystal_warnings(find_chip(chip), other)
    assert (found.code, found.is_warning, found.facts) == ("crystal-mismatch", True, {"crystal_mhz": other})
    assert f"has a crystal of {other} MHz, released firmware is built for {usual} MHz" in found.message
    assert f"or build ESP-AT for {other} MHz" in found.hint
    assert crystal_warnings(find_chip(chip), usual) == ()


def test_what_the_board_has_told_of_the_crystal_is_not_told_again(tmp_path):
    plan, device = sample_plan(tmp_path), _device(crystal_mhz=26)
    (found,) = check_device(plan, device)
    assert found.code == "crystal-mismatch"
    assert check_device(replace(plan, notes=crystal_warnings(plan.chip, 26)), device) == ()
    assert check_device(plan, _device(crystal_mhz=40)) == ()


def test_a_crystal_that_nothing_is_known_of():
    assert crystal_warnings(find_chip("esp32"), None) == ()
    assert find_chip("esp32c3").crystal_mhz is None
    assert crystal_warnings(find_chip("esp32c3"), 26) == ()
