"""Pins of an AT module: whether they can work, or flash, PSRAM, USB or the board's wiring use them.

Pins are named as in the factory parameters (``uart_tx_pin``); -1: not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog import _data, chips
from platformio_esp_at.catalog.gpios import NOT_LED_OUT, UART_PINS, UNUSED, ChipGpios, chip_gpios
from platformio_esp_at.errors import EspAtError, Notice, Place, setting, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_INPUTS = {"uart_rx_pin", "uart_cts_pin"}
_ESP8266 = "esp8266"
_CHOICES = 4


class PinReport(NamedTuple):
    """Problems and warnings of pins; the fact ``parameter`` is the pin's name."""

    problems: tuple[EspAtError, ...]
    warnings: tuple[Notice, ...]


def pin_problems(
    chip: str,
    pins: Mapping[str, int],
    *,
    psram: bool,
    in_package_flash: bool,
    outside_flash: bool | None = None,
    in_package_psram: bool = False,
    usual: Mapping[str, int] | None = None,
    uart_port: int | None = None,
    used_by_board: Mapping[int, str] | None = None,
    ethernet: bool = False,
) -> PinReport:
    """Return the problems and warnings of these pins of a module.

    ``in_package_flash``, ``outside_flash``: whether the flash may be inside and outside the chip's package; None: it is
    outside if it isn't inside. ``usual``: upstream's pins for the module; an unchanged pin gives no warning, unless the
    board uses its GPIO. ``used_by_board``: what the board connects to its GPIOs. ``ethernet``: whether it may have a
    PHY, whose GPIOs are then not advised. Pins missing in ``pins`` are not checked.
    """
    found = chips.chip(chip)
    gpios = chip_gpios(found.key)
    check = _Check(
        chip=found,
        gpios=gpios,
        used={name: gpio for name, gpio in pins.items() if gpio != UNUSED},
        taken={
            **(_in_package_psram(gpios) if in_package_psram else {}),
            **(dict.fromkeys(gpios.psram, "the PSRAM") if psram else {}),
            **_flash(gpios, inside=in_package_flash, outside=outside_flash),
        },
        board=used_by_board or {},
        phy=gpios.rmii if ethernet else frozenset(),
    )
    problems = [*check.unusable(), *check.doubled()]
    if found.key == _ESP8266:
        unroutable = list(_unroutable_on_esp8266(pins))
        problems = [p for p in problems if not unroutable or p.facts["parameter"] not in UART_PINS] + unroutable
    refused = {problem.facts["parameter"] for problem in problems}
    changed = {name: gpio for name, gpio in check.used.items() if usual is None or usual.get(name) != gpio}
    risks = (
        risk for name, gpio in changed.items() if name not in refused for risk in check.risks(name, gpio, uart_port)
    )
    return PinReport(problems=tuple(problems), warnings=(*risks, *check.collisions()))


