"""Whether the firmware runs on the chip's silicon, and what esptool leaves to us. On a device: e2e's `test_silicon`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from esp_images import for_revisions
from plans import sample_plan

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.checks.silicon import check_silicon, crystal_warnings, is_checked_by_esptool, is_crystal_known
from platformio_esp_at.demo.sample_package import sample_package
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


def _images(plan: FlashPlan) -> list[tuple[int, str, bytes]]:
    return [(region.offset, region.path, region.data) for region in plan.regions]


def _factory_image(plan: FlashPlan) -> list[tuple[int, str, bytes]]:
    return [(0, "factory.bin", plan.factory_image())]


# --- the revision ---


@pytest.mark.parametrize("revision", [300, 301, 399])
def test_a_revision_that_the_firmware_is_for(tmp_path, revision):
    plan = _plan(tmp_path, bootloader=(0, 399), app=(300, 499))
    assert check_silicon(plan, revision) == ()


@pytest.mark.parametrize("revision", [1, 299, 400])
def test_a_revision_that_the_firmware_is_not_for(tmp_path, revision):
    """Each program has its own span: what counts is where both of them run."""
    plan = _plan(tmp_path, bootloader=(0, 399), app=(300, 499))
    with pytest.raises(FlashError) as caught:
        check_silicon(plan, revision)
    assert caught.value.code == "chip-revision"
    assert caught.value.message == (
        f"the device's chip is revision v{revision // 100}.{revision % 100}, the firmware is for v3.0 to v3.99"
    )
    assert caught.value.hint.startswith("take another release: esp-at releases ")


def test_a_revision_that_the_chip_does_not_report(tmp_path):
    """v0.0 may stand for blank eFuses; where the firmware runs on it, there is nothing to warn of."""
    (found,) = check_silicon(_plan(tmp_path, app=(300, 399)), 0)
    assert (found.code, found.is_warning) == ("chip-revision-unknown", True)
    assert (
        found.message
        == "the chip's revision is unknown (v0.0, perhaps blank eFuses); the firmware is for v3.0 to v3.99"
    )
    assert check_silicon(_plan(tmp_path, app=(0, 399)), 0) == ()


def test_a_revision_that_is_not_known_is_not_compared(tmp_path):
    assert check_silicon(_plan(tmp_path, app=(9000, 9099)), None) == ()


@pytest.mark.parametrize("revision", [0, 1, 300])
def test_esp8266_has_no_revisions(tmp_path, revision):
    assert check_silicon(_plan(tmp_path, "esp8266"), revision) == ()


# --- what esptool compares by itself ---


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp8266"])
def test_esptool_checks_programs_without_revisions(tmp_path, chip):
    plan = _plan(tmp_path, chip)
    assert is_checked_by_esptool(plan, _images(plan))
    assert is_checked_by_esptool(plan, _factory_image(plan))


def test_esptool_checks_what_the_bootloader_asks_for(tmp_path):
    same = _plan(tmp_path, bootloader=(300, 399), app=(300, 399))
    assert is_checked_by_esptool(same, _images(same))
    bootloader = _plan(tmp_path, bootloader=(300, 399), app=(0, 499))
    assert is_checked_by_esptool(bootloader, _images(bootloader))


def test_esptool_does_not_check_what_only_the_application_asks_for(tmp_path):
    plan = _plan(tmp_path, bootloader=(0, 399), app=(300, 399))
    assert not is_checked_by_esptool(plan, _images(plan))


@pytest.mark.parametrize(("chip", "checked"), [("esp32", False), ("esp32c3", True)])
def test_esptool_finds_a_bootloader_in_a_factory_image_only_at_its_start(tmp_path, chip, checked):
    plan = _plan(tmp_path, chip, bootloader=(3, 199), app=(3, 199))
    assert is_checked_by_esptool(plan, _images(plan))
    assert is_checked_by_esptool(plan, _factory_image(plan)) == checked


def test_esptool_checks_nothing_without_the_bootloader(tmp_path):
    plan = _plan(tmp_path, bootloader=(300, 399), app=(300, 399))
    rest = [image for image in _images(plan) if image[1] != BOOTLOADER]
    assert len(rest) == len(plan.regions) - 1
    assert not is_checked_by_esptool(plan, rest)


# --- the crystal ---


@pytest.mark.parametrize(("chip", "usual", "other"), [("esp32", 40, 26), ("esp32c2", 26, 40), ("esp8266", 26, 40)])
def test_a_crystal(chip, usual, other):
    (found,) = crystal_warnings(find_chip(chip), other)
    assert (found.code, found.is_warning, found.facts) == ("crystal-mismatch", True, {"crystal_mhz": other})
    assert f"has a crystal of {other} MHz, released firmware is built for {usual} MHz" in found.message
    assert f"or build ESP-AT for {other} MHz" in found.hint
    assert crystal_warnings(find_chip(chip), usual) == ()


def test_whether_the_device_is_asked_for_its_crystal(tmp_path):
    assert not is_crystal_known(sample_plan(tmp_path / "a", "esp32"))
    assert is_crystal_known(sample_plan(tmp_path / "b", "esp32c3"))
    plan = sample_plan(tmp_path / "c", "esp32")
    assert is_crystal_known(replace(plan, notes=crystal_warnings(plan.chip, 26)))


def test_a_crystal_that_nothing_is_known_of():
    assert crystal_warnings(find_chip("esp32"), None) == ()
    assert find_chip("esp32c3").crystal_mhz is None
    assert crystal_warnings(find_chip("esp32c3"), 26) == ()
