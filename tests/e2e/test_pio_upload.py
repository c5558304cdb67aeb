"""`pio run` with the flash-only platform: what is in the simulated module's flash afterwards."""

from __future__ import annotations

import shutil

import pytest

from platformio_esp_at.formats.factory_param import FactoryParam

MEGABYTE = 1 << 20

# TX, RX, CTS, RTS of the AT port, from "Hardware Connection" in ESP-AT's documentation.
MODULES = {
    ("esp32", "WROOM-32"): (17, 16, 15, 14),
    ("esp32", "WROVER-32"): (22, 19, 15, 14),
    ("esp32", "PICO-D4"): (22, 19, 15, 14),
    ("esp32", "SOLO-1"): (17, 16, 15, 14),
    ("esp32s2", "WROOM"): (17, 21, 20, 19),
    ("esp32s2", "WROVER"): (17, 21, 20, 19),
    ("esp32s2", "SOLO"): (17, 21, 20, 19),
    ("esp32s2", "MINI"): (17, 21, 20, 19),
    ("esp32c3", "MINI-1"): (7, 6, 5, 4),
    ("esp8266", "WROOM-02"): (15, 13, 3, 1),
}
PARAM_OFFSETS = {"esp32": 0x30000, "esp32s2": 0x30000, "esp32c3": 0x31000, "esp8266": 0x19000}

INI = """\
    [env:at]
    platform = espressif_at
    board = {board}
    custom_at_firmware = firmware.zip
"""
OUTPUT = ".pio/build/at/esp_at"


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("names", MODULES, ids="-".join)
def test_every_module_gets_its_own_parameters_by_both_front_ends(names, project, at_pio, esp_at, used_module):
    chip, module = names
    by_pio, by_hand = (used_module(chip, 2 * MEGABYTE if chip == "esp8266" else 4 * MEGABYTE) for _ in range(2))
    folder = project(INI.format(board=f"{chip}-at-{module.lower()}"), chip=chip)

    at_pio(f"run -t upload_at --upload-port {by_pio.port}", folder)
    esp_at("flash", "--firmware", "firmware.zip", "--module", module, "-p", by_hand.port, cwd=folder)

    assert by_pio.flash == by_hand.flash == by_pio.after_upload(folder / OUTPUT)
    offset = PARAM_OFFSETS[chip]
    values = FactoryParam.from_bytes(by_pio.flash[offset : offset + 4096]).values
    assert (values["platform"], values["module_name"]) == (f"PLATFORM_{chip.upper()}", module)
    assert tuple(values[f"uart_{pin}_pin"] for pin in ("tx", "rx", "cts", "rts")) == MODULES[names]


def test_from_looking_to_verifying(project, at_pio, simulated_module, used_module):
    folder = project(INI.format(board="esp32dev"))
    output = folder / OUTPUT

    looked = at_pio("run -t info_at", folder).stdout
    assert not output.exists()
    for line in (
        "# 0x100000  1536KB  ota_0                 16464  firmware package",
        "= 0x12000   56KB    nvs",
        "AT commands    GPIO17  GPIO16  GPIO15  GPIO14  115200",
        "That is a guess; it may also be SOLO-1. To confirm, write custom_at_module = WROOM-32 in platformio.ini.",
    ):
        assert line in looked

    at_pio("run -t package_at", folder)
    made = files_in(output)
    shutil.rmtree(output)
    at_pio("run", folder)  # packages, unless it is told what to do
    assert files_in(output) == made

    module = used_module()
    said = at_pio(f"run -t upload_at -t verify_at --upload-port {module.port}", folder).stdout
    assert "The device has all 17 images of the plan, confirmed by their digests: 17 written" in said
    assert "The device has all 17 images of the plan: compared by digest." in said
    assert len(said.splitlines()) < 2 * 60
    assert module.flash == module.after_upload(output)

    changed = bytearray(module.flash)
    changed[0x30010] ^= 1  # the TX pin
    spoiled = simulated_module("esp32", flash=bytes(changed))
    refused = at_pio(f"run -t verify_at --upload-port {spoiled.port}", folder, code=1)
    assert refused.stderr.count("Error: ") == 1
    assert (
        "the device has other content in factory_param from 0x30010 on  [content-differs]\n  upload again"
        in refused.stderr
    )
    assert (spoiled.writes, spoiled.erases) == ([], [])


def test_the_factory_image_replaces_everything(project, at_pio, used_module):
    module = used_module("esp32c3")
    folder = project(INI.format(board="esp32-c3-devkitm-1"), chip="esp32c3")
    said = at_pio(f"run -t upload_at_factory --upload-port {module.port}", folder).stdout
    announced = said.index("The factory image erases the first 4MB of the flash.")
    assert announced < said.index("0x10000   56KB    nvs", announced) < said.index("Connected at ")
    assert module.flash == (folder / OUTPUT / "factory/factory_MINI-1.bin").read_bytes()
    assert module.writes == [(0, 4 * MEGABYTE)]


def test_upload_is_upload_at_and_a_device_needs_no_more_flash_than_the_firmware(project, at_pio, used_module):
    module = used_module("esp8266", MEGABYTE)
    ini = INI.format(board="d1_mini") + "    custom_at_module = ESP8266_1MB\n"
    folder = project(ini, chip="esp8266")
    at_pio(f"run -t upload --upload-port {module.port}", folder)
    assert module.flash == module.after_upload(folder / OUTPUT)
