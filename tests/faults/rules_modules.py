"""Faults in the choice of module, board and package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import esp_images

from faults.cases import sample_cases
from faults.rule import rule
from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_NO_MODULE = "unknown-module"
_BOARDS = {
    "esp32": "esp32dev",
    "esp32s2": "esp32-s2-saola-1",
    "esp32c2": "esp32-c2-devkitm-1",
    "esp32c3": "esp32-c3-devkitm-1",
    "esp32c5": "esp32-c5-devkitc-1",
    "esp32c6": "esp32-c6-devkitc-1",
    "esp32c61": "esp32-c61-devkitc1",
    "esp8266": "d1_mini",
}


def _board(chip: str, flash_size: str = "4MB", name: str = "", **build: str) -> BoardFacts:
    upload = {"flash_size": flash_size, "maximum_size": int(flash_size[:-2]) << 20}
    manifest = {"name": name, "build": {"mcu": chip, **build}, "upload": upload}
    return BoardFacts.from_manifest(name or _BOARDS.get(chip, chip), manifest)


@rule("firmware of another chip doesn't run: the module is dead after the flash", codes="chip-unsupported")
def board_of_other_chip(case: Case) -> Iterator[tuple[str, Case]]:
    for chip in ("esp32", "esp32c3", "esp8266", "esp32s3"):
        if chip != case.chip_name:
            yield chip, replace(case, module=None, board=_board(chip))
            yield f"{chip}, module named", replace(case, board=_board(chip))


@rule("the module's firmware is of another chip", codes=_NO_MODULE)
def module_of_other_chip(case: Case) -> Iterator[tuple[str, Case]]:
    names = [other.module for other in sample_cases() if other.chip_name != case.chip_name]
    for name in dict.fromkeys(names):
        if not _exists(case.chip_name, name):
            yield name, replace(case, module=name)


def _exists(chip: str, module: str) -> bool:
    try:
        return bool(find_module(chip, module))
    except UnknownNameError:
        return False


@rule("a misspelt module would get the parameters of another one", codes=_NO_MODULE)
def module_misspelt(case: Case) -> Iterator[tuple[str, Case]]:
    for name in (f"{case.module}X", case.module[:-1], "ESP-AT"):
        yield name, replace(case, module=name)


@rule("offsets above the end of a smaller flash wrap: the application is written over the bootloader")
def flash_of_board_too_small(case: Case) -> Iterator[tuple[str, Case]]:
    if max(row.end for row in case.primary) > 2 << 20:
        for size in ("1MB", "2MB"):
            yield size, replace(case, board=_board(case.chip_name, size))
    elif max(row.end for row in case.primary) > 1 << 20:
        yield "1MB", replace(case, board=_board(case.chip_name, "1MB"))


@rule("offsets above the end of a smaller flash wrap: the application is written over the bootloader")
def flash_of_module_too_small(case: Case) -> Iterator[tuple[str, Case]]:
    smaller = {"esp32": "ESP32-D2WD", "esp32c2": "ESP32C2-2MB", "esp8266": "ESP8266_1MB"}.get(case.chip_name)
    own = case.args.settings.size
    if smaller and smaller != case.module and own != "1MB" and not (own == "2MB" and smaller != "ESP8266_1MB"):
        yield smaller, replace(case, module=smaller)


@rule("firmware for modules with PSRAM aborts without it (Failed to init external RAM)", codes="psram-missing")
def psram_missing(case: Case) -> Iterator[tuple[str, Case]]:
    text = b"Failed to init external RAM!\0"
    if case.chip_name == "esp32" and case.module != "WROVER-32" and not case.runs:
        for module in (case.module, "SOLO-1"):
            needing = case.with_("esp-at", esp_images.with_text(case["esp-at"], text))
            if module == case.module or case.args.settings.size == "4MB":
                yield module, replace(needing, module=module)


@rule("commands are taken over another bus than the module is wired to: it never answers", codes="bus-mismatch")
def other_bus(case: Case) -> Iterator[tuple[str, Case]]:
    if case.module == "ESP32-SDIO":
        for module in ("WROOM-32", "MINI-1"):
            yield module, replace(case, module=module)
    elif case.modern and case.chip_name in ("esp32", "esp32c3"):
        bus = "ESP32-SDIO" if case.chip_name == "esp32" else "ESP32C3-SPI"
        named = case.with_files({f"factory/factory_{case.module}.bin": b"\xff"})
        yield bus, replace(named, module=bus)


@rule("the board's PSRAM needs TX 17 and RX 16, which the module's parameters give: the module crashes or is mute",
      codes="pin-taken pin-of-board")  # fmt: skip
def board_with_psram_on_default_pins(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name == "esp32" and case.module == "WROOM-32":
        wrover = _board("esp32", "4MB", "esp-wrover-kit", extra_flags="-DBOARD_HAS_PSRAM")
        yield "esp-wrover-kit", replace(case, board=wrover)
        yield "by hand", replace(case, board=wrover).asking(factory_param={"uart_tx_pin": "17", "uart_rx_pin": "16"})


@rule("a board without AT firmware gets one that doesn't run on it", codes="chip-unsupported")
def board_without_firmware(case: Case) -> Iterator[tuple[str, Case]]:
    for chip in ("esp32s3", "esp32h2", "esp32p4"):
        yield chip, replace(case, module=None, board=_board(chip))


@rule(
    "the firmware isn't there, or which one is meant can't be known",
    codes="firmware-not-found not-a-file not-a-package zip-damaged",
)
def firmware_not_there(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("nothere.zip", ".", "esp_at.yml"):
        yield name, case.asking(firmware=name)
