"""Faults in the package's own parameters: ``factory_param.bin``, and the namespace factory_param of ``mfg_nvs``."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from faults.cases import sample_cases
from faults.rule import rule
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.nvs_pages import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.case import Case
    from platformio_esp_at.formats.nvs import NvsEntry
    from platformio_esp_at.formats.nvs_pages import Value

_BYTES = {
    "version": (2, "B"), "uart_port": (5, "B"), "start_channel": (6, "B"), "channel_num": (7, "B"),
    "uart_baudrate": (12, "<l"), "uart_tx_pin": (16, "b"), "uart_rx_pin": (17, "b"), "uart_cts_pin": (18, "b"),
}  # fmt: skip
_FLASH_PINS = {
    "esp32": 6,
    "esp32s2": 29,
    "esp32c2": 14,
    "esp32c3": 14,
    "esp32c5": 18,
    "esp32c6": 24,
    "esp32c61": 16,
    "esp8266": 8,
}


def _with(case: Case, **values: int) -> Case:
    """Return a copy whose parameters have these values, whatever the catalog says of them."""
    if case.modern:
        return case.with_parameters(_edited(lambda entry: replace(entry, value=values.get(entry.key, entry.value))))

    def change(data: bytes) -> bytes:
        for name, value in values.items():
            at, form = _BYTES[name]
            packed = struct.pack(form, value if name != "uart_port" else value & 0xFF)
            data = data[:at] + packed + data[at + len(packed) :]
        return data

    return case.with_parameters(change)


def _edited(change: Callable[[NvsEntry], NvsEntry | None]) -> Callable[[bytes], bytes]:
    """Return what changes the entries of the parameters in an NVS image; None takes one out."""

    def edit(data: bytes) -> bytes:
        image = NvsImage.from_bytes(data)
        is_one = lambda entry: entry.namespace == "factory_param" and entry.encoding is not Encoding.NAMESPACE  # noqa: E731
        entries = (change(entry) if is_one(entry) else entry for entry in image.entries)
        return replace(image, entries=tuple(filter(None, entries))).to_bytes()

    return edit


def _has_uart(case: Case) -> bool:
    return case.module not in ("ESP32-SDIO", "ESP32C5-SPI", "ESP32C5-SDIO")


@rule("the firmware takes the image for blank and uses its built-in pins", codes="package-without-parameters")
def parameters_magic(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:
        yield "first", case.with_parameters(lambda data: b"\xfb" + data[1:])
        yield "second", case.with_parameters(lambda data: data[:1] + b"\xfd" + data[2:])


@rule("no release has this version, so its fields aren't known: damage, or another layout than the firmware reads")
def parameters_version(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:  # since v3.1.0.0, nothing reads it
        for version in (0, 9, 77):
            yield f"{version}", _with(case, version=version)


@rule("the UART has no such speed: the module never answers", codes="baudrate-invalid")
def parameters_baudrate(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        for baudrate in (0, 10_000_000, 3):
            yield f"{baudrate}", _with(case, uart_baudrate=baudrate)


@rule("the chip has no such UART: the module never answers", codes="uart-port-invalid")
def parameters_uart_port(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case) and (case.modern or next(iter(_params(case)))[2] > 1):
        for port in (7, 9):
            yield f"{port}", _with(case, uart_port=port)


def _params(case: Case) -> Iterator[bytes]:
    yield case["factory_param"]


@rule("the module sends AT commands' answers into its own flash, and crashes", codes="pin-taken pin-not-routable")
def parameters_flash_pin(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        yield "tx", _with(case, uart_tx_pin=_FLASH_PINS[case.chip_name])
        yield "rx", _with(case, uart_rx_pin=_FLASH_PINS[case.chip_name])


@rule("the chip has no such pin: the module never answers", codes="pin-nonexistent pin-not-routable")
def parameters_pin_that_does_not_exist(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        yield "tx 99", _with(case, uart_tx_pin=99)
        yield "rx 77", _with(case, uart_rx_pin=77)


@rule("two lines on one pin: the module hears itself, or never answers", codes="pin-twice pin-not-routable")
def parameters_pin_twice(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case):
        tx = {"esp8266": 15}.get(case.chip_name, 5)
        yield "tx and rx", _with(case, uart_tx_pin=tx, uart_rx_pin=tx)


@rule("the module has no line to send or to hear: it never answers", codes="pin-missing")
def parameters_pin_unset(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case) and case.modern:
        for name in ("uart_tx_pin", "uart_rx_pin"):
            yield name, _with(case, **{name: -1})


@rule(
    "the module answers on other pins than its row of Espressif's table says",
    still_works="up to v3.0.0.0, the firmware takes its built-in pins where one of the two is FF (at_uart_task.c)",
    codes="pin-missing",
)
def legacy_pin_unset(case: Case) -> Iterator[tuple[str, Case]]:
    if _has_uart(case) and not case.modern:
        for name in ("uart_tx_pin", "uart_rx_pin"):
            yield name, _with(case, **{name: -1})


@rule(
    "Wi-Fi doesn't use the channels of the country that the module is for",
    still_works="the firmware goes on with ESP-IDF's own channels where it can't set these (at_init.c)",
    codes="channel-invalid channel-range",
)
def parameters_channels(case: Case) -> Iterator[tuple[str, Case]]:
    if not (case.chip_name == "esp32c2" and "BLE" in case.module):
        yield "start 200", _with(case, start_channel=200)
        yield "none", _with(case, channel_num=0)


@rule("the firmware looks for the entry by its name, and uses its built-in value", codes="module-not-in-package")
def parameter_missing_in_nvs(case: Case) -> Iterator[tuple[str, Case]]:
    if case.modern and _has_uart(case):
        for name in ("uart_tx_pin", "uart_baudrate", "uart_port"):
            yield name, case.with_parameters(_edited(lambda entry, name=name: None if entry.key == name else entry))


@rule("NVS doesn't return an entry of another type: the firmware uses its built-in value")
def parameter_type_in_nvs(case: Case) -> Iterator[tuple[str, Case]]:
    if case.modern and _has_uart(case):
        made: tuple[tuple[str, Encoding, Value], ...] = (
            ("uart_tx_pin", Encoding.U8, 7),
            ("uart_baudrate", Encoding.U32, 115200),
            ("uart_rx_pin", Encoding.STRING, "6"),
        )
        for name, encoding, value in made:
            wrong = lambda e, n=name, k=encoding, v=value: replace(e, encoding=k, value=v) if e.key == n else e  # noqa: E731
            yield name, case.with_parameters(_edited(wrong))


@rule("what is cut off isn't there: the firmware reads FF for a pin, or what the module had")
def parameters_cut(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:
        for size in (1, 10, 17):
            yield f"{size} bytes", case.with_parameters(lambda data, size=size: data[:size])


@rule("the image is longer than its partition, and written over the next one", codes="package-too-large")
def parameters_long(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern:
        yield "8 KB", case.with_parameters(lambda data: data * 2)


@rule(
    "the module answers on the pins of another chip's module, which may not be led out",
    still_works="they are pins of this chip, too, and the run prints them and says that they differ from Espressif's",
    a_note_will_do=True,
    codes="pin-not-routable pin-nonexistent pin-taken pin-input-only",
)
def parameters_of_other_chip(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.modern and _has_uart(case):
        for other in sample_cases():
            if not other.modern and other.chip_name != case.chip_name:
                yield other.chip_name, case.with_parameters(lambda _, data=other["factory_param"]: data)