class _Check(NamedTuple):
    """The pins of one module, and the chip's GPIOs to compare them with."""

    chip: chips.Chip
    gpios: ChipGpios
    used: Mapping[str, int]
    taken: Mapping[int, str]
    """GPIOs that can't be used, with what uses them."""
    board: Mapping[int, str]
    """GPIOs that the board uses, with what it connects to them."""
    phy: frozenset[int]
    """GPIOs that an Ethernet PHY may use."""

    def unusable(self) -> Iterator[EspAtError]:
        for name, gpio in self.used.items():
            if gpio not in self.gpios.exist:
                code, message = "pin-nonexistent", f"the {self.chip.display_name} has no GPIO{gpio}"
            elif gpio in self.taken:
                code, message = "pin-taken", f"GPIO{gpio} is taken by {self.taken[gpio]}"
            elif gpio in self.gpios.input_only and name not in _INPUTS:
                code, message = "pin-input-only", f"GPIO{gpio} is input only, and {name} is an output"
            else:
                continue
            hint = self._free_choices(name, gpio)
            yield EspAtError(code, message, where=Place.at(parameter=name), hint=hint, gpio=gpio)

    def doubled(self) -> Iterator[EspAtError]:
        first: dict[int, str] = {}
        for name, gpio in self.used.items():
            if gpio in first:
                hint = self._free_choices(name, gpio)
                yield EspAtError(
                    "pin-twice",
                    f"GPIO{gpio} is {first[gpio]} already",
                    where=Place.at(parameter=name),
                    hint=hint,
                    gpio=gpio,
                    conflicts_with=(first[gpio],),
                )
            first.setdefault(gpio, name)

    def risks(self, name: str, gpio: int, uart_port: int | None) -> Iterator[Notice]:
        esp8266 = self.chip.key == _ESP8266

        def risk(code: str, message: str) -> Notice:
            hint = self._free_choices(name, gpio)
            return warning(code, message, where=Place.at(parameter=name), hint=hint, gpio=gpio)

        # A port on UART0 needs these pins. The ESP8266 has no other port, and its pins are always strapping pins.
        if gpio in self._download_pins and uart_port != 0 and not esp8266:
            yield risk("pin-of-download-port", f"GPIO{gpio} belongs to the download and log port (UART0)")
        if gpio in self.gpios.usb:
            message = f"GPIO{gpio} is a USB line: with it, the chip's own USB no longer flashes and logs"
            yield risk("pin-of-usb", message)
        if gpio in self.gpios.strapping and not esp8266:
            message = f"GPIO{gpio} is a strapping pin: its level at reset decides how the chip starts"
            yield risk("pin-strapping", message)
        if gpio in self.gpios.remarks:
            yield risk("pin-remark", f"GPIO{gpio}: {self.gpios.remarks[gpio]}")

    def collisions(self) -> Iterator[Notice]:
        met = {name: gpio for name, gpio in self.used.items() if gpio in self.board}
        if met:
            uses = (f"GPIO{gpio} ({name}) {self._use(self.board[gpio])}" for name, gpio in met.items())
            name, gpio = next(iter(met.items()))
            hint = f"choose other pins in {setting('factory_param')}; {self._free_choices(name, gpio)}"
            message = f"the board's own wiring is in the way: {', '.join(uses)}"
            yield warning("pin-of-board", message, hint=hint, parameters=tuple(met))

    @staticmethod
    def _use(use: str) -> str:
        return "isn't led out" if use == NOT_LED_OUT else f"is its {use}"

    @property
    def _download_pins(self) -> set[int]:
        return {self.chip.download_tx_pin, self.chip.download_rx_pin}

    def _free_choices(self, name: str, wanted: int) -> str:
        """Return a hint that names the nearest free GPIOs; the ESP8266's UART has fixed pins."""
        if self.chip.key == _ESP8266 and name in UART_PINS:
            return "the UART pins of the ESP8266 are TX 15 with RX 13, or TX 1 with RX 3"
        gpios = self.gpios
        awkward = {*self.taken, *self.board, *self.used.values(), *self._download_pins}
        awkward |= {*gpios.usb, *gpios.strapping, *gpios.remarks, *self.phy}
        if name not in _INPUTS:
            awkward |= gpios.input_only
        nearest = sorted(gpios.exist - awkward, key=lambda gpio: (abs(gpio - wanted), gpio))[:_CHOICES]
        return f"free on this chip, if your board doesn't use them: {', '.join(f'GPIO{gpio}' for gpio in nearest)}"


def _in_package_psram(gpios: ChipGpios) -> dict[int, str]:
    return dict.fromkeys(gpios.in_package_psram, "the PSRAM in the chip's package")


def _flash(gpios: ChipGpios, *, inside: bool, outside: bool | None) -> dict[int, str]:
    taken = dict.fromkeys(gpios.in_package_flash if inside else (), "the flash in the chip's package")
    if outside or (outside is None and not inside):
        taken |= dict.fromkeys(gpios.flash, "the SPI flash")
    return taken


def _unroutable_on_esp8266(pins: Mapping[str, int]) -> Iterator[EspAtError]:
    """Yield a problem for UART pins that the hardware doesn't have."""
    tx, rx = pins.get("uart_tx_pin", UNUSED), pins.get("uart_rx_pin", UNUSED)
    if UNUSED in (tx, rx):
        return
    routes: list[dict[str, int]] = _data.load("gpios.yml")["esp8266_uart_pins"]
    route = next((route for route in routes if (route["tx"], route["rx"]) == (tx, rx)), None)
    if route is None:
        known = " or ".join(f"TX {route['tx']} with RX {route['rx']}" for route in routes)
        yield EspAtError(
            "pin-not-routable",
            f"the ESP8266 has no UART with TX on GPIO{tx} and RX on GPIO{rx}",
            where=Place.at(parameter="uart_tx_pin"),
            hint=f"take {known}",
            conflicts_with=("uart_rx_pin",),
        )
        return
    for line in ("cts", "rts"):
        gpio = pins.get(f"uart_{line}_pin", UNUSED)
        if gpio not in (UNUSED, route[line]):
            yield EspAtError(
                "pin-not-routable",
                f"with TX on GPIO{tx} and RX on GPIO{rx}, {line.upper()} is on GPIO{route[line]}, not on GPIO{gpio}",
                where=Place.at(parameter=f"uart_{line}_pin"),
                hint=f"take {route[line]}, or -1 for no flow control",
            )
