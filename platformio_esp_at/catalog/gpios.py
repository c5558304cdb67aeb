"""GPIOs of a chip: which exist, and what uses them.

Pins are named as in the factory parameters (``uart_tx_pin``); -1: not used.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at.catalog import _data, chips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


UNUSED = -1
NOT_LED_OUT = "not led out"
"""Listed as the use of a GPIO that the board doesn't connect to anything."""

UART_PINS = ("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")
PINS = (*UART_PINS, "tx_control_pin", "rx_control_pin")
"""The factory parameters that hold a GPIO."""


class ChipGpios(NamedTuple):
    """The GPIOs of a chip, and its UARTs."""

    exist: frozenset[int]
    input_only: frozenset[int]
    flash: frozenset[int]
    in_package_flash: frozenset[int]
    psram: frozenset[int]
    in_package_psram: frozenset[int]
    usb: frozenset[int]
    strapping: frozenset[int]
    rmii: frozenset[int]
    """Wired to the PHY on boards with Ethernet; none on chips without a MAC."""
    remarks: Mapping[int, str]
    uart_ports: tuple[int, ...]
    baudrate_max: int


def chip_gpios(chip: str) -> ChipGpios:
    """Return the GPIOs of a chip (any spelling of it); raises as `chips.chip` does."""
    return _gpios()[chips.chip(chip).key]


def has_in_package_flash(chip: str, module: str) -> bool:
    """Return whether the AT module's flash is inside the chip's package, which then uses other GPIOs for it."""
    names: Mapping[str, list[str]] = _data.load("gpios.yml")["in_package_flash_modules"]
    return module.casefold() in (name.casefold() for name in names.get(chips.chip(chip).key, ()))


@functools.cache
def _gpios() -> dict[str, ChipGpios]:
    return {chip: _chip_gpios(row) for chip, row in _data.load("gpios.yml")["chips"].items()}


def _chip_gpios(row: Mapping[str, Any]) -> ChipGpios:
    sets = ("exist", "input_only", "flash", "in_package_flash", "psram", "in_package_psram", "usb", "strapping", "rmii")
    return ChipGpios(
        **{name: frozenset(_numbers(row.get(name, ()))) for name in sets},
        remarks=row["remarks"],
        uart_ports=tuple(row["uart_ports"]),
        baudrate_max=row["baudrate_max"],
    )


def _numbers(parts: Iterable[int | str]) -> Iterator[int]:
    for part in parts:
        first, _, last = str(part).partition("..")
        yield from range(int(first), int(last or first) + 1)
