"""The serial ports of this computer."""

from __future__ import annotations

import os
from typing import NamedTuple

from platformio_esp_at.errors import EspAtError, FlashError, setting
from platformio_esp_at.units import UPLOAD_BAUD

MAX_BAUD = 5_000_000
"""The UARTs' limit in the datasheets of the chips, ESP32 and later; ESP8266 has less."""

ESPTOOL_PORT = "ESPTOOL_PORT"
"""esptool's environment variable for a port."""


class Port(NamedTuple):
    """A serial port on USB."""

    name: str
    product: str
    serial: str
    """The serial number of the adapter; many of a kind have the same, or none."""
    location: str
    """Where it is plugged in: bus, and the sockets on the way."""

    def __str__(self) -> str:
        facts = filter(None, (self.product, self.serial and f"serial {self.serial}", f"at USB {self.location}"))
        return f"{self.name} ({', '.join(facts)})"


def usb_ports() -> list[Port]:
    """Return the ports on USB, by name; other serial ports have no module that was just plugged in."""
    from serial.tools.list_ports import comports  # noqa: PLC0415 - only a command with a device needs it

    found = [
        Port(port.device, port.product or "", port.serial_number or "", port.location or "?")
        for port in comports()
        if port.vid is not None
    ]
    return sorted(found)


def list_ports() -> str:
    """Return the ports for a hint."""
    names = ", ".join(map(str, usb_ports()))
    return f"on USB there is {names}" if names else "no serial port is on USB: a cable without data lines, a driver?"


def find_port() -> str:
    """Return the port that a module must be on: the only one on USB. Raises `FlashError`."""
    if os.environ.get(ESPTOOL_PORT):
        return os.environ[ESPTOOL_PORT]
    ports = usb_ports()
    check_one(ports)
    if not ports:
        hint = (
            "plug it in with a cable that has data lines; install the driver of its USB adapter (CP210x, CH340); "
            f"or write its port, {setting('port', 'PORT')}"
        )
        raise FlashError("port-missing", "no module is plugged in: no serial port is on USB", hint=hint)
    return ports[0].name


def check_one(ports: list[Port]) -> None:
    """Raise `FlashError` if the module may be on any of several ports."""
    if len(ports) > 1:
        hint = "\n".join([f"write the module's, {setting('port', ports[0].name)}:", *map(str, ports)])
        raise FlashError("several-ports", f"{len(ports)} devices are plugged in, and none is named", hint=hint)


def check_port(port: str | None) -> None:
    """Raise `EspAtError` for an empty port, or one that looks like an option."""
    if port is not None and (not port or port.startswith("-")):
        raise EspAtError(
            "not-a-port",
            f"{port!r} is not a serial port",
            hint=f"write a port's name, such as {setting('port', '/dev/ttyUSB0')}; pio device list shows them",
        )


def check_baud(baud: int | None) -> None:
    """Raise `EspAtError` for a speed that no chip's UART has: esptool fails on it halfway."""
    if baud is not None and not 0 < baud <= MAX_BAUD:
        hint = f"write {setting('baud', str(UPLOAD_BAUD))}, which is usual; 115200 is the safest"
        raise EspAtError(
            "upload-speed-invalid", f"baud is {baud}, the UART of a module takes up to {MAX_BAUD}", hint=hint
        )
