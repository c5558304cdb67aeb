"""USB adapters that are plugged in but have no serial port, because no driver has taken them: on Linux."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from platformio_esp_at.files import listed

DEVICES = Path("/sys/bus/usb/devices")
BRLTTY = tuple(Path(folder, "udev/rules.d") for folder in ("/usr/lib", "/lib", "/etc"))
"""Where brltty, a driver of Braille displays, has its rules; it takes each CH340, which some of those have."""


class Adapter(NamedTuple):
    """A kind of USB adapter, or a chip with USB of its own."""

    name: str
    driver: str
    """The module of Linux that makes a serial port of it."""


_ADAPTERS = {
    "10c4:ea60": Adapter("CP210x", "cp210x"),
    "1a86:7523": Adapter("CH340", "ch341"),
    "1a86:5523": Adapter("CH341", "ch341"),
    "1a86:55d4": Adapter("CH9102", "cdc_acm"),
    "1a86:55d3": Adapter("CH343", "cdc_acm"),
    "0403:6001": Adapter("FT232R", "ftdi_sio"),
    "0403:6010": Adapter("FT2232", "ftdi_sio"),
    "0403:6015": Adapter("FT231X", "ftdi_sio"),
    "067b:2303": Adapter("PL2303", "pl2303"),
    "303a:1001": Adapter("ESP32 with USB of its own", "cdc_acm"),
}
"""By vendor and product. Source: the tables of these drivers in Linux, and ESP-IDF's for USB Serial/JTAG."""


def without_port(devices: Path = DEVICES) -> list[Adapter]:
    """Return the adapters that no driver has made a serial port of."""
    found = []
    for device in listed(devices):
        with suppress(OSError):
            key = ":".join((device / f"id{part}").read_text().strip() for part in ("Vendor", "Product"))
            if key in _ADAPTERS and not any(device.glob("*:*/tty*")):
                found.append(_ADAPTERS[key])
    return found


def has_brltty(rules: tuple[Path, ...] = BRLTTY) -> bool:
    """Return whether brltty is installed in a way that takes adapters."""
    return any(file.name.endswith("brltty.rules") for folder in rules for file in listed(folder))
