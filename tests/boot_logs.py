"""What modules print at their log ports, in the format of each generation of AT firmware."""

from __future__ import annotations

from typing import NamedTuple

from platformio_esp_at.demo.stand_in import BOOTLOADER, GENERATIONS, Running, firmware_lines, rom_log
from platformio_esp_at.formats.boot_log import AtPort

__all__ = ["BOOTLOADER", "GENERATIONS", "NOISE", "Says"]

NOISE = bytes.fromhex("fe80e0f8187e9ee6061818e67e8698f81ee0fe80667898e0f81e06fee07e98e6") * 4
"""What text of another speed looks like."""


class Says(NamedTuple):
    """What a module says of itself, whatever its flash has."""

    chip: str = "esp32"
    name: str = "WROOM-32"
    uart: int = 1
    pins: tuple[int, int, int, int] = (17, 16, 15, 14)
    baudrate: int = 115200
    mode: int = 1
    version: str = "v4.1.0.0-dev"

    def rom(self) -> str:
        """Return the lines of the ROM and the bootloader."""
        return rom_log(self.chip) + BOOTLOADER

    def log(self, generation: str) -> str:
        """Return a whole log."""
        return self.rom() + "".join(f"{line}\r\n" for line in self.lines(generation))

    def lines(self, generation: str) -> list[str]:
        """Return the lines of the AT firmware."""
        running = Running(self.mode, self.name, AtPort(self.uart, *self.pins, self.baudrate))
        return firmware_lines(generation, running, self.version)
