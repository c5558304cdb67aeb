"""Which GPIOs a module's pins can take, on each chip."""

from __future__ import annotations

import re

import pytest

from platformio_esp_at.catalog.gpios import NOT_LED_OUT, PINS, has_in_package_flash
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.checks.pins import PinReport, pin_problems
from platformio_esp_at.errors import EspAtError, Place, UnknownNameError


def _report(
    chip, *, psram=False, in_package_flash=False, usual=None, uart_port=1, used_by_board=None, **pins
) -> PinReport:
    return pin_problems(
        chip,
        pins,
        psram=psram,
        in_package_flash=in_package_flash,
        usual=usual,
        uart_port=uart_port,
        used_by_board=used_by_board,
    )


def _refusal(chip, **pins) -> EspAtError:
    problems = _report(chip, **pins).problems
    assert len(problems) == 1
    return problems[0]


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
    assert (error.code, error.where) == ("pin-taken", "uart_rx_pin")
    assert error.facts == {"parameter": "uart_rx_pin", "gpio": gpio}
    assert error.message == f"GPIO{gpio} is taken by {taker}"
    assert error.hint.startswith("free on this chip, if your board doesn't use them: GPIO")


@pytest.mark.parametrize(("chip", "gpio"), [("esp32", 16), ("esp32", 17), ("esp32s2", 26), ("esp32c5", 15)])
def test_a_pin_of_the_psram_is_refused_where_there_is_psram(chip, gpio):
    error = _refusal(chip, psram=True, uart_tx_pin=gpio)
    assert (error.code, error.message) == ("pin-taken", f"GPIO{gpio} is taken by the PSRAM")
    assert not _report(chip, uart_tx_pin=gpio).problems


def test_a_pin_of_the_psram_in_the_package():
    facts = {"psram": False, "in_package_flash": False, "in_package_psram": True}
    (error,) = pin_problems("esp32", {"uart_tx_pin": 17, "uart_rx_pin": 16}, **facts).problems
    assert (error.code, error.where) == ("pin-taken", "uart_rx_pin")
    assert error.message == "GPIO16 is taken by the PSRAM in the chip's package"


@pytest.mark.parametrize(("chip", "gpio"), [("esp32", 16), ("esp32", 17), ("esp32c2", 11)])
def test_a_pin_of_the_flash_in_the_package(chip, gpio):
    error = _refusal(chip, in_package_flash=True, uart_tx_pin=gpio)
    assert (error.code, error.message) == ("pin-taken", f"GPIO{gpio} is taken by the flash in the chip's package")
    assert not _report(chip, uart_tx_pin=gpio).problems


def test_the_flash_in_the_package_of_an_esp32_leaves_9_and_10_free():
    assert not _report("esp32", in_package_flash=True, uart_tx_pin=9, uart_rx_pin=10).problems


@pytest.mark.parametrize(
    ("chip", "gpio"), [("esp32", 24), ("esp32", 77), ("esp32s2", 22), ("esp32c3", 22), ("esp32c61", 22), ("esp32", -2)]
)
def test_a_gpio_that_does_not_exist(chip, gpio):
    error = _refusal(chip, uart_cts_pin=gpio)
    assert (error.code, error.where, error.facts["gpio"]) == ("pin-nonexistent", "uart_cts_pin", gpio)
    assert error.message.endswith(f" has no GPIO{gpio}")


@pytest.mark.parametrize("name", ["uart_tx_pin", "uart_rts_pin", "tx_control_pin", "rx_control_pin"])
def test_an_output_on_an_input_only_gpio(name):
    error = _refusal("esp32", **{name: 34})
    assert (error.code, error.where) == ("pin-input-only", name)
    assert error.message == f"GPIO34 is input only, and {name} is an output"
    assert "GPIO33" in error.hint
    assert "GPIO35" not in error.hint


@pytest.mark.parametrize("name", ["uart_rx_pin", "uart_cts_pin"])
def test_an_input_on_an_input_only_gpio(name):
    assert not _report("esp32", **{name: 34}).problems


def test_two_functions_on_one_gpio():
    error = _refusal("esp32", uart_tx_pin=17, uart_rx_pin=16, tx_control_pin=17)
    assert (error.code, error.where) == ("pin-twice", "tx_control_pin")
    assert error.message == "GPIO17 is uart_tx_pin already"
    assert error.facts["conflicts_with"] == ("uart_tx_pin",)


def test_unused_pins_are_no_doubles():
    assert not _report("esp32c3", uart_tx_pin=7, uart_rx_pin=6, uart_cts_pin=-1, uart_rts_pin=-1).problems


def test_every_problem_is_reported():
    problems = _report("esp32", uart_tx_pin=6, uart_rx_pin=24, uart_rts_pin=35).problems
    assert [(problem.where, problem.code) for problem in problems] == [
        ("uart_tx_pin", "pin-taken"),
        ("uart_rx_pin", "pin-nonexistent"),
        ("uart_rts_pin", "pin-input-only"),
    ]


