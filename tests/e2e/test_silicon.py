"""What only the device tells: the revision of its chip, and its crystal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from esp_images import for_revisions

from platformio_esp_at.demo.sample_package import write_sample_package

BOOTLOADER = "bootloader/bootloader.bin"
APP = "esp-at.bin"


@pytest.fixture
def package(tmp_path):
    """Write a sample package whose images are for these revisions, and return its folder."""

    def write(chip, **revisions):
        folder = tmp_path / "AT_PACK"
        write_sample_package(folder, chip)
        for name, (first, last) in revisions.items():
            file = folder / {"bootloader": BOOTLOADER, "app": APP}[name]
            file.write_bytes(for_revisions(file.read_bytes(), first, last))
        return folder

    return write


TOO_NEW = (9000, 9099)
FITS = {"esp32": (0, 399), "esp32c3": (3, 199)}


@pytest.mark.parametrize("chip", ["esp32", "esp32c3"])
@pytest.mark.parametrize("image", ["bootloader", "app"])
@pytest.mark.parametrize("words", [(), ("--factory",)], ids=["images", "factory-image"])
def test_silicon_that_the_firmware_is_not_for(esp_at, used_module, package, chip, image, words):
    """Esptool looks at the bootloader alone, and in a factory image for the ESP32 at nothing: we look at all."""
    folder = package(chip, **{image: TOO_NEW})
    module = used_module(chip)
    done = esp_at("flash", "--firmware", folder, "-p", module.port, "-b", 115200, *words, code=1)
    assert done.stderr.startswith("Error: the device's chip is revision v")
    assert done.stderr.splitlines()[0].endswith("  [chip-revision]")
    assert "the firmware is for v90.0" in done.stderr
    assert "v90.99" in done.stderr
    assert "esp-at releases" in done.stderr
    assert module.untouched


@pytest.mark.parametrize("chip", ["esp32", "esp32c3"])
def test_silicon_that_the_firmware_is_for(esp_at, used_module, package, chip):
    folder = package(chip, app=FITS[chip], bootloader=FITS[chip])
    module = used_module(chip)
    done = esp_at("flash", "--firmware", folder, "-p", module.port, "--factory")
    assert module.writes
    assert "crystal" not in done.stdout + done.stderr
    assert done.stdout.count("Connected at ") == 1


def test_silicon_with_an_unknown_revision(esp_at, used_module, package):
    folder = package("esp32", app=(300, 399))
    module = used_module("esp32", blank_efuses=True)
    done = esp_at("flash", "--firmware", folder, "-p", module.port)
    assert "\nWarning: the chip's revision is unknown (v0.0" in f"\n{done.stderr}"
    assert "the firmware is for v3.0 to v3.99  [chip-revision-unknown]\n" in done.stderr
    assert module.writes


@pytest.mark.parametrize(("chip", "usual", "other"), [("esp32", 40, 26), ("esp32c2", 26, 40), ("esp8266", 26, 40)])
def test_another_crystal_is_warned_of(used_module, package, chip, usual, other):
    """On the error output, in front of the first write."""
    folder = package(chip)
    for crystal_mhz in (other, usual):
        module = used_module(chip, crystal_mhz=crystal_mhz)
        command = [sys.executable, "-m", "platformio_esp_at", "flash", "--firmware", str(folder), "-p", module.port]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
        assert module.writes
        warnings = [line for line in done.stdout.splitlines() if line.endswith("  [crystal-mismatch]")]
        assert len(warnings) == (crystal_mhz == other)
        for line in warnings:
            assert line.startswith("Warning: ")
            assert f"{other} MHz, " in line
            assert f"{usual} MHz: " in line
        if crystal_mhz == other:
            said = done.stdout
            assert f"\n  take a module with {usual} MHz, or build ESP-AT for {other} MHz\n" in said
            assert said.index("[crystal-mismatch]") < said.index(" written\n")


def test_a_crystal_that_is_known_is_warned_of_once(esp_at, used_module, package, tmp_path):
    module = used_module("esp32", crystal_mhz=26)
    board = tmp_path / "esp32thing.json"
    board.write_text(json.dumps({"name": "Thing", "build": {"mcu": "esp32"}, "upload": {"flash_size": "4MB"}}))
    done = esp_at("flash", "--firmware", package("esp32"), "--board", board, "-p", module.port)
    assert (done.stdout + done.stderr).count("[crystal-mismatch]") == 1
