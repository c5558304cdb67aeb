"""How much goes over the link and onto the flash: what differs, no more; and what verify finds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from platformio_esp_at.demo.sample_package import write_sample_package
from platformio_esp_at.demo.simulated_module import SimulatedModule
from platformio_esp_at.formats.download_config import parse_download_config

YML = "firmware: firmware.zip\nmodule: WROOM-32\n"
CERTIFICATE = Path(__file__).parents[2] / "examples/flash-only/certs/ca.pem"
OTHER = random.Random(1)  # noqa: S311
SECTOR = 4096
CHANGES = {
    "esp32": "uart_tx_pin: 5",
    "esp32c3": "uart_tx_pin: 3",
    "esp32c6": "uart_tx_pin: 3",
    "esp8266": "uart_baudrate: 9600",
}
"""A parameter of the AT port for a chip's sample, and its new value; the pins of an ESP8266 are fixed."""
UNCHANGED_LINK = {"esp8266": 16 << 10}
"""What a run that writes nothing may send, both ways, where it isn't 12 KB: esptool's stub for an ESP8266 is larger."""


def noise(size: int) -> bytes:
    return OTHER.randbytes(size)


def link(module) -> int:
    """Return how many bytes went over the link, both ways."""
    return module.received + module.sent


def differing_sectors(one: bytes, other: bytes) -> set[int]:
    return {at for at in range(0, len(one), SECTOR) if one[at : at + SECTOR] != other[at : at + SECTOR]}


def erased(module) -> list[int]:
    """Return the sectors that were erased, one for each time."""
    return sorted(at for start, size in module.erases for at in range(start, start + size, SECTOR))


def images_of(folder: Path) -> list[tuple[int, Path]]:
    image_set = folder / "build/esp_at"
    args = parse_download_config((image_set / "download.config").read_text())
    return [(image.offset, image_set / image.path) for image in args.images]


def images_arguments(folder: Path) -> list[str]:
    return [word for offset, path in images_of(folder) for word in (hex(offset), str(path))]


@pytest.fixture
def flash(esp_at):
    """Count anew, and flash a module with the project of a folder; nothing outside the plan may change."""

    def run(folder, module, *words):
        module.reset_counts()
        done = esp_at("flash", "-p", module.port, *words, cwd=folder)
        assert module.flash == module.after_upload(folder / "build/esp_at")
        return done

    return run


