"""Whether the module and its board have what the firmware needs: flash, PSRAM, the bus of the AT commands."""

from __future__ import annotations

import pytest
from esp_images import with_text
from plans import HERE, refusal, sample_plan

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import SelectionError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.values import Text

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()


# --- flash ---


@pytest.mark.parametrize(
    ("module", "files", "board", "message"),
    [
        pytest.param(
            "WROOM-32",
            {},
            BoardFacts("small", mcu="esp32", flash_size=2 << 20),
            "the firmware package AT_PACK needs 4MB of flash, board small has 2MB",
            id="board",
        ),
        pytest.param(
            "ESP32-D2WD",
            {},
            None,
            "the firmware package AT_PACK needs 4MB of flash, module ESP32-D2WD has 2MB",
            id="module",
        ),
        pytest.param(
            "WROOM-32",
            {"download.config": CONFIG.replace("4MB", "8MB")},
            None,
            "the firmware package AT_PACK needs 8MB of flash, module WROOM-32 has 4MB",
            id="package-for-more",
        ),
    ],
)
def test_flash_too_small(tmp_path, module, files, board, message):
    error = refusal(sample_plan(tmp_path, module=module, files=files), SelectionError, board)
    assert (error.code, error.message) == ("flash-too-small", message)
    assert error.hint == "take a firmware package for that flash size, or name the module that is really there"


def test_a_larger_flash_passes(tmp_path):
    check_plan(sample_plan(tmp_path), BoardFacts("large", mcu="esp32", flash_size=16 << 20))


# --- the family of the module ---


def _made_for(tmp_path, name: str, module: str, board: BoardFacts | None = None) -> FlashPlan:
    """Return the plan that flashes the sample package for one module onto another."""
    write_sample_package(tmp_path / name, "esp32", module=name)
    package = open_package(tmp_path / name)
    assert package.modules == (name,)
    return make_plan(package, select(Text(module, HERE), board, package), Request())


@pytest.mark.parametrize(
    ("made_for", "module"),
    [("WROOM-32", "WROVER-32"), ("WROVER-32", "WROVER-32"), ("WROOM-32", "PICO-D4"), ("MINI-1", "WROVER-32")],
)
def test_families_that_go_together(tmp_path, made_for, module):
    check_plan(_made_for(tmp_path, made_for, module), None)


@pytest.mark.parametrize("module", ["WROOM-32", "SOLO-1", "PICO-D4", "MINI-1"])
def test_firmware_that_needs_psram_on_a_module_without(tmp_path, module):
    error = refusal(_made_for(tmp_path, "WROVER-32", module), SelectionError)
    assert (error.code, error.message) == (
        "psram-missing",
        f"the firmware package WROVER-32 (for WROVER-32) only starts on modules with PSRAM, {module} has none",
    )
    assert error.hint == f"take the firmware package for {module}, or name the module that is really there"


def test_firmware_that_needs_psram_on_a_board_with_it(tmp_path):
    board = BoardFacts("my_wrover", mcu="esp32", extra_flags="-DBOARD_HAS_PSRAM")
    check_plan(_made_for(tmp_path, "WROVER-32", "MINI-1", board), board)


def test_an_application_that_needs_psram_shows_it_itself(tmp_path):
    """Whatever the package is called: the text is what ESP-IDF prints before it gives up."""
    text = b"cpu_start: Failed to init external RAM!\0"
    files = {"esp-at.bin": with_text(SAMPLE["esp-at.bin"], text)}
    error = refusal(sample_plan(tmp_path, files=files, module="WROOM-32"), SelectionError)
    assert error.code == "psram-missing"
    check_plan(sample_plan(tmp_path, files=files, module="WROVER-32"), None)
    goes_on = b"cpu_start: Failed to init external RAM; continuing without it.\0"
    files = {"esp-at.bin": with_text(SAMPLE["esp-at.bin"], goes_on)}
    check_plan(sample_plan(tmp_path, files=files, module="WROOM-32"), None)


@pytest.mark.parametrize(
    ("made_for", "module", "end"),
    [
        ("WROOM-32", "ESP32-SDIO", "takes AT commands over UART, ESP32-SDIO over SDIO"),
        ("ESP32-SDIO", "WROOM-32", "takes AT commands over SDIO, WROOM-32 over UART"),
    ],
)
def test_another_bus_for_at_commands(tmp_path, made_for, module, end):
    error = refusal(_made_for(tmp_path, made_for, module), SelectionError)
    assert error.code == "bus-mismatch"
    assert error.message.endswith(end)
    assert error.hint == f"take the firmware package for {module}, or name the module that is really there"