@pytest.mark.parametrize(
    ("chip", "gpio", "codes", "text"),
    [
        ("esp32", 12, ["pin-strapping", "pin-remark"], "1.8 V"),
        ("esp32", 5, ["pin-strapping"], "its level at reset decides how the chip starts"),
        ("esp32", 1, ["pin-of-download-port"], "belongs to the download and log port (UART0)"),
        ("esp32s2", 19, ["pin-of-usb"], "is a USB line"),
        ("esp32c3", 18, ["pin-of-usb"], "is a USB line"),
        ("esp32c3", 11, ["pin-remark"], "VDD_SPI"),
        ("esp32c5", 13, ["pin-of-usb"], "is a USB line"),
        ("esp32c6", 12, ["pin-of-usb"], "is a USB line"),
        ("esp32c61", 13, ["pin-of-usb"], "is a USB line"),
        ("esp32c6", 10, ["pin-remark"], "lead it out"),
    ],
)
def test_a_risky_pin_is_warned_of(chip, gpio, codes, text):
    report = _report(chip, uart_rx_pin=gpio)
    assert not report.problems
    assert [found.code for found in report.warnings] == codes
    for found in report.warnings:
        assert found.is_warning
        assert (found.place, found.facts) == (Place.at(parameter="uart_rx_pin"), {"gpio": gpio})
        assert str(found).startswith(f"uart_rx_pin: GPIO{gpio}")
    assert text in report.warnings[-1].message


def test_a_pin_that_stays_as_upstream_has_it_is_not_warned_of():
    usual = {"uart_tx_pin": 17, "uart_rx_pin": 21, "uart_cts_pin": 20, "uart_rts_pin": 19}
    assert not _report("esp32s2", usual=usual, **usual).warnings
    moved = {**usual, "uart_rx_pin": 19, "uart_rts_pin": 21}
    (found,) = _report("esp32s2", usual=usual, **moved).warnings
    assert (found.code, found.place) == ("pin-of-usb", Place.at(parameter="uart_rx_pin"))


def test_a_pin_that_is_refused_is_not_warned_of_too():
    """GPIO1 is of the download port: where it is given a second time, only that is reported."""
    report = _report("esp32", uart_tx_pin=18, uart_rx_pin=1, uart_cts_pin=1)
    assert [problem.where for problem in report.problems] == ["uart_cts_pin"]
    assert [str(found.place) for found in report.warnings] == ["uart_rx_pin"]


def test_pins_that_the_board_uses():
    used = {17: "LED", 16: NOT_LED_OUT, 4: "SD card"}
    pins = {"uart_tx_pin": 17, "uart_rx_pin": 16, "uart_cts_pin": 15}
    report = _report("esp32", usual=pins, used_by_board=used, **pins)
    assert not report.problems
    (found,) = report.warnings
    assert (found.code, found.is_warning, found.place) == ("pin-of-board", True, Place())
    assert found.facts == {"parameters": ("uart_tx_pin", "uart_rx_pin")}
    assert found.message.startswith(
        "the board's own wiring is in the way: GPIO17 (uart_tx_pin) is its LED, GPIO16 (uart_rx_pin) isn't led out"
    )
    assert found.hint.startswith(
        "choose other pins in factory_param; free on this chip, if your board doesn't use them: GPIO18, "
    )


def test_pins_of_an_ethernet_phy_are_not_advised():
    pins = {"uart_tx_pin": 6, "uart_rx_pin": 24}
    facts = {"psram": False, "in_package_flash": False}
    for problem in pin_problems("esp32", pins, ethernet=True, **facts).problems:
        numbers = {int(number) for number in re.findall(r"GPIO(\d+)", problem.hint)}
        assert len(numbers) == 4
        assert not numbers & {0, 16, 17, 18, 19, 21, 22, 23, 25, 26, 27}
    without = pin_problems("esp32", pins, **facts).problems[1].hint
    assert "GPIO23, GPIO25" in without
    c3 = {"uart_tx_pin": 12}
    assert str(pin_problems("esp32c3", c3, ethernet=True, **facts)) == str(pin_problems("esp32c3", c3, **facts))


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
    assert (error.code, error.where) == ("pin-not-routable", "uart_tx_pin")
    assert error.message == f"the ESP8266 has no UART with TX on GPIO{tx} and RX on GPIO{rx}"
    assert error.hint == "take TX 15 with RX 13 or TX 1 with RX 3"


@pytest.mark.parametrize(("name", "line", "right"), [("uart_cts_pin", "CTS", 3), ("uart_rts_pin", "RTS", 1)])
def test_flow_control_that_the_esp8266_does_not_have(name, line, right):
    error = _refusal("esp8266", uart_tx_pin=15, uart_rx_pin=13, **{name: 4})
    assert (error.code, error.where) == ("pin-not-routable", name)
    assert error.message == f"with TX on GPIO15 and RX on GPIO13, {line} is on GPIO{right}, not on GPIO4"
    assert error.hint == f"take {right}, or -1 for no flow control"


def test_a_control_pin_of_the_esp8266():
    uart = {"uart_tx_pin": 15, "uart_rx_pin": 13}
    assert not _report("esp8266", **uart, tx_control_pin=5).problems
    error = _refusal("esp8266", **uart, tx_control_pin=8)
    assert (error.code, error.where) == ("pin-taken", "tx_control_pin")
    error = _refusal("esp8266", tx_control_pin=13, **uart)
    assert (error.code, error.where) == ("pin-twice", "uart_rx_pin")
    assert error.hint == "the UART pins of the ESP8266 are TX 15 with RX 13, or TX 1 with RX 3"


def test_unknown_chip():
    with pytest.raises(UnknownNameError) as caught:
        _report("esp33", uart_tx_pin=1)
    assert caught.value.code == "unknown-chip"
