"""Whether the module and its board have what the firmware needs: flash, PSRAM, the bus of the AT commands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from esp_images import with_text
from plans import HERE, refusal, sample_plan

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.checks.module import flash_warnings, pin_limit_warnings
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


ESP01 = BoardFacts("esp01", mcu="esp8266", flash_size=1 << 20, flash_size_is_least=True)


def _esp8266(tmp_path, module: Text | None, board: BoardFacts, made_for="WROOM-02") -> FlashPlan:
    write_sample_package(tmp_path / "AT_PACK", "esp8266", module=made_for)
    package = open_package(tmp_path / "AT_PACK")
    return make_plan(package, select(module, board, package), Request())


@pytest.mark.parametrize("board", [ESP01, replace(ESP01, at={"module": "WROOM-02"})], ids=["by-option", "by-board"])
def test_the_least_flash_of_a_board_is_only_warned_of_where_the_module_is_named(tmp_path, board):
    plan = _esp8266(tmp_path, None if board.at else Text("WROOM-02", HERE), board)
    assert plan.flash_size == 2 << 20
    check_plan(plan, board)
    (found,) = flash_warnings(plan, board)
    assert (found.code, found.is_warning, found.facts) == ("flash-size-assumed", True, {"board": "esp01"})
    assert found.message == (
        "the manifest of board esp01 has the room for a sketch only, which shows 1MB of flash or more; the firmware "
        "needs 2MB"
    )
    assert found.hint == (
        "if the board has that, write upload.flash_size = 2MB into the board's JSON file, or board_upload.flash_size = "
        "2MB into platformio.ini"
    )


@pytest.mark.parametrize(
    "board", [None, replace(ESP01, flash_size=2 << 20), replace(ESP01, flash_size=4 << 20, flash_size_is_least=False)]
)
def test_enough_flash_is_not_warned_of(tmp_path, board):
    plan = _esp8266(tmp_path, Text("WROOM-02", HERE), board)
    check_plan(plan, board)
    assert not list(flash_warnings(plan, board))


def test_a_stated_flash_is_refused_though_the_module_is_named(tmp_path):
    board = replace(ESP01, flash_size_is_least=False)
    error = refusal(_esp8266(tmp_path, Text("WROOM-02", HERE), board), SelectionError, board)
    assert error.code == "flash-too-small"
    assert error.message.endswith("board esp01 has 1MB")


def test_a_module_by_a_guess_about_the_flash(tmp_path):
    error = refusal(_esp8266(tmp_path, None, ESP01), SelectionError, ESP01)
    assert error.code == "flash-too-small"
    assert error.message.endswith(", module ESP8266_1MB has 1MB")
    assert error.hint == "the module is a guess: if the board carries another one, write module: WROOM-02"


# --- limits of hardware ---


def _esp32c2(tmp_path, made_for: str, module: str, board: BoardFacts | None = None, **request: object) -> FlashPlan:
    write_sample_package(tmp_path / made_for, "esp32c2", module=made_for, flash_size="4MB", nvs=True)
    package = open_package(tmp_path / made_for)
    wanted = None if board else Text(module, HERE)
    return make_plan(package, select(wanted, board, package), Request(**request))


@pytest.mark.parametrize("name", ["ESP8684-WROOM-03", "ESP8684-WROOM-05-H4", "ESP8684-WROOM-07"])
def test_firmware_that_does_not_run_on_the_hardware(tmp_path, name):
    error = refusal(_esp32c2(tmp_path, "ESP32C2-2MB", name), SelectionError)
    assert error.code == "module-unsupported"
    assert error.message.startswith(f"{name.removesuffix('-H4')} doesn't run with ESP32C2-2MB firmware")
    assert error.hint == "take the firmware package for ESP32C2-4MB or ESP32C2-4MB-G2"
    check_plan(_esp32c2(tmp_path, "ESP32C2-4MB", name), None)


def test_firmware_that_does_not_run_on_the_hardware_of_a_board(tmp_path):
    board = BoardFacts("own", mcu="esp32c2", at={"module": "ESP8684-WROOM-03"})
    error = refusal(_esp32c2(tmp_path, "ESP32C2-2MB", "", board), SelectionError, board)
    assert error.code == "module-unsupported"
    check_plan(_esp32c2(tmp_path, "ESP32C2-4MB", "", board), board)


def test_hardware_that_needs_other_pins(tmp_path):
    for name in ("ESP8684-WROOM-07", "esp8684_wroom_07-h4"):
        request = Request()
        (found,) = pin_limit_warnings(_esp32c2(tmp_path, "ESP32C2-4MB", name), request)
        assert (found.code, found.is_warning, found.facts) == ("module-needs-pins", True, {"name": "ESP8684-WROOM-07"})
        assert found.message.startswith("ESP8684-WROOM-07 needs other pins for the AT port than those of ESP32C2-4MB ")
        assert "uart_tx_pin" in found.hint
    pins = {"uart_tx_pin": Text("2", HERE), "uart_rx_pin": Text("3", HERE)}
    plan = _esp32c2(tmp_path, "ESP32C2-4MB", "ESP8684-WROOM-07", factory_param=pins)
    assert not list(pin_limit_warnings(plan, Request(factory_param=pins)))
    for name in ("ESP8684-WROOM-03", "ESP32C2-4MB", "ESP8684-MINI-1-H4"):
        assert not list(pin_limit_warnings(_esp32c2(tmp_path, "ESP32C2-4MB", name), Request()))


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
