"""Faults in the pins and parameters that a project gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.catalog.gpios import ChipGpios, chip_gpios

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

NO_UART = ("ESP32-SDIO", "ESP32C5-SPI", "ESP32C5-SDIO")
_ROUTES = "pin-not-routable"


def _gpios(case: Case) -> ChipGpios:
    return chip_gpios(case.chip_name)


def _asking(case: Case, **values: object) -> Case:
    return case.asking(factory_param={name: str(value) for name, value in values.items()})


def _has_uart(case: Case) -> bool:
    return case.module not in NO_UART


@rule("the module sends into its own flash, and crashes", codes=_ROUTES)
def pin_of_flash(case: Case) -> Iterator[tuple[str, Case]]:
    taken = sorted(_gpios(case).flash & _gpios(case).in_package_flash)
    for name, gpio in (("uart_tx_pin", taken[0]), ("uart_rx_pin", taken[-1]), ("uart_rts_pin", taken[0])):
        yield f"{name} {gpio}", _asking(case, **{name: gpio})


@rule("the module's PSRAM needs the pin: it crashes, or sends nothing")
def pin_of_psram(case: Case) -> Iterator[tuple[str, Case]]:
    if case.module == "WROVER-32":
        for name, gpio in (("uart_tx_pin", 17), ("uart_rx_pin", 16), ("uart_cts_pin", 16), ("uart_rts_pin", 17)):
            yield f"{name} {gpio}", _asking(case, **{name: gpio})


@rule("the pin can't drive a line: the module hears and never answers")
def pin_input_only(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("uart_tx_pin", "uart_rts_pin"):
        for gpio in sorted(_gpios(case).input_only)[:2]:
            yield f"{name} {gpio}", _asking(case, **{name: gpio})


@rule("the chip has no such pin: the module never answers", codes=_ROUTES)
def pin_that_does_not_exist(case: Case) -> Iterator[tuple[str, Case]]:
    for name, gpio in (
        ("uart_tx_pin", 60),
        ("uart_rx_pin", 99),
        ("uart_cts_pin", 60),
        ("uart_rx_pin", -7),
        ("uart_tx_pin", 1000),
    ):
        yield f"{name} {gpio}", _asking(case, **{name: gpio})


@rule("two lines on one pin: the module hears itself, or never answers", codes=_ROUTES)
def pin_twice(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        yield "tx and rx", _asking(case, uart_tx_pin=4, uart_rx_pin=4)
        yield "tx and cts", _asking(case, uart_tx_pin=4, uart_cts_pin=4)


@rule("the module has no line to send or to hear: it never answers")
def pin_unset(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        for name in ("uart_tx_pin", "uart_rx_pin"):
            yield name, _asking(case, **{name: -1})


@rule(
    "the ESP8266 has its UART on TX 15 with RX 13, or TX 1 with RX 3: elsewhere the module never answers", codes=_ROUTES
)
def pin_not_routable(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name == "esp8266":
        for tx, rx in ((1, 13), (15, 3), (4, 5), (13, 15)):
            yield f"{tx}, {rx}", _asking(case, uart_tx_pin=tx, uart_rx_pin=rx)
        for rx in (-7, 60, 15):
            yield f"rx {rx}", _asking(case, uart_rx_pin=rx)


@rule("the USB of the chip no longer flashes and logs, so the next update needs other wires",
      still_works="the UART works on these pins; bootloader, Wi-Fi and TLS don't use USB")  # fmt: skip
def pin_of_usb(case: Case) -> Iterator[tuple[str, Case]]:
    if usb := sorted(_gpios(case).usb) if _has_uart(case) else []:
        yield "tx", _asking(case, uart_tx_pin=usb[0], uart_rts_pin=-1, uart_cts_pin=-1)


@rule("the host's line decides at reset how the chip starts: with the wrong level, it waits for a download",
      still_works="an idle serial line is high, which these pins need or which they are at reset")  # fmt: skip
def pin_strapping(case: Case) -> Iterator[tuple[str, Case]]:
    pin = {"esp32": 5, "esp32s2": 0, "esp32c2": 9, "esp32c3": 9, "esp32c6": 9}.get(case.chip_name)
    if pin is not None and _has_uart(case):
        yield "rx", _asking(case, uart_rx_pin=pin)


@rule("the UART has no such speed: the module never answers")
def baudrate_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        for baudrate in (0, 79, 10_000_000, -5, 4294967295):
            yield f"{baudrate}", _asking(case, uart_baudrate=baudrate)


@rule("no UART, but a module whose commands come over it: it never answers")
def baudrate_none(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        yield "-1", _asking(case, uart_baudrate=-1)


@rule("the chip has no such UART: the module never answers", codes="not-read-by-release unknown-parameter")
def uart_port_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        for port in (3, 7, 255):
            yield f"{port}", _asking(case, uart_port=port)


@rule("the firmware refuses the country, and Wi-Fi keeps another one's rules")
def country_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    for code in ("Germany", "d", "49", "de"):
        yield code, _asking(case, country_code=code)


@rule("Wi-Fi has no channels, or none that exist: the module connects nowhere")
def channels_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    for word, values in (
        ("start 0", {"start_channel": 0}),
        ("15", {"channel_num": 15}),
        ("none", {"start_channel": 12, "channel_num": 11 if not case.modern else 9}),
    ):
        yield word, _asking(case, **values)


@rule("the radio takes no such power: it keeps another one, above what the country allows", codes="tx-power-invalid")
def power_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    for power in (90, 100, 127):
        yield f"{power}", _asking(case, tx_max_power=power)


@rule("a value that can't be stored becomes another one: 300 is 44 in a byte", codes="not-a-number parameter-range")
def parameter_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    for name, value in (
        ("uart_tx_pin", "GPIO5"),
        ("channel_num", "300"),
        ("uart_baudrate", "115200 baud"),
        ("uart_rx_pin", "5.0"),
        ("uart_tx_pin", "010x"),
    ):
        yield f"{name} {value}", _asking(case, **{name: value})


@rule("the firmware doesn't know the parameter: what was wanted isn't done")
def parameter_unknown(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("uart_tx", "baudrate", "tx_power"):
        yield name, _asking(case, **{name: 5})


@rule("what is saved isn't, or the firmware reads nonsense", codes="not-read-by-release")
def sys_store_invalid(case: Case) -> Iterator[tuple[str, Case]]:
    for value in (2, 255):
        yield f"{value}", _asking(case, sys_store=value)


@rule("ESP-AT's field of the module's name has 32 bytes: the firmware reads past it, or a cut name")
def module_name_too_long(case: Case) -> Iterator[tuple[str, Case]]:
    own = {"name": "A" * 40, "based_on": case.module}
    yield "40 characters", replace(case, module=None).asking(module=own)
    yield "as parameter", _asking(case, module_name="B" * 40)
