"""Which GPIOs a module's pins can take, on each chip."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog import _data
from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.catalog.gpios import PINS, chip_gpios, has_in_package_flash
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.checks.pins import pin_problems
from platformio_esp_at.errors import UnknownNameError


def _report(chip, *, psram=False, in_package_flash=False, usual=None, uart_port=1, **pins):
    return pin_problems(chip, pins, psram=psram, in_package_flash=in_package_flash, usual=usual, uart_port=uart_port)


def _refusal(chip, **pins):
    problems = _report(chip, **pins).problems
    assert len(problems) == 1
    return problems[0]


def test_every_chip_has_gpios():
    assert set(_data.load("gpios.yml")["chips"]) == {chip.key for chip in chips()}


@pytest.mark.parametrize("chip", [chip.key for chip in chips()])
def test_what_takes_a_gpio_exists(chip):
    gpios = chip_gpios(chip)
    for taken in (gpios.input_only, gpios.flash, gpios.in_package_flash, gpios.psram, gpios.usb, gpios.strapping):
        assert taken <= gpios.exist
    assert set(gpios.remarks) <= gpios.exist


@pytest.mark.parametrize("module", modules(), ids=lambda module: f"{module.chip}-{module.name}")
def test_the_default_pins_of_every_module_pass(module):
    pins = {name: int(module.parameters[name]) for name in PINS}
    for row in (pins, *({**pins, **{k: v for k, v in c.items() if k in PINS}} for _, c in module.exceptions)):
        report = pin_problems(
            module.chip,
            row,
            psram=module.psram,
            in_package_flash=has_in_package_flash(module.chip, module.name),
            usual=row,
        )
        assert not report.problems
        assert not report.warnings


@pytest.mark.parametrize(
    ("chip", "gpio", "taker"),
    [
        ("esp32", 6, "the SPI flash"),
        ("esp32", 11, "the SPI flash"),
        ("esp32s2", 27, "the SPI flash"),
        ("esp32s2", 32, "the SPI flash"),
        ("esp32c2", 17, "the SPI flash"),
        ("esp32c3", 12, "the SPI flash"),
        ("ESP32-C5", 22, "the SPI flash"),
        ("esp32c6", 24, "the SPI flash"),
        ("esp32c61", 20, "the SPI flash"),
    ],
)
def test_a_pin_of_the_flash_is_refused(chip, gpio, taker):
    error = _refusal(chip, uart_rx_pin=gpio)
    assert error.where == "uart_rx_pin"
    assert error.message == f"GPIO{gpio} is taken by {taker}"
    assert "free on this chip" in error.hint


@pytest.mark.parametrize(("chip", "gpio"), [("esp32", 16), ("esp32", 17), ("esp32s2", 26), ("esp32c5", 15)])
def test_a_pin_of_the_psram_is_refused_where_there_is_psram(chip, gpio):
    assert _refusal(chip, psram=True, uart_tx_pin=gpio).message == f"GPIO{gpio} is taken by the PSRAM"
    assert not _report(chip, uart_tx_pin=gpio).problems


@pytest.mark.parametrize(("chip", "gpio"), [("esp32", 16), ("esp32", 17), ("esp32c2", 11)])
def test_a_pin_of_the_flash_in_the_package(chip, gpio):
    error = _refusal(chip, in_package_flash=True, uart_tx_pin=gpio)
    assert error.message == f"GPIO{gpio} is taken by the flash in the chip's package"
    assert not _report(chip, uart_tx_pin=gpio).problems


def test_the_flash_in_the_package_of_an_esp32_leaves_9_and_10_free():
    assert not _report("esp32", in_package_flash=True, uart_tx_pin=9, uart_rx_pin=10).problems


def test_modules_with_flash_in_the_package():
    assert has_in_package_flash("ESP32", "pico-d4")
    assert has_in_package_flash("esp32", "MINI-1")
    assert not has_in_package_flash("esp32", "WROOM-32")
    assert not has_in_package_flash("esp32c3", "MINI-1")


def test_in_package_modules_exist():
    for chip, names in _data.load("gpios.yml")["in_package_flash_modules"].items():
        assert set(names) <= {module.name for module in modules(chip)}


@pytest.mark.parametrize(
    ("chip", "gpio"), [("esp32", 24), ("esp32", 77), ("esp32s2", 22), ("esp32c3", 22), ("esp32c61", 22), ("esp32", -2)]
)
def test_a_gpio_that_does_not_exist(chip, gpio):
    assert f"has no GPIO{gpio}" in _refusal(chip, uart_cts_pin=gpio).message


@pytest.mark.parametrize("name", ["uart_tx_pin", "uart_rts_pin", "tx_control_pin", "rx_control_pin"])
def test_an_output_on_an_input_only_gpio(name):
    error = _refusal("esp32", **{name: 34})
    assert error.message == f"GPIO34 is input only, and {name} is an output"
    assert "GPIO33" in error.hint
    assert "GPIO35" not in error.hint


@pytest.mark.parametrize("name", ["uart_rx_pin", "uart_cts_pin"])
def test_an_input_on_an_input_only_gpio(name):
    assert not _report("esp32", **{name: 34}).problems


def test_two_functions_on_one_gpio():
    error = _refusal("esp32", uart_tx_pin=17, uart_rx_pin=16, tx_control_pin=17)
    assert error.where == "tx_control_pin"
    assert error.message == "GPIO17 is uart_tx_pin already"


def test_unused_pins_are_no_doubles():
    assert not _report("esp32c3", uart_tx_pin=7, uart_rx_pin=6, uart_cts_pin=-1, uart_rts_pin=-1).problems


def test_every_problem_is_told():
    problems = _report("esp32", uart_tx_pin=6, uart_rx_pin=24, uart_rts_pin=35).problems
    assert [problem.where for problem in problems] == ["uart_tx_pin", "uart_rx_pin", "uart_rts_pin"]


@pytest.mark.parametrize(
    ("chip", "gpio", "text"),
    [
        ("esp32", 12, "strapping"),
        ("esp32", 12, "1.8 V"),
        ("esp32", 1, "download and log port"),
        ("esp32s2", 19, "USB"),
        ("esp32c3", 18, "USB"),
        ("esp32c3", 11, "VDD_SPI"),
        ("esp32c5", 13, "USB"),
        ("esp32c6", 12, "USB"),
        ("esp32c61", 13, "USB"),
        ("esp32c6", 10, "lead it out"),
    ],
)
def test_a_risky_pin_is_warned_of(chip, gpio, text):
    report = _report(chip, uart_rx_pin=gpio)
    assert not report.problems
    assert any(warning.startswith("uart_rx_pin: GPIO") and text in warning for warning in report.warnings)


def test_a_pin_that_stays_as_upstream_has_it_is_not_warned_of():
    usual = {"uart_tx_pin": 17, "uart_rx_pin": 21, "uart_cts_pin": 20, "uart_rts_pin": 19}
    assert not _report("esp32s2", usual=usual, **usual).warnings
    moved = {**usual, "uart_rx_pin": 19, "uart_rts_pin": 21}
    assert [warning.split(":")[0] for warning in _report("esp32s2", usual=usual, **moved).warnings] == ["uart_rx_pin"]


def test_uart0_wants_its_own_pins():
    assert not _report("esp32c3", uart_port=0, uart_tx_pin=21, uart_rx_pin=20).warnings


@pytest.mark.parametrize("pins", [(15, 13, 3, 1), (15, 13, -1, -1), (1, 3, -1, -1), (1, 3, 13, 15)])
def test_uart_pins_that_the_esp8266_has(pins):
    names = ("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")
    report = _report("esp8266", uart_port=0, **dict(zip(names, pins, strict=True)))
    assert not report.problems
    assert not report.warnings


@pytest.mark.parametrize(("tx", "rx"), [(13, 15), (3, 1), (4, 5), (2, 3), (6, 7), (15, 15), (17, 16)])
def test_uart_pins_that_the_esp8266_does_not_have(tx, rx):
    error = _refusal("esp8266", uart_tx_pin=tx, uart_rx_pin=rx)
    assert error.where == "uart_tx_pin"
    assert error.hint == "take TX 15 with RX 13 or TX 1 with RX 3"


def test_flow_control_that_the_esp8266_does_not_have():
    error = _refusal("esp8266", uart_tx_pin=15, uart_rx_pin=13, uart_cts_pin=4)
    assert error.where == "uart_cts_pin"
    assert "CTS is on GPIO3" in error.message


def test_a_control_pin_of_the_esp8266():
    assert not _report("esp8266", uart_tx_pin=15, uart_rx_pin=13, tx_control_pin=5).problems
    assert _refusal("esp8266", uart_tx_pin=15, uart_rx_pin=13, tx_control_pin=8).where == "tx_control_pin"
    assert _refusal("esp8266", tx_control_pin=13, uart_tx_pin=15, uart_rx_pin=13).where == "uart_rx_pin"


def test_unknown_chip():
    with pytest.raises(UnknownNameError):
        _report("esp33", uart_tx_pin=1)