@pytest.mark.parametrize(("chip", "nvs"), [("esp32", True), *((chip, chip == "esp32c6") for chip in CHANGES)])
def test_only_what_differs_is_written(project, flash, used_module, chip, nvs):
    yml = "firmware: firmware.zip\n"
    folder = project(yml=yml, chip=chip)
    write_sample_package(folder / "firmware.zip", chip, nvs=nvs)
    size = (2 if chip == "esp8266" else 4) << 20
    module = used_module(chip, size, noise(size))
    said = flash(folder, module).stdout
    count = len(images_of(folder))
    assert f"The device has all {count} images of the plan, confirmed by their digests: {count} written" in said
    assert len(erased(module)) == sum(-(-path.stat().st_size // SECTOR) for _, path in images_of(folder))
    before = module.flash

    said = flash(folder, module).stdout
    assert f"The device has all {count} images of the plan, confirmed by their digests: none had changed." in said
    assert said.count(" unchanged\n") == count
    assert (module.flash_data, module.erases, module.writes) == (0, [], [])
    assert link(module) <= UNCHANGED_LINK.get(chip, 12 << 10)

    (folder / "esp_at.yml").write_text(f"{yml}factory_param: {{{CHANGES[chip]}}}\n")
    said = flash(folder, module).stdout
    assert set(erased(module)) == differing_sectors(before, module.flash)
    assert 1 <= len(erased(module)) <= 3
    assert module.flash_data <= SECTOR
    assert said.count(" unchanged\n") == count - 1


def test_a_certificate(project, flash, used_module):
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    before = module.flash
    (folder / "esp_at.yml").write_text(f"{YML}pki: {{mqtt_ca: {CERTIFICATE}}}\n")
    flash(folder, module)
    assert set(erased(module)) == differing_sectors(before, module.flash)
    assert len(erased(module)) == len(set(erased(module)))
    assert set(erased(module)) <= {0x3B000, 0x3C000}  # mqtt_ca


def test_changes_behind_our_back(project, flash, used_module):
    """Two sectors of an application that has more, and one of a partition that has just that."""
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    spoiled = bytearray(module.flash)
    for offset in (0x100010, 0x103FFF, 0x30FFF):
        spoiled[offset] ^= 0x10
    module = used_module(before=bytes(spoiled))
    said = flash(folder, module).stdout
    assert erased(module) == [0x30000, 0x100000, 0x103000]
    assert "0x100000  ota_0                2 of 5 sectors written\n" in said


def test_an_upload_mends_what_was_changed_behind_our_back(project, esp_at, flash, used_module, request):
    """Anywhere in its images, in up to nine places; ``--flips`` makes it many."""
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    flashed = module.flash
    images = [(offset, path.stat().st_size) for offset, path in images_of(folder)]
    for _ in range(request.config.getoption("flips")):
        spoiled = bytearray(flashed)
        for _ in range(OTHER.randrange(1, 10)):
            offset, size = OTHER.choice(images)
            spoiled[offset + OTHER.randrange(size)] ^= 1 << OTHER.randrange(8)
        with SimulatedModule("esp32", flash=bytes(spoiled)) as other:
            esp_at("flash", "-p", other.port, cwd=folder)
            assert other.flash == flashed


def test_what_cannot_be_compressed_leaves_the_others_compressed(project, flash, used_module):
    """Esptool by itself compresses nothing any more after such an image."""
    own = {"own.csv": "ours, 0x40, 15, , 64K\n", "noise.bin": noise(64 << 10)}
    folder, module = project(yml=YML, **own), used_module()
    flash(folder, module)
    compressed, images = module.flash_data, len(images_of(folder))
    (folder / "esp_at.yml").write_text(f"{YML}partitions: own.csv\ndata: {{ours: noise.bin}}\n")
    module = used_module()
    flash(folder, module)
    assert len(images_of(folder)) == images + 1
    assert module.flash_data <= compressed + (64 << 10) + 64


def test_all_is_written_if_it_is_asked_for(project, flash, used_module):
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    all_sectors, data = erased(module), module.flash_data
    said = flash(folder, module, "--all").stdout
    assert (erased(module), module.flash_data) == (all_sectors, data)
    assert "17 written, 0 unchanged." in said


@pytest.mark.parametrize("content", ["blank", "in-use", "random"])
def test_a_first_flash_sends_no_more_than_plain_esptool(project, flash, used_module, content):
    size = 4 << 20
    before = {"blank": b"\xff" * size, "in-use": None, "random": noise(size)}[content]
    folder, ours, plain = project(yml=YML), *(used_module(before=before) for _ in range(2))
    flash(folder, ours)
    words = ["--chip", "esp32", "--port", plain.port, "--baud", "460800", "write-flash", *images_arguments(folder)]
    subprocess.run([sys.executable, "-m", "esptool", *words], capture_output=True, check=True)
    assert ours.flash == plain.flash
    assert ours.flash_data <= plain.flash_data
    assert set(erased(ours)) == set(erased(plain))
    assert link(ours) <= link(plain)


def test_verify_finds_each_flipped_byte(project, esp_at, flash, used_module, request):
    """By partition and offset; ``--flips`` makes it many."""
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    images = [(offset, path.stat().st_size) for offset, path in images_of(folder)]
    for _ in range(request.config.getoption("flips")):
        offset, size = OTHER.choice(images)
        at = offset + OTHER.randrange(size)
        spoiled = bytearray(module.flash)
        spoiled[at] ^= 1 << OTHER.randrange(8)
        with SimulatedModule("esp32", flash=bytes(spoiled)) as other:
            error = esp_at("verify", "-p", other.port, cwd=folder, code=1).stderr
            assert other.writes == other.erases == []
        name = named(folder, offset)
        assert f"the device has other content in {name} from {at:#x} on  [content-differs]\n" in error


def named(folder: Path, offset: int) -> str:
    """Return the name of the image at an offset, as verify has it."""
    manifest = json.loads((folder / "build/esp_at/esp_at_manifest.json").read_text())
    return next(image["name"] for image in manifest["images"] if int(str(image["offset"]), 0) == offset)


def test_what_the_device_keeps_is_told_without_its_secrets(project, esp_at, flash, used_module):
    folder, module = project(yml=YML), used_module()
    flash(folder, module)
    said = esp_at("verify", "--kept", "-p", module.port, cwd=folder).stdout
    assert "\nThe device keeps:\n  nvs: " in said
    assert "in use" not in said
    assert module.flash == module.after_upload(folder / "build/esp_at")
