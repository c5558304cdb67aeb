"""Firmware packages as Espressif released them, flashed with `pio run -t upload_at`: every byte is the expected one."""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

INI = """\
    [env:at]
    platform = espressif_at
    board = {board}
    custom_at_firmware = {firmware}
"""


def listed_images(config: str) -> dict[int, str]:
    """Return what a download.config lists: paths by their offsets."""
    return {int(offset, 16): path for offset, path in re.findall(r"(0x[0-9a-fA-F]+)\s+(\S+)", config)}


@dataclass(frozen=True)
class Release:
    zip: Path
    factory_image: bytes
    images: dict[int, bytes]
    """What the combined image holds where the release's own download.config says that something is written."""
    params: dict[str, bytes]
    """The factory_param that upstream's tools make for each module."""


@pytest.fixture(scope="session")
def wroom(reference) -> Release:
    file = reference / "at-packages/ESP32-WROOM-32_AT_Bin_V2.0.zip"
    with zipfile.ZipFile(file) as archive:
        names = (name for name in archive.namelist() if "__MACOSX" not in name)
        root = zipfile.Path(archive, next(name for name in names if name.endswith("/download.config"))).parent
        factory_image = (root / "factory/factory_WROOM-32.bin").read_bytes()
        listed = listed_images((root / "download.config").read_text())
        sizes = {offset: len((root / path).read_bytes()) for offset, path in listed.items()}
    golden = (reference / "golden/v2.0.0.0_esp32").glob("ESP32-*/factory_param.bin")
    return Release(
        zip=file,
        factory_image=factory_image,
        images={offset: factory_image[offset : offset + size] for offset, size in sizes.items()},
        params={path.parent.name.removeprefix("ESP32-"): path.read_bytes() for path in golden},
    )


BOARDS = {"esp32dev": "WROOM-32", "esp-wrover-kit": "WROVER-32", "pico32": "PICO-D4", "esp32-solo1": "SOLO-1"}
WIRING = {"WROVER-32": "GPIO22  GPIO19  GPIO15  GPIO14", "PICO-D4": "GPIO22  GPIO19  GPIO15  GPIO14"}


@pytest.mark.parametrize("board", BOARDS)
def test_release_for_the_esp32(board, project, at_pio, used_module, wroom):
    module = BOARDS[board]
    device = used_module()
    folder = project(INI.format(board=board, firmware=wroom.zip))
    said = at_pio(f"run -t upload_at --upload-port {device.port}", folder).stdout
    assert device.flash == device.after_writing(wroom.images | {0x30000: wroom.params[module]})
    assert f"AT module: {module} (board {board}: " in said
    assert f"AT commands    {WIRING.get(module, 'GPIO17  GPIO16  GPIO15  GPIO14')}  115200" in said


@pytest.mark.parametrize(
    ("file", "board", "release", "name"),
    [
        ("ESP32-WROOM-32_AT_Bin_V2.0.zip", "esp32dev", "v2.0.0.0", "ESP32-WROOM-32-AT-V2.0.0.0.zip"),
        ("ESP32-WROOM-32_AT_Bin_V2.0.zip", "esp32dev", "ESP32-WROOM-32_AT_Bin_V2.0", "ESP32-WROOM-32_AT_Bin_V2.0.zip"),
        ("ESP32-WROOM-32-AT-V4.1.0.0-dev.zip", "esp32dev", "v4.1.0.0", "ESP32-WROOM-32-AT-V4.1.0.0.zip"),
        ("ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip", "esp32c3-at-mini-1", "v4.1.0.0", "ESP32-C3-MINI-1-AT-V4.1.0.0.zip"),
    ],
)
def test_release_by_its_name(
    file, board, release, name, project, at_pio, used_module, reference, tmp_path, monkeypatch
):
    """From a mirror and then from the cache, the same as from its path."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / name).write_bytes((reference / "at-packages" / file).read_bytes())
    flashes = []
    for firmware in (reference / "at-packages" / file, release, release):
        device = used_module("esp32c3" if "c3" in board else "esp32")
        folder = project(INI.format(board=board, firmware=firmware))
        at_pio(f"run -t upload_at --upload-port {device.port}", folder)
        flashes.append(device.flash)
        monkeypatch.setenv("ESP_AT_MIRROR", str(mirror))
        if firmware == release:
            (mirror / name).unlink(missing_ok=True)
    assert flashes[0] == flashes[1] == flashes[2] != device.before


def test_upstream_makes_the_factory_param_that_was_released(wroom):
    assert wroom.images[0x30000] == wroom.params["WROOM-32"]


def test_the_combined_image_is_the_released_one(project, esp_at, wroom):
    folder = project()
    esp_at("package", "--firmware", wroom.zip, "--module", "WROOM-32", "-o", "out", cwd=folder)
    assert (folder / "out/factory/factory_WROOM-32.bin").read_bytes() == wroom.factory_image


def test_release_for_a_small_esp8266(project, at_pio, used_module, reference):
    package = reference / "at-packages/ESP8266-01_RTOS_AT_Bin_V2.2.1"
    listed = listed_images((package / "download.config").read_text())
    device = used_module("esp8266", 1 << 20)
    folder = project(INI.format(board="esp01_1m", firmware=package))
    at_pio(f"run -t upload_at -t verify_at --upload-port {device.port}", folder)
    images = {offset: (package / path).read_bytes() for offset, path in listed.items()}
    assert device.flash == device.after_writing(images)


@pytest.mark.parametrize("name", ["ESP32-WROOM-32-AT-V4.1.0.0-dev.zip", "ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip"])
def test_packages_with_mfg_nvs(name, esp_at, used_module, reference):
    """Since v3.1.0.0: with no module named, it is the package's; with none to change, all bytes are."""
    package = reference / "at-packages" / name
    with zipfile.ZipFile(package) as archive:
        root = zipfile.Path(
            archive, next(inside for inside in archive.namelist() if inside.endswith("download.config"))
        )
        listed = listed_images(root.read_text())
        images = {offset: (root.parent / path).read_bytes() for offset, path in listed.items()}
    device = used_module("esp32c3" if "C3" in name else "esp32")
    esp_at("flash", "--firmware", package, "-p", device.port)
    assert device.flash == device.after_writing(images)
